"""Fixed points are found by iteration, to the last digits, or it is said that they are not."""

import numpy as np
import pytest

import dualgrad as dg
from tests.support.equations import by_newton

cosine = lambda x, p: np.cos(p * x)  # noqa: E731


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.0, 0.5, -0.9, 0.99])
def test_an_iteration_goes_on_until_rounding_ends_it(rate, dtype):
    point = dg.fixed_point(lambda x, b: rate * x + b, 1.0)
    b = np.array([3.0, -2.0], dtype)
    x, dx = dg.jvp(dg.fixed_point(lambda x, b: rate * x + b, b), (b,), (b,))
    assert x.dtype == dx.dtype == point(b[0]).dtype == dtype
    np.testing.assert_allclose([x, dx], [b / (1 - rate)] * 2, rtol=4 * np.finfo(dtype).eps / (1 - abs(rate)))


def test_trees_and_where_it_begins():
    def f(x, p):
        return {"a": np.mean(np.cos(p * x["b"])), "b": 0.5 * np.sin(x["a"] * p)}

    exact = by_newton(lambda x, p: {name: x[name] - y for name, y in f(x, p).items()}, {"a": 1.0, "b": np.zeros(2)})
    p = np.array([0.4, 1.2])
    curvature = lambda g: dg.hessian(lambda p: g(p)["a"])(p)  # noqa: E731
    np.testing.assert_allclose(curvature(dg.fixed_point(f, {"a": 1.0, "b": p})), curvature(exact), rtol=1e-9)
    slope = dg.derivative(lambda s: dg.fixed_point(cosine, s)(1.0))(0.5)  # where it begins has no part in it
    assert slope == 0


def test_what_f_depends_on_beside_its_arguments_counts_as_a_parameter():
    beside = dg.derivative(lambda p: dg.fixed_point(lambda x: cosine(x, p), 1.0)())(1.0)
    assert beside == dg.derivative(dg.fixed_point(cosine, 1.0))(1.0)


def test_a_program_of_ones_own_in_place_of_the_iteration():
    point = dg.fixed_point(lambda x, p: p / x, solve=np.sqrt)  # from which the iteration only turns away
    np.testing.assert_allclose(dg.derivative(point)(4.0), 0.25, rtol=1e-12)


ERRORS = {
    "a cycle": (
        lambda: dg.fixed_point(lambda x, p: p - x, 1.0)(1.0),
        dg.ConvergenceError,
        "after 10,000 steps.*of 0 give scale=",
    ),
    "away": (lambda: dg.fixed_point(lambda x, p: x * x + p, 1.0)(1.0), dg.ConvergenceError, "left the finite numbers"),
    "another shape": (lambda: dg.fixed_point(cosine, 1.0)(np.ones(2)), dg.ShapeError, "what f returned"),
    "None": (lambda: dg.fixed_point(lambda x: None, 1.0)(), TypeError, "did you forget return"),
    "complex": (lambda: dg.fixed_point(lambda x, p: x * 1j + p, 1.0)(1.0), TypeError, "f returned is complex"),
    "an integer": (lambda: dg.fixed_point(cosine, 1)(1.0), TypeError, "x0 has type int"),
    "neither": (lambda: dg.fixed_point(cosine), TypeError, "one of the two"),
    "both": (lambda: dg.fixed_point(cosine, 1.0, np.sqrt), TypeError, "one of the two"),
    "no function": (lambda: dg.fixed_point(3.0, 1.0), TypeError, "dg.fixed_point got a float; expected a function"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("call", "error", "says"), ERRORS.values(), ids=ERRORS)
def test_what_is_wrong_is_said(call, error, says):
    with pytest.raises(error, match=says):
        call()
