"""SnAp(n) of a step of one's own: what it keeps are the entries of the step's structure, from the first step on."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import online
from dualgrad.online import dynamics as dynamics_module

N, IN, STEPS = 4, 2, 6
MASK = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]], float)  # each unit sees itself and the next


def step(s, x, p):
    return np.tanh(p["w"] * MASK @ s + p["v"] @ x)


def with_a_branch(s, x, p):
    return step(s, x, p) if x[0] > 0 or s[0] > 0 else 0.5 * s


def loss(s, y, p):
    return np.sum((s - y) ** 2)


def params_and_data(seed=0):
    rng = np.random.default_rng(seed)
    params = {"w": rng.normal(size=(N, N)), "v": rng.normal(size=(N, IN))}
    return params, rng.normal(size=(STEPS, IN)), rng.normal(size=(STEPS, N))


def structure(f, params, x):
    """Where J and D can be other than zero: at states and inputs that are not."""
    rng, J, D = np.random.default_rng(1), False, False
    for _ in range(3):
        s, x = rng.uniform(0.5, 1, N), rng.uniform(0.5, 1, IN)
        J = J | (dg.jacfwd(lambda s, x=x: f(s, x, params))(s) != 0)
        blocks = dg.tree.leaves(dg.jacfwd(lambda p, s=s, x=x: f(s, x, p))(params))
        D = D | (np.concatenate([b.reshape(N, -1) for b in blocks], axis=1) != 0)
    return J, D


def masked_influence(f, n, params, xs, ys):
    """The gradients with an influence matrix that is cut to the structure of D, J D, ..., J^(n-1) D at every step."""
    J, D = structure(f, params, xs[0])
    reached = sum(np.linalg.matrix_power(J.astype(float), k) @ D for k in range(n)) > 0
    s, G, gradients = np.zeros(N), np.zeros(reached.shape), []
    for x, y in zip(xs, ys, strict=True):
        blocks = dg.tree.leaves(dg.jacfwd(lambda p: f(s, x, p))(params))  # noqa: B023
        now = np.concatenate([b.reshape(N, -1) for b in blocks], axis=1)
        G = np.where(reached, dg.jacfwd(lambda s: f(s, x, params))(s) @ G + now, 0)  # noqa: B023
        s = f(s, x, params)
        gradients.append(dg.grad(lambda s: loss(s, y, params))(s) @ G)  # noqa: B023
    return gradients


def by_learner(f, n, params, xs, ys):
    learner = online.SnAp(n).start(online.System(f, loss, np.zeros(N)), params)
    layout = dg.Layout.of(params)
    return [layout.vector(learner.step(x, y).gradient) for x, y in zip(xs, ys, strict=True)]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_structure_of_a_step_of_ones_own(n):
    data = params_and_data()
    for found, expected in zip(by_learner(step, n, *data), masked_influence(step, n, *data), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def by_data(s, x, p):
    """The first input is 0 at first: that of a step says nothing about the others."""
    return step(s, x, p) + x[0] * p["w"][0] * s[::-1]


def by_index(s, x, p):
    """An input that is an index."""
    return np.tanh(p["w"][:, x] * (s + 1))


@pytest.mark.parametrize("n", [1, 2])
def test_inputs_change_from_step_to_step(n):
    params, xs, ys = params_and_data()
    xs[0] = 0
    expected = masked_influence(by_data, n, params, xs, ys)
    np.testing.assert_allclose(by_learner(by_data, n, params, xs, ys), expected, rtol=1e-12, atol=1e-14)
    indices = [0, 1, 2, 0, 3, 1]
    reached = [np.count_nonzero(g) for g in by_learner(by_index, 1, params, indices, ys)]
    assert np.all(np.diff(reached[1:]) >= 0)  # what was once reached stays so
    assert reached[-1] == 16


def entry_by_entry(s, x, p):
    """The same structure at every step, which is not known beforehand: a list of numbers."""
    h = p["w"] * MASK @ s + p["v"] @ x
    return np.array([np.tanh(a) for a in h])


def by_turns(s, x, p):
    """One structure after the other."""
    return np.tanh(p["w"] * (MASK if x[0] > 0 else np.eye(N)) @ s + p["v"] @ x)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("f", [entry_by_entry, by_turns])
def test_it_does_not_reach_further_from_step_to_step(f, n):
    params, xs, ys = params_and_data()
    xs[:, 0] = [0.5, -1, 2, 1, -1, 0.5]
    found = by_learner(f, n, params, xs, ys)
    np.testing.assert_allclose(found, masked_influence(f, n, params, xs, ys), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2])
def test_as_a_cell_of_dualgrad(n):
    network = online.Network(dg.nn.RNNCell(IN, N), dg.nn.Linear(N, 1), dg.nn.mse)
    params = network.init(rng=0, dtype=np.float64)
    system = online.System(network.step, network.loss, np.zeros(N))
    learners = [online.SnAp(n).start(s, params) for s in (network, system)]
    _, xs, _ = params_and_data()
    for x in xs:
        one, other = (learner.step(x, np.ones(1)).gradient.vector for learner in learners)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_it_is_found_once_unless_the_step_asks_for_values(monkeypatch):
    calls, real = [], dynamics_module.sparsity
    monkeypatch.setattr(dynamics_module, "sparsity", lambda f, x, at="x": calls.append(at) or real(f, x, at))
    by_learner(step, 2, *params_and_data())
    assert calls == [None]
    calls.clear()
    by_learner(with_a_branch, 2, *params_and_data())
    assert calls == [None, "x"] * STEPS


def test_a_step_that_fails_keeps_what_was_reached():
    params, xs, ys = params_and_data()
    learner = online.SnAp(2).start(online.System(step, loss, np.zeros(N)), params)
    with pytest.raises(dg.NonFiniteError):
        learner.step(xs[0], np.full(N, np.inf))
    layout = dg.Layout.of(params)
    found = [layout.vector(learner.step(x, y).gradient) for x, y in zip(xs, ys, strict=True)]
    np.testing.assert_allclose(found, masked_influence(step, 2, params, xs, ys), rtol=1e-12, atol=1e-14)
