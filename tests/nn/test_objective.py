"""The jvp of a bound objective: bit for bit what `dg.jvp` of it gives, by the rules on plain arrays where it can."""

import sys

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.estimators.chain.chains import chains_of
from tests.support.layers import INTEGERS, LAYERS, LOSSES

leads = pytest.mark.parametrize("n", [None, 1, 3], ids=["one", "K=1", "K=3"])
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


class Forward(nn.Layer):
    """A layer of one's own, without a rule."""

    def shapes(self):
        return {"s": (5,)}

    def initial(self, name, shape, rng, dtype):
        return rng.normal(shape, dtype=dtype)

    def forward(self, p, x):
        return np.sin(p["s"] * x)


class Natural(Forward):
    """One with the natural code, for one direction."""

    def forward(self, p, x):
        return p["s"] * x

    def jvp(self, p, x, dp, dx):
        return p["s"] * x, dp["s"] * x + p["s"] * dx


class Huge(nn.Loss):
    """A loss of one's own, without a rule."""

    def evaluate(self, x, target):
        return np.sum((x - target) ** 4, -1), lambda: 4 * (x - target) ** 3


class Clipped(Huge):
    """One with the natural code, for one direction, and a setting."""

    settings = {"most": 2.0}  # noqa: RUF012

    def evaluate(self, x, target, most):
        return np.sum(np.minimum((x - target) ** 2, most), -1), None

    def jvp(self, x, target, dx, reduction, weights, most=2.0):
        e = x - target
        return np.sum(np.minimum(e**2, most)), np.sum(np.where(e**2 < most, 2 * e * dx, 0))


class Still(Clipped):
    """One that does not move, and whose rule says so."""

    settings = {}  # noqa: RUF012

    def evaluate(self, x, target):
        return np.sum(np.sign(x), -1), None

    def jvp(self, x, target, dx, reduction, weights):
        return np.sum(np.sign(x)), dg.ZERO


class Signs(Forward):
    """A layer that does not move."""

    def forward(self, p, x):
        return np.sign(p["s"] * x)

    def jvp(self, p, x, dp, dx):
        return np.sign(p["s"] * x), dg.ZERO


class Scaled(Natural):
    """A layer that holds a number."""

    def __init__(self, c):
        self.c = c

    def forward(self, p, x):
        return self.c * p["s"] * x

    def jvp(self, p, x, dp, dx):
        return self.c * p["s"] * x, self.c * (dp["s"] * x + p["s"] * dx)


MIXED = nn.Sequential(nn.Linear(5, 5), Natural(), nn.Tanh(), Forward(), nn.Linear(5, 2))
PAIRS = {name: (layer, x, nn.mse, None) for name, (layer, x) in (LAYERS | INTEGERS).items()}
PAIRS |= {f"Linear, {name}": (nn.Linear(x[-1], x[-1]), x, loss, y) for name, (loss, x, y) in LOSSES.items()}
PAIRS |= {
    "sum": (nn.Linear(5, 3), (4, 5), nn.cross_entropy.using(reduction="sum"), np.array([0, 2, 1, 1])),
    "none": (nn.Linear(5, 3), (4, 5), nn.cross_entropy.using(reduction="none"), np.array([0, 2, 1, 1])),
    "own layer without a rule": (Forward(), (4, 5), nn.mse, None),
    "own layer": (Natural(), (4, 5), nn.mse, None),
    "own layers inside": (MIXED, (4, 5), nn.cross_entropy, np.array([0, 1, 1, 0])),
    "own loss without a rule": (nn.Linear(5, 3), (4, 5), Huge(), None),
    "own loss": (nn.Linear(5, 3), (4, 5), Clipped(), None),
}
PAIRS = {name: pair for name, pair in PAIRS.items() if "no examples" not in name}
moving = pytest.mark.parametrize("name", [n for n, (layer, *_) in PAIRS.items() if layer.init(rng=0).size])


def bound(name, dtype=np.float64):
    """The objective of a pair, and parameters for it."""
    layer, x, loss, y = PAIRS[name]
    model, keywords, rng = getattr(layer, "layer", layer), getattr(layer, "kwargs", {}), np.random.default_rng(1)
    x = rng.standard_normal(x).astype(dtype) if isinstance(x, tuple) else x
    params = model.init(rng=1, dtype=dtype)
    y = rng.standard_normal(model(params, x, **keywords).shape).astype(dtype) if y is None else y
    return nn.Objective(model, loss).bind(x, y, **keywords), params


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert type(a) is type(b)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def by_engine(objective, params, tangents):
    return dg.jvp(objective, (params,), (tangents,))


