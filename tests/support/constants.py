"""Calls with constants of every dtype, compared with the same calls on float64: the sweeps of `test_constants`."""

import warnings
from typing import NamedTuple

import numpy as np

import dualgrad as dg
from dualgrad.testing.oracles import along, richardson
from tests.support.cases import Case
from tests.support.checks import close, derivative_along, direction, flat, outputs, push, same

INTEGERS = [np.dtype(c) for c in "?bhilBHIL"]
FLOATS = [np.dtype(c) for c in "efdg"]
COMPLEX = [np.dtype(c) for c in "FD"]
DTYPES = INTEGERS + FLOATS + COMPLEX


class Held(NamedTuple):
    """A call of the inputs that may move, and then of those that a rule holds constant."""

    call: object
    moving: tuple
    held: tuple = ()


def whole_numbers(draw, dtype, rng, top):
    """Numbers of the draw's domain that every dtype holds; up to ``top``, where their squares exceed the small ones."""
    low = {"positive": 1, "above": 2, "inside": 0}.get(draw.domain, 0)
    top = 0 if draw.domain == "inside" else top
    if dtype.kind == "b":
        return np.ones(draw.shape, bool) if low else rng.integers(0, 2, draw.shape).astype(bool)
    return np.asarray(rng.integers(low, max(top, low) + 1, draw.shape)).astype(dtype)


def quiet(f, *xs):
    """The results of f without its warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return f(*xs)


def refused(f):
    """Whether NumPy refuses such operands."""
    try:
        quiet(f)
    except (TypeError, ValueError, IndexError, np.linalg.LinAlgError):
        return True
    return False


def wide(x):
    """As float64 or complex128."""
    return x if x is None else np.asarray(x).astype(np.complex128 if np.iscomplexobj(x) else np.float64)


def apart(x, y):
    """The largest relative distance of two results; NaN is like NaN."""
    x, y = wide(x), wide(y)
    if x.shape != y.shape:
        return np.inf
    with np.errstate(all="ignore"):
        gap = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, np.abs(x - y) / np.maximum(1, np.abs(y)))
    return np.max(np.where(np.isnan(gap), np.inf, gap), initial=0)


def check_constant(call, xs, k, constant, dtype=np.float64, lead=(), order=1, moves=False):
    """The call with input k the constant, the others moving in ``dtype``, against the same in float64; or with input k
    moving as well."""
    f, draws, _ = call
    rng = np.random.default_rng(3)
    xs = [x.astype(np.result_type(dtype, 1j) if np.iscomplexobj(x) else dtype) for x in xs]
    given = [constant if i == k else x for i, x in enumerate(xs)]
    vs = direction(rng, given if moves else xs, [(moves or i != k) and i < len(draws) for i in range(len(xs))], lead)
    wanted = lambda: push(f, [wide(x) for x in given], [wide(v) for v in vs])  # noqa: E731
    if refused(lambda: f(*given)):
        assert refused(lambda: push(f, given, vs)), f"NumPy refuses {constant!r}"
        return
    if refused(wanted):
        return
    if not any(has_room(y) for y in quiet(lambda: outputs(f(*given)))):  # the constant's dtype is the result's
        assert refused(lambda: push(f, given, vs)) or not any(np.any(d) for d in quiet(lambda: push(f, given, vs))[1])
        return
    if order == 2:
        f = derivative_along(f, vs)
    own = quiet(lambda: outputs(f(*given)))
    ys, ds = quiet(lambda: push(f, given, vs))
    ys64, ds64 = quiet(wanted)
    for y, value, d in zip(ys, own, ds, strict=True):
        same(y, value, f"the value with {constant!r}")
        assert d.shape == lead + y.shape
        assert d.dtype == y.dtype or not has_room(y)
    if all(apart(y, y64) < tolerance(y) for y, y64 in zip(ys, ys64, strict=True)):
        for y, d, d64 in zip(ys, ds, ds64, strict=True):
            assert apart(d, d64) < tolerance(y), f"{d}\n{d64}\nwith {constant!r}"
    elif dtype == np.float64 and not lead:  # NumPy's own value is another with this constant
        expected, error = quiet(lambda: richardson(along(flat(f), given, vs)))
        found = np.concatenate([np.ravel(d) for d in ds])
        if found.shape == expected.shape:  # rounding decides how many coefficients np.polydiv gives
            sure = error <= 1e-6 * np.maximum(1, np.abs(expected))
            close(found[sure], expected[sure], max(1e-6, tolerance(constant)), 10 * error[sure], f"with {constant!r}")


def tolerance(y):
    """What rounding may do to numbers of this dtype, which were computed in float64."""
    return {"e": 0.1, "f": 1e-4, "F": 1e-4}.get(np.asarray(y).dtype.char, 1e-10)


def has_room(y):
    """Whether a result can have a tangent."""
    return np.issubdtype(y.dtype, np.inexact)


def forms(constant):
    """The constant as it stands; one number also as what NumPy and Python have for it."""
    yield constant
    if constant.ndim == 0:
        yield constant[()]
        if constant:
            yield constant.item()


def sweep_constants(call, top):
    """In each place, in each dtype: one direction, two in one pass, second order; also beside float32."""
    rng = np.random.default_rng(0)
    draws = call.moving + call.held
    xs = Case(None, None, draws, {}).sample(rng)
    for k, draw in enumerate(draws):
        if call.moving == (draw,):
            continue
        for dtype in DTYPES:
            for constant in forms(whole_numbers(draw, dtype, rng, top)):
                check_constant(call, xs, k, constant)
            check_constant(call, xs, k, constant, lead=(2,))
            check_constant(call, xs, k, constant, order=2)
            check_constant(call, xs, k, constant, dtype=np.float32)


def sweep_precisions(call):
    """An input of another precision beside float64: the tangents lose nothing that the result keeps."""
    rng = np.random.default_rng(0)
    xs = Case(None, None, call.moving + call.held, {}).sample(rng)
    for k, draw in enumerate(call.moving):
        for dtype in "efg" if draw.domain != "complex" else "FG":
            x = whole_numbers(draw, np.dtype(dtype), rng, 9)
            for lead in ((), (2,)):
                check_constant(call, xs, k, x, lead=lead, moves=True)
            check_constant(call, xs, k, x, order=2, moves=True)


def sweep_taylor(call):
    """The coefficients of t -> f(x + t v), with integers and small floats among the constants."""
    rng = np.random.default_rng(0)
    xs = Case(None, None, call.moving + call.held, {}).sample(rng)
    moving = range(len(call.moving))
    for k, draw in enumerate(call.moving + call.held):
        for dtype in "?BbHef":
            constant = whole_numbers(draw, np.dtype(dtype), rng, 9)

            def program(t, c, k=k):
                return flat(call.call)(*(c if i == k else x + t * x if i in moving else x for i, x in enumerate(xs)))

            def along(c):
                return quiet(lambda: dg.taylor(lambda t: program(t, c), 0.0, 1.0, order=3))

            if refused(lambda c=constant: program(0.0, c)) or not has_room(quiet(program, 0.0, constant)):
                continue
            try:
                expected = along(wide(constant))
            except (NotImplementedError, TypeError, ValueError, np.linalg.LinAlgError):
                continue  # no Taylor rule, or a singular matrix
            found = along(constant)
            if apart(found[0], expected[0]) < 1e-10:
                for c, e in zip(found, expected, strict=True):
                    assert apart(c, e) < 1e-9, f"{c}\n{e}\nwith {constant!r}"
