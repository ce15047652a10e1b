"""A layer, cell or loss of one's own: right for K directions with the natural code, as fast as it likes by promise."""

import inspect

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.nn.user_rules import by_direction, takes_lead, tangent_rule
from tests.support.layers import INTEGERS, LAYERS, LOSSES

RNG = np.random.default_rng(3)
B, N = 4, 5  # the batch and the width: K = 4 and K = 5 broadcast against them in silence
leads = pytest.mark.parametrize("lead", [(), (0,), (1,), (3,), (B,), (N,)], ids=str)


# ---------------------------------------------------------------------- the natural code, for one direction


class Own(nn.Layer):
    """Parameters by shape, drawn at random."""

    names_and_shapes = {}  # noqa: RUF012

    def __repr__(self):
        return type(self).__name__

    def shapes(self):
        return self.names_and_shapes

    def initial(self, name, shape, rng, dtype):
        return rng.normal(shape, dtype=dtype)


class Scale(Own):
    names_and_shapes = {"s": (N,)}  # noqa: RUF012

    def forward(self, p, x):
        return p["s"] * x

    def jvp(self, p, x, dp, dx):
        return p["s"] * x, dp["s"] * x + p["s"] * dx


class Shift(Own):
    names_and_shapes = {"b": (N,)}  # noqa: RUF012

    def forward(self, p, x):
        return x + p["b"]

    def jvp(self, p, x, dp, dx):
        return x + p["b"], dx + dp["b"]


class Rows(Own):
    names_and_shapes = {"w": (N, N)}  # noqa: RUF012

    def forward(self, p, x):
        return x @ p["w"].T

    def jvp(self, p, x, dp, dx):
        return x @ p["w"].T, dx @ p["w"].T + x @ dp["w"].T


class Centred(Own):
    def forward(self, p, x):
        return x - np.mean(x, axis=0)

    def jvp(self, p, x, dp, dx):
        return x - np.mean(x, axis=0), dx - np.mean(dx, axis=0)


class Turned(Own):
    def forward(self, p, x):
        return np.flip(np.cumsum(x, 0), 0) ** 2

    def jvp(self, p, x, dp, dx):
        y = np.flip(np.cumsum(x, 0), 0)
        return y**2, 2 * y * np.flip(np.cumsum(dx, 0), 0)


class Pooled(Own):
    names_and_shapes = {"s": (N,)}  # noqa: RUF012

    def forward(self, p, x):
        return np.mean(p["s"] * x, axis=1)

    def jvp(self, p, x, dp, dx):
        return self.forward(p, x), (dp["s"] * x).mean(axis=-1) + (p["s"] * dx).mean(axis=-1)


class Normed(Own):
    def forward(self, p, x):
        return x / np.linalg.norm(x)

    def jvp(self, p, x, dp, dx):
        if dx is dg.ZERO:
            return self.forward(p, x), 0.0
        r = np.linalg.norm(x)
        return x / r, dx / r - x * np.sum(x * dx) / r**3


class Sometimes(Own):
    """ZERO along the directions that it can tell are zero."""

    def forward(self, p, x):
        return x[:, :2] ** 3

    def jvp(self, p, x, dp, dx):
        d = dx[:, :2]
        return x[:, :2] ** 3, dg.ZERO if d is dg.ZERO or not np.any(dg.primal(d)) else 3 * x[:, :2] ** 2 * d


class Signs(Own):
    def forward(self, p, x):
        return np.sign(x)

    def jvp(self, p, x, dp, dx):
        return np.sign(x), dg.ZERO


class Noisy(Own):
    """Random, and drawing again in every call."""

    takes = frozenset({"rng"})

    def forward(self, p, x, rng):
        return x * rng.normal(x.shape)

    def jvp(self, p, x, dp, dx, rng):
        noise = rng.normal(x.shape)
        return x * noise, dx * noise


class OwnContainer(nn.Sequential):
    """A container whose jvp is natural code around its children."""

    def forward(self, p, x, **kwargs):
        return super().forward(p, x, **kwargs) * np.arange(B)[:, None]

    def jvp(self, p, x, dp, dx, **kwargs):
        y, dy = super().jvp(p, x, dp, dx, **kwargs)
        weights = np.arange(B)[:, None]
        return y * weights, dy * weights


class Override(nn.Linear):
    """A built-in layer whose jvp is overridden: the promise is not inherited."""

    def __init__(self):
        super().__init__(N, N)

    def forward(self, p, x):
        return np.sum(super().forward(p, x), axis=0)

    def jvp(self, p, x, dp, dx):
        y, dy = super().jvp(p, x, dp, dx)
        return np.sum(y, axis=0), np.sum(dy, axis=0)


class OwnActivation(nn.Activation):
    """Elementwise, with a jvp of its own that mixes examples if it sees K."""

    def forward(self, p, x):
        return x * len(x)

    def jvp(self, p, x, dp, dx):
        return x * len(x), dx if dx is dg.ZERO else dx * len(dx)


class InA:
    """A mix-in that defines jvp, and is no Layer."""

    def jvp(self, p, x, dp, dx):
        return x * np.ones((B, 1)), dx[::-1][::-1] * np.arange(1, 2)


