"""Operands and ``dtype=`` of other kinds: real beside complex, wider and narrower; and what is legal in NumPy at the
edges of a call: nothing to write, numbers for arrays, one condition for a list of them.

The value is NumPy's bit for bit and the tangent the difference quotient of NumPy's own call; where an imaginary part
would be dropped, a `TangentLossError` says so.
"""

import inspect

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.testing.derivatives.oracles import along, richardson
from tests.support.cases import MASK, Case, name_of, positive, real
from tests.support.catalogue import CATALOGUE
from tests.support.checks import close, direction, flat, outputs, push, same
from tests.support.constants import CALLS, apart, has_room, quiet, refused, tolerance, wide


def check_against_quotients(f, xs, active, lead=()):
    """f, moving where it is said, is refused where NumPy refuses it, right elsewhere, or names a loss; says which."""
    rng = np.random.default_rng(3)
    vs = direction(rng, xs, active, lead)
    if refused(lambda: f(*xs)):
        assert refused(lambda: push(f, xs, vs)), "NumPy refuses this call"
        return "refused"
    try:
        ys, ds = quiet(lambda: push(f, xs, vs))
    except dg.TangentLossError:
        return "loss"
    for y, d, own in zip(ys, ds, quiet(lambda: outputs(f(*xs))), strict=True):
        same(y, own, "the value")
        assert d.shape == lead + y.shape
        assert d.dtype == y.dtype or not has_room(y)
    singles = [[None if v is None else v[k] for v in vs] for k in range(lead[0])] if lead else [vs]
    for k, single in enumerate(singles):
        expected, error = quiet(lambda s=single: richardson(along(flat(f), xs, s)))
        found = np.concatenate([np.ravel(d[k] if lead else d) for d in ds])
        sure = error <= 1e-6 * np.maximum(1, np.abs(expected))
        close(found[sure], expected[sure], 1e-7, 10 * error[sure])
    return "right"


def turned(x):
    """Numbers of the same size off the real axis."""
    return x * np.exp(1j * (0.3 + np.arange(np.size(x)).reshape(np.shape(x)) / 10))


# ---------------------------------------------------------------------- dtype=


def takes_dtype(function):
    if isinstance(function, np.ufunc):
        return not function.signature and function.nout == 1
    try:
        return "dtype" in inspect.signature(function).parameters
    except ValueError:
        return False


PLAIN = (
    np.zeros_like,
    np.ones_like,
    np.empty_like,
    np.full_like,
    np.ldexp,
)  # constant entries, or an operand that stays whole
WITH_DTYPE = {}
for c in CATALOGUE:
    named = "dtype" not in c.kwargs and len(c.args) < 3 and not c.call
    if named and takes_dtype(c.function) and c.draws and c.function not in PLAIN and not c.is_complex:
        WITH_DTYPE.setdefault(c.function, c)
for f in (np.sum, np.prod, np.var, np.std, np.mean):
    WITH_DTYPE[name_of(f) + " where"] = Case(f, None, (real(2, 3),), {"axis": 1, "where": np.array([[True], [True]])})
each_dtype_call = pytest.mark.parametrize("case", WITH_DTYPE.values(), ids=str)


def with_dtype(case, dtype):
    return case._replace(kwargs={**case.kwargs, "dtype": dtype})


def test_enough_functions_take_a_dtype():
    assert len(WITH_DTYPE) > 75


@each_dtype_call
@pytest.mark.parametrize("dtype", [np.float32, "d", np.longdouble, np.float16], ids=str)
def test_a_real_dtype_of_complex_input_is_a_loss(case, dtype):
    """NumPy warns and drops the imaginary part, or mixes the two: a tangent is never dropped."""
    if case.function is np.absolute:
        return  # whose real result loses nothing
    xs = [turned(x) for x in case.sample(np.random.default_rng(0))]
    for k in range(len(xs)):
        given = [x if i == k else np.real(x) for i, x in enumerate(xs)]
        for lead in ((), (2,)):
            vs = direction(np.random.default_rng(1), given, [True] * len(xs), lead)
            with pytest.raises((TypeError, ValueError)) as error:
                quiet(lambda g=given, v=vs: push(with_dtype(case, dtype), g, v))
            if not refused(lambda g=given: with_dtype(case, dtype)(*g)):
                assert error.type is dg.TangentLossError


