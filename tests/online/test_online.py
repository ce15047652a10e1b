"""Online estimators: exact ones agree with each other, random ones have the mean of RTRL, all of them fail cleanly."""

import gc
import itertools
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dualgrad as dg
from dualgrad import directions, nn, online, optim, testing
from dualgrad.testing import strategies
from tests.support.checks import close

CELLS = {
    "RNN": nn.RNNCell(3, 2),
    "RNN, relu": nn.RNNCell(3, 2, nonlinearity="relu"),
    "LeakyRNN": nn.LeakyRNNCell(3, 2, leak=0.7),
    "LeakyRNN, learned leak": nn.LeakyRNNCell(3, 2, leak="learned"),
    "GRU": nn.GRUCell(3, 2),
    "LSTM": nn.LSTMCell(3, 2),
    "three layers": [nn.LeakyRNNCell(3, 2), nn.LSTMCell(2, 3), nn.GRUCell(3, 2)],
}
STEPS = 5


def network(cells, streams=None, classes=4):
    top = cells[-1] if isinstance(cells, list) else cells
    return online.Network(cells, nn.Linear(top.hidden_size, classes), nn.cross_entropy, streams)


def episode(cells, streams=None, seed=1, steps=STEPS):
    """A network, parameters and data."""
    net, rng, lead = network(cells, streams), dg.Rng(seed), () if streams is None else (streams,)
    params = net.init(rng=rng, dtype=np.float64)
    params.vector[:] *= 2
    width = net.cells[0].input_size
    return net, params, rng.normal((steps, *lead, width)), rng.integers(0, 4, (steps, *lead))


def plain(net):
    """The same network as any user's system, without rules."""
    return online.System(net.step, net.loss, net.start(np.float64))


def ruled(net):
    """The same, with its vjp."""
    return online.System(net.step, net.loss, net.start(np.float64), vjp=net.vjp)


def last_loss(net, params, xs, ys):
    state = net.start(np.float64)
    for x in xs:
        state = net.step(state, x, params)
    return net.loss(state, ys[-1], params)


def run(estimator, net, params, xs, ys, rng=None):
    """The estimates of an episode."""
    estimator.start(net, params, rng=rng)
    return [estimator.step(x, y) for x, y in zip(xs, ys, strict=True)]


def one_hot(p):
    return online.OnlineForwardGradient(directions.Blocks(directions.Rademacher()), n=p, combine="sum")


# ---------------------------------------------------------------------- the exact ones


@pytest.mark.parametrize("streams", [None, 2])
@pytest.mark.parametrize("name", CELLS)
def test_rtrl_is_bptt_is_the_forward_jacobian(name, streams):
    net, params, xs, ys = episode(CELLS[name], streams)
    found = run(online.RTRL(), net, params, xs, ys)
    again = run(online.BPTT(), net, params, xs, ys)
    basis = run(one_hot(params.size), net, params, xs, ys, rng=0)
    for t in range(STEPS):
        exact = dg.grad(lambda p, t=t: last_loss(net, p, xs[: t + 1], ys[: t + 1]))(params)
        close(found[t].value, last_loss(net, params, xs[: t + 1], ys[: t + 1]), 1e-12)
        for estimate in (found[t], again[t], basis[t]):
            close(estimate.gradient.vector, exact.vector, 1e-10)


@pytest.mark.parametrize("kind", [plain, ruled])
@pytest.mark.parametrize("name", CELLS)
def test_any_system_has_the_gradients_of_the_network_it_is(name, kind):
    net, params, xs, ys = episode(CELLS[name])
    exact = [e.gradient.vector for e in run(online.RTRL(), net, params, xs, ys)]
    for estimator in (online.RTRL(), online.BPTT(), one_hot(params.size), online.SnAp(STEPS)):
        for found, g in zip(run(estimator, kind(net), params, xs, ys, rng=0), exact, strict=True):
            close(found.gradient.vector, g, 1e-10)
    window = run(online.TruncatedBPTT(STEPS), kind(net), params, xs, ys)
    assert window[:-1] == [None] * (STEPS - 1)
    close(window[-1].gradient.vector, sum(exact), 1e-10)


@given(strategies.systems())
def test_rtrl_on_random_systems_with_parameters_in_a_dict(dynamics):
    found = run(online.RTRL(), dynamics.system, dynamics.params, dynamics.xs, dynamics.ys)
    exact = dg.grad(dynamics.total_loss)(dynamics.params)
    for name, g in exact.items():
        close(sum(e.gradient[name] for e in found), g, 1e-10)


def test_a_loss_may_depend_on_the_parameters_directly():
    system = online.System(lambda s, x, p: p["a"] * s + x, lambda s, y, p: np.sum(p["b"] * s**2), np.ones(1))
    params = {"a": np.array([0.5]), "b": np.array([3.0])}
    (found,) = run(online.RTRL(), system, params, [1.0], [None])
    close(found.gradient["a"], np.array([9.0]), 1e-12)  # s = 1.5: 2 b s s0
    close(found.gradient["b"], np.array([2.25]), 1e-12)


def test_gradients_are_those_along_the_parameters_that_were_taken():
    net, params, xs, ys = episode(CELLS["LSTM"])
    copies = [params.copy(), params.copy()]
    estimators = [online.RTRL().start(net, copies[0]), online.BPTT().start(net, copies[1])]
    for x, y in zip(xs, ys, strict=True):
        found = [e.step(x, y).gradient for e in estimators]
        close(found[0].vector, found[1].vector, 1e-10)
        for p, g in zip(copies, found, strict=True):
            optim.SGD(0.5).step(p, g)


def test_a_window_is_cut_off_from_what_was_before():
    net, params, xs, ys = episode(CELLS["GRU"], steps=6)
    windows = [e for e in run(online.TruncatedBPTT(3), net, params, xs, ys) if e is not None]
    state = net.start(np.float64)
    for found, at in zip(windows, (0, 3), strict=True):

        def loss(p, state=state, at=at):
            total = 0.0
            for x, y in zip(xs[at : at + 3], ys[at : at + 3], strict=True):
                state = net.step(state, x, p)
                total = total + net.loss(state, y, p)
            return total

        close(found.gradient.vector, dg.grad(loss)(params).vector, 1e-10)
        close(found.value, loss(params), 1e-12)
        for x in xs[at : at + 3]:
            state = net.step(state, x, params)


# ---------------------------------------------------------------------- unbiased, exactly