@pytest.fixture
def no_engine(monkeypatch):
    """What is plain goes by the rules alone."""

    def refuse(*args):
        raise AssertionError("an everyday batch went by the engine")

    monkeypatch.setattr("dualgrad.nn.objective.jvp", refuse)


@leads
@dtypes
@moving
@pytest.mark.usefixtures("no_engine")
def test_it_is_the_jvp_of_the_engine_bit_for_bit(name, dtype, n):
    objective, params = bound(name, dtype)
    dense = dg.directions.Gaussian().sample(params, rng=2, n=n)
    low = dg.directions.LowRank().sample(params, rng=3, n=n)
    mixed = {name: (dense if k % 2 else low)[name] for k, name in enumerate(low)}
    for tangents in (dense, low, mixed):
        same(objective.jvp(params, tangents), by_engine(objective, params, tangents))
    if not params.buffers:
        same(objective.jvp(dict(params), dict(dense)), by_engine(objective, dict(params), dict(dense)))


def by_call(objective, params):
    return objective.loss(objective.model(params, objective.x, **objective.keywords()), objective.y)


@dtypes
@pytest.mark.parametrize("name", PAIRS)
def test_its_value_is_that_of_a_call_of_model_and_loss(name, dtype):
    objective, params = bound(name, dtype)
    for at in (params, params, params.copy(), params.at(params.vector * 2), params if params.buffers else {**params}):
        same([objective(at)], [by_call(objective, at)])