class Mixed(InA, nn.Identity):
    def forward(self, p, x):
        return x * np.ones((B, 1))


NATURAL = {
    type(layer).__name__: layer
    for layer in (
        Scale(), Shift(), Rows(), Centred(), Turned(), Pooled(), Normed(), Sometimes(), Signs(), Noisy(),
        OwnContainer(Scale(), nn.Linear(N, N), Shift()), Override(), OwnActivation(), Mixed(),
    )
}  # fmt: skip
each = pytest.mark.parametrize("name", NATURAL)


def keywords(layer):
    return {"rng": 5} if "rng" in layer.takes else {}


def point(layer, lead=()):
    p = layer.init(rng=0, dtype=np.float64)
    x = RNG.standard_normal((B, N))
    return p, x, p.map_leaves(lambda a: RNG.standard_normal(lead + a.shape)), RNG.standard_normal(lead + x.shape)


def forward(layer):
    """The layer as a plain function, which the engine differentiates."""

    def f(p, x):
        own = keywords(layer)
        return layer.forward(p, x, **{name: dg.Rng(seed) for name, seed in own.items()})

    return f


def close(found, expected, tolerance=1e-11):
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------------- K directions


@leads
@each
def test_natural_code_is_right_for_every_number_of_directions(name, lead):
    layer = NATURAL[name]
    p, x, dp, dx = point(layer, lead)
    y, dy = dg.jvp(lambda p, x: layer(p, x, **keywords(layer)), (p, x), (dp, dx))
    expected, exact = dg.jvp(forward(layer), (p, x), (dp, dx))
    assert dy.shape == lead + y.shape
    close(y, expected)
    close(dy, exact)
    for at, v, f in ((p, dp, lambda run: lambda p: run(p, x)), (x, dx, lambda run: lambda x: run(p, x))):
        if np.size(at if at is x else p.vector):
            found = dg.jvp(f(lambda p, x: layer(p, x, **keywords(layer))), (at,), (v,))
            close(found[1], dg.jvp(f(forward(layer)), (at,), (v,))[1])


@leads
@each
def test_every_pattern_of_zeros(name, lead):
    layer = NATURAL[name]
    p, x, dp, dx = point(layer, lead)
    leaves = {**dp, "x": dx}
    streams = lambda: {name: dg.Rng(seed) for name, seed in keywords(layer).items()}  # noqa: E731
    run = lambda dp, dx: layer.push(dict(p), x, dp, dx, **streams())  # noqa: E731
    y, nothing = run(dict.fromkeys(p, dg.ZERO), dg.ZERO)
    close(y, forward(layer)(p, x))
    assert nothing is dg.ZERO or (nothing.shape == y.shape and not nothing.any())
    for still in [{one} for one in leaves] + [leaves.keys() - {one} for one in leaves]:
        kept = {n: dg.ZERO if n in still else d for n, d in leaves.items()}
        filled = {n: np.zeros_like(d) if n in still else d for n, d in leaves.items()}
        exact = dg.jvp(forward(layer), (p, x), ({n: filled[n] for n in p}, filled["x"]))[1]
        dy = run({n: kept[n] for n in p}, kept["x"])[1]
        assert dy is dg.ZERO or dy.shape == exact.shape or still == leaves.keys()
        close(np.zeros_like(exact) if dy is dg.ZERO else dy, exact)


@pytest.mark.parametrize("outer", [(), (2,), (B,)], ids=str)
@pytest.mark.parametrize("inner", [(), (B,), (N,)], ids=str)
@each
def test_levels_nest(name, inner, outer):
    layer = NATURAL[name]
    p, x, dp, dx = point(layer, inner)
    second = p.map_leaves(lambda a: RNG.standard_normal(outer + a.shape)), RNG.standard_normal(outer + x.shape)

    def twice(f):
        return dg.jvp(lambda p, x: dg.jvp(f, (p, x), (dp, dx))[1], (p, x), second)

    for found, exact in zip(twice(lambda p, x: layer(p, x, **keywords(layer))), twice(forward(layer)), strict=True):
        close(found, exact)


@pytest.mark.parametrize("lead", [(), (1,), (N,), (0,)], ids=str)
def test_factors_stay_factors_along_each_direction(lead):
    layer, seen = Rows(), []
    p, x, _, dx = point(layer, lead)
    low = dg.OuterProduct(RNG.standard_normal((*lead, N)), RNG.standard_normal((*lead, N)))

    class Watching(Rows):
        def jvp(self, p, x, dp, dx):
            seen.append(type(dp["w"]))
            return super().jvp(p, x, dp, dx)

    _, dy = Watching().push(dict(p), x, {"w": low}, dx)
    close(dy, dg.jvp(layer.forward, (p, x), ({"w": low.dense()}, dx))[1])
    assert set(seen) == ({dg.OuterProduct} if lead != (0,) else {np.ndarray})


def test_single_precision_stays():
    layer = Scale()
    x, p = RNG.standard_normal((B, N)).astype(np.float32), layer.init(rng=0)
    for lead in ((), (B,)):
        v = p.map_leaves(lambda a, lead=lead: np.ones(lead + a.shape, a.dtype))
        y, dy = dg.jvp(lambda p: layer(p, x), (p,), (v,))
        assert (y.dtype, dy.dtype) == (np.float32, np.float32)


