"""Models and layers of one's own: a `Container` is what its children are together, and the keywords of a ``forward``
reach it, wherever the layer stands."""

import inspect

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from tests.support.layers import INTEGERS, LAYERS, Bound

RNG = np.random.default_rng(11)
B, T, N = 6, 4, 3


class Own(nn.Container):
    """Children one after another, by the code that a user writes."""

    def __init__(self, *layers):
        super().__init__({f"part{k}": layer for k, layer in enumerate(layers)})

    def forward(self, p, x, **kwargs):
        for name in self.children:
            x = self.apply(name, p, x, **kwargs)
        return x


def pairs():
    """Every layer of the catalogue in a container of one's own, and in a Sequential."""
    for name, (layer, shape) in (LAYERS | INTEGERS).items():
        layer, kwargs = (layer.layer, layer.kwargs) if isinstance(layer, Bound) else (layer, {})
        x = RNG.standard_normal(shape) if isinstance(shape, tuple) else shape
        yield pytest.param(layer, kwargs, x, id=name)


def renamed(params):
    """The parameters of a Sequential, under the names of `Own`."""
    own = lambda arrays: {f"part{name}": a for name, a in arrays.items()}  # noqa: E731
    found = dg.Params(own(params))
    found.buffers.update(own(params.buffers))
    return found


def fresh(kwargs):
    return {k: dg.Rng(v) if k == "rng" else v for k, v in kwargs.items()}


@pytest.mark.parametrize(("layer", "kwargs", "x"), list(pairs()))
def test_a_container_of_ones_own_is_its_children(layer, kwargs, x):
    """Value and tangents along K directions, dense and in factors, by the children's rules."""
    ours, own = nn.Sequential(layer), Own(layer)
    assert (own.takes, own.by_example, own.integers) == (ours.takes, ours.by_example, ours.integers)
    params = ours.init(rng=0, dtype=np.float64)
    twin = renamed(params) if params.size else own.init(rng=0, dtype=np.float64)
    y = ours(params, x, **fresh(kwargs))
    assert np.array_equal(own(twin, x, **fresh(kwargs)), y, equal_nan=True)
    if not params.size:
        return
    for of in (directions.Rademacher(), directions.LowRank()):
        v = of.sample(params, rng=1, n=2)
        w = {f"part{name}": d for name, d in v.items()}
        exact = dg.jvp(lambda p: ours(p, x, **fresh(kwargs)), (params,), (v,))[1]
        found = dg.jvp(lambda p: own(p, x, **fresh(kwargs)), (twin,), (w,))[1]
        np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-11)


def trained(model, *data, **how):
    params = model.init(rng=0)
    dg.fit(
        nn.Objective(model, nn.mse), params, data, estimator=estimators.ForwardGradient(directions.LowRank(), n=2),
        optimizer=optim.Adam(0.01), epochs=2, batch_size=3, rng=0, progress=False, **how,
    )  # fmt: skip
    return params


def test_it_trains_as_its_children_do():
    """Dropout's masks, running statistics and shared layers, bit for bit up to the order of sums."""
    twice = nn.Linear(N, N)
    parts = twice, nn.BatchNorm(N), nn.Dropout(0.3), nn.Sequential(twice, nn.Tanh())
    x, y = RNG.standard_normal((2, B, N)).astype(np.float32)
    expected, found = trained(nn.Sequential(*parts), x, y), trained(Own(*parts), x, y)
    assert list(found) == [f"part{name}" for name in expected]
    np.testing.assert_allclose(found.vector, expected.vector, rtol=1e-5, atol=1e-6)
    for name, b in expected.buffers.items():
        np.testing.assert_allclose(found.buffers[f"part{name}"], b, rtol=1e-5)