def small(cell):
    """Four steps of a network with weights large enough for its past to matter."""
    net, params, xs, ys = episode(cell, steps=4, seed=5)
    params.vector[:] *= 2
    return net, params, xs, ys


SMALL = {"RNN": nn.RNNCell(1, 2), "LeakyRNN": nn.LeakyRNNCell(1, 2, leak=0.7), "LSTM": nn.LSTMCell(1, 1)}
UNBIASED = {
    "NoBackTrack": lambda: online.NoBackTrack(),
    "NoBackTrack, rank 2": lambda: online.NoBackTrack(2),
    "NoBackTrack, rank 2, split": lambda: online.NoBackTrack(2, split=True),
    "NoBackTrack, not rescaled": lambda: online.NoBackTrack(rescale=False),
    "UORO": lambda: online.UORO(),
    "KF-RTRL": lambda: online.KroneckerRTRL(),
}


class Idle:
    """Draws that are always the same: for a step after which nothing is asked."""

    def signs(self, shape, *, dtype=np.float64, like=None):
        return np.ones(shape, dtype)

    normal = signs

    def permutation(self, n):
        return np.arange(n)

    def place(self):
        return None

    def rewind(self, place):
        pass


def estimate_at_the_end(estimator, net, params, xs, ys, rng):
    """The gradient of the last step; what is drawn after it is not worth enumerating."""
    estimator.start(net, params, rng=rng)
    for t, (x, y) in enumerate(zip(xs, ys, strict=True)):
        if t == len(xs) - 1 and isinstance(estimator, online.NoBackTrack):
            estimator.rng = Idle()
        found = estimator.step(x, y)
    return found.gradient.vector


def total_variance(estimator, *data):
    return np.trace(testing.exact_moments(lambda rng: estimate_at_the_end(estimator, *data, rng)).covariance)


def of_rank_two(cell, estimator):
    """A case of thousands of outcomes, which one cell shows every day and the others with --full."""
    is_long = "rank 2" in estimator and (cell != "RNN" or "split" in estimator)
    return pytest.param(cell, estimator, marks=pytest.mark.slow if is_long else ())


@pytest.mark.parametrize(("cell", "estimator"), [of_rank_two(c, e) for c in SMALL for e in UNBIASED])
def test_unbiased_over_all_signs(cell, estimator):
    net, params, xs, ys = small(SMALL[cell])
    exact = run(online.RTRL(), net, params, xs, ys)[-1].gradient.vector
    moments = testing.exact_moments(lambda rng: estimate_at_the_end(UNBIASED[estimator](), net, params, xs, ys, rng))
    close(moments.mean, exact, 1e-10)
    assert np.max(np.diag(moments.covariance)) > 1e-10, "nothing was drawn"


@pytest.mark.parametrize(
    ("estimator", "cell"),
    [
        *itertools.product(["NoBackTrack", "UORO"], ["GRU", "three layers"]),
        ("KF-RTRL", "three layers"),
        pytest.param("KF-RTRL", "GRU", marks=pytest.mark.slow),  # every day above, on an LSTM of four steps
    ],
)
def test_unbiased_on_gates_and_stacks(cell, estimator):
    cells = [nn.LeakyRNNCell(2, 1), nn.RNNCell(1, 1)] if cell == "three layers" else nn.GRUCell(2, 1)
    net, params, xs, ys = episode(cells, steps=3, seed=5)
    exact = run(online.RTRL(), net, params, xs, ys)[-1].gradient.vector
    moments = testing.exact_moments(lambda rng: estimate_at_the_end(UNBIASED[estimator](), net, params, xs, ys, rng))
    close(moments.mean, exact, 1e-10)


@pytest.mark.parametrize("estimator", ["NoBackTrack", "UORO"])
def test_unbiased_on_systems_without_rules(estimator):
    system = online.System(
        lambda s, x, p: np.tanh(p["W"] @ s + x), lambda s, y, p: np.sum((s - y) ** 2), np.array([0.3, -0.2])
    )
    params, xs, ys = {"W": np.array([[0.5, -1.0], [0.7, 0.4]])}, np.ones((2, 2)) * 0.2, np.zeros((2, 2))
    exact = run(online.RTRL(), system, params, xs, ys)[-1].gradient["W"]

    def last(rng):
        return run(UNBIASED[estimator](), system, params, xs, ys, rng=rng)[-1].gradient["W"]

    close(testing.exact_moments(last).mean.reshape(2, 2), exact, 1e-10)


def test_the_gaussian_trick_is_unbiased_and_noisier():
    net, params, xs, ys = episode(nn.RNNCell(2, 1), steps=3, seed=5)
    exact = run(online.RTRL(), net, params, xs, ys)[-1].gradient.vector
    found = {
        noise: testing.exact_moments(
            lambda rng, noise=noise: estimate_at_the_end(online.NoBackTrack(noise=noise), net, params, xs, ys, rng)
        )
        for noise in ("signs", "gaussian")
    }
    for moments in found.values():
        close(moments.mean, exact, 1e-10)
    signs, normals = (np.trace(found[noise].covariance) for noise in ("signs", "gaussian"))
    assert normals > 2 * signs


def test_unbiased_in_the_metric_of_a_filter():
    net, params, xs, ys = episode(nn.RNNCell(2, 1), steps=4, seed=5)
    kalman = optim.KalmanQDOP(prior=1.0)
    kalman.step(params, run(online.RTRL(), net, params, xs, ys)[-1].gradient)
    exact = run(online.RTRL(), net, params, xs, ys)[-1].gradient.vector
    moments = testing.exact_moments(
        lambda rng: estimate_at_the_end(online.NoBackTrack(metric=kalman), net, params, xs, ys, rng)
    )
    close(moments.mean, exact, 1e-10)


def test_directions_of_an_episode_are_unbiased():
    net, params, xs, ys = episode(nn.RNNCell(1, 1), steps=3, seed=5)
    exact = run(online.RTRL(), net, params, xs, ys)[-1].gradient.vector
    estimator = online.OnlineForwardGradient(directions.Rademacher())
    moments = testing.exact_moments(lambda rng: run(estimator, net, params, xs, ys, rng=rng)[-1].gradient.vector)
    close(moments.mean, exact, 1e-10)
    close(np.diag(moments.covariance), estimator.combined.variance(exact), 1e-10)


def test_averages_divide_the_variance_and_splitting_does_nearly_as_well():
    net, params, xs, ys = episode(nn.RNNCell(2, 2), steps=2, seed=5)

    one = total_variance(online.NoBackTrack(), net, params, xs, ys)
    two = total_variance(online.NoBackTrack(2), net, params, xs, ys)
    split = total_variance(online.NoBackTrack(2, split=True), net, params, xs, ys)
    close(two, one / 2, 1e-10)
    assert split < one


