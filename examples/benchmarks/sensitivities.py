"""Sensitivities of differential equations: tangents beside central differences of SciPy's own solutions."""

from timing import show, take_turns

WAYS = "differences", "full", "partial"


def sensitivities(args):
    """∂y(t1)/∂p by central differences and by dualgrad, steps by the errors of all or of y alone: times and errors."""
    rows, found = [], {}
    for name, problem in problems(args.smoke).items():
        wrong = errors(problem, args.smoke)
        for method, rtol in problem[-1]:
            calls = {way: lambda way=way, p=problem, m=method, r=rtol: jacobian(p, way, m, r) for way in WAYS}
            one = {"one solution": lambda p=problem, m=method, r=rtol: solution(p, m, r)}
            t, off = take_turns(one | calls, args.rounds), {way: wrong(calls[way]()) for way in WAYS}
            found[f"{name}, {method}, {rtol:.0e}"] = {"µs": t, "wrong": off}
            cells = [f"{t[way] / 1000:.0f} ms, {off[way]:.0e}" for way in WAYS]
            rows.append([f"{name}, {method}, {rtol:.0e}", f"{t['one solution'] / 1000:.1f} ms", *cells, *ratios(t)])
    header = ["problem, method, rtol", "one solution", *WAYS, "full / d.", "partial / d."]
    show("Sensitivities to all parameters at equal rtol, their largest error by column", header, rows)
    return found


def sensitivities_to(args):
    """The same where each way has the largest rtol, by half decades, with which its error is below a bound."""
    rows, found = [], {}
    for name, problem in problems(args.smoke).items():
        wrong, (method, _) = errors(problem, args.smoke), problem[-1][-1]
        for bound in (1e-5,) if args.smoke else (1e-5, 1e-7, 1e-9):
            rtols = {way: coarsest(problem, way, method, wrong, bound) for way in WAYS}
            if None in rtols.values():
                none = [way for way in WAYS if rtols[way] is None]
                rows.append(
                    [f"{name}, {method}, {bound:.0e}", *("-" if w in none else "reached" for w in WAYS), "-", "-"]
                )
                continue
            t = take_turns(
                {way: lambda way=way, p=problem, m=method, r=r: jacobian(p, way, m, r) for way, r in rtols.items()},
                args.rounds,
            )
            found[f"{name}, {method}, {bound:.0e}"] = {"µs": t, "rtol": rtols}
            cells = [f"{t[way] / 1000:.0f} ms, {rtols[way]:.0e}" for way in WAYS]
            rows.append([f"{name}, {method}, {bound:.0e}", *cells, *ratios(t)])
    header = ["problem, method, error", *WAYS, "full / d.", "partial / d."]
    show("Sensitivities to all parameters at equal error, each with the rtol that it needs", header, rows)
    return found


def ratios(t):
    return [f"{t.ratio(way, 'differences'):.2f}" for way in ("full", "partial")]


def coarsest(problem, way, method, wrong, bound):
    """The largest rtol that is fine enough, or None."""
    for half in range(6, 27):
        if wrong(jacobian(problem, way, method, 10 ** (-half / 2))) <= bound:
            return 10 ** (-half / 2)
    return None


def errors(problem, smoke):
    """The largest error of a Jacobian beside the largest entry of each column."""
    import numpy as np

    exact = jacobian(problem, "full", problem[-1][-1][0], 1e-8 if smoke else 1e-12, 1e-14)
    return lambda J: np.max(np.abs(J - exact) / np.max(np.abs(exact), 0))


def solution(problem, method, rtol):
    """y(t1) by SciPy."""
    from scipy import integrate as si

    return at_end(si.solve_ivp, problem, problem[1], method, rtol)


