"""Programs written for any array library run on Duals: by their namespace, in every array module that asks for it."""

import sys
import types

import numpy as np
import pytest

import dualgrad as dg
from tests.support.checks import close

X = np.arange(12.0).reshape(3, 4) / 5 + 0.1


def softmax(x):
    xp = x.__array_namespace__()
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def filled(x):
    xp = x.__array_namespace__(api_version="2023.12")
    y = xp.zeros(x.shape, dtype=x.dtype)
    for k in range(x.shape[0]):
        y[k, :] = x[k, :] * k
    y[0, 0] = 7.0
    return xp.concat([y, xp.ones((1, 4)), xp.full((1, 4), 2.0)], axis=0)


def converted(x):
    xp = x.__array_namespace__()
    y = xp.asarray(x, dtype=xp.float64, copy=True)
    y[0, :] = 0.0
    rows = xp.asarray([x[0, 0], 1.0])
    return xp.astype(xp.asarray(x), xp.float32), y * xp.asarray([1, 2, 3, 4]), rows, xp.asarray(2.0) * x


def of_linalg(x):
    xp = x.__array_namespace__()
    square = xp.matmul(xp.permute_dims(x, (1, 0)), x) + xp.eye(4)
    return xp.linalg.cholesky(square), xp.linalg.vector_norm(x), xp.linalg.trace(square), xp.fft.rfft(x)


@pytest.mark.parametrize("f", [softmax, filled, converted, of_linalg], ids=lambda f: f.__name__)
def test_programs_of_the_standard(f):
    plain = f(X)
    for along in (np.cos(X), np.stack([X, 1 - X])):
        y, d = dg.jvp(f, (X,), (along,))
        for a, expected in zip(*(dg.tree.leaves(t) for t in (y, plain)), strict=True):
            np.testing.assert_array_equal(a, expected)
            assert a.dtype == expected.dtype
    d = dg.jvp(f, (X,), (np.cos(X),))[1]
    h = 1e-6
    ahead, behind = (dg.tree.leaves(f(X + step * np.cos(X))) for step in (h, -h))
    for tangent, a, b in zip(dg.tree.leaves(d), ahead, behind, strict=True):
        if tangent.dtype != np.float32:
            close(tangent, (a - b) / (2 * h), 1e-7)


def test_it_nests():
    f = lambda x: softmax(x)[0, 0]  # noqa: E731
    exact = dg.hessian(lambda x: np.exp(x[0, 0]) / np.sum(np.exp(x[0])))(X)
    close(dg.hessian(f)(X), exact, 1e-12)


def test_a_version_that_numpy_has_not_is_refused():
    with pytest.raises(ValueError, match="not supported"):
        dg.jvp(lambda x: x.__array_namespace__(api_version="1999.01"), (X,), (X,))


def test_a_plain_array_and_a_dual_are_of_one_namespace():
    def f(x):
        xp = x.__array_namespace__()
        assert {xp, np} == {np} == {xp, np, (2 * x).__array_namespace__()}
        assert xp != object()
        assert "asarray" in dir(xp)
        assert repr(xp) == "<numpy for Duals>"
        return x

    dg.jvp(f, (X,), (X,))


def test_array_api_compat_finds_its_own_module(monkeypatch):
    compat = types.ModuleType("vendored.array_api_compat.numpy")
    compat.exp = np.exp
    monkeypatch.setitem(sys.modules, "vendored", types.ModuleType("vendored"))
    monkeypatch.setitem(sys.modules, "vendored.array_api_compat", types.ModuleType("vendored.array_api_compat"))
    monkeypatch.setitem(sys.modules, "vendored.array_api_compat.numpy", compat)
    asking = {"__name__": "vendored.array_api_compat.common._helpers"}
    exec("def namespace(x): return x.__array_namespace__()", asking)

    def f(x):
        xp = asking["namespace"](x)
        assert {xp, compat} == {compat}
        return xp.exp(x)

    close(dg.jvp(f, (X,), (X,))[1], np.exp(X) * X, 1e-15)
