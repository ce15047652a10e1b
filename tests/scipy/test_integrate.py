"""Initial value problems and integrals: their derivatives against closed forms, along everything that they depend on,
by every method, at several orders, and at times and events that move."""

import itertools
import pickle
from typing import NamedTuple

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("scipy")

from scipy import integrate as si
from scipy import sparse

from dualgrad.scipy import integrate, linalg

METHODS = {  # the tolerance that each is asked for, and the part of the size by which its tangents may then be wrong
    "RK23": (1e-7, 1e-5), "RK45": (1e-9, 1e-7), "DOP853": (1e-11, 1e-9),
    "Radau": (1e-8, 1e-6), "BDF": (1e-8, 1e-4), "LSODA": (1e-9, 1e-5),
}  # fmt: skip
CLOSE = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13}
methods = pytest.mark.parametrize("method", METHODS)
controls = pytest.mark.parametrize("control", ["full", "partial"])


class Case(NamedTuple):
    """A right-hand side f(t, y, p), its solution y(t, t0, y0, p) in closed form, and a point (p, y0, t0, t1)."""

    f: object
    exact: object
    p: list
    y0: list
    t0: float
    t1: float

    def point(self):
        return np.array([*self.p, *self.y0, self.t0, self.t1])

    def split(self, v):
        k = len(self.p)
        return v[:k], v[k:-2], v[-2], v[-1]

    def solved(self, v, route="args", solve=integrate.solve_ivp, **options):
        """SciPy's result as a function of all that it depends on."""
        p, y0, t0, t1 = self.split(v)
        f = self.f if route == "args" else lambda t, y: self.f(t, y, p)
        return solve(f, (t0, t1), y0, args=(p,) if route == "args" else None, **options)

    def at_end(self, v):
        p, y0, t0, t1 = self.split(v)
        return self.exact(t1, t0, y0, p)


def rotation(p):
    return np.array([[-0.3, 1.0], [-2.0, -0.1]]) + p[0] * np.array([[0.2, 0.1], [0.5, -0.3]])


def driven(t, a, w):
    return (a * np.cos(w * t) + w * np.sin(w * t)) / (a * a + w * w)


CASES = {
    "linear": Case(
        lambda t, y, p: rotation(p) @ y,
        lambda t, t0, y0, p: linalg.expm((t - t0) * rotation(p)) @ y0,
        [0.3], [1.0, 0.5], 0.2, 2.0,
    ),
    "logistic": Case(
        lambda t, y, p: p[0] * y * (1 - y / p[1]),
        lambda t, t0, y0, p: p[1] / (1 + (p[1] / y0 - 1) * np.exp(-p[0] * (t - t0))),
        [1.3, 2.0], [0.4], -1.0, 1.5,
    ),
    "driven": Case(
        lambda t, y, p: [-p[0] * y[0] + np.cos(p[1] * t)],
        lambda t, t0, y0, p: driven(t, *p) + (y0 - driven(t0, *p)) * np.exp(-p[0] * (t - t0)),
        [0.7, 1.9], [0.6], 0.1, 2.3,
    ),
    "backwards": Case(
        lambda t, y, p: np.stack([y[1], -p[0] * y[0]]),
        lambda t, t0, y0, p: np.stack([
            y0[0] * np.cos(p[0] ** 0.5 * (t - t0)) + y0[1] / p[0] ** 0.5 * np.sin(p[0] ** 0.5 * (t - t0)),
            y0[1] * np.cos(p[0] ** 0.5 * (t - t0)) - y0[0] * p[0] ** 0.5 * np.sin(p[0] ** 0.5 * (t - t0)),
        ]),
        [1.7], [1.0, -0.5], 2.0, 0.4,
    ),
}  # fmt: skip
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def repeated(transform, order):
    return lambda f: f if not order else transform(repeated(transform, order - 1)(f))


def require_close(found, expected, rtol=1e-9):
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * max(1, np.max(np.abs(expected))))


def require_same_derivatives(f, exact, v, order=1, rtol=1e-9):
    """Raise where f has not the values and derivatives of another function."""
    for k in range(order + 1):
        require_close(*(repeated(dg.jacfwd, k)(g)(v) for g in (f, exact)), rtol)


# ---------------------------------------------------------------------- along everything, by every method


@controls
@pytest.mark.parametrize("route", ["args", "closure"])
@methods
@cases
def test_the_end_of_a_solution(case, method, route, control):
    tolerance, wrong = METHODS[method]
    options = {"method": method, "rtol": tolerance, "atol": tolerance / 100, "error_control": control}
    f = lambda v: case.solved(v, route, **options).y[:, -1]  # noqa: E731
    require_close(dg.jacfwd(f)(case.point()), dg.jacfwd(case.at_end)(case.point()), 10 * wrong)