# ---------------------------------------------------------------------- the trick itself


@st.composite
def decompositions(draw):
    k, n, p = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    rng = dg.Rng(draw(st.integers(0, 2**16)))
    v, w = rng.normal((k, n)) * np.exp(rng.normal((k, 1))), rng.normal((k, p)) * np.exp(rng.normal((k, 1)))
    if draw(st.booleans()):
        w[draw(st.integers(0, k - 1))] = 0
    return v, w


@given(decompositions(), st.booleans())
def test_the_rank_one_trick_has_the_mean_and_variance_of_the_paper(terms, rescale):
    """Equations 8, 49, 54 and 58."""
    v, w = terms
    moments = testing.exact_moments(lambda rng: np.outer(*online.rank_one_trick(v, w, rng=rng, rescale=rescale)))
    close(moments.mean, (v.T @ w).ravel(), 1e-10)
    kept = v * (np.linalg.norm(w, axis=1) > 0)[:, None] if rescale else v
    total = online.rank_one_variance(kept, w, rescale=rescale)
    close(np.trace(moments.covariance), total, 1e-9)
    norms = [np.linalg.norm(a, axis=1) for a in (kept, w)]
    cross = 2 * (np.sum((v @ v.T) * (w @ w.T)) - np.sum((norms[0] * norms[1]) ** 2))
    second = (norms[0] @ norms[1]) ** 2 + cross if rescale else (norms[0] @ norms[0]) * (norms[1] @ norms[1]) + cross
    close(np.trace(moments.covariance) + np.sum((v.T @ w) ** 2), second, 1e-9)


@given(decompositions())
def test_rescaling_never_has_more_variance(terms):
    assert online.rank_one_variance(*terms) <= online.rank_one_variance(*terms, rescale=False) * (1 + 1e-12)


# ---------------------------------------------------------------------- example (28)


def leak(n, alpha):
    return online.System(lambda s, x, p: (1 - alpha) * s + p, lambda s, y, p: np.sum(s), np.zeros(n))


def variance_without(n, beta, t):
    """Var v̄ w̄ᵀ by (29) and (30): v̄ = Σ β^k ε, w̄ = Σ ε over t steps."""
    c = beta ** np.arange(1, t + 1)
    return n**2 * t * np.sum(c**2) + n * (np.sum(c) ** 2 - 2 * np.sum(c**2))


def variance_with(n, beta, t):
    """Var β u uᵀ, u ← √β u + ε (footnote 9)."""
    c = beta ** np.arange(t)
    return beta**2 * (n * (n + 1) * np.sum(c) ** 2 - 2 * n * np.sum(c**2))


@pytest.mark.parametrize(("rescale", "theory"), [(True, variance_with), (False, variance_without)])
def test_example_28_has_the_variance_of_theory(rescale, theory):
    system, params = leak(2, 0.25), np.zeros(2)

    def influence(rng):
        learner = online.NoBackTrack(rescale=rescale).start(system, params, rng=rng)
        for t in range(5):
            if t == 4:
                learner.rng = Idle()
            learner.step(None, None)
        memory, _ = learner._last
        return memory["v"].T @ memory["w"]

    moments = testing.exact_moments(influence)
    close(moments.mean.reshape(2, 2), np.eye(2) * np.sum(0.75 ** np.arange(1, 5)), 1e-10)
    close(np.trace(moments.covariance), theory(2, 0.75, 4), 1e-10)


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_rescaling_has_a_limit_in_continuous_time(steps):
    """dh/dt = θ - h by Euler's steps up to T = 1: v̄ and w̄ move by √dt, as a Wiener process, and E v̄² = E w̄² tends to
    1 - 1/e; without rescaling v̄ moves by 1 and w̄ by dt, and E v̄² grows like 1/dt."""
    dt, beta = 1 / steps, 1 - 1 / steps
    system = online.euler(lambda s, x, p: p - s, lambda s, y, p: np.sum(s), np.zeros(1), dt)

    def ends(rescale):
        def run(rng):
            learner = online.NoBackTrack(rescale=rescale).start(system, np.zeros(1), rng=rng)
            for _ in range(steps):
                learner.step(None, None)
            return np.concatenate([learner.memory["v"], learner.memory["w"]])

        return np.diag(testing.exact_moments(run).covariance)

    past = np.arange(steps)
    close(ends(True), np.full(2, dt * np.sum(beta**past)), 1e-10)
    close(ends(False), np.array([np.sum(beta ** (2 * past)), dt]), 1e-10)
    assert abs(dt * np.sum(beta**past) - (1 - np.exp(-1))) < dt / 4


# ---------------------------------------------------------------------- SnAp, KF-RTRL, candidates


@pytest.mark.parametrize("streams", [None, 2])
@pytest.mark.parametrize("name", [n for n in CELLS if n != "three layers"])
def test_snap_by_units_is_snap_by_pattern(name, streams):
    net, params, xs, ys = episode(CELLS[name], streams)

    class ByPattern(online.SnAp):
        _by_units = False

    for one, other in zip(run(online.SnAp(), net, params, xs, ys), run(ByPattern(), net, params, xs, ys), strict=True):
        close(one.gradient.vector, other.gradient.vector, 1e-10)


def test_snap_is_biased_by_what_goes_through_other_units():
    net, params, xs, ys = episode(nn.RNNCell(3, 4))
    exact, snap = (run(e, net, params, xs, ys)[-1].gradient.vector for e in (online.RTRL(), online.SnAp()))
    assert 0.001 < np.linalg.norm(snap - exact) / np.linalg.norm(exact) < 0.5
    params["0.weight_h"][...] = np.diag(np.diag(params["0.weight_h"]))  # none goes through others
    exact, snap = (run(e, net, params, xs, ys)[-1].gradient.vector for e in (online.RTRL(), online.SnAp()))
    close(snap, exact, 1e-10)


def test_kronecker_has_less_variance_than_uoro():
    net, params, xs, ys = small(nn.RNNCell(2, 2))
    kronecker, uoro = (total_variance(e, net, params, xs, ys) for e in (online.KroneckerRTRL(), online.UORO()))
    assert kronecker < uoro / 2


