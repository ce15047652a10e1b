"""Losses are instances of classes that can be seen, known by the names of the instances."""

import copy
import inspect
import pickle
import pydoc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.settings import plain_data

NAMES = {name: getattr(nn, name) for name in nn.__all__ if isinstance(getattr(nn, name), nn.Loss)}
names = pytest.mark.parametrize("name", NAMES)
X, Y = np.array([[0.3, -2.0], [1.0, 3.0]]), np.array([[0.0, 1.0], [1.0, 0.5]])


class Quartic(nn.Loss):
    """A loss of one's own."""

    def evaluate(self, x, target):
        return np.sum((x - target) ** 4, -1), lambda: 4 * (x - target) ** 3


class Doubled(nn.MSE):
    """One made of another."""

    def evaluate(self, x, target):
        each, slope = super().evaluate(x, target)
        return 2 * each, lambda: 2 * slope()


@names
def test_a_loss_is_an_instance_of_a_public_class_by_the_same_name(name):
    loss = NAMES[name]
    kind = type(loss)
    assert kind.__name__.lower() == name.replace("_", "")
    assert getattr(nn, kind.__name__) is kind
    assert inspect.getsource(kind).startswith(f"class {kind.__name__}(")
    assert repr(loss) == repr(kind()) == f"nn.{name}"
    assert loss.__doc__.splitlines()[0] in pydoc.render_doc(loss)
    assert plain_data(loss)["kind"] == name


@names
def test_pickles_go_by_the_name_of_the_instance(name):
    loss = NAMES[name].using(reduction="sum")
    assert repr(pickle.loads(pickle.dumps(loss))) == repr(copy.deepcopy(loss)) == repr(loss)
    old = f"cdualgrad.nn.losses\n_named\n(V{name}\n(dVreduction\nVsum\nstR.".encode()  # of earlier versions
    again = pickle.loads(old)
    assert (type(again), repr(again)) == (type(loss), repr(loss))


@pytest.mark.parametrize("loss", [Quartic(), Doubled(reduction="sum"), Doubled().using(reduction="sum")], ids=repr)
def test_a_loss_of_ones_own_is_known_by_its_class_and_can_be_copied(loss):
    assert repr(loss).startswith(f"nn.{type(loss).__name__}")
    assert plain_data(loss)["kind"] == type(loss).__name__
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert (type(again), repr(again)) == (type(loss), repr(loss))
        assert again(X, Y) == loss(X, Y)


def test_a_class_can_be_made_anew_with_settings_of_its_own():
    assert nn.CrossEntropy(label_smoothing=0.1).given == nn.cross_entropy.using(label_smoothing=0.1).given
    with pytest.raises(TypeError, match="label_smooth'"):
        nn.CrossEntropy(label_smooth=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [None, 1, 4, 5])
@pytest.mark.parametrize("spread", [1.0, 30.0, 1e4])
def test_the_mean_over_classes_is_what_each_examples_loss_says(dtype, n, spread):
    """The short way that plain logits and classes take, against the way of all others."""
    rng = np.random.default_rng(0)
    lead = () if n is None else (n,)
    for shape in ((4, 5), (2, 3, 5), (5,), (1, 1)):
        z, dz = (rng.standard_normal((*front, *shape)).astype(dtype) for front in ((), lead))
        z = (spread * z).astype(dtype)
        z[..., 0] = z.max(-1) if spread == 30 else z[..., 0]  # a tie
        classes = rng.integers(0, shape[-1], shape[:-1])
        found = nn.cross_entropy.jvp(z, classes, dz, "mean", None)
        every = nn.cross_entropy.jvp(z, classes, dz, "none", None)
        assert [a.dtype for a in found] == [dtype] * 2
        for a, each, front in zip(found, every, ((), lead), strict=True):
            expected = each.reshape(*front, -1).mean(-1)
            np.testing.assert_allclose(a, expected, rtol=0, atol=8 * np.finfo(dtype).eps * max(1, np.abs(each).max()))


@pytest.mark.parametrize("order", "<>=")
@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_classes_are_whole_numbers_of_any_kind(kind, order):
    """In any order of bytes, strided or not; those out of range are refused, whatever they are as unsigned numbers."""
    z, y = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) % 3
    classes = y.astype(np.dtype(kind).newbyteorder(order))
    for loss in (nn.cross_entropy, nn.nll):
        expected = loss(z, y)
        for given in (classes, np.repeat(classes, 2)[::2], classes[::-1][::-1]):
            assert loss(z, given) == expected
        for wrong in (3, 100, -1, -3, 256, -(2**15), 2**31 - 1, 2**63 - 1):
            if np.iinfo(kind).min <= wrong <= np.iinfo(kind).max:
                bad = classes.copy()
                bad[7] = wrong
                with pytest.raises(ValueError, match=f"classes {min(wrong, 0)} to {max(wrong, 2)}; expected 0 to 2"):
                    loss(z, bad)
    with pytest.raises(IndexError):
        nn.cross_entropy.forward(z, np.full(200, 3))  # not another example's logit


def test_a_saturated_mean_keeps_its_digits():
    z, dz = np.array([[0.0, -40.0], [50.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    value, slope = nn.cross_entropy.jvp(z, np.array([0, 0]), dz, "mean", None)
    np.testing.assert_allclose(value, (np.exp(-40.0) + np.exp(-50.0)) / 2, rtol=1e-15)
    np.testing.assert_allclose(slope, (np.exp(-40.0) - np.exp(-50.0)) / 2, rtol=1e-15)


def test_infinite_logits_are_as_they_were():
    z = np.array([[0.0, -np.inf, 1.0], [2.0, 1.0, -np.inf]])
    dz = np.ones_like(z) * [1.0, 2.0, -1.0]
    found = dg.jvp(lambda z: nn.cross_entropy(z, np.array([0, 1])), (z,), (dz,))
    every = dg.jvp(lambda z: np.mean(nn.cross_entropy(z, np.array([0, 1]), reduction="none")), (z,), (dz,))
    np.testing.assert_allclose(found, every, rtol=1e-15)
