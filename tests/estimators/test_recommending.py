"""recommend: what it measures is what theory says, its verdict follows from the rows, and it leaves things alone."""

import time
import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import estimators, nn
from dualgrad.estimators import Trial

H = np.diag([1.0, 2.0, 5.0, 10.0])


def quadratic(w):
    return w @ H @ w / 2


class Fixed:
    """An estimate of one's own choice."""

    draws = False

    def __init__(self, v):
        self.v, self.calls = v, 0

    def __repr__(self):
        return f"Fixed({self.v.tolist()})"

    def estimate(self, objective, params, *, rng=None):
        self.calls += 1
        return estimators.Estimate(objective(params), self.v)


def recommended(v):
    (row,) = estimators.recommend(quadratic, np.ones(4), 0.2, candidates=[Fixed(np.asarray(v, float))]).rows
    return row


@pytest.mark.parametrize("v", [[1, 2, 5, 10], [1, 0, 0, 0], [1, 1, 1, 1], [3, -1, 2, 1], [1e-6, 0, 1e-6, 0]])
def test_what_a_step_brings_is_the_closed_form_of_a_quadratic_loss(v):
    g, v = H @ np.ones(4), np.asarray(v, float)
    row, best = recommended(v), (g @ g) ** 2 / (g @ H @ g) / 2
    assert row.cosine == pytest.approx(g @ v / np.linalg.norm(g) / np.linalg.norm(v), rel=1e-9)
    assert row.decrease == pytest.approx((g @ v) ** 2 / (v @ H @ v) / 2, rel=1e-6)
    assert row.effectiveness == pytest.approx(row.decrease / best, rel=1e-6)


@pytest.mark.parametrize("v", [[-1, -2, -5, -10], [0, 0, 0, 0]])
def test_what_does_not_descend_brings_nothing(v):
    row = recommended(v)
    assert row.decrease == row.effectiveness == 0
    assert row.cosine <= 0


def test_a_network_whose_gradient_is_exact():
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    rng = np.random.default_rng(0)
    batch = nn.Objective(model, nn.cross_entropy).bind(rng.normal(size=(16, 4)), rng.integers(0, 3, 16))
    params, stream = model.init(rng=0), dg.Rng(5)
    before, place = params.vector.copy(), stream.state_dict()
    first, second = (estimators.recommend(batch, params, 30.0, rng=stream) for _ in range(2))
    assert np.array_equal(params.vector, before)
    assert stream.state_dict() == place
    assert not tracemalloc.is_tracing()
    found = {row.estimator: row for row in first.rows}
    again = {row.estimator: row for row in second.rows}
    for name, row in found.items():
        assert row.unsuitable is None
        told = (row.cosine, row.decrease, row.error, row.effectiveness, row.samples)
        other = again[name]
        assert told == (other.cosine, other.decrease, other.error, other.effectiveness, other.samples)
        assert row.memory > 0
    exact, p = found["Backprop()"], params.size
    assert (exact.samples, exact.error, exact.transposed) == (1, 0, True)
    assert exact.cosine == pytest.approx(1, rel=1e-5)
    assert exact.effectiveness == pytest.approx(1)
    for n in (4, 16):
        row = found[f"ForwardGradient(directions=LowRank(), n={n})"]
        assert row.cosine == pytest.approx(np.sqrt(n / (n + p)), rel=0.35)
    words, html = str(first), first._repr_html_()
    assert first.verdict in words
    assert all(name in words for name in found)
    assert html.count("<tr>") == 1 + len(found)


def test_without_the_gradient_of_many_parameters_slopes_stand_for_it():
    p = 600
    target = np.random.default_rng(0).normal(size=p)
    found = estimators.recommend(
        lambda w: np.sum((w - target) ** 2), np.zeros(p), 0.5, candidates=[Fixed(-target), Fixed(target)]
    )
    up, down = sorted(found.rows, key=lambda row: row.cosine)
    assert down.cosine == pytest.approx(1, abs=0.2)
    assert up.cosine == pytest.approx(-down.cosine)
    assert down.decrease == pytest.approx(target @ target, rel=1e-6)
    assert down.effectiveness is None
    assert "128 slopes" in found.gradient


