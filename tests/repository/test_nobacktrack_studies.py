"""Studies of NoBackTrack: literal norms are equations of Appendix B, and runs turn the claims that they must turn."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import influence_balancing
import invariant_norms
import leaky_variance
import text_prediction
import texts_found
from lab.studies import key
from lab.verdicts import FAILS, HOLDS, OPEN

from dualgrad import nn, online, optim


def test_literal_norms_are_equations_62_to_64():
    rng = np.random.default_rng(0)
    net = online.Network(nn.LeakyRNNCell(2, 3, leak=0.5), nn.Linear(3, 2), nn.cross_entropy)
    params, kalman = net.init(rng=0, dtype=np.float64), optim.KalmanQDOP(prior=3.0)
    learner = invariant_norms.LiteralNorms(metric=kalman).start(net, params, rng=0)
    for _ in range(6):
        kalman.step(params, learner.step(rng.normal(size=2), 1).gradient)
    memory, T = learner._last
    v, w, D = memory["v"][0], learner._padded(memory["w"])[0], learner._own_rows(T, memory["w"])
    assert np.all(v != 0)

    def norm(row):
        """√(wᵀ J⁻¹ w) (eq. 59)."""
        return float(kalman.norms(row[None], params)[0])

    J_h = np.array([1 / norm(row) ** 2 for row in np.outer(v, w) + D])
    (rho, one), (rho_i, one_i) = learner._invariant_scales(memory | learner._spread(memory, T), T)
    np.testing.assert_allclose(rho, norm(w) ** 0.5 / np.sum(J_h * v**2) ** 0.25)
    np.testing.assert_allclose(rho_i, [norm(row) ** 0.5 / j**0.25 for row, j in zip(D, J_h, strict=True)])
    np.testing.assert_allclose(np.append(rho * one, rho_i * one_i), 1)


def planted(study, ends, noise=0.01, seconds=lambda run: 1.0):
    """The study's runs, each with the points of a curve that ``ends(settings)`` says; some noise for each seed."""
    done = {}
    for row in study.rows:
        for run in study.plan(row, {}):
            *middle, last = ends(run)
            last = [None if x is None else x * (1 + noise * run["seed"]) for x in last]
            settings = {k: v for k, v in run.items() if k != "seed"}
            count = run[study.clock]
            curve = [*middle, [count, seconds(run), *last]]
            done[key(run)] = run | {"settings": settings, "clock": study.clock, "curve": curve}
    return study.found(done)


def words(study, ends, *how, **more):
    return [claim.verdict.word for claim in study.claims(planted(study, ends, *how, **more))]


INFLUENCE, BY_PES = influence_balancing.STUDIES
FELL, ROSE = [1e-20, 0.0, -20.0], [100.0, 0.0, 2.0]


def test_claims_of_influence_balancing():
    def as_found(run):
        late = {"TBPTT(100)": [1e-9, 0.0, -9.0]}.get(run["learner"], FELL)
        late = ROSE if run["learner"] in influence_balancing.WRONG else late
        return [[0, 0.0, 8.0, 0.5, 0.9], late]

    def contrary(run):
        return [[0, 0.0, 8.0, 0.5, 0.9], FELL if run["learner"] in influence_balancing.WRONG else ROSE]

    def diverging(run):
        return [[0, 0.0, 8.0, 0.5, 0.9], [None] * 3]

    found = words(INFLUENCE, as_found, noise=0.0)
    assert found == [HOLDS] * 5 + [FAILS] + [HOLDS] * 6
    turned = words(INFLUENCE, contrary, noise=0.0)
    assert [turned[k] for k in (1, 3, 6, 8, 10, 11)] == [FAILS] * 6
    assert words(INFLUENCE, diverging)[5] == HOLDS
    assert words(BY_PES, lambda run: [[0, 0.0, 8.0, 0.5, 0.9], ROSE if "trunc" in run["learner"] else
                 [1e-9, 0, -9.0] if run["learner"] == "PES(100)" else FELL]) == [HOLDS] * 3  # fmt: skip
    assert words(BY_PES, lambda run: [[0, 0.0, 8.0, 0.5, 0.9], FELL if "trunc" in run["learner"] else
                 ROSE if run["learner"] == "PES(1000)" else FELL]) == [FAILS] * 3  # fmt: skip
    for level, word in ((None, HOLDS), (1.0, HOLDS), (0.0, FAILS)):  # it fails if it diverges, or ends above the start
        found = words(BY_PES, lambda run, end=level: [[0, 0.0, 8.0, 0.5, 0.9], [end] * 3])
        assert found[0] == word