def jacobian(problem, way, method, rtol, atol=None):
    """∂y(t1)/∂p in one of the ways."""
    from scipy import integrate as si

    import dualgrad as dg
    from dualgrad.scipy import integrate

    if way == "differences":
        return differences(lambda p: at_end(si.solve_ivp, problem, p, method, rtol), problem[1])
    f = lambda p: at_end(integrate.solve_ivp, problem, p, method, rtol, atol, error_control=way)  # noqa: E731
    return dg.jacfwd(f)(problem[1])


def at_end(solve, problem, p, method, rtol, atol=None, **options):
    f, _, y0, end, _ = problem
    return solve(f, (0.0, end), y0, method, args=(p,), rtol=rtol, atol=atol or rtol / 100, **options).y[:, -1]


def differences(f, p):
    """Central differences, two solutions a parameter, each with the usual step."""
    import numpy as np

    steps = np.finfo(float).eps ** (1 / 3) * np.abs(p)
    return np.stack([(f(p + h) - f(p - h)) / (2 * np.max(h)) for h in np.diag(steps)], axis=-1)


def problems(smoke):
    """Right-hand side, parameters, y0, end, and methods with their tolerances; the last is also the reference."""
    import numpy as np

    n = 6 if smoke else 100

    def lotka_volterra(t, y, p):
        return [p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]]

    def spread(t, y, p):
        S, I, R, _ = y
        new, well, dead, lost = p[0] * S * I, p[1] * I, p[2] * I, p[3] * R
        return [lost - new, new - well - dead, well - lost, dead]

    def oscillators(t, y, p):
        x, v = y[: n // 2], y[n // 2 :]
        rows = np.roll(x, 1) - 2 * x + np.roll(x, -1)
        return np.concatenate([v, p[0] * rows - p[1] * v - p[2] * np.sin(x) + p[3] * np.cos(t)])

    def robertson(t, y, p):
        first, second, third = p[0] * y[0], p[1] * y[1] * y[2], p[2] * y[1] * y[1]
        return [second - first, first - second - third, third]

    def brusselator(t, y, p):
        u, v = y[:n], y[n:]
        diffuse = lambda w, end: p[2] * (n + 1) ** 2 * np.diff(np.concatenate([[end], w, [end]]), n=2)  # noqa: E731
        return np.concatenate(
            [p[0] + u * u * v - (p[1] + 1) * u + diffuse(u, 1.0), p[1] * u - u * u * v + diffuse(v, 3.0)]
        )

    place = np.arange(1, n + 1) / (n + 1)
    end = 1.0 if smoke else 10.0
    return {
        "Lotka-Volterra": (
            lotka_volterra, np.array([1.5, 1.0, 3.0, 1.0]), np.array([1.0, 1.0]), end,
            [("RK45", 1e-6), ("RK45", 1e-9), ("LSODA", 1e-9), ("DOP853", 1e-9)],
        ),
        "epidemic": (
            spread, np.array([0.9, 0.3, 0.02, 0.1]), np.array([0.99, 0.01, 0.0, 0.0]), 5 * end,
            [("RK45", 1e-9), ("DOP853", 1e-9)],
        ),
        f"{n // 2} oscillators": (
            oscillators, np.array([2.0, 0.1, 1.0, 0.5]), np.sin(6 * np.arange(2 * (n // 2))), end / 2,
            [("RK45", 1e-9), ("DOP853", 1e-9)],
        ),
        "Robertson": (
            robertson, np.array([0.04, 1e4, 3e7]), np.array([1.0, 0.0, 0.0]), 40 * end,
            [("BDF", 1e-7), ("LSODA", 1e-7), ("Radau", 1e-7)],
        ),
        f"Brusselator of {2 * n}": (
            brusselator, np.array([1.0, 3.0, 0.02]), np.concatenate([1 + np.sin(2 * np.pi * place), np.full(n, 3.0)]),
            end / 10, [("BDF", 1e-6), ("Radau", 1e-6)],
        ),
    }  # fmt: skip


TABLES = {"sensitivities": sensitivities, "sensitivities-to": sensitivities_to}
