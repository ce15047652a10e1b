"""``reduce``, ``accumulate``, ``reduceat``, ``outer`` and ``at`` of every ufunc of two operands, against NumPy.

Where NumPy refuses a call, so do Duals; elsewhere the value is NumPy's bit for bit, and the tangents, along one
direction and along K, are the difference quotients of NumPy's own call. Two of its calls are not what they are
documented to be, and there the reference is the loop in words: ``power.reduce`` and ``arctan2.reduce`` on processors
with AVX-512 (2.4: x[0] ** x[-1]), and ``at`` with values of fewer axes than the indices.
"""

import functools

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.testing.derivatives.oracles import along, richardson
from tests.support.cases import name_of
from tests.support.checks import close, direction, flat, push, same
from tests.support.constants import quiet, refused

UFUNCS = [
    f
    for f, kind in dg.supported().items()
    if isinstance(f, np.ufunc) and f.nin == 2 and f.nout == 1 and not f.signature and kind != "constant"
    and f not in (np.ldexp, np.heaviside) and "scipy" not in str(f) and f in vars(np).values()
]  # fmt: skip
each_ufunc = pytest.mark.parametrize("ufunc", UFUNCS, ids=name_of)
MASK = np.array([[True, False, True], [True, True, False]])


def check(f, *xs, moving=None, plain=None):
    """f of these inputs, all moving unless it is said which, is refused where NumPy refuses it, and elsewhere it is
    right; ``plain`` is what f should be, where NumPy's own f is not to be trusted."""
    rng = np.random.default_rng(1)
    plain = f if plain is None else plain
    active = [True] * len(xs) if moving is None else moving
    vs, stacked = direction(rng, xs, active), direction(rng, xs, active, (3,))
    if refused(lambda: plain(*xs)):
        assert refused(lambda: push(f, xs, vs)), "NumPy refuses this call"
        assert refused(lambda: push(f, xs, stacked)), "NumPy refuses this call"
        return
    ys, ds = quiet(lambda: push(f, xs, vs))
    same(ys[0], plain(*xs), "the value is not NumPy's")
    assert (ds[0].shape, ds[0].dtype) == (ys[0].shape, ys[0].dtype)
    many = quiet(lambda: push(f, xs, stacked))[1][0]
    for k in range(3):
        single = [None if v is None else v[k] for v in stacked]
        close(many[k], quiet(lambda v=single: push(f, xs, v)[1][0]), 1e-11, what="directions")
    if all(np.size(x) for x in xs):
        expected, error = quiet(lambda: richardson(along(flat(plain), xs, vs)))
        sure = error <= 1e-6 * np.maximum(1, np.abs(expected))  # no kink is near
        close(np.ravel(ds[0])[sure], expected[sure], 1e-8, 10 * error[sure], "tangents")


def numbers(*shape):
    """Numbers above 1, so that powers of powers stay real, no two of them alike."""
    return 1.1 + np.random.default_rng(sum(shape)).permutation(np.arange(float(np.prod(shape)))).reshape(shape) / 16


def folded(ufunc, x, axis=0, keepdims=False, where=True, dtype=None, **kw):
    """``ufunc.reduce``, for the two in question in words."""
    y = ufunc.reduce(x, axis=axis, keepdims=keepdims, where=where, dtype=dtype, **kw)
    if ufunc not in (np.power, np.arctan2) or axis == () or not y.size:
        return y
    axis, x = axis[0] if isinstance(axis, tuple) else axis, np.atleast_1d(x)
    rows, there = (np.moveaxis(v, axis, 0) for v in (x.astype(dtype or x.dtype), np.broadcast_to(where, x.shape)))
    start = [kw["initial"]] if "initial" in kw else []
    total = functools.reduce(
        lambda y, k: np.where(there[k], ufunc(y, rows[k]), y), range(1 - len(start), len(rows)), *start or [rows[0]]
    )
    return np.broadcast_to(np.reshape(total, y.shape if np.size(total) == y.size else ()), y.shape)[()].astype(y.dtype)


REDUCTIONS = [
    {}, {"axis": 0}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": None}, {"axis": (0, 1)}, {"axis": ()},
    {"axis": (1,), "keepdims": True}, {"initial": 1.5}, {"axis": 1, "initial": 2.5, "keepdims": True},
    {"axis": None, "initial": 1.5}, {"axis": 1, "where": MASK}, {"axis": 1, "where": MASK, "initial": 1.25},
    {"axis": None, "where": MASK[:, :1], "initial": 1.25}, {"axis": (0, 1), "where": MASK}, {"axis": 2},
    {"dtype": np.float64}, {"dtype": np.longdouble, "axis": 1},
]  # fmt: skip