def test_a_child_says_more_than_its_output_where_it_is_asked():
    class Last(Own):
        def forward(self, p, x, lengths=None):
            _, h = self.apply("part0", p, x, lengths=lengths, return_state=True)
            return np.concatenate([h[-2], h[-1]], axis=-1)

    gru = nn.GRU(N, 2, num_layers=2, bidirectional=True)
    model, x, lengths = Last(gru), RNG.standard_normal((T, B, N)), RNG.integers(1, T + 1, B)
    params = model.init(rng=0, dtype=np.float64)
    own = {name.removeprefix("part0."): a for name, a in params.items()}
    _, h = gru(own, x, lengths=lengths, return_state=True)
    assert np.array_equal(model(params, x, lengths=lengths), np.concatenate([h[2], h[3]], axis=-1))
    v = params.map_leaves(np.ones_like)
    slope = dg.jvp(lambda p: np.sum(model(p, x, lengths=lengths)), (params,), (v,))[1]
    ahead, behind = (np.sum(model(params + s * v, x, lengths=lengths)) for s in (1e-6, -1e-6))
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


def test_a_weight_is_tied_in_another_layer():
    """The embedding of a language model, whose table is also that of the answers."""

    class Answers(nn.Container):
        def __init__(self, table):
            super().__init__({"table": table})

        def forward(self, p, x):
            return x @ p["table.weight"].T

    table = nn.Embedding(5, N)
    model = nn.Sequential(table, nn.Tanh(), Answers(table))
    params, words = model.init(rng=0, dtype=np.float64), RNG.integers(0, 5, (B, T))
    assert list(params) == ["0.weight"]
    w = params["0.weight"]
    np.testing.assert_allclose(model(params, words), np.tanh(w[words]) @ w.T, rtol=1e-13)


# ---------------------------------------------------------------------- keywords of a forward


def layers_with(signature):
    """A layer whose forward has these arguments, and gives back what it was called with."""
    scope = {"seen": []}
    exec(f"def forward(self, p, x{signature}):\n    seen.append(dict(locals()))\n    return x * 1.0", scope)
    return type("Told", (nn.Layer,), {"forward": scope["forward"]})(), scope["seen"]


@pytest.mark.parametrize("around", [lambda a: a, nn.Sequential, lambda a: nn.Residual(nn.Sequential(a)), Own])
@pytest.mark.parametrize(
    "signature", ["", ", train=False", ", train=False, rng=None", ", *, lengths", ", key_padding_mask=None, scale=2.0"]
)
def test_what_a_forward_has_beside_its_input_reaches_it(signature, around):
    layer, seen = layers_with(signature)
    model, x = around(layer), RNG.standard_normal((B, T))
    names = set(inspect.signature(layer.forward).parameters) - {"p", "x"}
    given = {"train": True, "rng": 3, "lengths": np.ones(B), "key_padding_mask": x > 0, "scale": 5.0}
    given = {k: v for k, v in given.items() if k in names}
    assert (model.takes, model.by_example) == (names, names & {"lengths", "key_padding_mask"})
    model({}, x, **given)
    dg.jvp(lambda x: model({}, x, **given), (x,), (np.ones((2, B, T)),))
    assert len(seen) >= 2
    for call in seen:
        assert all(call[k] is v for k, v in given.items() if k != "rng")
        assert isinstance(call.get("rng", dg.Rng(0)), dg.Rng)
    with pytest.raises(TypeError, match="got the keyword 'other'"):
        model({}, x, other=1)


def test_masks_and_training_mode_reach_a_layer_in_fit():
    """Each batch with its rows of the mask; evaluation without training mode."""

    class Mean(nn.Layer):
        def forward(self, p, x, key_padding_mask, train=False):
            modes.add(train)
            kept = ~key_padding_mask[..., None]
            return np.sum(x * kept, axis=1) / np.sum(kept, axis=1)

    modes, model = set(), nn.Sequential(nn.Linear(N, 2), Mean())
    x, y = RNG.standard_normal((B, T, N)).astype(np.float32), RNG.standard_normal((B, 2)).astype(np.float32)
    mask = np.arange(T) >= RNG.integers(1, T + 1, (B, 1))
    other = np.where(mask[..., None], 7.0, x).astype(np.float32)
    masked = lambda x: (x, y, {"key_padding_mask": mask})  # noqa: E731
    a, b = (trained(model, *masked(x), validation=masked(x)) for x in (x, other))
    assert np.array_equal(a.vector, b.vector)
    assert modes == {True, False}


