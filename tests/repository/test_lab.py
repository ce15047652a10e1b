"""What experiments share: their loops are those one would write, to the bit, and say where a run diverged; words."""

import sys
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn, online, optim
from dualgrad.estimators import Backprop, ForwardGradient

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from lab import ends, epochs, final, follow, follow_episodes, grouped, in_turns, learn, longest, shortest, spread


def problem(norm):
    """A network, and 50 examples."""
    rng = dg.Rng(0)
    body = [nn.Linear(4, 6), *([nn.BatchNorm(6)] if norm else []), nn.Tanh(), nn.Linear(6, 3)]
    data = rng.normal((50, 4)), rng.integers(0, 3, (50,))
    return nn.Objective(nn.Sequential(*body), nn.cross_entropy), data


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("estimator", [Backprop(), ForwardGradient(dg.directions.LowRank(), n=2)])
def test_the_loop_is_that_of_fit(norm, estimator):
    objective, data = problem(norm)
    start = objective.model.init(rng=1, dtype=float)
    one, other = start.copy(), start.copy()
    dg.fit(
        objective, one, data, estimator=estimator, optimizer=optim.Adam(0.1), epochs=3, batch_size=8, drop_last=True,
        rng=5, progress=False,
    )  # fmt: skip
    source, rng = dg.Rng(5).spawn(2)
    batches = epochs(objective, data, 8, source, **({"train": True} if norm else {}))
    curve = learn(estimator, optim.Adam(0.1), other, batches, 18, lambda p: [float(p.vector[0])], rng=rng, points=3)
    assert np.array_equal(one.vector, other.vector)
    assert all(np.array_equal(b, other.buffers[name]) for name, b in one.buffers.items())
    assert [row[0] for row in curve] == [0, 6, 12, 18]
    assert curve[-1][2] == one.vector[0]
    assert np.all(np.diff([row[1] for row in curve]) > 0)


class Diverging(Backprop):
    """Whose seventh estimate is not finite."""

    def estimate(self, objective, params, *, rng=None):
        if self.calls == 6:
            raise dg.NonFiniteError("the loss is nan")
        self.calls += 1
        return super().estimate(objective, params, rng=rng)


def test_what_a_diverged_run_did_not_reach_is_none():
    objective, data = problem(False)
    params, estimator = objective.model.init(rng=1, dtype=float), Diverging()
    estimator.calls = 0
    curve = learn(estimator, optim.SGD(0.1), params, epochs(objective, data, 8, dg.Rng(0)), 20, points=4)
    assert [row[0] for row in curve] == [0, 5, 10, 15, 20]
    assert [row[1] is None for row in curve] == [False, False, True, True, True]
    assert spread(final([{"curve": curve}], 1)) == "diverged"


def test_a_run_goes_on_where_the_last_has_left_its_batches():
    objective, data = problem(False)
    whole, parts = (objective.model.init(rng=1, dtype=float) for _ in range(2))
    learn(Backprop(), optim.SGD(0.1), whole, epochs(objective, data, 8, dg.Rng(2)), 9)
    batches, optimizer = epochs(objective, data, 8, dg.Rng(2)), optim.SGD(0.1)
    for updates in (0, 2, 7):
        learn(Backprop(), optimizer, parts, batches, updates)
    assert np.array_equal(whole.vector, parts.vector)


LEAK = online.System(lambda s, x, w: w * s + x, lambda s, y, w: (s[..., 0] - 1) ** 2, np.zeros(1), batched=True)


def pes(params, system=LEAK):
    return online.PersistentES(4, 0.1, window=5).start(system, params, rng=3)


def test_following_a_stream_is_a_step_for_every_estimate():
    """Windows of 5 in episodes of 10, and a row after every second window."""
    one, other = np.array([0.5]), np.array([0.5])
    curve = follow(
        pes(one), optim.SGD(1e-3), lambda t: (t / 40, None, t % 10 == 9), 8, lambda w: w.tolist(), window=5, points=4
    )
    learner, optimizer, seen = pes(other), optim.SGD(1e-3), [0.5]
    for t in range(40):
        if (estimate := learner.step(t / 40, None)) is not None:
            optimizer.step(other, estimate.gradient)
        if t % 10 == 9:
            learner.reset()
            seen.append(other.item())
    assert [row[0] for row in curve] == [0, 2, 4, 6, 8]
    assert [row[2] for row in curve] == seen