def test_candidates_are_copied_and_what_does_not_suit_is_told_with_its_reason():
    own = Fixed(np.ones(4))
    found = estimators.recommend(quadratic, np.ones(4), 0.2, candidates=[own, estimators.TruncatedBPTT(3)])
    assert own.calls == 0
    assert "TruncatedBPTT(3)" in found.rows[-1].unsuitable
    assert found.rows[-1].unsuitable in str(found)


@pytest.mark.parametrize("batch_first", [False, True])
def test_recurrent_networks_are_cut_at_a_quarter_of_their_time(batch_first):
    model, shape = (
        nn.Sequential(nn.RNN(2, 3, batch_first=batch_first), nn.Linear(3, 1)),
        (4, 8) if batch_first else (8, 4),
    )
    batch = nn.Objective(model, nn.mse).bind(np.ones((*shape, 2)), np.ones((*shape, 1)))
    rows = estimators.recommend(batch, model.init(rng=0), 1.0).rows
    assert any(row.estimator.startswith("Dodge(TruncatedBPTT(2)") and row.transposed for row in rows)


def test_it_keeps_to_its_time_and_says_for_what_there_was_none():
    def slow(w):
        time.sleep(0.02)
        return quadratic(w)

    start = time.perf_counter()
    found = estimators.recommend(slow, np.ones(4), 0.3)
    assert time.perf_counter() - start < 3
    assert any("time was over" in (row.unsuitable or "") or row.samples < 16 for row in found.rows)


def test_a_trace_of_memory_that_runs_goes_on():
    tracemalloc.start()
    try:
        recommended(np.ones(4))
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("seconds", [0, -1, np.nan, "2"])
def test_nonsense_is_refused(seconds):
    with pytest.raises((TypeError, ValueError), match="seconds"):
        estimators.recommend(quadratic, np.ones(4), seconds)


def test_a_gradient_of_zero_is_refused():
    with pytest.raises(ValueError, match="gradient is zero"):
        estimators.recommend(quadratic, np.zeros(4))


# ---------------------------------------------------------------------- the verdict


def verdict(*rows):
    return estimators.Recommendation(rows, "").verdict


A = Trial("A()", decrease=1.0, milliseconds=1.0, quartiles=(0.9, 1.1), memory=100)
B = Trial("B()", decrease=0.5, milliseconds=1.0, quartiles=(0.9, 1.1), memory=50)
EXACT = Trial("Exact()", decrease=9.0, milliseconds=3.0, quartiles=(2.9, 3.1), memory=500, transposed=True)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((A, B), "Take A(): it brings 2 times as much loss per second as B()"),
        ((A, Trial("B()", decrease=4.0, milliseconds=1.0)), "Take B(): it brings 4 times"),  # a longer decrease
        ((A, Trial("B()", decrease=0.5, milliseconds=0.1)), "Take B(): it brings 5 times"),  # a shorter time
        ((A, Trial("B()", decrease=0.5, milliseconds=1.0, error=0.3)), "Not settled between A() and B()"),
        ((A, Trial("B()", decrease=0.5, milliseconds=1.0, quartiles=(0.5, 2.0))), "Not settled between A() and B()"),
        ((A, Trial("B()", decrease=1.0, milliseconds=1.0)), "the least memory, B()"),
        ((Trial("A()", decrease=1.0, milliseconds=1.0, error=0.6), B), "within its own error of nothing"),
        ((A, Trial("B()", unsuitable="no")), "Take A(): nothing else lowered the loss"),
        ((Trial("B()", unsuitable="no"),), "Take none"),
        ((Trial("B()", milliseconds=1.0),), "Take none"),
        ((A, B, EXACT), "Take Exact(): it brings 3 times as much loss per second as A()"),
        ((A, B, EXACT), "Without a backward pass: take A(): it brings 2 times"),
        ((EXACT,), "Take Exact(): nothing else"),
    ],
)
def test_the_verdict_turns_with_the_rows(rows, words):
    assert words in verdict(*rows)
    assert words in verdict(*reversed(rows))
