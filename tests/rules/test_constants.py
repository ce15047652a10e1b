"""Constants of every dtype: integers do not wrap, and small floats lose nothing, in a derivative.

A constant operand is part of the formula of a derivative (``-y / (x² + y²)``), which must be computed in the dtype of
the result. So every call with several inputs is made with each input in turn as a constant of each dtype, and compared
with the same call on that constant as float64. Where NumPy's own value wraps (a trapezoid rule over falling uint8
nodes), the derivative is that of what NumPy computes, by difference quotients.
"""

import numpy as np
import pytest

import dualgrad as dg
from tests.support.cases import name_of
from tests.support.checks import outputs, same
from tests.support.constants import CALLS, ROWS, quiet, refused, sweep_constants, sweep_precisions, sweep_taylor


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
