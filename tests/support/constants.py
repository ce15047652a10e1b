"""Calls with constants of every dtype, compared with the same calls on float64: the calls, and the sweeps over them."""

import warnings
from typing import NamedTuple

import numpy as np

import dualgrad as dg
from dualgrad.testing.derivatives.oracles import along, richardson
from tests.support.cases import MASK, Case, above, positive, real
from tests.support.catalogue import CATALOGUE
from tests.support.checks import close, derivative_along, direction, flat, outputs, push, same
from tests.support.samples_arrays import written

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


def outcome(f):
    """What f gives, in a list; None where NumPy refuses such operands."""
    try:
        return [quiet(f)]
    except (TypeError, ValueError, IndexError, np.linalg.LinAlgError):
        return None


def refused(f):
    """Whether NumPy refuses such operands."""
    return outcome(f) is None


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


def check_constant(call, xs, k, constant, **options):
    """As `_check_constant`; a failure names the constant."""
    try:
        _check_constant(call, xs, k, constant, **options)
    except AssertionError as failure:
        failure.add_note(f"with {constant!r}")
        raise


def _check_constant(call, xs, k, constant, dtype=np.float64, lead=(), order=1, moves=False):
    """The call with input k the constant, the others moving in ``dtype``, against the same in float64; or with input k
    moving as well."""
    f, draws, _ = call
    rng = np.random.default_rng(3)
    xs = [x.astype(np.result_type(dtype, 1j) if np.iscomplexobj(x) else dtype) for x in xs]
    given = [constant if i == k else x for i, x in enumerate(xs)]
    vs = direction(rng, given if moves else xs, [(moves or i != k) and i < len(draws) for i in range(len(xs))], lead)
    wanted = lambda: push(f, [wide(x) for x in given], [wide(v) for v in vs])  # noqa: E731
    own = outcome(lambda: f(*given))
    if own is None:
        assert refused(lambda: push(f, given, vs)), "NumPy refuses it"
        return
    expected = outcome(wanted)
    if expected is None:
        return
    own = outputs(own[0])
    if not any(map(has_room, own)):  # the constant's dtype is the result's
        assert refused(lambda: push(f, given, vs)) or not any(np.any(d) for d in quiet(lambda: push(f, given, vs))[1])
        return
    if order == 2:
        f = derivative_along(f, vs)
        own, expected = quiet(lambda: outputs(f(*given))), [quiet(wanted)]
    ys, ds = quiet(lambda: push(f, given, vs))
    ys64, ds64 = expected[0]
    for y, value, d in zip(ys, own, ds, strict=True):
        same(y, value, "the value")
        assert d.shape == lead + y.shape
        assert d.dtype == y.dtype or not has_room(y)
    if all(apart(y, y64) < tolerance(y) for y, y64 in zip(ys, ys64, strict=True)):
        for y, d, d64 in zip(ys, ds, ds64, strict=True):
            assert apart(d, d64) < tolerance(y), f"{d}\n{d64}"
    elif dtype == np.float64 and not lead:  # NumPy's own value is another with this constant
        expected, error = quiet(lambda: richardson(along(flat(f), given, vs)))
        found = np.concatenate([np.ravel(d) for d in ds])
        if found.shape == expected.shape:  # rounding decides how many coefficients np.polydiv gives
            sure = error <= 1e-6 * np.maximum(1, np.abs(expected))
            close(found[sure], expected[sure], max(1e-6, tolerance(constant)), 10 * error[sure])


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
            constant = whole_numbers(draw, dtype, rng, top)
            if top > 20 and dtype.kind in "fc" and dtype.char != "e":
                continue  # nothing overflows, and smaller ones have been tried
            for form in forms(constant):
                check_constant(call, xs, k, form)
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


# ---------------------------------------------------------------------- the calls

rising = lambda x: 10 * np.arange(np.size(x)) + x  # noqa: E731