@pytest.mark.parametrize("name", ["LSTM", "three layers"])
def test_over_a_bound_objective_rtrl_is_backprop(name):
    layers = {"LSTM": [nn.LSTM(3, 2)], "three layers": [nn.LeakyRNN(3, 2), nn.LSTM(2, 3), nn.GRU(3, 2)]}[name]
    model, rng = nn.Sequential(*layers, nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 4)), dg.Rng(0)
    batch = nn.Objective(model, nn.cross_entropy).bind(rng.normal((5, 2, 3)), rng.integers(0, 4, (5, 2)))
    params = model.init(rng=1, dtype=np.float64)
    exact = dg.estimators.Backprop().estimate(batch, params)
    found = online.RTRL().estimate(batch, params)
    close(found.gradient.vector, exact.gradient.vector, 1e-10)
    close(found.value, exact.value, 1e-12)
    assert list(online.Network.of(model, nn.cross_entropy).shapes()) == list(params)


def test_snap_is_a_candidate_of_dodge():
    model, rng = nn.Sequential(nn.RNN(3, 2, last_only=True), nn.Linear(2, 4)), dg.Rng(0)
    batch = nn.Objective(model, nn.cross_entropy).bind(rng.normal((5, 6, 3)), rng.integers(0, 4, 6))
    params = model.init(rng=1, dtype=np.float64)
    snap = online.SnAp()
    u = snap.estimate(batch, params, rng=0).gradient.vector
    u = u / np.linalg.norm(u)
    g = dg.estimators.Backprop().estimate(batch, params).gradient.vector
    found = dg.estimators.Dodge(snap).estimate(batch, params, rng=0).gradient.vector
    close(found, (g @ u) * u, 1e-10)
    assert u @ g > 0.5 * np.linalg.norm(g)


# ---------------------------------------------------------------------- the Kalman filter


def qdop(J, units):
    """The completed matrix: of each unit A_0i A_0j / A_00 where nothing is kept."""
    full = np.diag(np.diag(J))
    for bias, weights in units:
        for i in weights:
            full[bias, i] = full[i, bias] = J[bias, i]
            for j in weights:
                if i != j:
                    full[i, j] = J[bias, i] * J[bias, j] / J[bias, bias]
    return full


def test_the_quasi_diagonal_step_is_that_of_the_completed_matrix():
    params = dg.Params({"weight": np.zeros((3, 2)), "bias": np.zeros(2), "scale": np.zeros(2)})
    units, rng = [(6, [0, 2, 4]), (7, [1, 3, 5])], dg.Rng(0)
    optimizer = optim.KalmanQDOP(prior=0.5, gamma=0.25, lr=0.7)
    A, w = np.zeros((10, 10)), np.zeros(10)
    for _ in range(4):
        g = rng.normal(10)
        A = 0.75 * A + np.outer(g, g)
        w = w - 0.7 * np.linalg.solve(qdop(A + 0.5 * np.eye(10), units), g)
        optimizer.step(params, dg.Params.from_vector(params.layout, g))
        close(params.vector, w, 1e-10)
    rows = rng.normal((3, 10))
    inverse = np.linalg.inv(qdop(A + 0.5 * np.eye(10), units))
    close(optimizer.norms(rows, params), np.sqrt(np.einsum("ki,ij,kj->k", rows, inverse, rows)), 1e-10)


def test_units_of_gates_have_biases_of_their_own():
    net = network(nn.GRUCell(3, 2))
    params = net.init(rng=0, dtype=np.float64)
    as_dict, g = dict(params.copy()), dg.Rng(1).normal(params.size)
    gradient = dg.Params.from_vector(params.layout, g)
    A = np.outer(g, g) + 3 * np.eye(params.size)
    units = []
    for side, inputs in (("x", 3), ("h", 2)):
        weights, bias = params.layout.slices[f"0.weight_{side}"], params.layout.slices[f"0.bias_{side}"]
        units += [(bias.start + i, [weights.start + j * 6 + i for j in range(inputs)]) for i in range(6)]
    weights, bias = params.layout.slices["1.weight"], params.layout.slices["1.bias"]
    units += [(bias.start + i, [weights.start + j * 4 + i for j in range(2)]) for i in range(4)]
    expected = params.vector - np.linalg.solve(qdop(A, units), g)
    optim.KalmanQDOP(prior=3.0).step(as_dict, dict(gradient))
    optim.KalmanQDOP(prior=3.0).step(params, gradient)
    close(params.vector, expected, 1e-10)
    for name, value in as_dict.items():
        close(value, params[name], 1e-15)


def test_the_exact_fisher_matrix_of_softmax():
    net, params, xs, ys = episode(CELLS["LeakyRNN"])
    for estimator in (online.RTRL(), online.NoBackTrack(2)):
        run(estimator, net, params, xs, ys, rng=0)
        rows = estimator.fisher()
        logits = net.predict(estimator.state, params)
        p = np.exp(logits) / np.sum(np.exp(logits))
        gradients = []
        for y in range(4):  # the gradient of this step, had the target been y
            again = run(estimator, net, params, xs, [*ys[:-1], y], rng=0)
            gradients.append(again[-1].gradient.vector)
        close(rows.T @ rows, np.einsum("c,ci,cj->ij", p, gradients, gradients), 1e-10)


def test_the_filter_takes_rows_in_the_place_of_the_gradient():
    params = dg.Params({"weight": np.zeros((2, 1)), "bias": np.zeros(1)})
    g, rows = dg.Params({"weight": np.ones((2, 1)), "bias": np.ones(1)}), np.array([[1.0, 0, 1], [0, 2.0, 0]])
    optim.KalmanQDOP(prior=1.0).step(params, g, fisher=rows)
    A = qdop(rows.T @ rows + np.eye(3), [(2, [0, 1])])
    close(params.vector, -np.linalg.solve(A, np.ones(3)), 1e-12)


def test_the_filter_steps_any_tree_by_its_diagonal():
    w = [np.zeros(2), np.zeros(1)]
    optim.KalmanQDOP(prior=1.0).step(w, [np.array([1.0, 3.0]), np.array([0.0])])
    close(w[0], -np.array([1 / 2, 3 / 10]), 1e-12)