@leads
@moving
def test_zero_is_an_array_of_zeros(name, n):
    objective, params = bound(name)
    v = dict(dg.directions.Gaussian().sample(params, rng=2, n=n))
    for still in ([], list(v)[:1], list(v)[1:], list(v)):
        zeros = v | {name: np.zeros_like(v[name]) for name in still}
        zeros = zeros if len(still) < len(v) else {name: np.zeros_like(w) for name, w in params.items()}
        found = objective.jvp(params, v | dict.fromkeys(still, dg.ZERO))
        for a, b in zip(found, by_engine(objective, params, zeros), strict=True):
            assert (type(a), a.dtype) == (type(b), b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@leads
@moving
def test_what_is_no_plain_array_goes_by_the_engine(name, n):
    """Parameters or a batch that move in an outer jvp, and a model or a loss that is a function."""
    objective, params = bound(name)
    v = dict(dg.directions.Gaussian().sample(params, rng=2, n=n))
    p, u = dict(params) | params.buffers, dict(dg.directions.Gaussian().sample(params, rng=4))
    if not params.buffers:
        outer = [dg.jvp(lambda q, f=f: f(q, v)[1], (p,), (u,)) for f in (objective.jvp, _partial(objective))]
        same(*outer)
    if objective.x.dtype.kind == "f":
        inner = lambda x, f: f(objective_at(objective, x), params, v)[1]  # noqa: E731
        rules = dg.jvp(lambda x: inner(x, nn.BoundObjective.jvp), (objective.x,), (np.cos(objective.x),))
        same(rules, dg.jvp(lambda x: inner(x, by_engine), (objective.x,), (np.cos(objective.x),)))
    model = lambda p, x, **kwargs: objective.model(p, x, **kwargs)  # noqa: E731
    keywords = {name: k.stream if hasattr(k, "stream") else k for name, k in objective.kwargs.items()}
    batch = nn.Objective(model, lambda x, y: objective.loss(x, y)).bind(objective.x, objective.y, **keywords)
    same(batch.jvp(params, v), by_engine(batch, params, v))


@leads
@pytest.mark.parametrize(("model", "loss"), [(Signs(), nn.mse), (Natural(), Still())], ids=["model", "loss"])
def test_what_does_not_move_has_slopes_of_zero(model, loss, n):
    objective, params = nn.Objective(model, loss).bind(X, X), model.init(rng=0, dtype=np.float64)
    v = dg.directions.Rademacher().sample(params, rng=0, n=n)
    same(objective.jvp(params, v), by_engine(objective, params, v))


@leads
def test_a_layer_and_a_loss_may_hold_what_moves_in_an_outer_jvp(n):
    params = Natural().init(rng=0, dtype=np.float64)
    v = dg.directions.Rademacher().sample(params, rng=0, n=n)

    def slopes(jvp):
        in_a_layer = lambda c: jvp(nn.Objective(Scaled(c), nn.mse).bind(X, X), params, v)[1]  # noqa: E731
        in_a_loss = lambda c: jvp(nn.Objective(Natural(), nn.huber.using(delta=c)).bind(X, X), params, v)[1]  # noqa: E731
        return [d for f in (in_a_layer, in_a_loss) for d in dg.jvp(f, (0.5,), (1.0,))]

    same(slopes(nn.BoundObjective.jvp), slopes(by_engine))


def _partial(objective):
    return lambda q, v: by_engine(objective, q, v)


def objective_at(objective, x):
    return nn.BoundObjective(objective.model, objective.loss, x, objective.y, objective.kwargs)


PLAIN = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
CLASSES, X = np.array([0, 2, 1, 1]), np.linspace(-1, 1, 20).reshape(4, 5)
GOOD = PLAIN.init(rng=0, dtype=np.float64)
ALONG = dict(dg.directions.Rademacher().sample(GOOD, rng=0))
FAULTS = {
    "a name too many": (X, CLASSES, GOOD, ALONG | {"more": np.ones(3)}),
    "a name too few": (X, CLASSES, GOOD, {"0.weight": ALONG["0.weight"]}),
    "another model": (X, CLASSES, {"weight": np.ones((5, 3))}, {"weight": np.ones((5, 3))}),
    "a shape": (X, CLASSES, GOOD, ALONG | {"2.bias": np.ones(2)}),
    "a shape of the parameters": (X, CLASSES, dict(GOOD) | {"2.bias": np.ones(2)}, ALONG | {"2.bias": np.ones(2)}),
    "a shape of the parameters alone": (X, CLASSES, dict(GOOD) | {"2.bias": np.ones(1)}, ALONG),
    "K beside one": (X, CLASSES, GOOD, ALONG | {"2.bias": np.ones((2, 3))}),
    "two K": (X, CLASSES, GOOD, {n: np.ones((2 + k, *w.shape)) for k, (n, w) in enumerate(GOOD.items())}),
    "two leads": (X, CLASSES, GOOD, {n: np.ones((2, 2, *w.shape)) for n, w in GOOD.items()}),
    "LowRank of a shape": (X, CLASSES, GOOD, ALONG | {"0.weight": dg.OuterProduct(np.ones(4), np.ones(5))}),
    "complex tangents": (X, CLASSES, GOOD, ALONG | {"2.bias": 1j * np.ones(3)}),
    "whole parameters": (X, CLASSES, dict(GOOD) | {"2.bias": np.ones(3, int)}, ALONG),
    "all whole": (X, CLASSES, *[{n: np.ones(w.shape, int) for n, w in GOOD.items()}] * 2),
    "None": (X, CLASSES, GOOD, ALONG | {"2.bias": None}),
    "no tangents": (X, CLASSES, GOOD, None),
    "no parameters": (X, CLASSES, None, ALONG),
    "a vector": (X, CLASSES, GOOD, GOOD.vector),
    "the width of the batch": (X[:, :4], CLASSES, GOOD, ALONG),
    "a whole batch": (X.astype(int), CLASSES, GOOD, ALONG),
    "no examples": (X[:0], CLASSES[:0], GOOD, ALONG),
    "a class out of range": (X, CLASSES + 1, GOOD, ALONG),
    "a negative class": (X, CLASSES - 1, GOOD, ALONG),
    "classes that are no whole numbers": (X, CLASSES.astype(float), GOOD, ALONG),
    "another number of targets": (X, CLASSES[:3], GOOD, ALONG),
    "complex targets": (X, np.ones((4, 3), complex), GOOD, ALONG),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_errors_are_those_of_the_engine(fault):
    x, y, params, tangents = FAULTS[fault]
    objective = nn.Objective(PLAIN, nn.cross_entropy).bind(x, y)
    said = []
    for jvp in (nn.BoundObjective.jvp, by_engine):
        with pytest.raises(Exception, match=r".") as error:
            jvp(objective, params, tangents)
        said.append((error.type, str(error.value), getattr(error.value, "__notes__", [])))
    assert said[0] == said[1]


@pytest.mark.parametrize("fault", [*FAULTS, "Params of another model", "Params with buffers", "K of Params"])
def test_the_errors_of_a_value_are_those_of_a_call(fault):
    """Also once the layout of good parameters is known."""
    x, y, params, _ = FAULTS.get(fault, (X, CLASSES, None, None))
    params = {
        "Params of another model": dg.Params({"weight": np.ones((5, 3))}),
        "Params with buffers": dg.Params(dict(GOOD), {"mean": np.zeros(3)}),
        "K of Params": GOOD.at(np.stack([GOOD.vector] * 2)),
    }.get(fault, params)
    objective, said = nn.Objective(PLAIN, nn.cross_entropy).bind(X, CLASSES), []
    objective(GOOD)
    objective = objective if x is X and y is CLASSES else nn.Objective(PLAIN, nn.cross_entropy).bind(x, y)
    for call in (nn.BoundObjective.__call__, nn.BoundObjective.__call__, by_call):
        try:
            said.append((call(objective, params), None, None))
        except Exception as error:
            said.append((type(error), str(error), getattr(error, "__notes__", [])))
    assert said[0] == said[1] == said[2]


def test_a_known_layout_lets_nothing_pass_that_was_refused():
    """Params of whole numbers, without the model's buffers, and batches that were replaced by lists."""
    objective = nn.Objective(nn.Linear(5, 3), nn.mse).bind(X, X[:, :3])
    params = objective.model.init(rng=0, dtype=np.float64)
    whole = params.at(np.arange(params.size))
    assert objective(params) == objective(params)
    same([objective(whole)], [by_call(objective, whole)])
    with pytest.raises(TypeError, match="floating"):
        objective.jvp(whole, whole)
    objective.x, objective.y = X.tolist(), X[:, :3].tolist()
    same([objective(params)], [by_call(objective, params)])
    same(objective.jvp(params, params), by_engine(objective, params, params))
    normed = nn.Objective(nn.BatchNorm(5), nn.mse).bind(X, X)
    params = normed.model.init(rng=0, dtype=np.float64)
    normed.jvp(params, params.zeros_like())
    with pytest.raises(dg.LayoutError, match="buffers belong to parameters"):
        normed(params.zeros_like())


def test_what_is_not_as_it_should_be_and_can_be_made_so_is():
    """Tangents of another precision, a batch of lists, a target written into after it was bound."""
    objective = nn.Objective(PLAIN, nn.cross_entropy).bind(X.tolist(), CLASSES.tolist())
    low = {"0.weight": dg.OuterProduct(np.ones(5, np.float32), np.full(4, 0.1, np.float32))}
    for tangents in ({n: v.astype(np.float32) for n, v in ALONG.items()}, ALONG | low):
        same(objective.jvp(GOOD, tangents), by_engine(objective, GOOD, tangents))
    objective.y[0] = 7
    for call in (lambda: objective.jvp(GOOD, ALONG), lambda: objective(GOOD), lambda: objective(GOOD)):
        with pytest.raises(ValueError, match="classes 1 to 7"):
            call()


def test_buffers_are_required_as_they_are_by_a_call():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm(4))
    params = model.init(rng=0, dtype=np.float64)
    objective = nn.Objective(model, nn.mse).bind(X, X[:, :4], train=True)
    v = dg.directions.Rademacher().sample(params, rng=0)
    same(objective.jvp(params, v), by_engine(objective, params, v))
    for jvp in (objective.jvp, _partial(objective)):
        with pytest.raises(dg.LayoutError, match="buffers belong to parameters"):
            jvp(dict(params), v)


def test_every_call_draws_the_same():
    objective, params = bound("TransformerBlock")
    v = dg.directions.Rademacher().sample(params, rng=0)
    same(objective.jvp(params, v), objective.jvp(params, v))
    same(objective.jvp(params, v)[:1] * 2, (objective(params),) * 2)


# ---------------------------------------------------------------------- weights of the batch

SEQUENCES = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
WEIGHTED = {
    "examples": (nn.mse, (6, 5), None, np.arange(6.0)),
    "entries": (nn.huber, (6, 5), None, np.arange(18.0).reshape(6, 3)),
    "a mask": (nn.cross_entropy, (6, 5), np.arange(6) % 3, np.arange(6) % 2 == 0),
    "steps": (nn.cross_entropy, (2, 4, 5), np.arange(8).reshape(2, 4) % 3, np.array([[1, 1, 1, 0], [1, 0, 0, 0]])),
    "steps, ignored too": (
        nn.cross_entropy.using(weight=[1.0, 2.0, 0.5]), (2, 4, 5), np.where(np.arange(8) % 4, 1, -100).reshape(2, 4),
        np.arange(8).reshape(2, 4),
    ),
    "a sum": (nn.mae.using(reduction="sum"), (6, 5), None, np.arange(-2.0, 4)),
    "none": (nn.bce_with_logits.using(reduction="none"), (6, 5), np.full((6, 3), 0.3), np.arange(6.0)),
    "variances": (nn.gaussian_nll.using(var=0.5), (6, 5), None, [1, 0, 2, 0, 1, 1]),
}  # fmt: skip
weighted_by = pytest.mark.parametrize("by", WEIGHTED)


def weighted(by, dtype=np.float64):
    loss, shape, y, weights = WEIGHTED[by]
    rng, params = np.random.default_rng(1), SEQUENCES.init(rng=1, dtype=dtype)
    y = rng.standard_normal((*shape[:-1], 3)).astype(dtype) if y is None else y
    return nn.Objective(SEQUENCES, loss).bind(rng.standard_normal(shape).astype(dtype), y, weights=weights), params


@leads
@dtypes
@weighted_by
@pytest.mark.usefixtures("no_engine")
def test_weights_reach_the_loss_by_the_rules_as_by_the_engine(by, dtype, n):
    objective, params = weighted(by, dtype)
    _, _, _, weights = WEIGHTED[by]
    expected = objective.loss(SEQUENCES(params, objective.x), objective.y, weights=weights)
    for at in (params, dict(params)):
        same([objective(at)], [expected])
    for sampler in (dg.directions.Gaussian(), dg.directions.LowRank()):
        v = sampler.sample(params, rng=2, n=n)
        same(objective.jvp(params, v), by_engine(objective, params, v))


@weighted_by
def test_weights_reach_gradients_and_the_losses_of_examples(by):
    objective, params = weighted(by)
    reduction = objective.loss.reduction
    if reduction == "none":
        assert objective.per_example(params).shape == (6,)
        return
    value, gradient = objective.vjp(params)
    exact = dg.grad(objective)(params)
    estimate = dg.estimators.Backprop().estimate(objective, params)
    for name, g in exact.items():
        np.testing.assert_allclose(gradient[name], g, 1e-11, 1e-13)
        np.testing.assert_allclose(estimate.gradient[name], g, 1e-11, 1e-13)
    each = objective.per_example(params)
    assert each.shape == objective.x.shape[:-1]
    for found in (value, each.sum() if reduction == "sum" else each.mean()):
        np.testing.assert_allclose(found, objective(params), 1e-12)
    (chain,) = chains_of("a guess", objective)
    z = SEQUENCES(params, objective.x)
    np.testing.assert_array_equal(
        chain.loss(z)[1], objective.loss.vjp(z, objective.y, weights=objective.weights)[1](1.0)
    )


def test_a_mask_leaves_examples_out():
    objective, params = weighted("a mask")
    kept = objective.weights
    part = nn.Objective(SEQUENCES, nn.cross_entropy).bind(objective.x[kept], objective.y[kept])
    v = dg.directions.Gaussian().sample(params, rng=0, n=3)
    for found, expected in zip(objective.jvp(params, v), part.jvp(params, v), strict=True):
        np.testing.assert_allclose(found, expected, 1e-13)
    assert "weights" in repr(objective)


def test_what_takes_no_weights_says_so():
    model = nn.Linear(5, 3)
    params = model.init(rng=0, dtype=np.float64)
    own = lambda x, y: np.mean((x - y) ** 2)  # noqa: E731
    with pytest.raises(TypeError, match="which takes none: weigh inside of it"):
        nn.Objective(model, own).bind(X, X[:, :3], weights=np.ones(4))
    own = lambda x, y, weights: np.sum(weights[:, None] * (x - y) ** 2)  # noqa: E731
    objective = nn.Objective(model, own).bind(X, X[:, :3], weights=np.arange(4.0))
    same([objective(params)], [nn.mse(model(params, X), X[:, :3], "sum", weights=np.arange(4.0))])
    objective = nn.Objective(model, nn.mse).bind(X, X[:, :3], weights=np.ones(3))
    v = params.zeros_like()
    for call in (lambda: objective(params), lambda: objective.jvp(params, v), lambda: by_engine(objective, params, v)):
        with pytest.raises(dg.ShapeError, match=r"weights of shape \(3,\); expected \(4,\) or \(4, 3\)"):
            call()


def test_local_losses_take_no_weights():
    model = nn.networks.LocalMixer(4, 2, 2, 3, channels=4, groups=2, blocks=2)
    objective = nn.Objective(model, nn.cross_entropy).bind(np.ones((2, 4, 4, 2)), np.array([0, 1]), weights=np.ones(2))
    with pytest.raises(dg.DualgradError, match="local=True takes no weights of examples: bind without"):
        chains_of("a guess", objective, local=True)


def test_weights_may_move():
    objective, params = weighted("examples")
    f = lambda w: nn.Objective(SEQUENCES, nn.mse).bind(objective.x, objective.y, weights=w)(params)  # noqa: E731
    assert dg.testing.check_jvp(f, (np.arange(1.0, 7),)).passed


def test_the_steps_of_a_sequence_are_weighed_online():
    model = nn.Sequential(nn.RNN(3, 4), nn.Linear(4, 2))
    params, rng = model.init(rng=0, dtype=np.float64), np.random.default_rng(0)
    x, y = rng.standard_normal((5, 2, 3)), rng.integers(0, 2, (5, 2))
    batch = nn.Objective(model, nn.cross_entropy).bind(x, y, weights=np.arange(10).reshape(5, 2) % 3)
    found, exact = dg.online.RTRL().estimate(batch, params), batch.vjp(params)
    np.testing.assert_allclose(found.value, exact[0], 1e-12)
    for name, g in exact[1].items():
        np.testing.assert_allclose(found.gradient[name], g, 1e-10, 1e-12)


@pytest.mark.parametrize("by", ["weights", "weight", "ignore_index", "a sum"])
def test_means_of_shards_are_not_weighted_means(by):
    """They are refused, and sums are right: weights times shards over the weight of all."""
    rng, model = np.random.default_rng(0), nn.Linear(5, 3)
    x, y, w, params = rng.standard_normal((6, 5)), np.arange(6) % 3, np.arange(1.0, 7), model.init(rng=0, dtype=float)
    settings = {
        "weight": {"weight": [1.0, 2.0, 3.0]},
        "ignore_index": {"ignore_index": 0},
        "a sum": {"reduction": "sum"},
    }
    objective = nn.Objective(model, nn.cross_entropy.using(**settings.get(by, {})))
    given = {"weights": w} if by == "weights" else {"weights": 2 * w / w.sum()} if by == "a sum" else {}
    parts = [slice(0, 2), slice(2, 6)]
    bind = lambda k: objective.bind(x[parts[k]], y[parts[k]], **{n: a[parts[k]] for n, a in given.items()})  # noqa: E731
    shared = dg.estimators.Shared(dg.estimators.ForwardGradient(dg.directions.Gaussian(), n=2), shards=2)
    if by == "a sum":
        whole = nn.Objective(model, nn.cross_entropy).bind(x, y, weights=w)
        np.testing.assert_allclose(shared.estimate(bind, params, rng=0).value, whole(params), 1e-12)
    else:
        with pytest.raises(dg.DualgradError, match="not that over all examples where these have weights"):
            shared.estimate(bind, params, rng=0)


def test_a_small_batch_takes_few_calls():
    """No tree, no Dual and no look-up by name come in between the rules: 39 calls in 7 files, 187 by the engine."""
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
    objective = nn.Objective(model, nn.cross_entropy).bind(np.ones((4, 8), np.float32), np.array([0, 1, 2, 0]))
    params, calls = model.init(rng=0), []
    along = dg.directions.LowRank().sample(params, rng=0)

    def note(frame, event, _):
        if event == "call" and frame.f_globals.get("__name__", "").startswith("dualgrad"):
            calls.append(frame.f_code.co_filename)

    before = sys.getprofile()
    objective.jvp(params, along)
    sys.setprofile(note)
    try:
        objective.jvp(params, along)
    finally:
        sys.setprofile(before)
    assert 0 < len(calls) <= 45
    assert len(set(calls)) <= 7