def test_a_function_is_given_what_a_layer_is():
    """Training mode, a stream and rows of lengths: the parameters of a layer's run, bit for bit."""

    class Noisy(nn.Layer):
        shapes = lambda self: {"w": (N,)}  # noqa: E731
        initial = lambda self, name, shape, rng, dtype: np.ones(shape)  # noqa: E731

        def forward(self, p, x, lengths, train=False, rng=None):
            seen = np.arange(T) < lengths[:, None]
            x = x + dg.Rng(rng).normal(x.shape, dtype=x.dtype) if train else x
            return np.sum(x * seen[..., None], axis=1) * p["w"]

    layer = Noisy()
    x, y = RNG.standard_normal((B, T, N)).astype(np.float32), RNG.standard_normal((B, N)).astype(np.float32)
    data, ends = (x, y, {"lengths": RNG.integers(1, T + 1, B)}), []
    for model in (layer, lambda p, x, lengths, train=False, rng=None: layer.forward(p, x, lengths, train, rng)):
        params = layer.init(rng=0)
        history = dg.fit(
            nn.Objective(model, nn.mse), params, data, estimator=estimators.ForwardGradient(directions.Rademacher()),
            optimizer=optim.SGD(0.01), epochs=2, batch_size=4, rng=0, progress=False, validation=data,
        )  # fmt: skip
        assert history["loss"] != history["val_loss"]
        ends.append((params.vector.tolist(), history["loss"], history["val_loss"]))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("given", [np.float64, np.float32, int, list])
def test_parameters_start_in_the_precision_that_was_asked_for(given, dtype):
    class Started(nn.Layer):
        def shapes(self):
            return {"w": (2, N)}

        def initial(self, name, shape, rng, dtype):
            return np.ones(shape).tolist() if given is list else np.ones(shape, given)

    for model in (Started(), nn.Sequential(Started(), nn.Linear(N, N)), Own(Started())):
        assert model.init(rng=0, dtype=dtype).dtype == dtype


# ---------------------------------------------------------------------- what is refused


class Unnamed(nn.Container):
    def __init__(self):
        self.head = nn.Linear(N, 2)


class Holding(nn.Layer):
    def __init__(self):
        self.head = nn.Linear(N, 2)

    def forward(self, p, x):
        return self.head(p, x)


class Unstarted(nn.Layer):
    shapes = lambda self: {"w": (2,)}  # noqa: E731


class Misshapen(Unstarted):
    initial = lambda self, name, shape, rng, dtype: np.ones(3)  # noqa: E731


class Flat(nn.Loss):
    evaluate = lambda self, x, y: (x - y) ** 2  # noqa: E731


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: Unnamed().init(rng=0), AttributeError, r"super\(\).__init__\(\{name: layer"),
        (lambda: Holding()(Holding().init(rng=0), np.ones((1, N))), dg.LayoutError, r"make it an nn.Container"),
        (lambda: nn.Container([nn.Tanh()]), TypeError, "expected layers by name"),
        (lambda: nn.Container({"a.b": nn.Tanh()}), TypeError, "without dots"),
        (lambda: nn.Container({"a": np.tanh}), TypeError, "layer a is"),
        (lambda: Unstarted().init(rng=0), NotImplementedError, "define initial"),
        (lambda: Misshapen().init(rng=0), dg.ShapeError, r"starts 'w' with shape \(3,\); its shapes\(\) says \(2,\)"),
        (lambda: Flat()(np.ones(2), np.ones(2)), TypeError, "expected each, slope"),
    ],
)
def test_what_is_missing_is_named(act, error, words):
    with pytest.raises(error, match=words):
        act()
