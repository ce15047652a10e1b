"""Roots, fixed points and minima have the derivatives of what they are, at every order and in every direction."""

import sys

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.equations import lifting
from tests.support.equations import CASES, by_newton, of_a_vector
from tests.support.strict import device, host

ROOT = dg.implicit(lambda x, a: x * x - a, np.sqrt)
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def derivatives(f, v, order):
    """f(v), and its derivatives up to an order."""
    found = []
    for _ in range(order + 1):
        found.append(f(v))
        f = dg.jacfwd(f)
    return found


def require_equal(case, order, **options):
    """Raise where a derivative is not that of the exact solution."""
    flat, v = of_a_vector(case.make(**options), case.params)
    exact, _ = of_a_vector(case.exact, case.params)
    for found, expected in zip(derivatives(flat, v, order), derivatives(exact, v, order), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * np.max(np.abs(expected)))


# ---------------------------------------------------------------------- orders, directions, ways to solve


@cases
def test_derivatives_are_right_to_the_third_order(case):
    require_equal(case, 3)


def by_columns(matvec, b):
    """A linear solve of one's own: J column by column, from its products."""
    layout = dg.Layout.of(b)
    J = dg.jacfwd(lambda v: layout.vector(matvec(layout.tree(v))))(np.zeros(layout.size))
    return layout.tree(np.linalg.solve(J, layout.vector(b)))


@pytest.mark.parametrize("way", ["gmres", by_columns])
@cases
def test_every_linear_solve_gives_the_same(case, way):
    require_equal(case, 2 if len(of_a_vector(case.exact, case.params)[1]) < 3 else 1, linear_solve=way)


@cases
def test_directions_of_several_levels_go_together(case):
    flat, v = of_a_vector(case.make(), case.params)
    V = np.random.default_rng(0).standard_normal((3, v.size))
    slopes = lambda v: dg.jvp(flat, (v,), (V,))[1]  # noqa: E731
    np.testing.assert_allclose(slopes(v), [dg.jvp(flat, (v,), (d,))[1] for d in V], rtol=1e-12, atol=1e-14)
    bend = dg.jvp(slopes, (v,), (V[:2],))[1]
    exact = dg.jacfwd(dg.jacfwd(of_a_vector(case.exact, case.params)[0]))(v)
    np.testing.assert_allclose(bend, np.einsum("yij,ki,lj->lky", exact, V, V[:2]), rtol=1e-9, atol=1e-10)


@cases
def test_series_are_those_of_the_solution(case):
    (flat, v), (exact, _) = (of_a_vector(f, case.params) for f in (case.make(), case.exact))
    along = np.linspace(0.5, 1.0, v.size)
    found = dg.taylor(flat, v, along, 3)
    np.testing.assert_allclose(found, dg.taylor(exact, v, along, 3), rtol=1e-9, atol=1e-10)
    slopes = dg.jvp(lambda v: dg.taylor(flat, v, along, 2)[2], (v,), (along,))[1]
    np.testing.assert_allclose(slopes, 3 * found[3], rtol=1e-8, atol=1e-9)