@pytest.mark.parametrize("study", [INFLUENCE, BY_PES, *leaky_variance.STUDIES, *invariant_norms.STUDIES,
                                   *text_prediction.STUDIES])  # fmt: skip
def test_claims_are_made_of_what_there_is(study):
    """None of runs that are missing, and the tables of those that are there."""
    runs = planted(study, lambda run: [[1, 0.0, *[1.0] * 3], [1.0] * 3])
    for some in (runs[:1], runs[-1:], runs[::3]):
        assert list(study.tables(some))
        assert all(claim.row("")[5] for claim in study.claims(some))
    assert OPEN in {claim.verdict.word for claim in study.claims(runs[-1:])}


def test_claims_of_the_leaky_integrator():
    study, _ = leaky_variance.STUDIES

    def growing(by):
        def ends(run):
            t, kind = run["steps"], run["kind"]
            exact = [leaky_variance.theory(kind, n, 0.9) if kind != "Gaussian trick" else 1.0 for n in (t // 2, t)]
            return [[t // 2, 0.5, exact[0]], [exact[1] * by]]

        return ends

    assert words(study, growing(1.0), noise=0.001) == [HOLDS] * 4
    assert words(study, growing(1.5), noise=0.001) == [FAILS] * 4


def test_claims_of_the_limit_of_short_steps():
    _, study = leaky_variance.STUDIES

    def measured(run, off):
        return [
            [
                np.log10(size) + off * (run["steps"] == 1000)
                for size in leaky_variance.euler_size(run["kind"], run["steps"])
            ]
        ]

    for off, word in ((0.0, HOLDS), (-0.1, FAILS), (0.1, FAILS)):
        assert words(study, functools.partial(measured, off=off), noise=0.001) == [word] * 4


def test_claims_of_literal_norms():
    (study,) = invariant_norms.STUDIES

    def ends(run, away):
        size = 15.0 if run["norms"] == away and run["text"] == "anbn" else 2.0
        return [[1, 0.0, 0.0, 0.0, 0.0], [0.5, 0.5, size]]

    assert words(study, lambda run: ends(run, invariant_norms.LITERAL)) == [HOLDS, HOLDS, FAILS, HOLDS]
    assert words(study, lambda run: ends(run, invariant_norms.KEPT)) == [HOLDS, HOLDS, HOLDS, FAILS]

    def lost(run):
        """Early in the run it is large, and then no number."""
        return [[1, 0.0, 0.0, 0.0, 15.0], [None] * 3] if run["norms"] == invariant_norms.LITERAL else ends(run, "")

    assert words(study, lost)[2] == FAILS


MUSIC, ANBN, ENGLISH = text_prediction.STUDIES
PLAIN, SMALL, FILTER, OFTEN = (
    texts_found.WORDS[arm] for arm in (texts_found.PLAIN, texts_found.SMALL, texts_found.FILTER, texts_found.OFTEN)
)
ONE, TEN, SPECIAL = "NoBackTrack", "NoBackTrack, rank 10", texts_found.INVARIANT


def texts_planted(bits, other=None, third=None):
    """Curves level at the bits of a learner with an optimizer, or of a learner, or at ``other``; plain BPTT was at
    ``third`` in its third quarter."""

    def ends(run):
        arm = texts_found.arm_of(run) if run["cell"] else None
        level = bits.get((run["learner"], arm), bits.get(run["learner"], other))
        n, before = run["characters"], third if (run["learner"], arm) == ("BPTT(15)", PLAIN) else level
        return [[0, 0.0, 6.0], [0.2 * n, 0.2, level], [0.7 * n, 0.4, before], [level]]

    return ends


def test_claims_of_music():
    paper = {("RTRL", PLAIN): 1.1, ("BPTT(15)", PLAIN): 1.1, "BPTT(15)": 1.12, ("RTRL", FILTER): 1.13,
             ("RTRL", OFTEN): 1.19, (ONE, PLAIN): 1.4, (TEN, PLAIN): 1.3, ("NoBackTrack, rank 2", PLAIN): 1.3,
             SPECIAL: 1.1, "context tree weighting": 0.9}  # fmt: skip
    turned = {("RTRL", SMALL): 1.1, ("RTRL", OFTEN): 1.0, (TEN, OFTEN): 1.1, "BPTT(15)": 1.3, SPECIAL: 1.3,
              ("BPTT(15)", PLAIN): 1.3, "context tree weighting": 1.05}  # fmt: skip
    slow = {"noise": 0.001, "seconds": lambda run: 20.0 if run["learner"] == "RTRL" else 1.0}
    assert set(words(MUSIC, texts_planted(paper, 1.2, 1.1), **slow)) == {HOLDS}
    assert set(words(MUSIC, texts_planted(turned, 1.2, 1.3), noise=0.001)) == {FAILS}
    lost = words(MUSIC, texts_planted(turned | {(ONE, PLAIN): None}, 1.2, 1.3), noise=0.001)
    assert lost[:3] == [HOLDS, FAILS, FAILS]
    assert lost[-1] == FAILS  # as another network is ahead of the trees


def test_claims_of_anbn():
    paper = {"RTRL": 0.15, SPECIAL: 0.14, "BPTT(15)": 0.28}
    turned = {("RTRL", OFTEN): 0.35, "BPTT(15)": 0.2, SPECIAL: 0.35}
    assert set(words(ANBN, texts_planted(paper, 0.18, 0.27), noise=0.001)) == {HOLDS}
    assert set(words(ANBN, texts_planted(turned, 0.3, 0.21), noise=0.001)) == {FAILS}
    late = texts_planted(paper | {(ONE, OFTEN): 0.18}, 0.18, 0.27)

    def slow_to_learn(run):
        """Behind at the time at which BPTT was done, and ahead in the end."""
        first, early, third, last = late(run)
        return (
            [first, [*early[:2], 0.4], [*third[:2], 0.4], last]
            if run["learner"] == ONE
            else [first, early, third, last]
        )

    found = words(ANBN, slow_to_learn, noise=0.001, seconds=lambda run: 0.3 if run["learner"] == "BPTT(15)" else 1.0)
    assert found[:2] == [HOLDS, FAILS]
    assert words(ANBN, texts_planted(paper | {"BPTT(15)": 0.5}, 0.18, 0.49), noise=0.001)[3] == FAILS


def test_claims_of_english():
    paper, turned = (
        {SPECIAL: 2.4, "context tree weighting": 2.2},
        {ONE: 2.7, SPECIAL: 2.8, "context tree weighting": 2.6},
    )
    assert set(words(ENGLISH, texts_planted(paper, 2.5, 2.5), noise=0.001)) == {HOLDS}
    assert set(words(ENGLISH, texts_planted(turned, 2.5, 2.5), noise=0.001)) == {FAILS}


def test_the_last_quarter_is_that_of_what_was_read():
    """Up to an end, so many characters, or so many seconds; of a run that diverged before that, no number."""
    curve = np.array([[25_000 * k, 2.0 * k, float(k)] for k in range(41)])
    assert texts_found.quarter(curve) == np.mean(range(31, 41))
    assert texts_found.rise(curve) == 10
    assert texts_found.quarter(curve, characters=300_000) == texts_found.quarter(curve, seconds=25.0) == 11
    curve[20:, 1:] = np.nan
    assert np.isnan(texts_found.quarter(curve))
    assert texts_found.quarter(curve, characters=300_000) == texts_found.quarter(curve, seconds=25.0) == 11
    assert np.isnan(texts_found.quarter(curve, seconds=60.0))
