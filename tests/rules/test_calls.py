"""Calls in every form that NumPy takes: methods of arrays, keywords, 0-d arrays, Python numbers beside Duals."""

import operator
import warnings

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.dual import Dual
from tests.support.of_numpy import KINDS_OF_NUMPY

A = np.array([[0.5, -1.2, 2.0], [0.7, 1.4, -0.3]])
S = np.array([[0.5, -1.2], [0.7, 1.4]])
T = np.arange(24.0).reshape(2, 3, 4) / 7 - 1.5


def recorded(f, *args):
    """The result of a call or its exception, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = f(*args)
        except Exception as error:
            result = error
    return result, {(w.category, str(w.message)) for w in caught}


def agree(f, x, layout=np.copy):
    """f of a Dual is f of its value, bit for bit; its tangent is the difference quotient; K directions are K single."""
    x = layout(x)
    expected, v = f(x), np.random.default_rng(0).uniform(0.5, 1, (2, *x.shape)).astype(x.dtype)
    y, _ = dg.jvp(f, (x,), (v[0],))
    _, stacked = dg.jvp(f, (x,), (v,))
    assert np.asarray(y).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(y, expected)
    for k in range(2):
        single = dg.jvp(f, (x,), (v[k],))[1]
        np.testing.assert_allclose(stacked[k], single, rtol=1e-12)
        if 0 not in x.strides:  # or all that shares one place in memory would have to move alike
            above, below = (f(layout(np.array(x + h * v[k]))) for h in (1e-6, -1e-6))
            np.testing.assert_allclose(single, (above - below) / 2e-6, rtol=1e-6, atol=1e-6)


# ---------------------------------------------------------------------- every method of an array

FORMS = [
    "reshape(-1)", "reshape(6)", "reshape(3, 2)", "reshape((3, 2))", "reshape([3, 2])", "reshape(3, -1, order='F')",
    "reshape((6,), order='A')", "ravel()", "ravel('F')", "ravel(order='K')", "ravel('A')", "flatten('F')", "flatten()",
    "flatten('K')", "flatten(order='A')", "copy('F')", "copy(order='K')", "T", "mT", "transpose()", "transpose(None)",
    "transpose(1, 0)", "transpose((-1, 0))", "transpose([1, 0])", "transpose(-1, -2)", "swapaxes(0, -1)",
    "ravel().transpose(0)", "ravel().transpose(-1)", "ravel().transpose((0,))", "sum().transpose()",
    "sum().transpose(())", "squeeze()", "reshape(1, 6).squeeze(0)", "reshape(1, 2, 3, 1).squeeze((0, -1))",
    "sum()", "sum(0)", "sum((0, 1))", "sum(-1, None, None, True)", "sum(axis=1, keepdims=True, initial=2.0)",
    "sum(initial=None)", "sum(axis=())", "sum(where=A > 0)", "mean()",
    "mean(keepdims=True)", "mean((0, 1))", "mean(1, where=A > 0)", "std(ddof=1)", "std(0)", "var(axis=1)",
    "var((0, 1), keepdims=True)", "prod()", "prod(0, initial=2.0)", "prod(initial=None)", "prod(axis=())", "max()",
    "max(1)", "max(initial=0.6)", "max(initial=None)", "max(0, where=A > -1, initial=-3)", "max(axis=())", "min(0)",
    "min(axis=-1, keepdims=True)", "min((0, 1))", "cumsum()", "cumsum(-1)", "cumprod(0)", "clip(max=1)", "clip(-0.5)",
    "clip(min=-0.5, max=1)", "clip(-0.5, None)", "clip(None, 1)", "repeat(2)", "repeat(2, 0)", "repeat([1, 2], axis=0)",
    "take([0])", "take([[0, 5], [1, 1]])", "take(0)", "take([0, 1], 1)", "take([0, 7], mode='wrap')",
    "take([-9, 9], None, None, 'clip')", "compress([True, False], 0)", "compress([True, False, True], axis=1)",
    "compress([True, False, True])", "diagonal()", "diagonal(1)", "diagonal(offset=-1, axis1=1, axis2=0)", "trace()",
    "trace(1)", "trace(dtype=np.float64)", "dot(A.T)", "dot(2.0)", "dot(np.ones(3))", "conj()", "conjugate()", "real",
    "imag", "astype(np.float64, copy=False)", "astype('f8')", "astype(np.float64, order='F', casting='safe')",
    "astype(complex).real", "astype(np.longdouble, 'F')", "__copy__()",
    "__matmul__(A.T)", "__rmatmul__(S)", "__pow__(2)", "__rpow__(2)", "__abs__()", "__neg__()", "__pos__()",
]  # fmt: skip


def form(text):
    """``text`` of an array: "sum(0)" is x.sum(0)."""
    return eval(f"lambda x: x.{text}", {"np": np, "A": A, "S": S})


@pytest.mark.parametrize("text", FORMS)
def test_methods(text):
    agree(form(text), A)


ALSO = ["transpose(2, 0, 1)", "transpose((-1, 0, 1))", "swapaxes(-1, 0)", "ravel('K')", "flatten('K')", "copy('K')"]
ALSO += ["reshape(-1, order='A')", "sum((0, -1))", "std((0, 2), ddof=2)", "max((0, 1), keepdims=True)", "mT", "T"]
LAYOUTS = {
    "F": np.asfortranarray, "backwards": lambda x: x[::-1, :, ::-1].copy()[::-1, :, ::-1],
    "strided": lambda x: np.repeat(x, 2, 1)[:, ::2], "repeated": lambda x: np.broadcast_to(x[0], x.shape),
    "repeated last": lambda x: np.broadcast_to(x[..., :1], x.shape),
    "swapped": lambda x: np.swapaxes(np.swapaxes(x, 0, 2).copy(), 0, 2),
    "turned": lambda x: x.transpose(1, 2, 0).copy().transpose(2, 0, 1),
}  # fmt: skip


@pytest.mark.parametrize("text", ALSO)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_methods_in_every_layout(text, layout):
    if layout.startswith("repeated") and "K" in text and "copy" not in text:
        with pytest.raises(NotImplementedError, match="made by broadcasting"):
            agree(form(text), T, LAYOUTS[layout])
        return
    agree(form(text), T, LAYOUTS[layout])


PLAIN = [
    "argmax(0)", "argmin(axis=1, keepdims=True)", "argsort()", "argsort(0, kind='stable')", "all(1)",
    "any(axis=(0, 1))", "nonzero()", "round(1)", "argpartition(1)", "itemsize", "nbytes", "strides",
    "flags.c_contiguous",
    "shape", "ndim", "size", "dtype", "device", "__contains__(0.7)", "__contains__(9.0)", "__len__()",
    "ravel().searchsorted(0.1)",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_facts(text):
    """What has no tangent is what NumPy says of the value."""
    found = []
    dg.jvp(lambda x: found.append(form(text)(x)) or 0.0, (A,), (A,))
    assert type(found[0]) is type(form(text)(A))
    np.testing.assert_equal(found[0], form(text)(A))


WRITES = ["fill(2.0)", "partition(1)", "partition(1, axis=0)", "put([0, -1], [3.0, 4.0])", "put([7], 1.0, mode='wrap')"]


@pytest.mark.parametrize("text", WRITES)
def test_methods_that_write(text):
    def program(x):
        y = x * 2
        assert form(text)(y) is None
        return y

    agree(program, A)


def test_no_method_of_an_array_is_forgotten():
    """Each is there, or refuses with the way out; what is left to Python's own AttributeError is named here."""
    left = {"base", "ctypes", "data", "flat", "sort", "tostring"}
    names = {n for n in dir(np.ndarray) if not n.startswith("_") and hasattr(A, n)}
    assert names - set(dir(Dual)) <= left