def test_a_stream_that_diverges_leaves_the_rest_of_its_curve_empty():
    stream = lambda t: (np.inf if t == 25 else 1.0, None)  # noqa: E731
    with np.errstate(all="ignore"):
        curve = follow(pes(np.array([0.5])), optim.SGD(1e-3), stream, 8, lambda w: w.tolist(), window=5, points=4)
    assert [row[1] is None for row in curve] == [False, False, False, True, True]


def test_episodes_of_systems_of_their_own():
    one, other, rng, same = np.array([0.5]), np.array([0.5]), dg.Rng(3), dg.Rng(3)
    systems = [online.System(LEAK.step, LEAK.loss, np.array([k / 9]), batched=True) for k in range(1, 7)]
    curve = follow_episodes(
        online.EvolutionStrategies(4, 0.1), optim.Adam(0.05), one,
        lambda k: (systems[k - 1], iter([(0.1, None)] * 7)), 6, lambda w: w.tolist(), rng=rng, points=3,
    )  # fmt: skip
    learner, optimizer = online.EvolutionStrategies(4, 0.1), optim.Adam(0.05)
    for system in systems:
        learner.start(system, other, rng=same)
        for _ in range(7):
            assert learner.step(0.1, None) is None
        optimizer.step(other, learner.close().gradient)
    assert [row[0] for row in curve] == [0, 2, 4, 6]
    assert curve[-1][2] == one.item() == other.item()


def test_an_episode_that_diverges_ends_the_curve():
    def episode(k):
        return LEAK, iter([(np.inf if k == 3 else 0.1, None)] * 7)

    learner = online.EvolutionStrategies(4, 0.1)
    with np.errstate(all="ignore"):
        curve = follow_episodes(
            learner, optim.Adam(0.05), np.array([0.5]), episode, 4, lambda w: w.tolist(), rng=dg.Rng(0), points=4
        )
    assert [row[1] is None for row in curve] == [False, False, False, True, True]


def test_runs_are_grouped():
    runs = [
        {"by": by, "rate": rate, "curve": [[0, 0.0, 9.0], [10, seconds, 8 - rate]]}
        for by, seconds in (("A", 2.0), ("B", 4.0)) for rate in (0.1, 0.2)
    ]  # fmt: skip
    groups = grouped(runs, "by")
    assert list(groups) == ["A", "B"]
    assert list(grouped(runs, "by", "rate")) == [("A", 0.1), ("A", 0.2), ("B", 0.1), ("B", 0.2)]
    assert shortest(groups.values()) == 2.0
    np.testing.assert_allclose(final(groups["B"], 2, 2.0), [8.45, 8.4])
    lost = {"curve": [[0, 0.0, 9.0], [10, 3.0, 8.0], [20, None, None]]}
    assert np.isnan(final([lost], 2, 2.0)).all()


def test_runs_of_one_length_are_those_of_which_most_cases_are_and_then_the_longer():
    def runs(updates, *methods):
        return [{"updates": updates, "method": m, "seed": seed} for m in methods for seed in range(2)]

    short, half, whole = runs(10, "a", "b"), runs(1000, "a"), runs(100, "a", "b")
    assert longest(short + half, "method") == short
    assert longest(short + half + whole, "method") == whole
    assert longest(half, "method") == half


def test_ends_stand_one_beside_the_other():
    groups = [[{"curve": [[1, 2.0, 0.5], [2, 4.0, 1.5]]}, {"curve": [[1, 1.0, 0.5], [2, 3.0, 2.5]]}], []]
    assert ends(groups) == "2, nan"
    assert ends(groups, seconds=3.0) == "1.75, nan"


def test_a_spread_is_the_interval_of_the_mean():
    """Student's t of 2 degrees of freedom is 4.303 at 97.5 %."""
    assert spread(np.array([1.0, 2.0, 3.0])) == f"2.000 ± {4.30265 / 3**0.5:.3f}"
    assert spread(np.array([2.0])) == "2.000"
    assert spread(np.array([1.0, 1.0, np.nan])) == "1.000 ± 0.000 (1 of 3 diverged)"


def test_calls_are_timed_in_turns():
    order = []
    seconds = in_turns([lambda: order.append(0), lambda: order.append(1)], 3)
    assert order == [0, 1] * 3
    assert seconds.shape == (3, 2)
    assert np.all(seconds >= 0)
