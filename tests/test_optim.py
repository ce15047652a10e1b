"""Optimizers: their formulas, in place, on every kind of parameters; errors leave everything as it was."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import optim

MAKERS = {
    "SGD": lambda: optim.SGD(0.1),
    "SGD with momentum": lambda: optim.SGD(0.1, momentum=0.9),
    "Adam": lambda: optim.Adam(0.01, betas=(0.8, 0.95), eps=1e-6),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def formula(name, w, gradients):
    """The textbook recursions, in float64 and one entry at a time."""
    w, m, v = w.astype(float), 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        if name == "SGD":
            w = w - 0.1 * g
        elif name == "SGD with momentum":
            m = 0.9 * m + g
            w = w - 0.1 * m
        else:
            m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
            w = w - 0.01 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-6)
    return w


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", [1, 5, 200_001], ids=["1", "5", "several blocks"])
def test_the_textbook_recursion(name, size):
    rng = np.random.default_rng(0)
    w, gradients = rng.standard_normal(size), rng.standard_normal((4, size))
    expected, optimizer, view = formula(name, w, gradients), MAKERS[name](), w
    for g in gradients:
        assert optimizer.step(w, g) is None
    np.testing.assert_allclose(w, expected, rtol=1e-12, atol=1e-15)
    assert view is w


def test_torch_agrees():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for ours, theirs in (
        (optim.SGD(0.1, momentum=0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        (optim.Adam(0.01), lambda p: torch.optim.Adam(p, 0.01)),
    ):
        w = rng.standard_normal(6)
        t = torch.tensor(w.copy(), requires_grad=True)
        reference = theirs([t])
        for _ in range(5):
            g = rng.standard_normal(6)
            t.grad = torch.tensor(g)
            reference.step()
            ours.step(w, g)
        np.testing.assert_allclose(w, t.detach().numpy(), rtol=1e-10)


@every
def test_every_kind_of_parameters_gets_the_same_steps(make):
    start = {"w": np.arange(6.0).reshape(2, 3), "b": np.ones(2)}
    gradient = {"w": np.full((2, 3), 0.5), "b": np.array([1.0, -1.0])}
    params, tree, transposed = dg.Params(start), {k: v.copy() for k, v in start.items()}, np.asfortranarray(start["w"])
    optimizers = [make() for _ in range(4)]
    mixed = dg.Params(start)
    for _ in range(3):
        optimizers[0].step(params, dg.Params(gradient))
        optimizers[1].step(tree, gradient)
        optimizers[2].step(transposed, gradient["w"])
        optimizers[3].step(mixed, gradient)
    for name in start:
        np.testing.assert_allclose(params[name], tree[name], rtol=1e-15)
        np.testing.assert_allclose(mixed[name], tree[name], rtol=1e-15)
    np.testing.assert_allclose(transposed, tree["w"], rtol=1e-15)


@every
def test_float32_stays_float32(make):
    w, optimizer = np.ones(4, np.float32), make()
    optimizer.step(w, np.full(4, 0.5, np.float32))
    assert w.dtype == np.float32
    assert all(a.dtype == np.float32 for name in optimizer.state_names for a in optimizer.state_dict()[name])


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(make, bad):
    w, optimizer = np.ones(3), make()
    optimizer.step(w, np.ones(3))
    before, state = w.copy(), optimizer.state_dict()
    with pytest.raises(dg.NonFiniteError, match="step 2 of"):
        optimizer.step(w, np.array([1.0, bad, 1.0]))
    assert np.array_equal(w, before)
    assert_same(optimizer.state_dict(), state)


def test_a_gradient_of_huge_numbers_is_finite():
    w = np.zeros(2, np.float32)
    optim.SGD(1e-30).step(w, np.full(2, 1e30, np.float32))
    np.testing.assert_allclose(w, -1)


@every
def test_other_layouts_are_refused_and_change_nothing(make):
    params, optimizer = dg.Params({"w": np.ones(3)}), make()
    for gradient in (dg.Params({"v": np.ones(3)}), dg.Params({"w": np.ones(4)}), dg.Params({"w": np.ones((1, 3))})):
        with pytest.raises(dg.LayoutError, match="got a gradient"):
            optimizer.step(params, gradient)
    with pytest.raises(dg.StructureError, match="missing"):
        optimizer.step({"w": np.ones(3)}, {"v": np.ones(3)})
    with pytest.raises(dg.LayoutError, match="expected"):
        optimizer.step({"w": np.ones(3)}, {"w": np.ones(1)})
    optimizer.step(params, dg.Params({"w": np.ones(3)}))
    with pytest.raises(dg.LayoutError, match="was stepping"):
        optimizer.step(np.ones(2), np.ones(2))
    with pytest.raises(TypeError, match="expected an array"):
        make().step({"w": 1.0}, {"w": 1.0})
    assert optimizer.steps == 1


@every
def test_state_is_saved_and_restored(make):
    rng = np.random.default_rng(0)
    w, first = rng.standard_normal(7), make()
    gradients = rng.standard_normal((6, 7))
    for g in gradients[:3]:
        first.step(w, g)
    copy, second = w.copy(), make()
    second.load_state_dict(first.state_dict())
    for g in gradients[3:]:
        first.step(w, g)
        second.step(copy, g)
    assert np.array_equal(w, copy)
    second.lr = 0.5
    second.load_state_dict(first.state_dict())
    assert second.lr == first.lr
    second.reset()
    assert second.steps == 0
    fresh = make()
    fresh.load_state_dict(make().state_dict())
    assert fresh.steps == 0


def test_a_foreign_state_is_refused():
    adam, sgd = optim.Adam(0.1), optim.SGD(0.1, momentum=0.5)
    adam.step(np.ones(2), np.ones(2))
    before = adam.state_dict()
    with pytest.raises(dg.LayoutError, match="expects"):
        sgd.load_state_dict(before)
    for broken in (
        before | {"extra": 1},
        {k: v for k, v in before.items() if k != "m"},
        before | {"m": [np.ones(3)]},
        {},
    ):
        with pytest.raises(dg.LayoutError):
            adam.load_state_dict(broken)
    with pytest.raises(dg.LayoutError, match="got a NoneType"):
        adam.load_state_dict(None)
    assert_same(adam.state_dict(), before)


@pytest.mark.parametrize("lr", [0, -1, np.nan, np.inf, "fast"])
def test_a_wrong_rate_is_refused(lr):
    with pytest.raises(ValueError, match="positive number"):
        optim.SGD(lr)


def test_wrong_constants_are_refused():
    with pytest.raises(ValueError, match="momentum"):
        optim.SGD(0.1, momentum=1)
    with pytest.raises(ValueError, match="betas"):
        optim.Adam(0.1, betas=(0.9, 1.0))


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert all(np.array_equal(x, y) for x, y in zip(np.atleast_1d(a[name]), np.atleast_1d(b[name]), strict=True))


@every
def test_what_cannot_be_written_is_refused_before_anything_changes(make):
    optimizer, frozen = make(), np.ones(2)
    frozen.flags.writeable = False
    tree = {"a": np.ones(2), "b": frozen}
    with pytest.raises(TypeError, match=r"params\['b'\] is read-only"):
        optimizer.step(tree, {"a": np.ones(2), "b": np.ones(2)})
    for w, g in ((np.ones(2), np.ones(2) * 1j), (np.ones(2, int), np.ones(2))):
        with pytest.raises(TypeError, match="expected floating, of one kind"):
            optimizer.step(w, g)
        np.testing.assert_array_equal(w, 1)
    np.testing.assert_array_equal(tree["a"], 1)
    assert optimizer.steps == 0
    optimizer.step(np.ones(2), np.ones(2))


@every
def test_a_complex_number_is_two_real_ones(make):
    w, pair = np.array([1 + 2j, 3 - 1j]), np.array([[1.0, 2.0], [3.0, -1.0]])
    one, two = make(), make()
    for g in (np.array([0.5 + 1j, 2j]), np.array([1.0 - 1j, 0.1])):
        one.step(w, g)
        two.step(pair, np.stack([g.real, g.imag], -1))
    np.testing.assert_allclose(w, pair[:, 0] + 1j * pair[:, 1], rtol=1e-14)