@pytest.mark.parametrize("method", ["DOP853", "Radau", "LSODA"])
@cases
def test_second_derivatives(case, method):
    tolerance, wrong = METHODS[method]
    f = lambda v: case.solved(v, method=method, rtol=tolerance, atol=tolerance / 100).y[:, -1]  # noqa: E731
    require_same_derivatives(f, case.at_end, case.point(), 2, 10 * wrong)


@cases
def test_third_derivatives_and_hessians(case):
    f = lambda v: np.sum(case.solved(v, **CLOSE).y[:, -1] ** 2)  # noqa: E731
    exact = lambda v: np.sum(case.at_end(v) ** 2)  # noqa: E731
    require_same_derivatives(f, exact, case.point(), 3)
    require_close(dg.hessian(f)(case.point()), dg.hessian(exact)(case.point()))


@cases
def test_taylor_mode(case):
    f = lambda v: case.solved(v, **CLOSE).y[:, -1]  # noqa: E731
    v, d = case.point(), np.random.default_rng(0).uniform(-1, 1, len(case.point()))
    for found, expected in zip(dg.taylor(f, v, d, order=4), dg.taylor(case.at_end, v, d, order=4), strict=True):
        require_close(found, expected)
    with pytest.raises(NotImplementedError, match="at most 4"):
        dg.taylor(f, v, d, order=5)
    ends, k = (case.t0, case.t1), len(case.p)
    inside = lambda v: integrate.solve_ivp(case.f, ends, v[k:], args=(v[:k],), **CLOSE).y[:, -1]  # noqa: E731
    exact = lambda v: case.exact(case.t1, case.t0, v[k:], v[:k])  # noqa: E731
    for found, expected in zip(*(dg.taylor(g, v[:-2], d[:-2], order=6) for g in (inside, exact)), strict=True):
        require_close(found, expected)


@controls
@cases
def test_directions_go_together_or_one_by_one(case, control):
    v, V = case.point(), np.random.default_rng(0).standard_normal((3, len(case.point())))
    f = lambda v: case.solved(v, error_control=control, **CLOSE).y[:, -1]  # noqa: E731
    together = dg.jvp(f, (v,), (V,))[1]
    for d, found in zip(V, together, strict=True):
        require_close(found, dg.jvp(f, (v,), (d,))[1])
    require_close(dg.jacfwd(f, chunk=2)(v), dg.jacfwd(f)(v))
    assert dg.jvp(f, (v,), (V[:0],))[1].shape == (0, len(case.y0))


def random_problem(rng, n):
    """A right-hand side of products, fractions and sines with random constants."""
    A, B, c = rng.standard_normal((n, n)), rng.standard_normal((n, n)), rng.uniform(0.5, 1, n)
    return lambda t, y, p: (
        p[0] * np.sin(A @ y)
        - c * y
        + y[::-1] / (2 + p[1] * np.cos(t) ** 2 + (B @ y) ** 2)
        + np.where(y > 0, y * p[2], 0)
    )


@pytest.mark.parametrize("seed", range(6))
def test_random_problems_against_differences(seed):
    rng = np.random.default_rng(seed)
    n = 2 + seed % 3
    f, v = random_problem(rng, n), np.concatenate([rng.uniform(0.2, 1, 3), rng.standard_normal(n), [0.1, 1.4]])

    def exact(v):
        return si.solve_ivp(
            f, v[-2:], v[3:-2], args=(v[:3],), method="DOP853", rtol=1e-12, atol=1e-13, max_step=0.05
        ).y[:, -1]

    along = lambda h: np.stack([(exact(v + e) - exact(v - e)) / (2 * h) for e in h * np.eye(len(v))], -1)  # noqa: E731
    found = dg.jacfwd(lambda v: integrate.solve_ivp(f, v[-2:], v[3:-2], args=(v[:3],), **CLOSE).y[:, -1])(v)
    require_close(found, along(1e-4), 1e-6)


# ---------------------------------------------------------------------- times that move, between the steps


@pytest.mark.parametrize("method", ["DOP853", "Radau", "LSODA"])
@cases
def test_asked_times_and_dense_output_move(case, method):
    tolerance, wrong = METHODS[method]
    options = {"method": method, "rtol": tolerance, "atol": tolerance / 100, "dense_output": True}

    def times(v):
        return np.stack([v[-2], 0.7 * v[-2] + 0.3 * v[-1], case.t1 - 0.1 * (case.t1 - case.t0) + 0 * v[0]])

    def asked(v):
        r = case.solved(v, t_eval=times(v), **options)
        assert np.all(dg.primal(r.t) == dg.primal(times(v)))
        return np.concatenate([np.ravel(r.y), np.ravel(r.sol(times(v)[1:])), r.sol(times(v)[1]), r.t])

    def exact(v):
        p, y0, t0, _ = case.split(v)
        y = np.stack([case.exact(t, t0, y0, p) for t in times(v)], -1)
        return np.concatenate([np.ravel(y), np.ravel(y[:, 1:]), y[:, 1], times(v)])

    require_same_derivatives(asked, exact, case.point(), 2 if method == "DOP853" else 1, 100 * wrong)


