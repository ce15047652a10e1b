"""Networks as a state: their gradient is that of the library, side by side as one by one, and followed forward."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn

pytest.importorskip("sklearn")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from lab.inner_training import batches, cross_entropy, data, episode, errors, gradient, start


def problem(hidden, seed=0):
    return start("digits", hidden, seed), next(batches(data("digits")[0], 20, dg.Rng(seed)))


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)])
def test_loss_gradient_and_errors_are_those_of_the_library(hidden):
    weights, (x, y) = problem(hidden)
    objective = nn.Objective(nn.networks.mlp([64, *hidden, 10]), nn.cross_entropy)
    batch = next(objective.batches(x.astype(float), np.argmax(y, -1), len(x), shuffle=False))
    value, found = batch.vjp(weights)
    assert cross_entropy(weights, (x, y)) == pytest.approx(float(value), rel=1e-12)
    for name, slope in gradient(weights, (x, y)).items():
        np.testing.assert_allclose(slope, found[name], atol=1e-12)
    assert errors(weights, (x, y)) == pytest.approx(1 - nn.accuracy(objective.model(weights, x), np.argmax(y, -1)))


def test_side_by_side_is_one_by_one():
    several, (_, batch) = [problem((6, 4), seed)[0] for seed in range(3)], problem((6, 4))
    together = {name: np.stack([w[name] for w in several]) for name in several[0]}
    for function in (cross_entropy, errors):
        np.testing.assert_allclose(function(together, batch), [function(w, batch) for w in several], rtol=1e-13)
    for name, slope in gradient(together, batch).items():
        np.testing.assert_allclose(slope, [gradient(w, batch)[name] for w in several], atol=1e-14)


def test_the_gradient_is_followed_forward():
    """What a jvp of the loss is along v is the gradient there, and u·Hv is v·Hu."""
    weights, batch = problem((6, 4))
    u, v = ({name: dg.Rng(seed).normal(a.shape) for name, a in weights.items()} for seed in (1, 2))

    def inner(a, b):
        return sum(float(np.sum(a[name] * b[name])) for name in weights)

    slope = dg.jvp(lambda w: cross_entropy(w, batch), (weights,), (v,))[1]
    assert float(slope) == pytest.approx(inner(gradient(weights, batch), v), rel=1e-12)
    hu, hv = (dg.jvp(lambda w: gradient(w, batch), (weights,), (d,))[1] for d in (u, v))
    assert inner(hu, v) == pytest.approx(inner(hv, u), rel=1e-10)


@pytest.mark.parametrize("validated", [False, True])
def test_a_step_is_judged_on_what_it_has_not_seen(validated):
    """On the next batch, epoch after epoch; or on images to validate on."""
    steps = list(episode("digits", 500, 7, dg.Rng(0), validated))
    assert [t for (t, _), _ in steps] == list(range(7))
    assert (
        all(len(seen[0]) == len(judge[0]) for (_, seen), judge in steps) is not validated or len(steps[0][1][0]) == 360
    )
    for ((_, _), judge), ((_, seen), _) in itertools.pairwise(steps):
        assert np.array_equal(judge[0], seen[0]) is not validated
