"""Operands and ``dtype=`` of other kinds: real beside complex, wider and narrower; and what is legal in NumPy at the
edges of a call: nothing to write, numbers for arrays, one condition for a list of them.

The value is NumPy's bit for bit and the tangent the difference quotient of NumPy's own call; where an imaginary part
would be dropped, a `TangentLossError` says so.
"""

import inspect

import numpy as np
import pytest
import samples_arrays  # noqa: F401  (each adds its rows to the catalogue)
import samples_linalg  # noqa: F401
import samples_statistics  # noqa: F401
from catalogue import CATALOGUE, MASK, Case, name_of, positive, real
from checks import close, direction, flat, outputs, push, same
from test_constants import CALLS, apart, has_room, quiet, refused, tolerance, wide

import dualgrad as dg
from dualgrad.testing.oracles import along, richardson


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


PLAIN = (np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.ldexp)  # constant entries, or an operand that stays whole
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