@cases
def test_steps_stand_still_and_ends_move(case):
    J = dg.jacfwd(lambda v: case.solved(v, **CLOSE).t)(case.point())
    assert np.all(J[1:-1] == 0)
    assert np.all(J[0] == np.eye(len(case.point()))[-2])
    assert np.all(J[-1] == np.eye(len(case.point()))[-1])


def test_a_solution_without_tangents_has_them_where_its_time_moves():
    sol = integrate.solve_ivp(lambda t, y: -y, (0, 2), [1.0], dense_output=True, **CLOSE).sol
    assert isinstance(sol, si.OdeSolution)
    require_same_derivatives(lambda t: sol(t)[0], lambda t: np.exp(-t), np.float64(0.7), 3)


# ---------------------------------------------------------------------- events


def thrown(u, terminal=True, direction=0.0, **options):
    """A stone from height u[1] with speed u[2] under gravity u[0], and its hits of the ground at height u[3]."""
    hits = lambda t, y: y[0] - u[3]  # noqa: E731
    hits.terminal, hits.direction = terminal, direction
    top = lambda t, y: y[1]  # noqa: E731
    f = lambda t, y: [y[1], -u[0]]  # noqa: E731
    return integrate.solve_ivp(f, (0.0, 5.0), [u[1], u[2]], events=[hits, top], **{**CLOSE, **options})


def fall(u):
    t = (u[2] + np.sqrt(u[2] ** 2 + 2 * u[0] * (u[1] - u[3]))) / u[0]
    return np.stack([t, u[3], u[2] - u[0] * t])


STONE = np.array([9.8, 2.0, 1.0, 0.5])


@pytest.mark.parametrize("method", METHODS)
def test_the_time_of_an_event_has_derivatives(method):
    tolerance, wrong = METHODS[method]

    def event(u):
        r = thrown(u, method=method, rtol=tolerance, atol=tolerance / 100)
        assert r.status == 1
        return np.concatenate([r.t_events[0], r.y_events[0][0], r.t[-1:], r.y[:, -1], r.t_events[1], r.y_events[1][0]])

    def exact(u):
        top = np.stack([u[2] / u[0], u[1] + u[2] ** 2 / (2 * u[0]), 0 * u[0]])
        return np.concatenate([fall(u), fall(u), top])

    require_same_derivatives(event, exact, STONE, 3 if method == "DOP853" else 2, 10 * wrong)