def test_directions_of_zero_are_zero():
    """A rule may say ZERO for some directions and not for others."""
    layer, x, dx = Sometimes(), RNG.standard_normal((B, N)), RNG.standard_normal((3, B, N))
    dx[1] = 0
    close(layer.push({}, x, {}, dx)[1], dg.jvp(lambda x: layer.forward({}, x), (x,), (dx,))[1])
    assert layer.push({}, x, {}, 0 * dx)[1] is dg.ZERO


@pytest.mark.parametrize("rng", [5, np.random.default_rng(5), dg.Rng(5)], ids=["int", "Generator", "Rng"])
@leads
def test_every_kind_of_randomness_is_drawn_once(lead, rng):
    x, dx = np.ones((B, N)), np.ones((*lead, B, N))
    y, dy = Noisy().push({}, x, {}, dx, rng=rng)
    close(dy, np.broadcast_to(y, dy.shape))


def test_the_value_is_computed_once_for_one_direction_and_draws_are_those_of_one_pass():
    rng, again = dg.Rng(8), dg.Rng(8)
    x = RNG.standard_normal((B, N))
    y, _ = dg.jvp(lambda x: Noisy()({}, x, rng=rng), (x,), (RNG.standard_normal((3, B, N)),))
    close(y, Noisy().forward({}, x, rng=again))
    assert rng.normal() == again.normal()


# ---------------------------------------------------------------------- wherever a jvp is called


def around(layer):
    """A layer at every depth of the containers."""
    wide = "s" not in layer.shapes() or type(layer) is not Pooled
    yield nn.Sequential(nn.Tanh(), layer)
    yield nn.Sequential(nn.Linear(N, N), nn.Sequential(nn.Sequential(layer)), nn.Tanh())
    if wide and type(layer) not in (Override, Sometimes):
        yield nn.Residual(layer, nn.Tanh())
        yield nn.Residual(nn.Linear(N, N), shortcut=layer)
        yield nn.Parallel(nn.Linear(N, 2), layer)


@pytest.mark.parametrize("lead", [(), (B,), (N,), (0,)], ids=str)
@each
def test_in_containers(name, lead):
    for model in around(NATURAL[name]):
        p, x, dp, dx = point(model, lead)

        def plain(p, x, model=model):
            own = {n: dg.Rng(seed) for n, seed in keywords(model).items()}
            return model.forward(p, x, **own)

        y, dy = dg.jvp(lambda p, x, model=model: model(p, x, **keywords(model)), (p, x), (dp, dx))
        expected, exact = dg.jvp(plain, (p, x), (dp, dx))
        close(y, expected)
        close(dy, exact)


class OwnCell(nn.RNNCell):
    """A cell in natural code: h ← tanh(h ⊙ a + x W), output the running sum over units."""

    parts = 1

    def shapes(self):
        return {"a": (self.hidden_size,), "w": (self.input_size, self.hidden_size)}

    def output(self, state):
        return np.cumsum(state, axis=1)

    def output_jvp(self, state, dstate):
        return np.cumsum(dstate, axis=1)

    def step(self, p, state, x):
        return np.tanh(state * p["a"] + np.matmul(x, p["w"]))

    def step_jvp(self, p, state, x, dp, dstate, dx):
        y = self.step(p, state, x)
        return y, (1 - y * y) * (dstate * p["a"] + state * dp["a"] + dx @ p["w"] + x @ dp["w"])


class OwnLSTMCell(nn.LSTMCell):
    """A pair as the state, and ZERO for the part that stands still."""

    def step(self, p, state, x):
        h, c = state
        return np.tanh(h * p["bias"][: self.hidden_size] + np.matmul(x, p["weight_x"][:, : self.hidden_size])), c

    def step_jvp(self, p, state, x, dp, dstate, dx):
        n, (dh, dc) = self.hidden_size, (dg.ZERO, dg.ZERO) if dstate is dg.ZERO else dstate
        y, c = self.step(p, state, x)
        d = dh * p["bias"][:n] + state[0] * dp["bias"][:n] + dx @ p["weight_x"][:, :n] + x @ dp["weight_x"][:, :n]
        return (y, c), ((1 - y * y) * d, dc)


class OwnRNN(nn.RNN):
    cell_class = OwnCell


class OwnLSTM(nn.LSTM):
    cell_class = OwnLSTMCell


@pytest.mark.parametrize("last", [False, True], ids=["all", "last"])
@pytest.mark.parametrize("lead", [(), (0,), (1,), (2,), (3,), (B,)], ids=str)
@pytest.mark.parametrize("kind", [OwnRNN, OwnLSTM])
def test_cells_in_natural_code(kind, lead, last):
    layer = kind(3, 4, last_only=last)
    p = layer.init(rng=0, dtype=np.float64)
    x = RNG.standard_normal((3, 4, 3))  # time, batch and widths that K may meet
    dp, dx = p.map_leaves(lambda a: RNG.standard_normal(lead + a.shape)), RNG.standard_normal(lead + x.shape)
    found, exact = dg.jvp(layer, (p, x), (dp, dx)), dg.jvp(layer.forward, (p, x), (dp, dx))
    close(found[0], exact[0])
    close(found[1], exact[1])
    cell, state = layer.cell, layer.cell.start(x[0])
    found = dg.jvp(lambda p, x: cell.output(cell(p, state, x)), (p, x[0]), (dp, dx[..., 0, :, :]))
    exact = dg.jvp(lambda p, x: cell.output(cell.step(p, state, x)), (p, x[0]), (dp, dx[..., 0, :, :]))
    close(found[1], exact[1])


