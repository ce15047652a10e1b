"""Passes of as many directions as fit."""

import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import chunks

WEIGHT = np.random.default_rng(0).standard_normal((50, 50)) / 7
X = np.random.default_rng(1).standard_normal((100, 50))


def network(x):
    """Ten layers; the result is a view of the last."""
    for _ in range(10):
        x = np.tanh(x @ WEIGHT)
    return x[:, 0]


@pytest.mark.parametrize("megabytes", [4, 16])
def test_memory_stays_within_the_budget(megabytes, monkeypatch):
    """The peak is the budget and the Jacobian, which is held twice while its pieces are joined; one direction here
    takes about 160 kB, and all of them together 800 MB."""
    monkeypatch.setattr(chunks, "BUDGET", megabytes * 2**20)
    tracemalloc.start()
    try:
        jacobian = dg.jacfwd(network, chunk="auto")(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert jacobian.shape == (100, 100, 50)
    assert peak < 1.25 * megabytes * 2**20 + 2.2 * jacobian.nbytes


def test_the_budget_is_used(monkeypatch):
    """A budget ten times as large makes about a tenth of the passes."""
    passes = {}
    for megabytes in (2, 20):
        monkeypatch.setattr(chunks, "BUDGET", megabytes * 2**20)
        widths = []

        def f(x, widths=widths):
            widths.append(len(dg.dual.LIVE[x.level]) and dg.dual.LIVE[x.level][0])
            return network(x)

        dg.jacfwd(f, chunk="auto")(X[:20])
        assert widths[:2] == [1, 3]
        passes[megabytes] = len(widths)
    assert 4 < passes[2] / passes[20] < 25


@pytest.mark.parametrize("chunk", ["auto", 1, 3, 7, None])
def test_every_chunk_gives_the_same(chunk):
    x = np.linspace(0.1, 1, 5)
    f = lambda x: np.cumprod(np.sin(x))  # noqa: E731
    expected = np.stack([dg.jvp(f, (x,), (v,))[1] for v in np.eye(5)], -1)
    np.testing.assert_allclose(dg.jacfwd(f, chunk=chunk)(x), expected, rtol=1e-14)
    np.testing.assert_allclose(dg.grad(lambda x: f(x)[-1], chunk=chunk)(x), expected[-1], rtol=1e-14)
    np.testing.assert_allclose(
        dg.hessian(lambda x: f(x)[-1], chunk=chunk)(x), dg.jacfwd(dg.grad(lambda x: f(x)[-1]))(x), rtol=1e-12
    )


def test_auto_under_tracing_and_on_empty_arrays():
    tracemalloc.start()
    try:
        assert dg.jacfwd(np.sin, chunk="auto")(np.ones(9)).shape == (9, 9)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    assert dg.jacfwd(np.sin, chunk="auto")(np.ones(0)).shape == (0, 0)


@pytest.mark.parametrize("chunk", [0, -1, 2.5, "many", True])
def test_bad_chunks(chunk):
    with pytest.raises(ValueError, match="expected a positive number of directions, or 'auto'"):
        dg.jacfwd(np.sin, chunk=chunk)(np.ones(3))