@pytest.mark.parametrize("text", ["tobytes()", "view(int)", "resize((6,))", "byteswap()", "to_device('cpu')"])
def test_methods_of_memory_are_refused(text):
    with pytest.raises(dg.TangentLossError, match=rf"dg\.primal\(x\)\.{text.partition('(')[0]}\("):
        dg.jvp(form(text), (A,), (A,))


def test_astype_without_a_copy_is_the_array_itself():
    def program(x):
        y = x * 1
        y.astype(y.dtype, copy=False)[0] = 3.0
        y.astype(y.dtype)[1] = 3.0
        return y

    agree(program, A)
    with pytest.raises(TypeError, match="according to the rule 'safe'"):
        dg.jvp(lambda x: x.astype(np.float32, casting="safe"), (A,), (A,))


# ---------------------------------------------------------------------- 0-d arrays


def _index(x):
    x[()] = x[()] * 3


def _ellipsis(x):
    x[...] = x * 3


def _view(x):
    x[...][...] = x * 3


def _add(x):
    x += x * 2


def _out(x):
    np.multiply(x, 3, out=x)


def _at(x):
    np.multiply.at(x, (), 3.0)


def _fill(x):
    x.fill(x * 3)


def _copyto(x):
    np.copyto(x, x * 3)


@pytest.mark.parametrize("write", [_index, _ellipsis, _view, _add, _out, _at, _fill, _copyto])
@pytest.mark.parametrize("tangent", [2.0, np.float64(2.0), np.array(2.0)], ids=["float", "float64", "array"])
@pytest.mark.parametrize(
    "copy", [lambda x: x.copy(), np.copy, lambda x: np.copy(x, "F"), lambda x: x.reshape(()).copy()]
)
def test_a_0d_array_can_be_written(write, tangent, copy):
    def program(x):
        y = copy(x)
        write(y)
        return y

    for x in (np.array(1.5), np.array(1.5, np.float32)):
        y, dy = dg.jvp(program, (x,), (tangent,))
        assert (y, dy, dy.dtype) == (4.5, 6.0, x.dtype)
        assert dg.jvp(program, (x,), (np.array([2.0, 0.0, 1.0]),))[1].tolist() == [6, 0, 3]
    second = dg.jvp(lambda x: dg.jvp(program, (x,), (np.ones_like(x),))[0], (np.array(1.5),), (tangent,))
    assert second == (4.5, 6.0)