class Pinball(nn.losses.Loss):
    """A loss with a jvp of its own, in natural code."""

    def check(self, x, target):
        pass

    def evaluate(self, x, target):
        e = x - target
        return np.mean(e * e, axis=-1), lambda: 2 * e / x.shape[-1]

    def jvp(self, x, target, dx, reduction, weights=None):
        e = x - target
        each, d = np.mean(e * e, axis=1), np.mean(2 * e * dx, axis=1)
        return {"mean": (np.mean(each), np.mean(d)), "sum": (each.sum(), d.sum()), "none": (each, d)}[reduction]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@leads
def test_losses_in_natural_code(lead, reduction):
    loss, x, target = Pinball(), RNG.standard_normal((B, N)), RNG.standard_normal((B, N))
    dx = RNG.standard_normal(lead + x.shape)
    found = dg.jvp(lambda x: loss(x, target, reduction), (x,), (dx,))
    reduced = {"mean": np.mean, "sum": np.sum, "none": lambda each: each}[reduction]
    exact = dg.jvp(lambda x: reduced(np.mean((x - target) ** 2, axis=-1)), (x,), (dx,))
    close(found[0], exact[0])
    close(found[1], exact[1])
    assert dg.testing.check_vjp(loss, {}, x, target=target, reduction=reduction).passed


def test_a_loss_may_be_constant():
    class Flat(Pinball):
        def jvp(self, x, target, dx, reduction, weights=None):
            return np.mean(np.sign(x)), dg.ZERO

    x, dx = RNG.standard_normal((B, N)), RNG.standard_normal((3, B, N))
    y, dy = dg.jvp(lambda x: Flat()(x, np.zeros((B, N))), (x,), (dx,))
    assert (y, dy.tolist()) == (np.mean(np.sign(x)), [0, 0, 0])


class OwnLeaky(nn.LeakyRNNCell):
    """What it shows of its state mixes the units, in natural code."""

    def output(self, state):
        return np.cumsum(np.tanh(state), axis=1)

    def output_jvp(self, state, dstate):
        return np.cumsum((1 - np.tanh(state) ** 2) * dstate, axis=1)

    def output_vjp(self, state, dy):
        return (1 - np.tanh(state) ** 2) * np.flip(np.cumsum(np.flip(dy, -1), -1), -1)


@pytest.mark.parametrize("top", [nn.GRUCell(2, 3), nn.LSTMCell(2, 4)], ids=str)
def test_cells_in_natural_code_learn_online(top):
    """Through a stack of two: all tangents of what the lower one shows go to the upper at once."""
    net = dg.online.Network([OwnLeaky(3, 2), top], nn.Linear(top.hidden_size, 2), nn.mse, 2)
    params, xs, ys = net.init(rng=1, dtype=np.float64), RNG.standard_normal((3, 2, 3)), RNG.standard_normal((3, 2, 2))
    found = []
    for estimator in (dg.online.RTRL(), dg.online.BPTT()):
        estimator.start(net, params, rng=0)
        found.append([estimator.step(x, y).gradient.vector for x, y in zip(xs, ys, strict=True)])
    close(*found, 1e-10)


@pytest.mark.parametrize("n", [1, 3, B])
def test_forward_gradients_are_not_biased_by_natural_code(n):
    """With n = B directions in one pass, g·v is what the engine says, so the mean of the estimate is the gradient."""
    model = nn.Sequential(Scale(), nn.Linear(N, 2), nn.Tanh())
    params, x, y = model.init(rng=0, dtype=np.float64), RNG.standard_normal((B, N)), RNG.standard_normal((B, 2))
    objective = nn.Objective(model, nn.mse).bind(x, y)
    exact = dg.grad(lambda p: nn.mse(model.forward(p, x), y))(params)
    estimate = dg.estimators.ForwardGradient(dg.directions.Rademacher(), n=n).estimate(objective, params, rng=1)
    v = dg.directions.Rademacher().sample(params, rng=1, n=n)
    slopes = v.vector @ exact.vector
    close(estimate.gradient.vector, slopes @ v.vector / n)


class Guessed(Own):
    names_and_shapes = {"s": (N,)}  # noqa: RUF012

    def forward(self, p, x):
        return np.cumsum(p["s"] * x, axis=1)

    def jvp(self, p, x, dp, dx):
        return self.forward(p, x), np.cumsum(dp["s"] * x + p["s"] * dx, axis=1)

    def vjp(self, p, x):
        back = lambda dy: np.flip(np.cumsum(np.flip(dy, 1), 1), 1)  # noqa: E731
        return self.forward(p, x), lambda dy: ({"s": np.sum(x * back(dy), axis=0)}, p["s"] * back(dy))