# Calls beyond the catalogue: every array that only parametrises a function, as an input.
ROWS = {
    "arctan2": Held(np.arctan2, (real(3), real(3))),
    "float_power": Held(np.float_power, (positive(3), positive())),
    "divmod": Held(lambda x, y: np.divmod(x, y)[1], (real(3), above(3))),
    "truediv": Held(lambda x, y: x / y, (real(3), above(3))),
    "pow": Held(lambda x, y: x**y, (positive(3), positive(3))),
    "pow of numbers": Held(lambda x, y: x**y, (positive(), positive())),
    "scimath.power": Held(np.lib.scimath.power, (positive(3), positive(3))),
    "heaviside": Held(lambda x, h: np.heaviside(0 * x, h), (real(3), real(3))),
    "clip": Held(np.clip, (real(3), real(), above(3))),
    "interp": Held(lambda x, xp, fp: np.interp(x, rising(xp), fp), (real(3), positive(3), real(3))),
    "interp period": Held(
        lambda x, xp, fp, left, p: np.interp(x, rising(xp), fp, left, period=80 * p),
        (real(3), positive(3), real(3)),
        (real(), positive()),
    ),
    "polyfit": Held(lambda x, y, w: np.polyfit(rising(x), y, 1, w=w), (real(4), real(4), positive(4))),
    "polyval": Held(np.polyval, (real(3), real(2))),
    "polyint": Held(lambda p, k: np.polyint(p, 1, k), (real(3),), (real(),)),
    "trapezoid": Held(np.trapezoid, (real(4), real(4))),
    "trapezoid dx": Held(lambda y, dx: np.trapezoid(y, dx=dx), (real(4), real())),
    "gradient": Held(lambda y, x: np.gradient(y, rising(x)), (real(4),), (real(4),)),
    "gradient step": Held(np.gradient, (real(4),), (above(),)),
    "cov": Held(lambda x, y: np.cov(x, y), (real(4), real(4))),
    "cov weights": Held(
        lambda x, a, f: np.cov(x, fweights=np.array(f), aweights=a),  # NumPy writes into fweights
        (real(2, 4), positive(4)),
        (positive(4),),
    ),
    "average": Held(lambda x, w: np.average(x, weights=w), (real(4), positive(4))),
    "var mean": Held(lambda x, m: np.var(x, mean=m), (real(4), real(1))),
    "var ddof": Held(lambda x, m: np.var(x, ddof=m / 8), (real(4),), (positive(),)),
    "sum": Held(lambda x, i: np.sum(x, initial=i), (real(4),), (real(),)),
    "prod": Held(lambda x, i: np.prod(x, initial=i), (real(4),), (real(),)),
    "max": Held(lambda x, i: np.max(x, initial=i), (real(4),), (real(),)),
    "diff": Held(lambda x, a, b: np.diff(x, prepend=a, append=b), (real(4), real(2), real())),
    "ediff1d": Held(np.ediff1d, (real(4), real(2), real())),
    "full_like": Held(np.full_like, (real(4),), (real(),)),
    "full_like of ones": Held(lambda v: np.full_like(np.ones(3), v), (real(),)),
    "insert": Held(lambda x, v: np.insert(x, [1, 2], v), (real(4), real(2))),
    "insert one": Held(lambda x, v: np.insert(x, 1, v), (real(4), real())),
    "append": Held(np.append, (real(4), real())),
    "pad": Held(lambda x, v: np.pad(x, 1, constant_values=v), (real(4),), (real(),)),
    "pad ramp": Held(lambda x, v: np.pad(x, 2, "linear_ramp", end_values=v), (real(4),), (real(),)),
    "piecewise": Held(lambda x, v: np.piecewise(x, [x > 0], [v, np.sin]), (real(4),), (real(),)),
    "select": Held(lambda x, y, d: np.select([MASK, MASK[:1]], [x, y], d), (real(2, 3), real(3), real())),
    "choose": Held(lambda x, y: np.choose([0, 1, 0], [x, y]), (real(3), real())),
    "quantile": Held(lambda x, q: np.quantile(x, q / 256), (real(5),), (above(2),)),
    "quantile weights": Held(
        lambda x, w: np.quantile(x, 0.4, weights=w, method="inverted_cdf"), (real(4),), (positive(4),)
    ),
    "unwrap": Held(lambda x, d, p: np.unwrap(x, discont=d, period=p), (real(5),), (above(), above())),
    "nan_to_num": Held(lambda x, v: np.nan_to_num(np.where(MASK, x, np.nan), nan=v), (real(2, 3),), (real(),)),
    "linspace": Held(lambda a, b: np.linspace(a, b, 4), (real(2), real())),
    "logspace": Held(lambda a, b, c: np.logspace(a / 64, b / 64, 4, base=c), (real(), real(2), above(2))),
    "geomspace": Held(lambda a, b: np.geomspace(a, b, 4), (positive(2), positive())),
    "multi_dot": Held(lambda *xs: np.linalg.multi_dot(xs), (real(2, 3), real(3, 3), real(3))),
    "setitem": Held(lambda x, v: written(np.copyto)(x, v), (real(4),), (real(),)),
    "put": Held(lambda x, v: written(np.put, "ind")(x, v, [0, -1]), (real(4),), (real(2),)),
    "where": Held(lambda x, y: np.where(MASK, x, y), (real(2, 3), real())),
}
CALLS = {str(c): Held(c, tuple(c.draws)) for c in CATALOGUE if len(c.draws) > 1 and c.function is not np.full_like}
CALLS |= ROWS