# ---------------------------------------------------------------------- Python numbers beside Duals

NUMBERS = [0, 0.0, -0.0, -1, 1, 2, 3.5, np.inf, -np.inf, np.nan, True, False, 2**70, -(2**70), 10**400, 1j, 0j]
POINTS = [
    np.float64(2.0), np.float64(0.0), np.array(0.0), np.float32(0.0), np.array([0.0, -0.0, 1.0, -2.0, 3.5, np.inf]),
    np.array([2.0, 0.0], np.float32),
]  # fmt: skip
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]
PAIRS = [f for f in KINDS_OF_NUMPY if isinstance(f, np.ufunc) and f.nin == 2 and not f.signature]


def listed(y):
    return y if isinstance(y, tuple) else (y,)


@pytest.mark.parametrize("f", [*PAIRS, *OPERATORS, divmod], ids=lambda f: f.__name__)
@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_python_numbers(f, number):
    """Value, warnings and refusals of NumPy on the same array; the tangent that the number has as a float64 array."""
    for x in POINTS:
        for g, side in ((lambda t, c: f(t, c), 0), (lambda t, c: f(c, t), 1)):
            for v in (np.ones((), x.dtype), np.zeros((), x.dtype), np.ones((2, *x.shape), x.dtype)):
                v = v if v.shape else np.full(x.shape, v)
                check_number(g, f, x, v, number, side)