def test_the_filter_refuses_and_changes_nothing():
    params = dg.Params({"weight": np.zeros((2, 1)), "bias": np.zeros(1)})
    g = dg.Params({"weight": np.ones((2, 1)), "bias": np.ones(1)})
    for wrong in ({"prior": 0.0}, {"prior": 1.0, "gamma": 2.0}, {"prior": 1.0, "gamma": -1}):
        with pytest.raises(ValueError, match="expected"):
            optim.KalmanQDOP(**wrong)
    optimizer = optim.KalmanQDOP(prior=1.0, gamma=lambda t: 2.0)
    with pytest.raises(ValueError, match=r"got .*2\.0; expected a number in \[0, 1\]"):
        optimizer.step(params, g)
    optimizer = optim.KalmanQDOP(prior=1.0)
    with pytest.raises(dg.LayoutError, match="fisher of shape"):
        optimizer.step(params, g, fisher=np.ones((2, 2)))
    with pytest.raises(dg.NonFiniteError, match="fisher"):
        optimizer.step(params, g, fisher=np.full((2, 3), np.nan))
    assert not params.vector.any()
    assert optimizer.steps == 0


def test_the_filter_is_saved(tmp_path):
    net, params, xs, ys = episode(CELLS["RNN"])
    g = run(online.RTRL(), net, params, xs, ys)
    one, other, twin = optim.KalmanQDOP(prior=2.0), optim.KalmanQDOP(prior=2.0), params.copy()
    one.step(params, g[0].gradient)
    dg.save(tmp_path / "kalman.npz", {"optimizer": one.state_dict()})
    other.step(twin, g[0].gradient)
    other = optim.KalmanQDOP(prior=2.0)
    other.load_state_dict(dg.load(tmp_path / "kalman.npz")["optimizer"])
    one.step(params, g[1].gradient)
    other.step(twin, g[1].gradient)
    assert np.array_equal(params.vector, twin.vector)


# ---------------------------------------------------------------------- precision, memory, time


EVERY = {
    **UNBIASED,
    "NoBackTrack, Gaussian": lambda: online.NoBackTrack(noise="gaussian"),
    "RTRL": online.RTRL,
    "SnAp": online.SnAp,
    "SnAp(2)": lambda: online.SnAp(2),
    "forward gradient": lambda: online.OnlineForwardGradient(directions.LowRank(), n=2),
}


@pytest.mark.parametrize("cell", ["LSTM", "three layers"])
@pytest.mark.parametrize("name", [*EVERY, "BPTT"])
def test_float32_stays_float32(name, cell):
    net, _, xs, ys = episode(CELLS[cell])
    single = net.init(rng=0)
    estimator = EVERY.get(name, online.BPTT)()
    found = run(estimator, net, single, xs.astype(np.float32), ys, rng=0)[-1]
    assert found.value.dtype == found.gradient.vector.dtype == np.float32
    for leaf in dg.tree.leaves(estimator.memory) if name != "BPTT" else ():
        assert leaf.dtype.kind != "f" or leaf.dtype == np.float32
    assert all(leaf.dtype == np.float32 for leaf in dg.tree.leaves(estimator.state))


@pytest.mark.parametrize("name", EVERY)
def test_memory_does_not_grow(name):
    net, params, xs, ys = episode(CELLS["RNN"])
    estimator = EVERY[name]().start(net, params, rng=0)

    def go(steps):
        for t in range(steps):
            estimator.step(xs[t % STEPS], ys[t % STEPS])

    go(100)
    tracemalloc.start()
    try:
        go(10)
        gc.collect()
        found = [tracemalloc.get_traced_memory()[0]]
        for _ in range(3):
            go(150)
            gc.collect()
            found.append(tracemalloc.get_traced_memory()[0])
        assert min(np.diff(found)) < 3_000  # each time, if a step keeps a number; what else goes on is seen but once
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("times", "steps"), [(20, 500), pytest.param(100, 1000, marks=pytest.mark.slow)])
def test_time_and_memory_do_not_depend_on_the_step(times, steps):
    net, params, xs, ys = episode(nn.LeakyRNNCell(3, 4, leak=0.9))
    estimator, seconds = online.NoBackTrack().start(net, params, rng=0), []
    for _ in range(times):
        started = time.process_time()  # which other work on the machine does not lengthen
        for t in range(steps):
            estimator.step(xs[t % STEPS], ys[t % STEPS])
        seconds.append(time.process_time() - started)
        if len(seconds) == 2:
            kept = sum(leaf.nbytes for leaf in dg.tree.leaves(estimator.memory))
    assert estimator.steps == times * steps
    assert np.min(seconds[-10:]) < 1.5 * np.min(seconds[:10])
    assert sum(leaf.nbytes for leaf in dg.tree.leaves(estimator.memory)) == kept


# ---------------------------------------------------------------------- saving


@pytest.mark.parametrize("name", EVERY)
def test_an_episode_goes_on_where_it_was_saved(name, tmp_path):
    net, params, xs, ys = episode(CELLS["LeakyRNN"])
    whole = [e.gradient.vector for e in run(EVERY[name](), net, params, xs, ys, rng=3)]
    first = EVERY[name]().start(net, params, rng=3)
    for t in range(2):
        first.step(xs[t], ys[t])
    dg.save(tmp_path / "episode.npz", {"learner": first.state_dict()})
    second = EVERY[name]().start(net, params, rng=4)
    second.load_state_dict(dg.load(tmp_path / "episode.npz")["learner"])
    for t in range(2, STEPS):
        assert np.array_equal(second.step(xs[t], ys[t]).gradient.vector, whole[t])


def test_a_saved_episode_of_another_system_or_estimator_is_refused():
    net, params, xs, ys = episode(CELLS["RNN"])
    learner = online.NoBackTrack().start(net, params, rng=0)
    learner.step(xs[0], ys[0])
    saved = learner.state_dict()
    other, theirs, _, _ = episode(CELLS["GRU"])
    before = online.NoBackTrack().start(other, theirs, rng=0)
    with pytest.raises(dg.LayoutError, match=r"cells\[0\]\.kind='RNNCell' \(here 'GRUCell'\)"):
        before.load_state_dict(saved)
    assert before.steps == 0
    with pytest.raises(dg.LayoutError, match=r"its estimator has rank=1 \(here 2\)"):
        online.NoBackTrack(2).start(net, params, rng=0).load_state_dict(saved)
    with pytest.raises(dg.LayoutError, match="expects a state"):
        learner.load_state_dict({"steps": 3})
    with pytest.raises(dg.LayoutError, match="other shapes"):
        learner.load_state_dict(saved | {"state": [np.zeros(7)]})
    one = online.System(lambda s, x, w: w * s, lambda s, y, w: np.sum(s), np.ones(1))
    two = online.System(lambda s, x, w: w * s, lambda s, y, w: np.sum(s), np.ones(2))
    with pytest.raises(dg.LayoutError, match=r"states=\(1,\) \(here \(2,\)\)"):
        online.RTRL().start(two, np.ones(1)).load_state_dict(online.RTRL().start(one, np.ones(1)).state_dict())


