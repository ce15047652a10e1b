"""Sensitivities of differential equations: tangents beside central differences of SciPy's own solutions."""

from timing import show, take_turns


def sensitivities(args):
    """∂y(t1)/∂p by dualgrad, steps by the errors of all or of y alone, and by central differences: times and errors."""
    import numpy as np
    from scipy import integrate as si

    import dualgrad as dg
    from dualgrad.scipy import integrate

    rows, found = [], {}
    for name, (f, p, y0, t1, methods) in problems(args.smoke).items():

        def end(solve, p, f=f, y0=y0, t1=t1, **options):
            return solve(f, (0.0, t1), y0, args=(p,), **options).y[:, -1]

        close = {"method": methods[-1][0], "rtol": 1e-8 if args.smoke else 1e-12, "atol": 1e-14}
        exact = dg.jacfwd(lambda p, end=end, close=close: end(integrate.solve_ivp, p, **close))(p)
        for method, rtol in methods:
            options = {"method": method, "rtol": rtol, "atol": rtol / 100}
            ways = {
                "one solution": lambda end=end, p=p, o=options: end(si.solve_ivp, p, **o),
                "differences": lambda end=end, p=p, o=options: differences(lambda p: end(si.solve_ivp, p, **o), p),
                "full": lambda end=end, p=p, o=options: dg.jacfwd(lambda p: end(integrate.solve_ivp, p, **o))(p),
                "partial": lambda end=end, p=p, o=options: dg.jacfwd(
                    lambda p: end(integrate.solve_ivp, p, error_control="partial", **o)
                )(p),
            }
            t = take_turns(ways, args.rounds)
            wrong = {way: np.max(np.abs(call() - exact) / np.max(np.abs(exact), 0)) for way, call in ways.items()
                     if way != "one solution"}  # fmt: skip
            found[f"{name}, {method}"] = {"µs": t, "wrong": wrong}
            cells = [f"{t[way] / 1000:.0f} ms, {wrong[way]:.0e}" for way in wrong]
            ratios = [f"{t.ratio(way, 'differences'):.2f}" for way in ("full", "partial")]
            rows.append([f"{name}, {method}, {rtol:.0e}", f"{t['one solution'] / 1000:.1f} ms", *cells, *ratios])
    header = ["problem, method, rtol", "one solution", "differences", "full", "partial", "full / d.", "partial / d."]
    show("Sensitivities to all parameters, their largest error by column", header, rows)
    return found


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


TABLES = {"sensitivities": sensitivities}