def check_number(g, f, x, v, number, side):
    expected, expected_warnings = recorded(lambda: g(x, number))
    found, found_warnings = recorded(lambda: dg.jvp(lambda t: g(t, number), (x,), (v,)))
    if isinstance(expected, Exception):
        assert isinstance(found, Exception) or isinstance(expected, ZeroDivisionError), f"{expected!r}, not {found}"
        return
    assert not isinstance(found, Exception), repr(found)
    for y, d, e in zip(listed(found[0]), listed(found[1]), listed(expected), strict=True):
        assert np.asarray(y).dtype == np.asarray(e).dtype
        assert np.asarray(d).dtype == np.asarray(y).dtype or np.asarray(y).dtype.kind not in "fc"
        np.testing.assert_array_equal(y, e)
    if isinstance(f, np.ufunc):  # Python's operators between numbers of NumPy word theirs otherwise
        assert found_warnings == expected_warnings
    big = isinstance(number, int) and abs(number) > (10**300 if x.dtype == np.float64 else 10**19)
    if isinstance(number, (bool, complex)) or big or f is np.ldexp:
        return
    array = np.asarray(number, float)
    same, _ = recorded(lambda: dg.jvp(lambda t: g(t, array), (np.asarray(x, float),), (np.asarray(v, float),)))
    for d, e in zip(listed(found[1]), listed(same[1]), strict=True):
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(d, np.asarray(e).astype(np.asarray(d).dtype), rtol=3e-5)