of_degree = lifting.of_degree
FAULTS = {
    "the second order is dropped": lambda r, degree, inverse: of_degree(r, degree, inverse) * (degree < 2),
    "the sign is turned": lambda r, degree, inverse: -of_degree(r, degree, inverse),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@cases
def test_a_planted_fault_is_seen(monkeypatch, case, fault):
    monkeypatch.setattr(lifting, "of_degree", fault)
    with pytest.raises(AssertionError):
        require_equal(case, 2)


# ---------------------------------------------------------------------- the program that solves


def test_a_root_passes_the_check_of_a_rule():
    assert dg.testing.check_jvp(ROOT, (np.array([2.0, 3.0]),)).passed


def test_solve_runs_once_for_all_directions_and_levels_and_sees_plain_arrays():
    seen = []

    def solve(p):
        seen.append([type(a) for a in p.values()])
        return np.sqrt(p["a"] * p["b"])

    root = dg.implicit(lambda x, p: x * x - p["a"] * p["b"], solve)
    for transform in (lambda f: f, dg.jacfwd, dg.hessian, lambda f: dg.jacfwd(dg.hessian(f))):
        seen.clear()
        transform(lambda a: root({"a": a, "b": np.ones(3)}))(np.arange(1.0, 4.0))
        assert seen == [[np.ndarray, np.ndarray]]


def test_the_value_is_what_solve_returns():
    x = np.sqrt(np.array([2.0, 3.0])) * (1 + 1e-12)
    root = dg.implicit(lambda x, a: x * x - a, lambda a: x)
    assert root(np.array([2.0, 3.0])) is x
    assert np.array_equal(dg.jvp(root, (np.array([2.0, 3.0]),), (np.ones(2),))[0], x)


def test_what_the_residual_depends_on_beside_its_arguments_counts_as_a_parameter():
    def root(a):
        return dg.implicit(lambda x, b: x * x - a * b, lambda b: np.sqrt(b * dg.primal(a)))(3.0)

    np.testing.assert_allclose(dg.derivative(dg.derivative(root))(2.0), -np.sqrt(3) / 4 * 2**-1.5, rtol=1e-12)


def test_a_root_inside_a_residual():
    exact = by_newton(lambda x, p: x + np.cbrt(x * p) - p, 0.5)
    inner = dg.implicit(lambda y, x, p: y**3 - x * p, lambda x, p: np.cbrt(x * p))
    outer = dg.implicit(lambda x, p: x + inner(x, p) - p, exact)
    for found, expected in zip(derivatives(outer, 1.1, 2), derivatives(exact, 1.1, 2), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_trace_shows_a_root_as_one_step():
    trace = str(dg.trace(lambda a: 2 * ROOT(a), (4.0,), (1.0,)))
    assert "implicit(<lambda>)(v0)" in trace
    assert "2 steps" in trace


# ---------------------------------------------------------------------- precision, and numbers of other kinds


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.complex128])
def test_derivatives_have_the_precision_of_x(dtype):
    a = np.array([2.0, 3.0], dtype) + (1j if np.issubdtype(dtype, np.complexfloating) else 0)
    found, expected = (derivatives(f, a.astype(dtype), 2) for f in (ROOT, np.sqrt))
    for y, exact in zip(found, expected, strict=True):
        assert y.dtype == dtype
        np.testing.assert_allclose(y, exact, rtol=20 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


def test_numbers_of_python_have_the_precision_of_the_parameters():
    y, dy = dg.jvp(dg.implicit(lambda x, a: x * x - a, lambda a: float(a) ** 0.5), (np.float32(2),), (np.float32(1),))
    assert y.dtype == dy.dtype == np.float32


# ---------------------------------------------------------------------- what is no root


@pytest.mark.parametrize("unit", [1e-100, 1e-9, 1.0, 1e9, 1e100])
@pytest.mark.parametrize("weight", [1e-80, 1.0, 1e80])
def test_no_unit_counts_where_a_residual_is_judged(unit, weight):
    off = lambda error: dg.implicit(  # noqa: E731
        lambda x, p: weight * np.stack([x[0] - p, x[1] * 3 - x[0]]), lambda p: p * np.array([1, 1 / 3]) * (1 + error)
    )
    for error in (0.0, 1e-12, 1e-9):
        np.testing.assert_allclose(dg.derivative(off(error))(unit), [1, 1 / 3])
    for error in (1e-7, 1e-3, -1.0):
        with pytest.raises(dg.ConvergenceError, match="is no root: the residual is"):
            dg.derivative(off(error))(unit)


def test_a_root_of_0_is_judged_by_the_size_that_is_given():
    make = lambda error, scale: dg.implicit(  # noqa: E731
        lambda x, p: {"a": np.sin(x["a"]) - p}, lambda p: {"a": error}, scale=scale
    )
    assert dg.derivative(make(0.0, None))(0.0) == {"a": 1.0}
    with pytest.raises(dg.ConvergenceError, match=r"at \['a'\]; expected at most .* at a root of 0 give scale="):
        dg.derivative(make(1e-13, None))(0.0)
    for scale in (1.0, {"a": 1.0}):
        np.testing.assert_allclose(dg.derivative(make(1e-13, scale))(0.0)["a"], 1.0)
        with pytest.raises(dg.ConvergenceError):
            dg.derivative(make(1e-5, scale))(0.0)


# ---------------------------------------------------------------------- errors

M = np.arange(9.0).reshape(3, 3)
SQUARES = lambda x, a: x * x - a  # noqa: E731


def of(residual, solve, **options):
    """The derivative of a root, of three numbers."""
    return lambda: dg.jacfwd(dg.implicit(residual, solve, **options))(np.array([1.0, 2.0, 3.0]))


ERRORS = {
    "a constant": (of(SQUARES, lambda a: 1.5 * a), dg.ConvergenceError, "is no root"),
    "NaN": (of(SQUARES, lambda a: a * np.nan), dg.ConvergenceError, "the residual is nan"),
    "None": (of(SQUARES, lambda a: None), TypeError, "solve returned None"),
    "integers": (of(SQUARES, lambda a: {"x": 1}), TypeError, r"solve's answer\['x'\] has type int"),
    "no residual": (of(lambda x, a: None, np.sqrt), TypeError, "did you forget return"),
    "one row": (of(lambda x, a: np.sum(x - a), np.sqrt), dg.ShapeError, r"like x, has a leaf of shape \(\)"),
    "other keys": (of(lambda x, a: {"b": a}, lambda a: {"a": a}), dg.StructureError, "the residual"),
    "singular": (of(lambda x, a: M @ (x - a), lambda a: a), dg.SingularError, "is singular"),
    "a zero row": (of(lambda x, a: (x - a) ** 2, lambda a: a), dg.SingularError, r"entry \[0\] of the residual"),
    "a zero column": (
        of(lambda x, a: {"u": x["u"] + 0 * x["v"] - a, "v": x["u"] - a}, lambda a: {"u": a, "v": a}),
        dg.SingularError, r"entry \['v'\]\[0\] of x",
    ),
    "singular, by gmres": (
        of(lambda x, a: M @ x - 3 * a, lambda a: np.array([-1.0, 1.0, 1.0]) / 1, linear_solve="gmres"),
        dg.ConvergenceError, "J may be singular",
    ),
    "an infinite slope": (
        of(lambda x, a: np.cbrt(x) + 0 * a, lambda a: 0 * a), dg.NonFiniteError, "NaN or infinite entries at the root",
    ),
    "solves nothing": (of(SQUARES, np.sqrt, linear_solve=lambda matvec, b: b), dg.ConvergenceError, "has not solved"),
    "another shape": (of(SQUARES, np.sqrt, linear_solve=lambda matvec, b: b[:1]), dg.ShapeError, "what linear_solve"),
    "an unknown solve": (of(SQUARES, np.sqrt, linear_solve="cg"), ValueError, "got linear_solve='cg'; expected None"),
    "a scale of 0": (of(SQUARES, lambda a: np.sqrt(a) * 1.1, scale=0), ValueError, "got scale=0; expected positive"),
    "no function": (of(SQUARES, 3.0), TypeError, "dg.implicit got a float; expected a function"),
    "a complex residual": (of(lambda x, a: x * 1j - a, np.sqrt), TypeError, "the residual is complex, and x is real"),
    "not holomorphic": (of(lambda x, a: np.abs(x) ** 2 - a, lambda a: np.sqrt(a) + 0j), ValueError, "not holomorphic"),
    "a Dual beside": (
        lambda: dg.derivative(lambda a: dg.implicit(lambda x: x * x - a, lambda: np.sqrt(a))())(2.0),
        dg.TangentLossError, "solve returned a Dual: it depends on one beside its parameters",
    ),
    "keywords": (lambda: ROOT(a=2.0), TypeError, "got the keywords a; a root takes its parameters by position"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), ERRORS.values(), ids=ERRORS)
def test_what_is_wrong_is_said(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_gmres_asks_for_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse.linalg", None)
    with pytest.raises(ImportError, match="needs SciPy, which is not installed: pip install scipy"):
        dg.implicit(SQUARES, np.sqrt, "gmres")


def test_on_a_device_too():
    a, V = device(np.array([2.0, 3.0])), device(np.eye(2))
    for way in (None, lambda matvec, b: b / matvec(0 * b + 1)):
        root = dg.implicit(SQUARES, np.sqrt, way)
        x, dx = dg.jvp(root, (a,), (V,))
        np.testing.assert_allclose(host(dx) @ host(x), 0.5, rtol=1e-12)
    with pytest.raises(dg.ConvergenceError):
        dg.implicit(SQUARES, lambda a: 1.1 * a)(a)
    x, dx = dg.jvp(dg.fixed_point(lambda x, b: x / 2 + b, a), (a,), (V,))
    np.testing.assert_allclose([host(x), np.sum(host(dx), 0)], [[4, 6], [2, 2]], rtol=1e-12)
