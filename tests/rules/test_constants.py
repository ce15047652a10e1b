"""Constants of every dtype: integers do not wrap, and small floats lose nothing, in a derivative.

A constant operand is part of the formula of a derivative (``-y / (x² + y²)``), which must be computed in the dtype of
the result. So every call with several inputs is made with each input in turn as a constant of each dtype, and compared
with the same call on that constant as float64. Where NumPy's own value wraps (a trapezoid rule over falling uint8
nodes), the derivative is that of what NumPy computes, by difference quotients.
"""

import numpy as np
import pytest

import dualgrad as dg
from tests.support.cases import MASK, above, name_of, positive, real
from tests.support.catalogue import CATALOGUE
from tests.support.checks import outputs, same
from tests.support.constants import Held, quiet, refused, sweep_constants, sweep_precisions, sweep_taylor
from tests.support.samples_arrays import written

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


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("top", [3, 100], ids=["small", "large"])
def test_constants_of_every_dtype(call, top):
    sweep_constants(call, top)


DIRECT = {name: c for name, c in CALLS.items() if not getattr(c.call, "call", None)}


@pytest.mark.parametrize("call", DIRECT.values(), ids=DIRECT)
def test_precisions_that_move_together(call):
    """Without arithmetic of the sample's own before the function."""
    sweep_precisions(call)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_constants_under_taylor(call):
    if call is not ROWS["cov weights"]:  # a series calls twice, and np.cov writes into its weights
        sweep_taylor(call)


INSTANCES = {
    "arctan2": (lambda t: np.arctan2(np.uint8(3), t), 2.0),
    "interp": (lambda t: np.interp(t, np.array([0, 1, 3], np.uint8), np.array([255, 0, 10], np.uint8)), 0.5),
    "polyfit": (lambda t: np.polyfit(np.array([0, 100, 200, 250], np.uint8), t * np.arange(4.0), 2)[0], 1.0),
    "power": (lambda t: t ** np.array([0, 2], np.uint8), 1e3),
    "average": (lambda t: np.average(t * np.arange(3.0), weights=np.array([200, 100, 3], np.uint8)), 1.0),
}


@pytest.mark.parametrize(("f", "t"), INSTANCES.values(), ids=INSTANCES)
def test_instances(f, t):
    quotient = (f(t * (1 + 1e-5)) - f(t * (1 - 1e-5))) / (2e-5 * t)
    np.testing.assert_allclose(dg.derivative(f)(t), quotient, rtol=1e-8, atol=1e-12)


PAIRS = [
    f for f in dg.supported() if isinstance(f, np.ufunc) and f.nin == 2 and not f.signature and f in vars(np).values()
]


@pytest.mark.parametrize("function", PAIRS, ids=name_of)
def test_lists_as_constants(function):
    """A list is the array that NumPy makes of it."""
    x, c = np.array([1.5, 2.25, 3.5]), [2, 0, 3]
    for f in (lambda x, c: function(x, c), lambda x, c: function(c, x)):
        if refused(lambda f=f: f(x, c)):
            continue
        for lead in ((), (2,)):
            v = np.ones((*lead, 3))
            found = quiet(lambda f=f, v=v: dg.jvp(lambda x: f(x, c), (x,), (v,)))
            expected = quiet(lambda f=f, v=v: dg.jvp(lambda x: f(x, np.array(c)), (x,), (v,)))
            for a, b in zip(outputs(found[1]), outputs(expected[1]), strict=True):
                same(a, b, "the tangent")