@pytest.mark.parametrize("f", [*PAIRS, *OPERATORS], ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", [list, tuple, lambda a: [a.tolist()] * 2], ids=["list", "tuple", "nested"])
def test_lists_beside_duals(f, kind):
    """A list is the array of its entries."""
    x, a = np.array([0.5, 0.7, 0.9]), np.array([0.25, 0.5, 0.75])
    if f is np.ldexp:
        return
    for v in (np.ones(3), np.ones((2, 3))):
        for g in (lambda t, c: f(t, c), lambda t, c: f(c, t)):
            found = dg.jvp(lambda t, g=g: g(t, kind(a)), (x,), (v,))
            for d, e in zip(found, dg.jvp(lambda t, g=g: g(t, np.array(kind(a))), (x,), (v,)), strict=True):
                np.testing.assert_array_equal(d, e)


def test_an_insertion_among_integers_would_drop_the_tangent():
    with pytest.raises(dg.TangentLossError, match="would drop the tangent"):
        dg.jvp(lambda x: np.insert(np.arange(3), 1, x), (2.5,), (1.0,))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("transform", [dg.grad, dg.derivative, dg.jacfwd])
def test_a_quotient_by_pythons_zero(order, transform):
    f = lambda t: t / 0  # noqa: E731
    for _ in range(order):
        f = transform(f)
    with np.errstate(all="ignore"):
        assert f(1.0) == (np.inf if order == 1 else 0)


# ---------------------------------------------------------------------- keywords of ufuncs and of their methods

POSITIVE = np.abs(T) + 0.2
MASK = np.arange(24).reshape(2, 3, 4) % 3 > 0
KEYWORDS = [
    lambda x: np.exp(x, order="F"), lambda x: np.exp(x, casting="safe"), lambda x: np.exp(x, subok=False),
    lambda x: np.exp(x, signature="d->d"), lambda x: np.add(x, 1, signature=(None, None, np.float64)),
    lambda x: np.multiply(x, x, order="K", casting="no", subok=True), lambda x: np.divide(1, x, dtype=np.float64),
    lambda x: np.sqrt(x, dtype=np.longdouble).astype(float), lambda x: np.vecdot(x, x[0], axis=-1),
    lambda x: np.vecdot(x, x, axis=-2, keepdims=True), lambda x: np.vecdot(x, x[:, :, ::-1], axes=[1, 1]),
    lambda x: np.vecdot(x, x, axes=[(2,), (-1,), ()]), lambda x: np.linalg.vecdot(x, x, axis=0),
    lambda x: np.matmul(x, x, axes=[(-1, -2), (1, 2), (0, 1)]),
    lambda x: np.matmul(x[0], x[1], axes=[(0, 1), (1, 0), (1, 0)]),
    lambda x: np.matmul(x, POSITIVE, axes=[(1, 2), (2, 1), (-1, -2)]),
    lambda x: np.add(x, 1, out=np.full_like(x, 0.5), where=MASK), lambda x: np.exp(x[0], out=np.zeros_like(x)),
    lambda x: np.log(x, out=np.zeros_like(x, dtype=np.longdouble)).astype(float),
    lambda x: np.modf(x, out=(np.zeros_like(x), None))[0],
    lambda x: np.floor(x, out=np.zeros_like(x)) + x,
    lambda x: np.matmul(x[0].T, x[0], out=np.zeros_like(x, shape=(2, 4, 4))),
    lambda x: np.logaddexp.reduce(x, axis=1, where=MASK), lambda x: np.hypot.reduce(x, axis=None, where=MASK),
    lambda x: np.subtract.reduce(x, axis=2, where=MASK, initial=2.0),
    lambda x: np.divide.reduce(x, -1, where=MASK, initial=1),
    lambda x: np.fmax.reduce(x, 0, initial=-1, where=MASK), lambda x: np.logaddexp.reduce(x, (0, 2), keepdims=True),
    lambda x: np.add.reduce(x, initial=None), lambda x: np.multiply.reduce(x, (0, 1), initial=None),
    lambda x: np.maximum.reduce(x, axis=(0, 2), initial=None), lambda x: np.hypot.reduce(x, initial=None),
    lambda x: np.hypot.reduce(x, initial=3.0), lambda x: np.add.reduce(x, where=MASK), lambda x: np.hypot.reduce(x[:0]),
    lambda x: np.sum(x, initial=None), lambda x: np.prod(x, 1, initial=None), lambda x: np.max(x, initial=None),
    lambda x: np.logaddexp.accumulate(x, (1,)), lambda x: np.add.accumulate(x[0, 0], None),
    lambda x: np.hypot.reduceat(x, [0, 2], 1),
    lambda x: np.add.outer(x[0], x[0, 0], order="F"), lambda x: np.multiply.outer(x[0, 0], [1, 2], dtype=np.float64),
]  # fmt: skip


@pytest.mark.parametrize("call", KEYWORDS, ids=[str(k) for k in range(len(KEYWORDS))])
def test_keywords(call):
    agree(call, POSITIVE)


def test_numpy_refuses_and_so_do_we():
    for call in (
        lambda x: np.exp(x, dtype=np.float32, casting="safe"), lambda x: np.exp(x, signature="dd->d"),
        lambda x: np.exp(x, orders="F"), lambda x: np.matmul(x, x, axes=[(0, 1), (0, 1)]),
        lambda x: np.vecdot(x, x, axis=5),
        lambda x: np.subtract.reduce(x, axis=(0, 1)), lambda x: np.subtract.reduce(x, where=MASK),
        lambda x: np.maximum.reduce(x[:0]),
        lambda x: np.add.accumulate(x, (0, 1)), lambda x: np.sort(x, order="f"),
    ):  # fmt: skip
        expected, _ = recorded(lambda call=call: call(POSITIVE))
        found, _ = recorded(lambda call=call: dg.jvp(call, (POSITIVE,), (POSITIVE,)))
        assert type(found) is type(expected), f"{expected!r}, and {found!r}"
        assert str(found) == str(expected)


def test_a_masked_entry_is_not_warned_of():
    x = np.array([-1.0, 4.0, 0.0])
    for mask, several in ((x > 0, 0), (x >= 0, 1), (x < 9, 2)):
        for call in (
            lambda x, m=mask: np.log(x, out=np.zeros_like(x), where=m),
            lambda x, m=mask: np.log(x, where=m, out=x * 1),
        ):
            expected, found = recorded(lambda c=call: c(x)), recorded(lambda c=call: dg.jvp(c, (x,), (np.ones(3),)))
            assert found[1] == expected[1]
            assert len(found[1]) == several
            np.testing.assert_array_equal(found[0][0], expected[0])


@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_an_imaginary_part_is_not_dropped():
    for call in (
        lambda z: np.exp(z, dtype=float, casting="unsafe"),
        lambda z: np.add(z, 1, signature="dd->d", casting="unsafe"),
    ):
        with pytest.raises(dg.TangentLossError, match="would drop the imaginary"):
            dg.jvp(call, (POSITIVE * 1j,), (POSITIVE * 1j,))


# ---------------------------------------------------------------------- in-place matrix products, joins of scalars


def test_a_plain_array_refuses_every_operator_in_place():
    for name in ("iadd", "isub", "imul", "itruediv", "ipow", "imod", "imatmul"):
        with pytest.raises(dg.TangentLossError, match="cannot write into a plain array"):
            dg.jvp(lambda x, name=name: getattr(operator, name)(np.eye(2), x), (S,), (S,))


JOINS = [
    lambda x: np.append([1.0, 2.0], x[0]), lambda x: np.append(x[0], [1.0, 2.0]), lambda x: np.append(1.0, x[0]),
    lambda x: np.append(x, x[0]), lambda x: np.append(x[0], x), lambda x: np.append(np.ones((2, 2)), x[1]),
    lambda x: np.append(x[0], 2), lambda x: np.append([], x[0]), lambda x: np.append([[1.0]], x[None], axis=1),
    lambda x: np.insert([1.0, 2.0], 1, x[0]), lambda x: np.insert(x, 1, x[0]), lambda x: np.insert(x, [0, 2], 3.0),
    lambda x: np.insert(x, 1, x[:1]), lambda x: np.insert(np.ones((2, 2)), 0, x[0], axis=1),
    lambda x: np.insert(x[0], 0, 2.0), lambda x: np.hstack([x[0], 2.0]), lambda x: np.vstack([1.0, x[0]]),
    lambda x: np.dstack([x[0], 2.0]), lambda x: np.column_stack([x[0], 2.0]), lambda x: np.stack([1.0, x[0]]),
    lambda x: np.concatenate([[1.0], x]), lambda x: np.concatenate([x[0], 2.0], axis=None),
    lambda x: np.block([1.0, x[0]]),
    lambda x: np.diff(x, prepend=x[0]), lambda x: np.ediff1d(x, to_end=x[0]),
]  # fmt: skip


@pytest.mark.parametrize("join", JOINS, ids=[str(k) for k in range(len(JOINS))])
def test_joins_of_scalars(join):
    agree(join, np.array([0.3, -0.7, 1.9]))


@pytest.mark.parametrize("product", [np.matmul, np.dot, np.inner, np.outer, np.tensordot, np.kron, np.vdot, np.cross])
def test_a_list_is_an_operand_of_products(product):
    square = [[1.0, 2.0, 3.0], [0.5, 0.5, 0.5], [1.0, 0.0, 2.0]]
    axes = (1,) if product is np.tensordot else ()
    for x, y in ((A[0], square[0]), (np.outer(A[0], A[1]), square)):
        agree(lambda x, y=y: product(x, y, *axes), x)
        agree(lambda x, y=y: product(y, x, *axes), x)


@pytest.mark.parametrize("other", [1.0, np.float64(1.0), np.array(1.0)])
def test_concatenate_refuses_scalars_as_numpy_does(other):
    for join in (lambda x: np.concatenate([x[0], other]), lambda x: np.concatenate([other, x])):
        with pytest.raises(ValueError, match="zero-dimensional arrays cannot be concatenated"):
            dg.jvp(join, (np.ones(2),), (np.ones(2),))