def test_events_as_scipy_has_them():
    for terminal, direction in itertools.product([False, True, 1, 2], [-1, 0, 1]):

        def counted(u, terminal=terminal, direction=direction):
            r = thrown(u, terminal, direction)
            return dg.primal([r.t, r.y, r.t_events, r.y_events, r.status])

        plain = counted(STONE)
        seen = []
        dg.jvp(lambda u: seen.append(counted(u)) or u, (STONE,), (STONE,))  # noqa: B023
        assert seen[0][-1] == plain[-1]
        for found, expected in zip(seen[0][2] + seen[0][3], plain[2] + plain[3], strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_an_event_beside_the_asked_times():
    r = dg.jacfwd(lambda u: thrown(u, t_eval=[0.0, 0.2, 4.0]).y)(STONE)
    assert r.shape == (2, 2, 4)  # the last was never reached
    np.testing.assert_allclose(r[0, 1], [-0.02, 1, 0.2, 0], atol=1e-9)


def test_an_event_of_arguments_moves_with_them():
    def event(p):
        f, above = (lambda t, y, p: -p[0] * y), (lambda t, y, p: y[0] - p[1])
        return integrate.solve_ivp(f, (0, 9), [1.0], events=above, args=(p,), **CLOSE).t_events[0]

    require_same_derivatives(event, lambda p: np.reshape(-np.log(p[1]) / p[0], (1,)), np.array([0.8, 0.3]), 3)


def test_a_curve_that_touches_has_no_time():
    with pytest.raises(dg.SingularError, match=r"an event at t = 0\.5.* has the slope 0.0 there"):
        dg.derivative(lambda a: integrate.solve_ivp(
            lambda t, y: [1.0], (0, 1), [0.0], events=lambda t, y: np.floor(10 * y[0]) - 5 + (a - 1), max_step=0.01
        ).t_events[0][-1])(1.0)  # fmt: skip


def test_two_events_at_one_time():
    """The end of a solution moves with the event that ends it, whatever else happens there."""

    def ended(u):
        hits = lambda t, y: y[0] - u[0]  # noqa: E731
        passes = lambda t, y: y[0] - u[1]  # noqa: E731
        hits.terminal = True
        r = integrate.solve_ivp(lambda t, y: [2.0], (0, 3), [0.0], events=[passes, hits], **CLOSE)
        return np.stack([r.t[-1], r.y[0, -1], *(t[0] for t in r.t_events)])

    np.testing.assert_allclose(
        dg.jacfwd(ended)(np.array([2.0, 2.0])), [[0.5, 0], [1, 0], [0, 0.5], [0.5, 0]], atol=1e-12
    )


# ---------------------------------------------------------------------- errors and steps


@methods
@cases
def test_partial_control_takes_the_steps_of_scipy(case, method):
    options = {"method": method, "rtol": 1e-6, "atol": 1e-8}
    if method in ("Radau", "BDF", "LSODA"):
        options["jac"] = lambda t, y, p: dg.primal(dg.jacfwd(lambda y: np.asarray(case.f(t, y, p)))(y)) + 0.0
        if case is CASES["driven"]:
            options["jac"] = lambda t, y, p: np.array([[-dg.primal(p[0])]])
    plain = case.solved(case.point(), solve=si.solve_ivp, **options)
    seen, options["error_control"] = [], "partial"
    dg.jacfwd(lambda v: seen.append(case.solved(v, **options)) or seen[0].y[:, -1])(case.point())
    assert seen[0].nfev == plain.nfev
    assert seen[0].nlu == plain.nlu
    np.testing.assert_allclose(dg.primal(seen[0].t), plain.t, rtol=0, atol=1e-6)  # rounding, which steps magnify
    np.testing.assert_allclose(dg.primal(seen[0].y), plain.y, rtol=0, atol=1e-6)


@methods
def test_full_control_follows_tangents_where_values_rest(method):
    """y stays 0, whatever the step: steps chosen for y alone are as long as the interval."""
    tolerance, wrong = METHODS[method]
    at_rest = lambda p: integrate.solve_ivp(  # noqa: E731
        lambda t, y: [p * np.sin(10 * t) + 0 * y[0]], (0, 7), [0.0], method=method, rtol=tolerance, atol=tolerance
    ).y[0, -1]
    assert abs(dg.derivative(at_rest)(0.0) - (1 - np.cos(70)) / 10) < 10 * wrong


@pytest.mark.parametrize("directions", [1, 5, 30])
def test_full_control_keeps_the_value_within_its_tolerance(directions):
    """However many tangents there are, which SciPy's mean takes in."""
    case, rng = CASES["linear"], np.random.default_rng(0)
    for rtol in (1e-4, 1e-7):
        f = lambda v, rtol=rtol: case.solved(v, rtol=rtol, atol=rtol / 100).y[:, -1]  # noqa: E731
        y, _ = dg.jvp(f, (case.point(),), (1e-6 * rng.standard_normal((directions, len(case.point()))),))
        wrong, usual = (np.max(np.abs(a - case.at_end(case.point()))) for a in (y, f(case.point())))
        assert wrong <= 1.5 * usual


# ---------------------------------------------------------------------- options


A = np.array([[-1.0, 0.5, 0.0], [0.2, -2.0, 0.3], [0.0, 0.1, -50.0]])
IMPLICIT = {
    "by dualgrad": {},
    "a function": {"jac": lambda t, y, p: p[0] * A},
    "sparse": {"jac": lambda t, y, p: sparse.csc_matrix(dg.primal(p[0]) * A)},
    "constant": {"jac": 0.8 * A},
    "a sparse constant": {"jac": sparse.csc_matrix(0.8 * A)},
    "its pattern": {"jac_sparsity": sparse.csc_matrix(A != 0)},
    "vectorized": {"vectorized": True},
    "atol of each": {"atol": np.array([1e-10, 1e-11, 1e-9])},
    "small steps": {"max_step": 0.1, "first_step": 0.01},
}


@controls
@pytest.mark.parametrize("given", IMPLICIT.values(), ids=IMPLICIT)
@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA", "RK45"])
def test_options_of_scipy(method, given, control):
    if method in ("LSODA", "RK45") and ("jac_sparsity" in given or method == "RK45" and "jac" in given):
        pytest.skip("SciPy's has it not")
    if method == "LSODA" and given.get("jac") is not None and given["jac"] is not IMPLICIT["a function"]["jac"]:
        pytest.skip("SciPy's has it not")
    options = {"method": method, "rtol": 1e-8, "atol": 1e-10, "error_control": control} | given

    def f(v):
        return integrate.solve_ivp(lambda t, y, p: p[0] * (A @ y), (0, 1.5), v[1:], args=(v[:1],), **options).y[:, -1]

    exact = lambda v: linalg.expm(1.5 * v[0] * A) @ v[1:]  # noqa: E731
    require_close(dg.jacfwd(f)(v := np.array([0.8, 1.0, -0.5, 0.3])), dg.jacfwd(exact)(v), 2e-5)


@pytest.mark.parametrize("given", [{}, {"lband": 1, "uband": 1}, {"uband": 1, "lband": 1, "jac": "packed"}], ids=str)
def test_bands_of_lsoda(given):
    def packed(t, y, p):
        return p[0] * np.array([[0, A[0, 1], A[1, 2]], np.diag(A), [A[1, 0], A[2, 1], 0]])

    options = {"method": "LSODA", "rtol": 1e-9, "atol": 1e-11} | given | ({"jac": packed} if "jac" in given else {})

    def f(v):
        return integrate.solve_ivp(lambda t, y, p: 20 * p[0] * (A @ y), (0, 1.5), v[1:], args=(v[:1],), **options).y[
            :, -1
        ]

    exact = lambda v: linalg.expm(30 * v[0] * A) @ v[1:]  # noqa: E731
    require_close(dg.jacfwd(f)(v := np.array([0.1, 1.0, -0.5, 0.3])), dg.jacfwd(exact)(v), 1e-6)


@pytest.mark.parametrize("method", ["Radau", "BDF"])
def test_large_systems_have_sparse_blocks(method):
    n, rng = 40, np.random.default_rng(0)
    M = -np.eye(n) * np.linspace(1, 100, n) + 0.1 * rng.standard_normal((n, n))
    V = rng.standard_normal((16, 1 + n))

    def f(v):
        return integrate.solve_ivp(
            lambda t, y: v[0] * (M @ y), (0, 1.0), v[1:], method=method, rtol=1e-7, atol=1e-10
        ).y[:, -1]

    exact = lambda v: linalg.expm(v[0] * M) @ v[1:]  # noqa: E731
    v = np.concatenate([[0.5], np.ones(n)])
    require_close(dg.jvp(f, (v,), (V,))[1], dg.jvp(exact, (v,), (V,))[1], 1e-4)


@methods
def test_complex_numbers(method):
    f = lambda w: integrate.solve_ivp(lambda t, y: 1j * w * y, (0, 1.0), [1.0 + 1j], method=method, rtol=1e-7).y[0, -1]  # noqa: E731
    if method in ("Radau", "LSODA"):
        with pytest.raises(ValueError, match="does not support integration in a complex domain"):
            dg.derivative(f)(0.7)
        return
    assert abs(dg.derivative(f)(0.7) - 1j * (1 + 1j) * np.exp(0.7j)) < 1e-4


def test_single_precision_is_answered_in_double_as_scipy_does():
    y, dy = dg.jvp(lambda y: integrate.solve_ivp(lambda t, y: -y, (0, 1), y).y, (np.ones(2, "f"),), (np.ones(2, "f"),))
    assert y.dtype == dy.dtype == float


def test_without_duals_it_is_scipys():
    case = CASES["linear"]

    def results(solve):
        r = case.solved(case.point(), solve=solve, dense_output=True, events=lambda t, y, p: y[0], method="Radau")
        q = solve.__module__.startswith("dualgrad")
        home = integrate if q else si
        odes = home.odeint(lambda y, t: -y, [1.0, 2.0], [0.0, 0.5, 1.0], full_output=True)
        quads = home.quad(np.sin, 0, 1), home.quad(lambda x: np.exp(-x), 0, np.inf, limit=20)
        counts = r.nfev, r.njev, r.nlu, r.status
        return [r.t, r.y, r.sol(0.7), *r.t_events, *r.y_events, counts, odes[0], odes[1]["nst"], quads]

    expected = results(si.solve_ivp)
    found = [results(integrate.solve_ivp)]
    dg.derivative(lambda x: found.append(results(integrate.solve_ivp)) or x)(1.0)
    for given in found:
        for a, b in zip(given, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    assert integrate.simpson is si.simpson


# ---------------------------------------------------------------------- odeint


@controls
@pytest.mark.parametrize("tfirst", [False, True])
@cases
def test_odeint(case, tfirst, control):
    def times(v):
        return np.stack([v[-2], 0.6 * v[-2] + 0.4 * v[-1], v[-1]])

    def solved(v):
        p, y0, _, _ = case.split(v)
        f = case.f if tfirst else lambda y, t, p: case.f(t, y, p)
        return integrate.odeint(f, y0, times(v), (p,), tfirst=tfirst, rtol=1e-11, atol=1e-12, error_control=control)

    def exact(v):
        p, y0, t0, _ = case.split(v)
        return np.stack([case.exact(t, t0, y0, p) for t in times(v)])

    require_same_derivatives(solved, exact, case.point(), 2, 1e-7)


JACOBIANS = {
    "by dualgrad": {}, "rows": {"Dfun": lambda t, y, p: 20 * p[0] * A},
    "columns": {"Dfun": lambda t, y, p: 20 * p[0] * A.T, "col_deriv": True},
    "band": {"ml": 1, "mu": 1},
    "packed": {"ml": 1, "mu": 1, "Dfun": lambda t, y, p: 20 * p[0] * np.array(
        [[0, A[0, 1], A[1, 2]], np.diag(A), [A[1, 0], A[2, 1], 0]])},
}  # fmt: skip


@pytest.mark.parametrize("given", JACOBIANS.values(), ids=JACOBIANS)
def test_jacobians_of_odeint(given):
    def f(v):
        return integrate.odeint(
            lambda t, y, p: 20 * p[0] * (A @ y), v[1:], [0, 1.5], (v[:1],), tfirst=True, rtol=1e-9, atol=1e-11, **given
        )[-1]

    exact = lambda v: linalg.expm(30 * v[0] * A) @ v[1:]  # noqa: E731
    require_close(dg.jacfwd(f)(v := np.array([0.1, 1.0, -0.5, 0.3])), dg.jacfwd(exact)(v), 1e-6)


def test_what_odeint_tells():
    y, account = dg.jvp(
        lambda a: integrate.odeint(lambda y, t: -a * y, 1.0, [0.0, 1.0], full_output=True), (2.0,), (1.0,), has_aux=True
    )[::2]
    assert y.shape == (2, 1)
    assert account["message"] == "Integration successful."


# ---------------------------------------------------------------------- quad


INTEGRALS = {  # func(x, *p), p, a and b of p, the integral in closed form, settings, order
    "oscillation": (lambda x, w: np.cos(w * x), [1.7], lambda w: (0 * w, w), lambda w: np.sin(w * w) / w, {}, 3),
    "half line": (lambda x, s: np.exp(-s * x), [2.0], lambda s: (0.0, np.inf), lambda s: 1 / s, {}, 3),
    "from a place on": (lambda x, s: np.exp(-s * x), [2.0], lambda s: (s, np.inf), lambda s: np.exp(-s * s) / s, {}, 3),
    "whole line": (lambda x, s: np.exp(-s * x * x), [2.0], lambda s: (-np.inf, np.inf),
                   lambda s: np.sqrt(np.pi / s), {}, 2),
    "singular end": (lambda x, s: x ** (s - 1), [0.5], lambda s: (0.0, 1.0), lambda s: 1 / s, {"epsabs": 1e-11}, 1),
    "corner": (lambda x, c: np.abs(x - 0.3) * c, [1.5], lambda c: (0.0, 1.0), lambda c: 0.29 * c, {"points": [0.3]}, 2),
    "both limits": (lambda x, a, b: x * x, [0.3, 1.1], lambda a, b: (b, a * b),
                    lambda a, b: ((a * b) ** 3 - b**3) / 3, {}, 3),
    "weight": (lambda x, s: np.exp(-s * x), [2.0], lambda s: (0.0, np.inf), lambda s: s / (s * s + 9),
               {"weight": "cos", "wvar": 3.0}, 2),
}  # fmt: skip


@pytest.mark.parametrize("route", ["args", "closure"])
@pytest.mark.parametrize("case", INTEGRALS.values(), ids=INTEGRALS)
def test_quad(case, route):
    func, p, limits, exact, settings, order = case

    def integral(v):
        given = tuple(v)
        f, args = (func, given) if route == "args" else (lambda x: func(x, *given), ())
        return integrate.quad(f, *limits(*given), args, **settings)[0]

    require_same_derivatives(integral, lambda v: exact(*v), np.array(p), order, 1e-8)
    value = integral(np.array(p))
    assert dg.jvp(integral, (np.array(p),), (np.ones(len(p)),))[0] == value


def test_quad_of_series_of_complex_numbers_and_its_account():
    exact = lambda s: (np.exp(-s * s) - np.exp(-2 * s * s)) / s  # noqa: E731
    integral = lambda s: integrate.quad(lambda x: np.exp(-s * x), s, 2 * s)[0]  # noqa: E731
    require_close(dg.taylor(integral, 1.3, 1.0, order=4), dg.taylor(exact, 1.3, 1.0, order=4))
    around = lambda s: integrate.quad(lambda x: np.exp(1j * s * x), 0, 1, complex_func=True)[0]  # noqa: E731
    require_close(dg.derivative(around)(2.0), dg.derivative(lambda s: (np.exp(1j * s) - 1) / (1j * s))(2.0))
    _, _, account = dg.jvp(lambda s: integrate.quad(np.sin, 0, s, full_output=True)[::2], (1.0,), (1.0,), has_aux=True)
    assert account["neval"] == 21


VECTORS = {  # f(x, *p), p, a and b of p, the integral in closed form
    "one axis": (lambda x, s: np.exp(-s * x) * np.arange(1.0, 4), [2.0], lambda s: (0.0, np.inf),
                 lambda s: np.arange(1.0, 4) / s),
    "two axes": (lambda x, s, t: np.stack([[x, s * x], [s + 0 * x, x * x]]), [0.7, 1.9], lambda s, t: (s, t),
                 lambda s, t: np.stack([[(t * t - s * s) / 2, s * (t * t - s * s) / 2],
                                        [s * (t - s), (t**3 - s**3) / 3]])),
    "a number": (lambda x, s: np.cos(s * x), [1.3], lambda s: (0.0, s), lambda s: np.sin(s * s) / s),
    "complex": (lambda x, s: np.exp(1j * s * x) * np.ones(2), [1.3], lambda s: (0.0, 1.0),
                lambda s: (np.exp(1j * s) - 1) / (1j * s) * np.ones(2)),
}  # fmt: skip


@pytest.mark.parametrize("route", ["args", "closure"])
@pytest.mark.parametrize("case", VECTORS.values(), ids=VECTORS)
def test_quad_vec(case, route):
    func, p, limits, exact = case

    def integral(v):
        given = tuple(v)
        f, args = (func, given) if route == "args" else (lambda x: func(x, *given), ())
        return integrate.quad_vec(f, *limits(*given), args=args, epsrel=1e-10)[0]

    require_same_derivatives(integral, lambda v: exact(*v), np.array(p), 2, 1e-8)
    value, expected = integral(np.array(p)), si.quad_vec(func, *limits(*p), args=tuple(p), epsrel=1e-10)[0]
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(dg.jvp(integral, (np.array(p),), (np.ones(len(p)),))[0], expected)


def test_quad_evaluates_a_point_once_for_all_tangents():
    asked = []
    dg.jacfwd(lambda p: integrate.quad(lambda x: asked.append(x) or np.exp(p @ p * x), 0, 1)[0])(np.ones(5))
    assert len(asked) == len(set(asked)) + 1  # the first, which told of the tangents


# ---------------------------------------------------------------------- what is found late, and what is refused


def test_a_parameter_that_comes_in_late():
    def late(a):
        return integrate.solve_ivp(lambda t, y: -y if t < 1 else -a * y, (0, 2), [1.0], max_step=0.01, **CLOSE).y[0, -1]

    require_same_derivatives(late, lambda a: np.exp(-1 - a), np.float64(0.7), 2)
    for method in ("Radau", "BDF", "LSODA"):
        found = dg.derivative(lambda a, method=method: integrate.solve_ivp(
            lambda t, y: -y if t < 1 else -a * y, (0, 2), [1.0], max_step=0.01, method=method, rtol=1e-7
        ).y[0, -1])(0.7)  # fmt: skip
        assert abs(found + np.exp(-1.7)) < 1e-4
    f = lambda a: integrate.odeint(lambda y, t: -y if t < 1 else -a * y, 1.0, [0, 1, 2], hmax=0.01)[-1, 0]  # noqa: E731
    assert abs(dg.derivative(f)(0.7) + np.exp(-1.7)) < 1e-4


def decay(a, y0=(1.0,), **options):
    return integrate.solve_ivp(lambda t, y: -a * y, (0, 1), y0, **options).y


def of_fun(fun, y0=(1.0,)):
    return lambda a: integrate.solve_ivp(lambda t, y: fun(a, y), (0, 1), y0).y


def test_integrals_in_integrals():
    inner = lambda t, s: integrate.quad(lambda x: np.exp(-s * x), 0, t)[0]  # noqa: E731
    f = lambda s: integrate.solve_ivp(lambda t, y: [inner(t, s) + 0 * y[0]], (0, s), [0.0], **CLOSE).y[0, -1]  # noqa: E731
    require_same_derivatives(f, lambda s: 1 - (1 - np.exp(-s * s)) / s**2, np.float64(1.3), 2)
    end = lambda y, s: integrate.odeint(lambda y, t: -s * y, y, [0, 1], rtol=1e-11, atol=1e-12)[-1]  # noqa: E731
    f = lambda s: integrate.solve_ivp(lambda t, y: end(y, s), (0, 1), [1.0], **CLOSE).y[0, -1]  # noqa: E731
    require_same_derivatives(f, lambda s: np.exp(np.exp(-s)), np.float64(0.6), 2)


REFUSED = {
    "rhs to a number": (of_fun(lambda a, y: -float(a) * y), dg.TangentLossError, "float"),
    "complex from real": (of_fun(lambda a, y: 1j * a * y), TypeError, r"begin with y0 \+ 0j"),
    "written to": (lambda a: of_fun(lambda a, y: y.fill(0) or y, a + np.ones(1))(a), TypeError, "read-only"),
    "two axes": (lambda a: decay(a, [[1.0]]), ValueError, "one axis"),
    "shape": (of_fun(lambda a, y: a * np.ones(3), (1.0, 2.0)), ValueError, "broadcast"),
    "control": (lambda a: decay(a, error_control="none"), ValueError, "'partial'"),
    "infinite limit": (lambda a: integrate.quad(np.exp, 0, a * np.inf)[0], ValueError, "infinite limit"),
    "weight": (lambda a: integrate.quad(np.exp, 0, a, weight="cos", wvar=2)[0], NotImplementedError, "weight"),
    "points": (lambda a: integrate.quad(np.exp, 0, 1, points=[a / 2])[0], NotImplementedError, "a Dual as points"),
    "complex integrand": (lambda a: integrate.quad(lambda x: 1j * a * x, 0, 1)[0], TypeError, "complex_func=True"),
    "workers": (lambda a: integrate.quad_vec(lambda x: a * x, 0, 1, workers=2)[0], NotImplementedError, "workers=1"),
    "norm": (lambda a: integrate.quad_vec(np.exp, 0, a, epsrel=a)[0], NotImplementedError, "a Dual as epsrel"),
    "solve_ivp of SciPy": (lambda a: si.solve_ivp(lambda t, y: -a * y, (0, 1), [1.0]).y, dg.TangentLossError,
                           "write dualgrad.scipy.integrate.solve_ivp"),
    "odeint of SciPy": (lambda a: si.odeint(lambda y, t: -a * y, 1.0, [0, 1]), dg.TangentLossError,
                        "write dualgrad.scipy.integrate.odeint"),
    "quad of SciPy": (lambda a: si.quad(lambda x: a * x, 0, 1)[0], dg.TangentLossError,
                      "write dualgrad.scipy.integrate.quad"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refused_in_words(case):
    f, kind, words = case
    with pytest.raises(kind, match=words):
        dg.derivative(f)(0.5)


def test_other_modes_are_refused_in_words():
    decayed = lambda a: integrate.solve_ivp(lambda t, y: -a[0] * y, (0, 1), [1.0]).y[0, -1]  # noqa: E731
    until = lambda a: integrate.solve_ivp(lambda t, y: -y, (0, a[0]), [1.0]).y[0, -1]  # noqa: E731
    under = lambda a: integrate.quad(np.sin, 0, a[0])[0]  # noqa: E731
    for f in (decayed, until, under):
        for mode in (dg.laplacian(f), lambda x, f=f: dg.trace(f, (x,), (x,))):
            with pytest.raises(NotImplementedError, match="have others"):
                mode(np.array([0.5]))


def test_what_is_kept_after_its_jvp_has_ended():
    kept = []
    solve = lambda a: integrate.solve_ivp(lambda t, y: -a * y, (0, 1), [1.0], dense_output=True)  # noqa: E731
    dg.derivative(lambda a: kept.append(solve(a)) or kept[0].y[0, -1])(0.5)
    for use in (lambda: kept[0].sol(0.5), lambda: kept[0].y + 1):
        with pytest.raises(dg.LevelError, match="was kept after its jvp"):
            use()
    with pytest.raises(dg.TangentLossError, match="cannot be pickled"):
        pickle.dumps(kept[0].sol)
    plain = solve(0.5).sol
    assert type(pickle.loads(pickle.dumps(plain))) is si.OdeSolution
    assert pickle.loads(pickle.dumps(plain))(0.3) == plain(0.3)
    with pytest.raises(dg.LevelError):
        dg.derivative(lambda a: integrate.solve_ivp(lambda t, y: -a * y, (0, 1), kept[0].y[:, 0]).y)(0.5)


@pytest.mark.parametrize(
    "solve",
    [
        lambda a: integrate.solve_ivp(lambda t, y: None, (0, 1), [a]).y,
        lambda a: integrate.solve_ivp(lambda t, y: None, (0, 1), [a], method="Radau").y,
        lambda a: integrate.odeint(lambda y, t: None, [a], [0, 1.0]),
        lambda a: integrate.quad(lambda x: None, 0, a)[0],
        lambda a: integrate.quad(lambda x, a: None, 0, 1, args=(a,))[0],
        lambda a: integrate.quad_vec(lambda x: None, 0, a)[0],
    ],
    ids=["RK45", "Radau", "odeint", "a limit", "args", "quad_vec"],
)
def test_a_forgotten_return_is_said(solve):
    with pytest.raises(TypeError, match="did you forget return"):
        dg.derivative(solve)(0.5)
