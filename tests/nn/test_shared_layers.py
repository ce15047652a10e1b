"""A layer that stands at several places: its parameters once, gradients summed, across containers."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn

RNG = np.random.default_rng(4)


def models():
    """Models with a layer twice, the same with copies, and the places of which the first gives the name."""

    def made(a, b, norm, c):
        inner = nn.Sequential(a, nn.Tanh())
        return {
            "twice in a chain": nn.Sequential(a, nn.ReLU(), a, b),
            "in two containers": nn.Sequential(nn.Residual(a, nn.Tanh()), nn.Sequential(b, nn.Sequential(a))),
            "a container twice": nn.Sequential(inner, b, inner),
            "side by side": nn.Sequential(nn.Parallel(a, b, a), c),
            "body and shortcut": nn.Residual(a, b, shortcut=a),
            "turned": nn.Sequential(nn.Transposed(a), nn.Transposed(nn.Sequential(b, a))),
            "with buffers": nn.Sequential(norm, a, norm),
        }

    a, b, norm, c = nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm(4), nn.Linear(12, 4)
    return made(a, b, norm, c)


NAMES = list(models())


def apart(layer):
    """The same model with a layer of its own at every place."""
    if isinstance(layer, nn.Sequential):
        return nn.Sequential(*map(apart, layer.layers))
    if isinstance(layer, nn.Residual):
        rest = {"shortcut": apart(layer.children["shortcut"])} if "shortcut" in layer.children else {}
        return nn.Residual(*map(apart, layer.children["body"].layers), **rest)
    if isinstance(layer, nn.Parallel):
        return nn.Parallel(*map(apart, layer.children.values()))
    if isinstance(layer, nn.Transposed):
        return nn.Transposed(apart(layer.children["body"]))
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, layer.out_features)
    return nn.BatchNorm(4) if isinstance(layer, nn.BatchNorm) else layer


@pytest.mark.parametrize("name", NAMES)
def test_as_copies_that_stay_equal(name):
    model = models()[name]
    twin, places = apart(model), model.aliases()
    params, x = model.init(rng=0, dtype=np.float64), RNG.standard_normal((4, 4))
    assert set(places) == set(twin.names())
    assert set(places.values()) == set(model.names())
    assert len(model.names()) < len(twin.names())
    everything = {**params, **params.buffers}
    spread = lambda p: {place: p[full] for place, full in places.items() if full in p}  # noqa: E731
    copies = spread(everything)
    train = {"train": True} if params.buffers else {}
    np.testing.assert_array_equal(model(params, x, **train), twin(copies, x, **train))
    for lead in ((), (3,)):
        dp = {n: RNG.standard_normal(lead + v.shape) for n, v in params.items()}
        dx = RNG.standard_normal(lead + x.shape)
        still = dict.fromkeys(params.buffers, dg.ZERO)
        found = model.push(everything, x, dp | still, dx, **train)
        want = twin.push(copies, x, spread(dp) | spread(still), dx, **train)
        np.testing.assert_allclose(found[1], want[1], atol=1e-13)
    u = RNG.standard_normal(found[0].shape)
    by_p, by_x = model.vjp(everything, x, **train)[1](u)
    want_p, want_x = twin.vjp(copies, x, **train)[1](u)
    np.testing.assert_allclose(by_x, want_x, atol=1e-13)
    assert list(by_p) == list(params)
    for n, d in by_p.items():
        np.testing.assert_allclose(d, sum(want_p[place] for place, full in places.items() if full == n), atol=1e-12)
    assert sum(row[2] for row in model.summary(x).rows) == params.size
    model.update_buffers(params, x)
    if params.buffers:
        assert set(params.buffers) == {"0.running_mean", "0.running_var"}
        one, two = nn.BatchNorm(4), model.init(rng=0, dtype=np.float64)
        own = one.init(rng=0, dtype=np.float64)
        one.update_buffers(own, x)
        y = one(own, x, train=True) @ two["1.weight"] + two["1.bias"]
        one.update_buffers(own, y)
        np.testing.assert_allclose(params.buffers["0.running_var"], own.buffers["running_var"], rtol=1e-12)


def test_training_and_estimators():
    """Forward gradients, Backprop and a step see one parameter."""
    a = nn.Linear(3, 3)
    model = nn.Sequential(a, nn.Tanh(), a)
    params = model.init(rng=0, dtype=np.float64)
    assert list(params) == ["0.weight", "0.bias"]
    batch = nn.Objective(model, nn.mse).bind(RNG.standard_normal((5, 3)), np.zeros((5, 3)))
    exact = dg.grad(batch)(params)
    np.testing.assert_allclose(dg.estimators.Backprop().estimate(batch, params).gradient.vector, exact.vector)
    dense = dg.estimators.ForwardGradient(dg.directions.Gaussian(), n=4000).estimate(batch, params, rng=0).gradient
    assert np.linalg.norm(dense.vector - exact.vector) < 0.2 * np.linalg.norm(exact.vector)


def test_copies_that_were_saved_are_named():
    a = nn.Linear(3, 3)
    model, old = nn.Sequential(a, nn.ReLU(), a), nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    with pytest.raises(dg.LayoutError, match=r"once, under the first: '2.weight' is '0.weight'. Before, each place"):
        model(old.init(rng=0), np.zeros((1, 3), np.float32))


def test_a_container_of_ones_own_sums():
    """By `gradients`; `named`, which would lose one of two, is refused."""

    class Own(nn.Residual):
        def vjp(self, p, x, **kwargs):
            y, pull = self.call("vjp", "body", p, x)
            z, around = self.call("vjp", "shortcut", p, x)
            return y + z, lambda dy: (self.named("body", pull(dy)[0]) | self.named("shortcut", around(dy)[0]), dy)

    a, x = nn.Linear(3, 3), np.ones((2, 3))
    model = Own(a, shortcut=a)
    with pytest.raises(NotImplementedError, match=r"return self.gradients"):
        model.vjp(model.init(rng=0, dtype=np.float64), x)[1](x)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM, nn.LeakyRNN])
def test_online_each_cell_has_its_own(kind):
    """∂f/∂θ is kept cell by cell: one at two places is refused, and one of the readout's is one."""
    layer, a = kind(3, 3), nn.Linear(3, 3)
    network = dg.online.Network.of(nn.Sequential(layer, a, nn.Tanh(), a), nn.mse)
    assert list(network.shapes()) == list(nn.Sequential(layer, a, nn.Tanh(), a).shapes())
    for made in (
        lambda: dg.online.Network.of(nn.Sequential(layer, layer, a), nn.mse),
        lambda: dg.online.Network([layer.cell, layer.cell], a, nn.mse),
    ):
        with pytest.raises(dg.DualgradError, match="in which one stands twice"):
            made()


def test_weights_of_torch_are_compared():
    """A state_dict has a shared tensor under both names."""
    a = nn.Linear(3, 3)
    model = nn.Sequential(a, nn.ReLU(), a)
    params = model.init(rng=0)
    state = nn.to_torch(params, model)
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    np.testing.assert_array_equal(nn.from_torch(state, model).vector, params.vector)
    state["2.bias"] = state["2.bias"] + 1
    with pytest.raises(dg.LayoutError, match=r"'0.bias' stands at several places here, and '2.bias' differs"):
        nn.from_torch(state, model)