def test_tangents_along_a_chain_go_direction_by_direction():
    model = nn.Sequential(nn.Linear(N, N), Guessed(), nn.Linear(N, 2))
    params, x = model.init(rng=0, dtype=np.float64), RNG.standard_normal((B, N))
    objective = nn.Objective(model, nn.mse).bind(x, RNG.standard_normal((B, 2)))
    (chain,) = dg.estimators.chain.chains_of("a test", objective)
    walk = dg.estimators.chain.Walk(chain, params, x, {})
    d = RNG.standard_normal((B, B, N))
    close(walk.pushed(1, 3, d), np.stack([walk.pushed(1, 3, one) for one in d]))


@pytest.mark.parametrize("lead", [(), (B,)], ids=str)
@each
def test_a_trace_has_one_row_for_it(name, lead):
    layer = NATURAL[name]
    model = nn.Sequential(nn.Linear(N, N), layer)
    p, x, dp, _ = point(model, lead)
    run = lambda p: model(p, x, **keywords(layer))  # noqa: E731
    trace, expected = dg.trace(run, (p,), (dp,)), dg.jvp(run, (p,), (dp,))
    close(trace.tangent, expected[1])
    rows = [row for row in trace.rows if row.operation == repr(layer)][-1:]
    if name != "Signs":
        assert [row.tangent.shape for row in rows] == [expected[1].shape]
    assert [row.operation for row in trace.rows[len(p) :]] == ["Linear(5, 5)", repr(layer)]


def test_a_trace_of_layers_with_buffers():
    model = nn.Sequential(nn.Linear(N, N), nn.BatchNorm(N), Scale())
    p, x, dp, _ = point(model, (2,))
    trace = dg.trace(lambda p: model(p, x, train=True), (p,), (dp,))
    assert [row.operation for row in trace.rows[len(p) :]] == ["Linear(5, 5)", "BatchNorm(5)", "Scale"]


# ---------------------------------------------------------------------- the promise


def subclasses(kind):
    return {kind}.union(*map(subclasses, kind.__subclasses__()))


RULES = "jvp", "step_jvp", "output_jvp"


def test_every_rule_of_the_library_takes_k_directions():
    kinds = [k for k in subclasses(nn.Layer) | subclasses(nn.losses.Loss) if k.__module__.startswith("dualgrad.")]
    kinds = [k for k in kinds if not k.__module__.startswith("dualgrad.course.")]  # answers of students, wrong ones too
    rules = [(k, name) for k in kinds for name in RULES if name in vars(k) and inspect.isfunction(vars(k)[name])]
    assert len(rules) > 30
    assert [(k, name) for k, name in rules if not vars(k).get("lead")] == []