# ---------------------------------------------------------------------- bad input


def test_a_step_that_changes_the_shape_of_the_state():
    system = online.System(lambda s, x, w: np.append(s, x) * w, lambda s, y, w: np.sum(s), np.ones(2))
    learner = online.RTRL().start(system, np.ones(1))
    with pytest.raises(dg.ShapeError, match=r"shapes \[\(3,\)\]; expected those it began with, \[\(2,\)\]"):
        learner.step(1.0, None)
    assert learner.steps == 0
    assert learner.state.shape == (2,)


@pytest.mark.parametrize("estimator", [online.RTRL(), online.TruncatedBPTT(3), online.UORO()])
def test_a_loss_that_is_no_scalar(estimator):
    system = online.System(lambda s, x, w: s * w, lambda s, y, w: s, np.ones(2))
    estimator.start(system, np.ones(1), rng=0)
    with pytest.raises(dg.ShapeError, match=r"loss returned shape \(2,\); expected a scalar"):
        estimator.step(None, None)
    assert estimator.steps == 0


@pytest.mark.parametrize("name", ["RTRL", "NoBackTrack", "UORO", "forward gradient"])
def test_a_system_that_runs_away_is_named_by_its_step(name):
    system = online.System(lambda s, x, w: (w * s) ** 3, lambda s, y, w: np.sum(s), np.full(1, 3.0))
    w = np.full(1, 2.0)
    learner = (online.OnlineForwardGradient(directions.Gaussian()) if "f" == name[0] else EVERY[name]()).start(
        system, w, rng=0
    )
    error = None
    with np.errstate(all="ignore"):
        while error is None and learner.steps < 50:
            before = learner.steps, learner.state.copy()
            try:
                learner.step(None, None)
            except dg.NonFiniteError as found:
                error = str(found)
    assert f"step {before[0] + 1}: the" in error
    assert learner.steps == before[0]
    assert np.array_equal(learner.state, before[1])
    assert w == 2.0


def test_a_nan_in_the_input_names_the_step():
    net, params, xs, ys = episode(CELLS["GRU"])
    learner = online.NoBackTrack().start(net, params, rng=0)
    learner.step(xs[0], ys[0])
    kept = learner.state.copy()
    with pytest.raises(dg.NonFiniteError, match="step 2: the state is not finite"):
        learner.step(np.full(3, np.nan), ys[1])
    assert np.array_equal(learner.state, kept)
    assert learner.steps == 1
    learner.step(xs[1], ys[1])


def test_an_episode_must_not_end_inside_a_window():
    net, params, xs, ys = episode(CELLS["RNN"])
    learner = online.TruncatedBPTT(10).start(net, params)
    for x, y in zip(xs, ys, strict=True):
        assert learner.step(x, y) is None
    with pytest.raises(dg.DualgradError, match="the episode of 5 steps ends 5 steps into a window"):
        learner.reset()
    last = learner.close()
    close(last.gradient.vector, run(online.TruncatedBPTT(5), net, params, xs, ys)[-1].gradient.vector, 1e-12)
    assert learner.close() is None
    learner.reset()
    assert learner.steps == 0


def test_bad_arguments_are_named():
    net, params, xs, ys = episode(CELLS["RNN"])
    for wrong in (0, 1.5, True, "one"):
        with pytest.raises(ValueError, match="expected a positive"):
            online.NoBackTrack(wrong)
        with pytest.raises(ValueError, match="expected a positive"):
            online.TruncatedBPTT(wrong)
        with pytest.raises(ValueError, match="expected a positive"):
            online.SnAp(wrong)
    with pytest.raises(ValueError, match="expected 'signs' or 'gaussian'"):
        online.NoBackTrack(noise="uniform")
    with pytest.raises(ValueError, match="no terms to split"):
        online.NoBackTrack(2, noise="gaussian", split=True)
    with pytest.raises(ValueError, match="KalmanQDOP"):
        online.NoBackTrack(metric=3)
    with pytest.raises(dg.DualgradError, match="no system yet"):
        online.RTRL().step(xs[0], ys[0])
    with pytest.raises(TypeError, match=r"draws random numbers: start\(system, params, rng=0\)"):
        online.UORO().start(net, params)
    with pytest.raises(dg.DualgradError, match="needs the Kronecker factors"):
        online.KroneckerRTRL().start(plain(net), params, rng=0)
    with pytest.raises(TypeError, match="cells="):
        online.Network(nn.RNN(3, 2), nn.Linear(2, 1), nn.mse)
    with pytest.raises(TypeError, match="readout="):
        online.Network(nn.RNNCell(3, 2), nn.RNN(2, 1), nn.mse)
    with pytest.raises(TypeError, match="loss="):
        online.Network(nn.RNNCell(3, 2), nn.Linear(2, 1), lambda a, b: 0)
    with pytest.raises(dg.ShapeError, match="follows"):
        online.Network([nn.RNNCell(3, 2), nn.RNNCell(3, 2)], nn.Linear(2, 1), nn.mse)
    with pytest.raises(ValueError, match="streams=0"):
        online.Network(nn.RNNCell(3, 2), nn.Linear(2, 1), nn.mse, streams=0)
    with pytest.raises(dg.DualgradError, match="a Sequential of recurrent layers"):
        online.Network.of(nn.Sequential(nn.Linear(2, 2)), nn.mse)
    with pytest.raises(dg.LayoutError, match=r"make them by network\.init"):
        online.RTRL().start(net, {"w": np.zeros(2)})
    with pytest.raises(dg.LayoutError, match="in the order"):
        online.RTRL().start(net, dg.Params(dict(reversed(params.items()))))
    learner = online.RTRL().start(net, params)
    with pytest.raises(dg.ShapeError, match=r"input of shape \(4,\); expected \(3,\)"):
        learner.step(np.zeros(4), 0)
    with pytest.raises(dg.DualgradError, match="after a step"):
        learner.fisher()
    squares = online.Network(nn.RNNCell(3, 2), nn.Linear(2, 4), nn.mse)
    learner = online.RTRL().start(squares, params)
    learner.step(xs[0], np.zeros(4))
    with pytest.raises(dg.DualgradError, match="no known Fisher matrix"):
        learner.fisher()
    with pytest.raises(ValueError, match="dt="):
        online.euler(None, None, np.zeros(1), dt=0)
    with pytest.raises(dg.ShapeError, match="one k"):
        online.rank_one_trick(np.zeros((2, 1)), np.zeros((3, 1)), rng=0)


