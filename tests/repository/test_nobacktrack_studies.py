"""Studies of NoBackTrack: literal norms are equations of Appendix B, and runs turn the claims that they must turn."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import influence_balancing
import invariant_norms
import leaky_variance
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


def planted(study, ends, noise=0.01):
    """The study's runs, each with a curve of two points that ``ends(settings)`` says; some noise for each seed."""
    done = {}
    for row in study.rows:
        for run in study.plan(row, {}):
            *middle, last = ends(run)
            last = [None if x is None else x * (1 + noise * run["seed"]) for x in last]
            settings = {k: v for k, v in run.items() if k != "seed"}
            count = run[study.clock]
            curve = [*middle, [count, 1.0, *last]]
            done[key(run)] = run | {"settings": settings, "clock": study.clock, "curve": curve}
    return study.found(done)


def words(study, ends, noise=0.01):
    return [claim.verdict.word for claim in study.claims(planted(study, ends, noise))]


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


@pytest.mark.parametrize("study", [INFLUENCE, BY_PES, *leaky_variance.STUDIES, *invariant_norms.STUDIES])
def test_claims_are_made_of_what_there_is(study):
    """None of runs that are missing, and the tables of those that are there."""
    runs = planted(study, lambda run: [[1, 0.0, *[1.0] * 3], [1.0] * 3])
    for some in (runs[:1], runs[-1:], runs[::3]):
        assert list(study.tables(some))
        assert all(claim.row("")[5] for claim in study.claims(some))
    assert OPEN in {claim.verdict.word for claim in study.claims(runs[-1:])}


def test_claims_of_the_leaky_integrator():
    (study,) = leaky_variance.STUDIES

    def growing(by):
        def ends(run):
            t, kind = run["steps"], run["kind"]
            exact = [leaky_variance.theory(kind, n, 0.9) if kind != "Gaussian trick" else 1.0 for n in (t // 2, t)]
            return [[t // 2, 0.5, exact[0]], [exact[1] * by]]

        return ends

    assert words(study, growing(1.0), noise=0.001) == [HOLDS] * 6
    assert words(study, growing(1.5), noise=0.001)[:4] == [FAILS] * 4


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