@pytest.mark.parametrize("lead", [(), (1,), (3,)], ids=str)
@pytest.mark.parametrize("name", [*LAYERS, *INTEGERS])
def test_every_layer_of_the_library_is_the_same_direction_by_direction(name, lead):
    layer, made = (LAYERS | INTEGERS)[name]
    x = RNG.standard_normal(made) if isinstance(made, tuple) else made
    p = layer.init(rng=0, dtype=np.float64)
    dp = {n: RNG.standard_normal(lead + a.shape) for n, a in p.items()}
    dx = RNG.standard_normal(lead + x.shape) if x.dtype.kind == "f" else dg.ZERO
    y, dy = layer.jvp(dict(p), x, dp, dx)
    value, slow = by_direction(layer.jvp, layer)(dict(p), x, dp, dx)
    close(value, y)
    assert slow is dy is dg.ZERO or slow.shape == dy.shape
    close(0 if slow is dg.ZERO else slow, 0 if dy is dg.ZERO else dy, 1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_the_library_is_the_same_direction_by_direction(name):
    loss, shape, target = LOSSES[name]
    x, dx = RNG.standard_normal(shape), RNG.standard_normal((3, *shape))
    slow = by_direction(lambda x, dx: loss.jvp(x, target, dx), loss)(x, dx)
    for a, b in zip(slow, loss.jvp(x, target, dx), strict=True):
        close(a, b)


class Fast(Scale):
    """The same with a promise, which it keeps."""

    lead = True

    def jvp(self, p, x, dp, dx):
        self.calls = getattr(self, "calls", 0) + 1
        return p["s"] * x, dp["s"][..., None, :] * x + p["s"] * dx


class Slower(Fast):
    def jvp(self, p, x, dp, dx):
        return Scale.jvp(self, p, x, dp, dx)


class Inherits(Fast):
    pass


class Attribute(Scale):
    """Says so where no jvp is defined: the class that defines it is asked."""

    lead = True


class NotLayer:
    lead = True

    def jvp(self, p, x, dp, dx):
        return x, dx


class MixedPromise(NotLayer, nn.Tanh):
    pass


def test_who_is_asked():
    assert takes_lead(nn.Linear(2, 2))
    assert takes_lead(Fast())
    assert takes_lead(Inherits())
    assert takes_lead(MixedPromise())
    assert not any(map(takes_lead, (Scale(), Slower(), Attribute(), Mixed(), Override())))
    assert takes_lead(nn.GRUCell(2, 2), "step_jvp")
    assert takes_lead(nn.GRUCell(2, 2), "output_jvp")
    assert not takes_lead(OwnCell(2, 2), "step_jvp")
    assert not takes_lead(OwnCell(2, 2), "output_jvp")
    assert takes_lead(OwnLSTMCell(2, 2), "output_jvp")
    assert takes_lead(nn.mse)
    assert not takes_lead(Pinball())


def test_a_rule_that_is_put_in_later_is_asked_again():
    class Plain(Own):
        def forward(self, p, x):
            return x

    layer = Plain()
    assert takes_lead(layer)
    Plain.jvp = lambda self, p, x, dp, dx: (x, dx)
    assert not takes_lead(layer)
    other = Fast()
    assert tangent_rule(other) == other.jvp
    other.jvp = lambda p, x, dp, dx: (x, dx)
    assert not takes_lead(other)


def test_a_promise_is_one_call():
    layer = Inherits()
    p, x, dp, dx = point(layer, (B,))
    found, exact = dg.jvp(layer, (p, x), (dp, dx)), dg.jvp(layer.forward, (p, x), (dp, dx))
    close(found[1], exact[1])
    assert layer.calls == 1
    close(dg.jvp(Slower(), (p, x), (dp, dx))[1], exact[1])
    close(dg.jvp(Attribute(), (p, x), (dp, dx))[1], exact[1])


@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
def test_a_forward_of_ones_own_does_not_keep_the_rules_of_another(lead):
    class Squared(nn.Linear):
        def forward(self, p, x):
            return super().forward(p, x) ** 2

    class Deeper(Squared):
        def __repr__(self):
            return "Deeper"

    class Scaled(nn.Sequential):
        def forward(self, p, x, **kwargs):
            return 3 * super().forward(p, x, **kwargs)

    for layer in (Squared(N, 2), Deeper(N, 2), Scaled(nn.Linear(N, 2), nn.Tanh())):
        p, x, dp, dx = point(layer, lead)
        for found, exact in zip(dg.jvp(layer, (p, x), (dp, dx)), dg.jvp(layer.forward, (p, x), (dp, dx)), strict=True):
            close(found, exact)
        with pytest.raises(NotImplementedError, match="has no transposed rule: define vjp"):
            layer.vjp(p, x)


def test_a_base_class_may_have_the_rule_and_its_subclasses_the_forward():
    class Elementwise(nn.Layer):
        def jvp(self, p, x, dp, dx):
            return self.forward(p, x), self.slope(x) * dx

    class Cube(Elementwise):
        def forward(self, p, x):
            return x**3

        def slope(self, x):
            return 7 * x  # not the engine's, to see which is called

    close(Cube().push({}, np.ones(2), {}, np.ones(2))[1], [7, 7])


def test_a_loss_that_evaluates_anew_does_not_keep_the_rule_of_another():
    class Doubled(type(nn.cross_entropy)):
        def evaluate(self, z, target, **settings):
            each, slope = super().evaluate(z, target, **settings)
            return 2 * each, lambda: 2 * slope()

    z, dz, target = RNG.standard_normal((B, N)), RNG.standard_normal((3, B, N)), RNG.integers(0, N, B)
    found = dg.jvp(lambda z: Doubled()(z, target), (z,), (dz,))
    exact = dg.jvp(lambda z: nn.cross_entropy(z, target), (z,), (dz,))
    close(found[0], 2 * exact[0])
    close(found[1], 2 * exact[1])


def doubled(kind, method):
    """A subclass of which one method gives twice what that of its base does, as the values of it are given."""

    def of_cell(self, *args):
        return dg.tree.map_leaves(lambda y: 2 * y, getattr(kind, method)(self, *args))

    def of_curve(self, x):
        y, slope = kind.curve(self, x)
        return 2 * y, lambda: 2 * slope()

    def of_loss(self, *args, **kwargs):
        found = getattr(kind, method)(self, *args, **kwargs)
        return (2 * found[0], lambda: 2 * found[1]()) if method == "evaluate" else 2 * found

    made = of_curve if method == "curve" else of_loss if issubclass(kind, nn.Loss) else of_cell
    return type(f"Doubled{kind.__name__}", (kind,), {method: made})


@leads
@pytest.mark.parametrize("method", ["forward", "evaluate"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_that_overrides_one_method_keeps_no_rule_of_another(name, method, lead):
    loss, shape, target = LOSSES[name]
    x = RNG.standard_normal(shape)
    own = doubled(type(loss), method)(reduction=loss.reduction, **loss.given)
    dx = RNG.standard_normal((*lead, *x.shape))
    for reduction in ("mean", "none"):
        exact = dg.jvp(lambda x: 2 * loss(x, target, reduction=reduction), (x,), (dx,))  # noqa: B023
        for found, e in zip(dg.jvp(lambda x: own(x, target, reduction=reduction), (x,), (dx,)), exact, strict=True):  # noqa: B023
            close(found, e)
    close(own(x, target), 2 * loss(x, target))
    model = nn.Linear(3, x.shape[-1])
    p, inputs = model.init(rng=0, dtype=np.float64), RNG.standard_normal((*x.shape[:-1], 3))
    dp = {n: RNG.standard_normal((*lead, *a.shape)) for n, a in p.items()}
    if np.isfinite(loss(model(p, inputs), target)):
        both = [nn.Objective(model, which).bind(inputs, target).jvp(dict(p), dp) for which in (own, loss)]
        for found, e in zip(*both, strict=True):
            close(found, 2 * e)
    if method == "forward":
        with pytest.raises(NotImplementedError, match=r"has a forward of its own and no transposed rule: define vjp"):
            own.vjp(x, target)


ACTIVATIONS = {type(layer).__name__: layer for layer, _ in LAYERS.values() if isinstance(layer, nn.Activation)}


@leads
@pytest.mark.parametrize("name", [n for n, layer in ACTIVATIONS.items() if "curve" in vars(type(layer))])
def test_an_activation_with_a_curve_of_its_own_keeps_no_rule_of_another(name, lead):
    layer = ACTIVATIONS[name]
    own = object.__new__(doubled(type(layer), "curve"))
    vars(own).update(vars(layer))
    x, dx = RNG.standard_normal((B, N)), RNG.standard_normal((*lead, B, N))
    for found, exact in zip(dg.jvp(own, ({}, x), ({}, dx)), dg.jvp(layer, ({}, x), ({}, dx)), strict=True):
        close(found, 2 * exact)
    close(own.vjp({}, x)[1](x)[1], 2 * layer.vjp({}, x)[1](x)[1])


@leads
@pytest.mark.parametrize("method", ["step", "affine", "output"])
@pytest.mark.parametrize("kind", [nn.cells.RNNCell, nn.cells.GRUCell, nn.cells.LSTMCell, nn.cells.LeakyRNNCell])
def test_a_cell_that_overrides_one_method_keeps_no_rule_of_another(kind, method, lead):
    cell = doubled(kind, method)(3, N)
    p, x = {**cell.init(rng=0, dtype=np.float64)}, RNG.standard_normal((B, 3))
    p |= cell.init(rng=0, dtype=np.float64).buffers
    state = dg.tree.map_leaves(lambda s: s + RNG.standard_normal(s.shape), cell.start(x))
    tangents = [dg.tree.map_leaves(lambda a: RNG.standard_normal((*lead, *a.shape)), t) for t in (p, state, x)]
    found = dg.jvp(cell, (p, state, x), tuple(tangents))
    exact = dg.jvp(cell.step, (p, state, x), tuple(tangents))
    for a, e in zip(dg.tree.leaves(found), dg.tree.leaves(exact), strict=True):
        close(a, e)
    ds = tangents[1]
    close(cell.output_tangent(state, ds), dg.jvp(cell.output, (state,), (ds,))[1])
    assert cell.output_tangent(state, dg.ZERO) is dg.ZERO
    transposed = ("output_vjp",) if method == "output" else ("step_vjp", "factors")
    calls = {"step_vjp": (p, state, x), "factors": (p, state, x), "output_vjp": (state, state)}
    for name in transposed:
        with pytest.raises(NotImplementedError, match=f"define {name}"):
            getattr(cell, name)(*calls[name])


# ---------------------------------------------------------------------- what cannot be right is named


@pytest.mark.parametrize("lead", [(), (B,)], ids=str)
def test_wrong_results_are_named(lead):
    class Returns(Own):
        def __init__(self, result):
            self.result = result

        def forward(self, p, x):
            return x

        def jvp(self, p, x, dp, dx):
            return self.result(x, dx)

    x = RNG.standard_normal((B, N))
    dx = RNG.standard_normal(lead + x.shape)
    with pytest.raises(TypeError, match=r"the jvp of Returns returned a ndarray; expected a pair \(y, dy\)"):
        dg.jvp(lambda x: Returns(lambda x, dx: dx)({}, x), (x,), (dx,))
    with pytest.raises(
        dg.ShapeError, match=r"the jvp of Returns returned y, dy of shapes \(\(4, 5\),\), \(\(5, 4\),\)"
    ):
        dg.jvp(lambda x: Returns(lambda x, dx: (x, dx.T))({}, x), (x,), (dx,))
    close(dg.jvp(lambda x: Returns(lambda x, dx: (x, 0))({}, x), (x,), (dx,))[1], np.zeros_like(dx))


def test_second_derivatives_of_a_natural_layer():
    """The tangents that rest are ZERO beside Duals of the outer level."""

    class Squashed(dg.nn.Layer):
        def shapes(self):
            return {"s": (3, 3)}

        def initial(self, name, shape, rng, dtype):
            return np.eye(3, dtype=dtype)

        def forward(self, p, x):
            return np.tanh(x @ p["s"])

        def jvp(self, p, x, dp, dx):
            y = np.tanh(x @ p["s"])
            return y, (1 - y * y) * (x @ dp["s"] + dx @ p["s"])

    layer, p, x = Squashed(), {"s": np.arange(9.0).reshape(3, 3) / 9}, np.full((2, 3), 0.3)
    for f, g, at in (
        (lambda x: layer(p, x), lambda x: layer.forward(p, x), x),
        (lambda s: layer({"s": s}, x), lambda s: layer.forward({"s": s}, x), p["s"]),
    ):
        found, expected = (dg.hessian(lambda a, h=h: np.sum(h(a) ** 2))(at) for h in (f, g))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------------- a loss and a cell with the least there can be


class Quantile(nn.losses.Loss):
    """ℓ = max(q e, (q - 1) e), e = y - x: with a setting, and nothing else."""

    settings = {"q": 0.5}  # noqa: RUF012

    def evaluate(self, x, target, q):
        error = target - x
        return np.mean(np.maximum(q * error, (q - 1) * error), axis=-1), lambda: np.where(error > 0, -q, 1 - q)


class Bare(Quantile):
    def __init__(self):
        """Without what Loss has to say."""


def test_a_loss_needs_evaluate_alone():
    x, y = np.array([[0.3], [2.0]]), np.ones((2, 1))
    for loss in (Quantile(), Bare()):
        np.testing.assert_allclose(loss(x, y), 0.5 * (0.7 + 1.0) / 2)
        np.testing.assert_allclose(dg.grad(loss)(x, y), [[-0.25], [0.25]])
    np.testing.assert_allclose(Quantile(q=0.9)(x, y), Quantile().using(q=0.9)(x, y))


@pytest.mark.parametrize(("loss", "name"), [(nn.cross_entropy, "weigh"), (nn.mse, "weights"), (nn.mse, "ignore_index"),
                                            (Quantile(), "delta")])  # fmt: skip
def test_settings_that_a_loss_has_not_are_named(loss, name):
    with pytest.raises(TypeError, match=f"got the keyword '{name}'; expected"):
        loss.using(**{name: 1.0})
    with pytest.raises(TypeError, match=f"keyword (argument )?'{name}'"):
        type(loss)(**{name: 1.0})


LEARNED = {
    "weights": lambda x, w: nn.mse(x, np.ones((3, 2)), weights=np.exp(w)),
    "a delta": lambda x, w: nn.huber(x, np.ones((3, 2)), delta=np.exp(w[0])),
    "a delta by using": lambda x, w: nn.huber.using(delta=np.exp(w[0]))(x, np.ones((3, 2))),
    "a target": lambda x, w: nn.mse(x, np.outer(w, [1.0, 2.0])),
    "a smoothing": lambda x, w: nn.cross_entropy(x, np.array([0, 1, 1]), label_smoothing=np.tanh(w[0]) ** 2),
    "all of it": lambda x, w: nn.huber(x, np.outer(w, [1.0, 2.0]), weights=np.exp(w), delta=np.exp(w[1])),
}


@pytest.mark.parametrize("f", LEARNED.values(), ids=LEARNED)
def test_whatever_moves_in_a_loss_is_differentiated(f):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 2)) * 2, rng.standard_normal(3)
    dg.testing.check_jvp(f, (x, w))
    dg.testing.check_jvp(lambda w: f(x * w[0], w), (w,))


class Leaky(nn.cells.Cell):
    """s ← s/2 + tanh(x Wx + s Wh + b), by its equation alone."""

    def step(self, p, state, x):
        return 0.5 * state + np.tanh(self.affine(p, x, state))


def test_a_cell_needs_step_alone():
    cell = Leaky(3, 2)
    p, x = cell.init(rng=0, dtype=np.float64), np.random.default_rng(0).standard_normal((4, 3))
    state = np.random.default_rng(1).standard_normal((4, 2))
    dg.testing.check_jvp(lambda p, s, x: cell(p, s, x), (dict(p), state, x))
    dg.testing.check_jvp(lambda p: cell(p, cell(p, cell.start(x), x), x), (dict(p),))
    system = dg.online.System(
        lambda s, x, p: cell(p, s, x), lambda s, y, p: np.sum((s - y) ** 2), np.zeros((1, 2)), batched=False
    )
    learner = dg.online.RTRL().start(system, p)
    assert np.all(np.isfinite(learner.step(x[:1], state[:1]).gradient.vector))


def test_layers_of_ones_own_take_whole_numbers():
    class OneHot(nn.Layer):
        def forward(self, p, x):
            return np.eye(3, dtype=np.float32)[x]

    class Scaled(nn.Layer):
        def forward(self, p, x):
            return x.astype(np.float32) / 255

    model = nn.Sequential(OneHot(), nn.Linear(3, 2))
    assert model(model.init(rng=0), np.array([0, 2])).shape == (2, 2)
    model = nn.Sequential(Scaled(), nn.Flatten(), nn.Linear(4, 2))
    images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    assert model(model.init(rng=0), images).dtype == np.float32
    with pytest.raises(TypeError, match=r"expected floating numbers: x\.astype"):
        nn.Linear(3, 2)(nn.Linear(3, 2).init(rng=0), np.ones((1, 3), int))


def test_a_model_without_a_transposed_rule_is_named():
    batch = nn.Objective(lambda p, x: x * p["w"], nn.mse).bind(np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(dg.DualgradError, match=r"the model <lambda> has no transposed rule"):
        dg.estimators.Backprop().estimate(batch, dg.Params({"w": np.ones(1)}), rng=0)


def test_training_is_true_or_false():
    with pytest.raises(ValueError, match="got train='no'"):
        nn.Dropout(0.5)({}, np.ones(3), train="no", rng=0)


def test_buffers_that_cannot_be_written_stay_all():
    model = nn.BatchNorm(2)
    params = model.init(rng=0)
    params.buffers["running_var"].flags.writeable = False
    with pytest.raises(TypeError, match="the buffer running_var is read-only"):
        model.update_buffers(params, np.eye(2, dtype=np.float32))
    assert not np.any(params.buffers["running_mean"])