@each_dtype_call
def test_a_wider_or_narrower_dtype(case):
    """The tangent has the precision of the result: a wider dtype than the input's is not filled with rounding."""
    xs = [x.astype(np.float32) for x in case.sample(np.random.default_rng(0))]
    for width in (np.float32, np.float64):
        given = [x.astype(width) for x in xs]
        for dtype in (np.float16, np.float32, "d", np.longdouble, np.complex64, np.complex128):
            f = with_dtype(case, dtype)
            for lead in ((), (2,)):
                vs = direction(np.random.default_rng(1), given, [True] * len(xs), lead)
                if refused(lambda g=given, f=f: f(*g)):
                    assert refused(lambda v=vs, g=given, f=f: push(f, g, v))
                    continue
                ys, ds = quiet(lambda v=vs, g=given, f=f: push(f, g, v))
                for y, own in zip(ys, quiet(lambda g=given, f=f: outputs(f(*g))), strict=True):
                    same(y, own, "the value")
                wanted, expected = push(case, [wide(x) for x in given], [wide(v) for v in vs])
                for y, d, w, e in zip(ys, ds, wanted, expected, strict=True):
                    assert (d.dtype, d.shape) == (y.dtype, lead + y.shape)
                    if apart(y, w) < tolerance(y):
                        assert apart(d, e) < tolerance(y), f"{d}\n{e} with dtype={dtype} of {width}"


# ---------------------------------------------------------------------- real beside complex


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_real_beside_complex(call):
    """One input complex, the others real: all moving, or one of them alone."""
    f, draws, held = call
    xs = Case(None, None, (*draws, *held), {}).sample(np.random.default_rng(0))
    for k in range(len(draws)):
        given = [turned(np.abs(x)) if i == k else np.abs(x) for i, x in enumerate(xs)]
        for active in (
            [i < len(draws) for i in range(len(xs))],
            *([i == j for i in range(len(xs))] for j in range(len(draws))),
        ):
            for lead in ((), (2,)):
                check_against_quotients(f, given, active, lead)


# ---------------------------------------------------------------------- writes: nothing, numbers, too much

FLAT = MASK.ravel()
PLACES = {
    np.put: [0, [], [0], [0, 0], [5, -1, 2], [[0, 1], [2, 3]], [99], [0.5], [True, False], slice(0, 1)],
    np.putmask: [MASK, ~MASK & MASK, MASK.astype(int), FLAT, MASK.T, MASK[0], MASK.tolist(), True],
    np.place: [MASK, ~MASK & MASK, MASK.astype(int), FLAT, MASK.T, MASK[0], MASK.tolist(), True],
    np.put_along_axis: [np.array([[0], [2]]), np.array([[0, 0], [1, -1]]), np.zeros((2, 0), int), np.array([0, 4])],
    np.copyto: [None],
    np.fill_diagonal: [None],
}  # fmt: skip
KEYWORDS = {
    np.put: [{}, {"mode": "clip"}, {"mode": "wrap"}, {"mode": "other"}],
    np.put_along_axis: [{"axis": 1}, {"axis": -1}, {"axis": 0}, {"axis": None}],
    np.copyto: [{}, {"where": MASK}, {"where": False}, {"where": MASK[:, :1]}, {"where": MASK.astype(int)},
                {"casting": "no"}],
    np.fill_diagonal: [{}, {"wrap": True}],
}  # fmt: skip
VALUES = [
    2.0, 3, np.float32(2), np.float64(2), 1j, [], [1.5], [1.5, 2.5], np.array(1.5), np.array([]),
    np.array([[1.5], [2.5]]),
    np.arange(3.0), np.arange(6.0).reshape(2, 3), np.arange(8.0), np.ones((2, 2, 3)), np.arange(2),
]  # fmt: skip
WRITES = [(f, p, kw) for f, places in PLACES.items() for p in places for kw in KEYWORDS.get(f, [{}])]


@pytest.mark.parametrize(("function", "place", "keywords"), WRITES, ids=lambda v: getattr(v, "__name__", str(v)))
def test_writes(function, place, keywords):
    """Into a square, a tall and a numberless buffer; the values constant, or moving with it or alone."""
    rest = [] if place is None else [place]

    def written(x, v):
        b = np.zeros_like(x + 0 * np.sum(v) if np.size(v) else x)
        b[...] = x
        function(b, *rest, v, **keywords)
        return b

    for buffer in (np.arange(1.0, 7).reshape(2, 3), np.arange(1.0, 7).reshape(3, 2), np.zeros((0, 2)), np.array(1.0)):
        for v in VALUES:
            for lead in ((), (2,)):
                check_against_quotients(lambda x, v=v: written(x, v), [buffer], [True], lead)
                if isinstance(v, np.ndarray) and v.dtype == float:
                    check_against_quotients(written, [buffer, v], [True, True], lead)
                    check_against_quotients(written, [buffer, v], [False, True], lead)