def test_parameters_in_a_dict_are_those_in_params():
    net, params, xs, ys = episode(CELLS["three layers"])
    shuffled = dict(reversed(params.items()))
    for name in ("RTRL", "NoBackTrack", "KF-RTRL", "forward gradient"):
        if name == "forward gradient":
            continue
        one = run(EVERY[name](), net, params, xs, ys, rng=0)[-1].gradient
        other = run(EVERY[name](), net, shuffled, xs, ys, rng=0)[-1].gradient
        for key in params:
            close(other[key], one[key], 1e-12)
    found = run(one_hot(params.size), net, shuffled, xs, ys, rng=0)[-1].gradient
    close(found["0.bias"], run(online.RTRL(), net, params, xs, ys)[-1].gradient["0.bias"], 1e-10)


def test_a_new_episode_begins_from_nothing():
    net, params, xs, ys = episode(CELLS["LSTM"])
    learner = online.RTRL().start(net, params)
    first = [learner.step(x, y).gradient.vector for x, y in zip(xs, ys, strict=True)]
    learner.reset()
    again = [learner.step(x, y).gradient.vector for x, y in zip(xs, ys, strict=True)]
    assert all(map(np.array_equal, first, again))


def test_estimates_do_not_share_memory():
    net, params, xs, ys = episode(CELLS["RNN"])
    for name in EVERY:
        found = [e.gradient.vector.copy() for e in run(EVERY[name](), net, params, xs, ys, rng=0)]
        learner, kept = EVERY[name]().start(net, params, rng=0), []
        for x, y in zip(xs, ys, strict=True):
            kept.append(learner.step(x, y).gradient.vector)
        assert all(map(np.array_equal, kept, found)), name


# ---------------------------------------------------------------------- found by trying to break it


@pytest.mark.parametrize("inputs", [[-1.0, 1.0], [0.5, 1.0, 1.0]])
def test_an_input_that_happens_to_be_one_is_no_bias(inputs):
    net = network(nn.GRUCell(1, 1))
    params = net.init(rng=3, dtype=np.float64)
    params.vector[:] *= 2
    xs, ys = np.array(inputs)[:, None], [0, 1, 1][: len(inputs)]
    exact = run(online.RTRL(), net, params, xs, ys)[-1].gradient.vector
    moments = testing.exact_moments(
        lambda rng: run(online.KroneckerRTRL(), net, params, xs, ys, rng=rng)[-1].gradient.vector
    )
    close(moments.mean, exact, 1e-10)


def test_buffers_reach_the_loss_of_a_system():
    model = nn.Sequential(nn.LeakyRNN(3, 4), nn.BatchNorm(4), nn.Linear(4, 2))
    net, params = online.Network.of(model, nn.cross_entropy), model.init(rng=0, dtype=np.float64)
    params.buffers["1.running_mean"][:] = 0.3
    x, y = np.ones(3), 0
    ours, theirs = (run(online.RTRL(), s, params, [x], [y])[-1] for s in (net, ruled(net)))
    assert ours.value == theirs.value
    close(theirs.gradient.vector, ours.gradient.vector, 1e-10)


def test_trees_are_matched_by_key():
    total = lambda s, y, p: np.sum(s["x"])  # noqa: E731
    swing = online.euler(
        lambda s, x, p: {"v": -p * s["x"], "x": s["v"]}, total, {"x": np.ones(1), "v": np.zeros(1)}, 0.1
    )
    after = swing.step(swing.init_state, None, 1.0)
    assert after["x"] == 1
    assert after["v"] == -0.1
    with pytest.raises(dg.StructureError, match="velocity"):
        online.euler(lambda s, x, p: {"x": s["v"]}, total, swing.init_state, 0.1).step(swing.init_state, None, 1.0)
    params = {"b": np.array([2.0]), "a": np.array([3.0])}

    def vjp(s, x, p):
        return p["a"] * s + p["b"], lambda u: (u * p["a"], {"a": u * s, "b": u})

    system = online.System(lambda s, x, p: vjp(s, x, p)[0], lambda s, y, p: np.sum(s), np.ones(1), vjp=vjp)
    for learner in (online.RTRL(), online.BPTT(), online.UORO(), online.NoBackTrack()):
        (found,) = run(learner, system, params, [None], [None], rng=0)
        assert (found.gradient["a"], found.gradient["b"]) == (1, 1)


@pytest.mark.parametrize("learner", [online.BPTT(), online.TruncatedBPTT(4)])
def test_an_input_buffer_may_be_used_again(learner):
    net, params, xs, ys = episode(nn.GRUCell(3, 2), steps=4)
    expected = run(learner, net, params, xs, ys)[-1].gradient.vector
    learner.start(net, params)
    buffer = np.zeros(3)
    for x, y in zip(xs, ys, strict=True):
        buffer[:] = x
        found = learner.step(buffer, y)
    assert np.array_equal(found.gradient.vector, expected)


@pytest.mark.parametrize("name", ["UORO", "NoBackTrack", "KF-RTRL"])
def test_a_step_that_fails_draws_nothing(name):
    net, params, xs, ys = episode(nn.RNNCell(3, 2))
    learner, other = (EVERY[name]().start(net, params, rng=1) for _ in range(2))
    for k in range(2):
        learner.step(xs[k], ys[k])
        other.step(xs[k], ys[k])
    pull = learner.dynamics.loss

    def endless(*args):
        value, cotangent = pull(*args)
        H, direct = cotangent.vectors()
        return value, online.dynamics.Cotangent(H * np.inf, direct)

    learner.dynamics.loss = endless
    with pytest.raises(dg.NonFiniteError, match="step 3: the gradient"), np.errstate(all="ignore"):
        learner.step(xs[2], ys[2])
    learner.dynamics.loss = pull
    for k in (2, 3):
        assert np.array_equal(learner.step(xs[k], ys[k]).gradient.vector, other.step(xs[k], ys[k]).gradient.vector)


def test_small_and_large_influences_are_not_lost():
    system = online.System(lambda s, x, p: s + p * x, lambda s, y, p: np.sum(s * y), np.zeros(1, np.float32))
    one = np.float32(1)
    for name in ("NoBackTrack", "UORO"):
        learner = EVERY[name]().start(system, np.zeros(1, np.float32), rng=0)
        for size in (1e30, 1e-23):
            learner.reset()
            found = learner.step(np.float32(size), one)
            assert abs(found.gradient[0] / np.float32(size) - 1) < 1e-5
            assert found.gradient.dtype == np.float32