@each_ufunc
@pytest.mark.parametrize("keywords", REDUCTIONS, ids=str)
def test_reduce(ufunc, keywords):
    check(lambda x: ufunc.reduce(x, **keywords), numbers(2, 3), plain=lambda x: folded(ufunc, x, **keywords))


@each_ufunc
@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 2), (2, 0), (1, 3), (3, 1), (2, 1, 2)], ids=str)
@pytest.mark.parametrize("method", ["reduce", "accumulate"])
def test_shapes_of_scans(ufunc, method, shape):
    x = numbers(*shape) if shape else np.array(1.5)
    for axis in (0, -1):
        for keywords in ({}, {"keepdims": True}, {"initial": 1.5}) if method == "reduce" else ({},):
            call = lambda x, axis=axis, kw=keywords: getattr(ufunc, method)(x, axis=axis, **kw)  # noqa: E731
            reduce = lambda x, axis=axis, kw=keywords: folded(ufunc, x, axis=axis, **kw)  # noqa: E731
            check(call, x, plain=reduce if method == "reduce" else call)


@each_ufunc
def test_accumulate(ufunc):
    for axis in (0, 1, -1, 2, None):
        check(lambda x, axis=axis: ufunc.accumulate(x, axis), numbers(2, 3))


@each_ufunc
def test_reduceat(ufunc):
    def pieces(x, indices):
        y = ufunc.reduceat(x, indices)
        if ufunc not in (np.power, np.arctan2) or not y.size:
            return y
        ends = [*indices[1:], len(x)]
        return np.stack([folded(ufunc, x[i : max(j, i + 1)]) for i, j in zip(indices, ends, strict=True)])

    for indices in ([0], [0, 2], [2, 0], [0, 3, 1, 2], [3, 3], [1, 1, 1], [], [4], [-1], np.array([0, 2])):
        check(lambda x, i=indices: ufunc.reduceat(x, i), numbers(4), plain=lambda x, i=indices: pieces(x, i))
    for axis in (0, 1, -1, 2):
        check(lambda x, axis=axis: ufunc.reduceat(x, [0, 1], axis), numbers(2, 3))


@each_ufunc
def test_outer(ufunc):
    for shapes in (((2,), (3,)), ((2, 2), (3,)), ((), (2,)), ((2,), ()), ((0,), (2,)), ((2, 1), (1, 2))):
        x, y = (numbers(*s) if s else np.array(1.25) for s in shapes)
        check(ufunc.outer, x + 2, y)
        check(ufunc.outer, x + 2, y, moving=[True, False])
        check(ufunc.outer, x + 2, y, moving=[False, True])
    check(lambda x: ufunc.outer(x, 1.5), numbers(2))
    check(lambda x: ufunc.outer([2.5, 3.5], x), numbers(2))


PLACES = [
    (0,), ([0, 0],), ([0, 2, 0, 0],), ([],), (slice(None),), (slice(0, 2),), (np.array([[0, 1], [1, 0]]),), (-1,),
    (np.array([True, False, True]),), (..., 0), ([0, 0], [1, 1]), ([0, 1], slice(None)), (slice(None), [1, 1]),
    (None, [0, 0]),
]  # fmt: skip


def written(ufunc, index, spread=False):
    """A buffer that depends on all inputs, after ``ufunc.at``; with the values spread over the places before."""

    def call(x, v):
        b = np.zeros_like(x + 0 * np.sum(v))
        b[...] = x
        ufunc.at(b, index, np.broadcast_to(v, np.shape(b[index])) if spread else v)
        return b

    return call


@each_ufunc
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_at(ufunc, place):
    """Repeated places count as often as they stand there; values broadcast."""
    index = place if len(place) > 1 else place[0]
    for buffer in (numbers(3), numbers(3, 2)):
        if refused(lambda b=buffer: b[index]):
            continue
        shape = np.shape(buffer[index])
        values = [np.array(1.25), numbers(*shape) + 1 / 32 if shape else np.array(1.375)]
        values += [numbers(*shape[-1:]) + 1 / 32, numbers(1, *shape[1:]) + 1 / 32] if shape else []
        for v in values:
            for moving in ([True, True], [True, False], [False, True]):
                check(written(ufunc, index), buffer, v, moving=moving, plain=written(ufunc, index, spread=True))
        for v in (1.25, np.float32(1.25)):
            check(lambda x, v=v: written(ufunc, index)(x, v), buffer)


@each_ufunc
def test_at_a_number(ufunc):
    check(lambda x, v: written(ufunc, ())(x, v), np.array(2.5), np.array(1.25))