# ---------------------------------------------------------------------- piecewise


PIECES = {
    "two functions": lambda x: np.piecewise(x, [x < 0, x >= 0], [np.sin, np.cos]),
    "otherwise": lambda x: np.piecewise(x, [x < 0], [np.sin, np.cos]),
    "numbers": lambda x: np.piecewise(x, [x < 0, x > 1], [1.5, 2]),
    "the last one holds": lambda x: np.piecewise(x, [x > 0, x > 1], [np.sin, np.cos]),
    "one condition": lambda x: np.piecewise(x, x > 0, [np.sin, np.cos]),
    "one condition, one function": lambda x: np.piecewise(x, x > 0, [np.sin]),
    "conditions as rows": lambda x: np.piecewise(x, np.stack([x > 0, x < 0]), [np.sin, np.cos]),
    "lists": lambda x: np.piecewise(x, (dg.primal(x) > 0).tolist(), [np.sin, np.cos]),
    "a tuple": lambda x: np.piecewise(x, (x > 0, x < 0), (np.sin, np.cos)),
    "True": lambda x: np.piecewise(x, True, [np.sin]),
    "[True]": lambda x: np.piecewise(x, [True], [np.sin, np.cos]),
    "[True, False]": lambda x: np.piecewise(x, [True, False], [np.sin, np.cos]),
    "numbers as conditions": lambda x: np.piecewise(x, [1 * (x > 0)], [np.sin, np.cos]),
    "too many functions": lambda x: np.piecewise(x, [x > 0], [np.sin, np.cos, np.tan]),
    "too few functions": lambda x: np.piecewise(x, [x > 0, x < 0, x > 1], [np.sin, np.cos]),
    "further arguments": lambda x: np.piecewise(x, [x > 0], [lambda y, a, b: a * y + b, 0.0], 2.0, b=1.0),
    "no condition": lambda x: np.piecewise(x, [], [np.sin]),
    "an array of numbers": lambda x: np.piecewise(x, [x > 0, x < 0], np.array([1.0, 2.0])),
    "dtype": lambda x: np.piecewise(x, [x > 0], [np.float32(0.1), np.exp]),
}


@pytest.mark.parametrize("f", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("shape", [(), (1,), (2,), (4,), (2, 2), (2, 3), (1, 1), (0,), (2, 0)], ids=str)
def test_piecewise(f, shape):
    x = np.linspace(-1.3, 1.6, int(np.prod(shape))).reshape(shape) if shape else np.array(0.7)
    for lead in ((), (2,)):
        for y in (x, x.astype(np.float32)) if not lead else (x,):
            check_against_quotients(f, [y], [True], lead) if y is x else check_dtype(f, y)


def check_dtype(f, x):
    if not refused(lambda: f(x)):
        same(push(f, [x], [np.ones_like(x)])[0][0], f(x), "the value")


# ---------------------------------------------------------------------- edges of np.diff

ENDS = [None, 0, 1.5, np.float32(1), 1j, [1.0], [1.0, 2.0], np.array(2.0), np.array([]), np.array(1 + 2j)]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("end", ENDS, ids=str)
def test_ends_of_diff(n, end):
    keywords = [{"prepend": end}, {"append": end}, {"prepend": end, "append": 0.5}]
    keywords = [{}] if end is None else keywords
    for kw in keywords:
        for lead in ((), (2,)):
            check_against_quotients(lambda x, kw=kw: np.diff(x, n=n, **kw), [positive_numbers(4)], [True], lead)
    if isinstance(end, np.ndarray) and has_room(end):
        check_against_quotients(lambda x: np.diff(np.arange(3), n=n, prepend=x), [end], [True])
        check_against_quotients(lambda x: np.diff([1, 2, 4], n=max(n, 1), append=x), [end], [True])


def positive_numbers(count):
    return Case(None, None, (positive(count),), {}).sample(np.random.default_rng(0))[0]