def test_the_filter_keeps_its_sign_in_single_precision():
    w = dg.Params({"weight": np.zeros((1, 1), np.float32), "bias": np.zeros(1, np.float32)})
    g = dg.Params.from_vector(w.layout, np.full(2, 5e3, np.float32))
    optimizer = optim.KalmanQDOP(prior=1.0)
    optimizer.step(w, g)
    assert np.all((w.vector > -1e-3) & (w.vector <= 0))
    assert abs(w.vector.sum() / -2e-4 - 1) < 1e-3
    before = w.vector.copy()
    optimizer.step(w, dg.Params.from_vector(w.layout, np.full(2, 1e25, np.float32)))
    assert np.array_equal(w.vector, before)  # a step of 1e-25
    with pytest.raises(dg.LayoutError, match="rows of shape"):
        optimizer.norms(np.ones((1, 2)), [np.zeros(2)])
    turned = dg.Params({"bias": np.zeros(1, np.float32), "scale": np.zeros(1, np.float32)})
    with pytest.raises(dg.LayoutError, match=r"weight \(1, 1\) is missing, scale \(1,\) is new"):
        optimizer.step(turned, turned)
    with pytest.raises(dg.LayoutError, match="other parameters"):
        optimizer.step(dg.Params({"both": np.zeros(2, np.float32)}), dg.Params({"both": np.zeros(2, np.float32)}))


def test_fisher_and_metric_need_the_order_of_params():
    net, params, xs, ys = episode(CELLS["RNN"])
    learner = online.RTRL().start(net, params)
    gradient = learner.step(xs[0], ys[0]).gradient
    with pytest.raises(dg.LayoutError, match="give Params"):
        optim.KalmanQDOP(prior=1.0).step(dict(params), dict(gradient), fisher=learner.fisher())
    with pytest.raises(dg.LayoutError, match="measures by a filter's matrix"):
        online.NoBackTrack(metric=optim.KalmanQDOP(prior=1.0)).start(net, dict(params), rng=0)
    for loss in (nn.cross_entropy.using(reduction="sum"), nn.cross_entropy.using(label_smoothing=0.1)):
        other = online.RTRL().start(online.Network(nn.RNNCell(3, 2), nn.Linear(2, 4), loss), params)
        other.step(xs[0], ys[0])
        with pytest.raises(dg.DualgradError, match="no known Fisher matrix"):
            other.fisher()
    with pytest.raises(dg.DualgradError, match="over windows"):
        online.TruncatedBPTT(2).start(net, params).fisher()


def test_over_a_bound_objective_keywords_are_refused():
    model, rng = nn.Sequential(nn.RNN(3, 2), nn.Dropout(0.5), nn.Linear(2, 4)), dg.Rng(0)
    objective, params = nn.Objective(model, nn.cross_entropy), model.init(rng=1, dtype=np.float64)
    data = rng.normal((5, 2, 3)), rng.integers(0, 4, (5, 2))
    with pytest.raises(dg.DualgradError, match="bind without them"):
        online.RTRL().estimate(objective.bind(*data, train=True, rng=0), params)
    with pytest.raises(dg.DualgradError, match=r"use estimators\.TruncatedBPTT"):
        online.TruncatedBPTT(2).estimate(objective.bind(*data), params)
    with pytest.raises(dg.ShapeError, match="scalar"):
        online.RTRL().estimate(nn.Objective(model, nn.cross_entropy.using(reduction="none")).bind(*data), params)


def test_dodge_follows_a_given_direction():
    net, params, xs, ys = episode(CELLS["RNN"])
    g = run(online.RTRL(), net, params, xs, ys)[-1].gradient
    found = run(online.OnlineForwardGradient(directions.Along(g)), net, params, xs, ys, rng=0)[-1].gradient
    close(found.vector, g.vector, 1e-10)


def test_what_is_loaded_is_checked_whole():
    net, params, xs, ys = episode(CELLS["RNN"])
    learner = online.NoBackTrack().start(net, params, rng=0)
    learner.step(xs[0], ys[0])
    saved, stream = learner.state_dict(), learner.rng.state_dict()
    for wrong in (
        {"steps": None}, {"steps": -3}, {"memory": 3}, {"state": None}, {"rng": None},
        {"state": [s.astype(np.float32) for s in saved["state"]]}, {"memory": [m * np.nan for m in saved["memory"]]},
    ):  # fmt: skip
        with pytest.raises(dg.LayoutError, match="saved"):
            learner.load_state_dict(saved | wrong)
        assert learner.steps == 1
        assert learner.rng.state_dict() == stream
    relu = online.NoBackTrack().start(network(nn.RNNCell(3, 2, nonlinearity="relu")), params, rng=0)
    with pytest.raises(dg.LayoutError, match=r"nonlinearity='tanh' \(here 'relu'\)"):
        relu.load_state_dict(saved)
    exact = online.RTRL().start(net, params)
    exact.load_state_dict(online.RTRL().start(net, params, rng=0).state_dict())


def test_a_start_that_fails_leaves_the_episode_as_it_was():
    net, params, xs, ys = episode(CELLS["RNN"])
    other, theirs, _, _ = episode(CELLS["GRU"])
    learner = online.UORO().start(net, params, rng=0)
    with pytest.raises(TypeError, match="rng"):
        learner.start(other, theirs, rng="x")
    learner.step(xs[0], ys[0])


def test_states_and_parameters_are_real_numbers():
    for state, params in (
        (np.zeros(2, complex), np.ones(1)),
        (np.zeros(2, int), np.ones(1)),
        (np.ones(2), np.ones(1) * 1j),
    ):
        with pytest.raises(TypeError, match="expected real floating numbers"):
            online.RTRL().start(online.System(lambda s, x, w: s * w, lambda s, y, w: np.sum(s), state), params)
    with pytest.raises(dg.LayoutError, match="got no params"):
        online.RTRL().start(online.System(lambda s, x, w: s, lambda s, y, w: np.sum(s), np.ones(1)), {})


def test_a_target_in_double_precision_leaves_a_loss_in_single():
    net = online.Network(nn.RNNCell(3, 2), nn.Linear(2, 2), nn.mse)
    learner = online.RTRL().start(net, net.init(rng=0))
    assert learner.step(np.ones(3), np.zeros(2)).value.dtype == np.float32
