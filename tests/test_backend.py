"""The backend: NumPy or CuPy for an array, and the whole catalogue on a GPU where there is one."""

import importlib.util

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.backend import is_array, is_host, like, namespace, to_numpy
from tests.support.catalogue import CATALOGUE
from tests.support.checks import close, direction, push
from tests.support.strict import device


def cupy_or_none():
    if importlib.util.find_spec("cupy") is None:
        return None
    import cupy

    return cupy if cupy.is_available() else None


@pytest.fixture(scope="module")
def cupy():
    module = cupy_or_none()
    if module is None:
        pytest.skip("CuPy finds no device")
    return module


def test_what_an_array_is():
    for x in (np.ones(2), np.float64(1), device(np.ones(2)), dg.OuterProduct(np.ones(2), np.ones(2))):
        assert is_array(x)
    for x in (1.0, [1.0], "text", None):
        assert not is_array(x)
    assert is_host(np.ones(2))
    assert not is_host(device(np.ones(2)))


def test_moving_between_host_and_device():
    x = np.arange(3.0)
    assert like(x, None) is x
    assert like(x, np.ones(1)) is x
    on = like(x, device(np.ones(1)))
    assert type(on) is type(device(x))
    np.testing.assert_array_equal(to_numpy(on), x)
    np.testing.assert_array_equal(to_numpy([1.0, 2.0]), [1, 2])


def test_modules_by_name():
    assert namespace("numpy") is np
    with pytest.raises(ValueError, match="expected 'numpy' or 'cupy'"):
        namespace("jax")
    if cupy_or_none() is None:
        with pytest.raises(ImportError, match=r"cupy-cuda12x|no CUDA device"):
            namespace("cupy")


@pytest.mark.gpu
@pytest.mark.parametrize("case", [c for c in CATALOGUE if c.draws], ids=str)
def test_the_catalogue_on_a_gpu(case, cupy):
    """The same calls as on the strict device, with the same numbers; what CuPy itself lacks is excused."""
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    put = cupy.asarray
    try:
        case.on(put)(*map(put, xs))
    except (TypeError, ValueError, NotImplementedError, AttributeError) as error:
        pytest.skip(f"CuPy does not take this call: {error}")
    for lead in ((), (2,)):
        vs = direction(rng, xs, [True] * len(xs), lead)
        ys, ds = push(case, xs, vs)
        on_ys, on_ds = push(case.on(put), [put(x) for x in xs], [put(v) for v in vs])
        for a, b in zip((*ys, *ds), (*on_ys, *on_ds), strict=True):
            assert isinstance(b, cupy.ndarray)
            close(b.get(), a, 1e-9, what="GPU and host")


@pytest.mark.gpu
def test_transforms_on_a_gpu(cupy):
    x = np.array([0.5, -1.2, 2.0])
    f = lambda x: np.sum(np.tanh(x) * x**2)  # noqa: E731
    np.testing.assert_allclose(dg.grad(f)(cupy.asarray(x)).get(), dg.grad(f)(x), rtol=1e-12)
    np.testing.assert_allclose(dg.hessian(f)(cupy.asarray(x)).get(), dg.hessian(f)(x), rtol=1e-12)
    params = dg.Params({"w": x}).to(cupy)
    assert isinstance(params.vector, cupy.ndarray)
    np.testing.assert_allclose(dg.grad(lambda p: f(p["w"]))(params).vector.get(), dg.grad(f)(x), rtol=1e-12)
    with pytest.raises(TypeError, match="one device"):
        dg.jvp(f, (cupy.asarray(x),), (x,))
