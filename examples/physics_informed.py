"""Physics-informed networks by Backprop and by forward gradients: Poisson's equation and that of Allen and Cahn.

A tanh network is to satisfy a differential equation at random points, new ones at every update; what is known on the
boundary is built into it. Poisson: Δu = f on the unit square, for u = sin πx sin 2πy + x y. Allen-Cahn: u_t = d u_xx +
κ (u - u³) on [-1, 1] from u = x² cos πx, against a fine finite-difference solution. The same optimizer and points for
all, each at its own best rate; errors after equal updates, and at equal time beside them. Backprop goes through the
layers of `stacked_layers`; so do forward gradients, which `dg.laplacian` would give as well, in more time.
"""

import time

import numpy as np
from equations import AllenCahn, Poisson, Residual
from lab import (
    Claim,
    Row,
    Study,
    axes,
    bands,
    below,
    final,
    grouped,
    heat,
    in_turns,
    learn,
    main,
    over,
    shortest,
    spread,
    table,
    under,
)  # fmt: skip
from stacked_layers import seeded, stacked

import dualgrad as dg
from dualgrad import nn, optim
from dualgrad.directions import LowRank
from dualgrad.estimators import Backprop, ForwardGradient

SIZES, POINTS, RATES = (2, 32, 32, 1), 128, (3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
KAPPA, STIFF = 2.0, 5.0
METHODS = {
    "Backprop": lambda: Backprop(),
    "forward gradient, n = 1": lambda: ForwardGradient(LowRank()),
    "forward gradient, n = 4": lambda: ForwardGradient(LowRank(), n=4),
}
DRAWN = "Backprop", "forward gradient, n = 4"
UNSTABLE = f"Allen-Cahn, κ = {STIFF:g}"
PROBLEMS = {"Poisson": Poisson(), "Allen-Cahn": AllenCahn(KAPPA), UNSTABLE: AllenCahn(STIFF)}
BOTH = list(PROBLEMS)[:2]
PLAIN = nn.networks.mlp(list(SIZES), nn.Tanh)


def solution(problem, params):
    """u of a network, as a function of points."""

    def u(X):
        p, q = problem.ansatz(X)
        return p + q * PLAIN(params, X)[..., 0]

    return u


def batch(problem, X):
    """The mean square of the residual at points, through the layers."""
    return nn.Objective(stacked(SIZES, problem.second), Residual()).bind(seeded(X), problem.target(X))


def by_laplacian(problem, X):
    """The same through `dg.laplacian` and its kin."""
    return lambda params: np.mean(problem.residual(solution(problem, params), X) ** 2)


def training(problem, method, updates, rate, seed):
    """One run. Its curve: updates, seconds, loss at fixed points, relative error on a grid; and values there."""
    equation, rng = PROBLEMS[problem], dg.Rng(seed)
    params = PLAIN.init(rng=seed, dtype=float)
    X, expected = equation.grid()
    fixed = batch(equation, equation.points(np.random.default_rng(0), 1000))
    draws = np.random.default_rng(seed + 1)

    def evaluate(params):
        error = solution(equation, params)(X) - expected
        return [float(fixed(params)), float(np.linalg.norm(error) / np.linalg.norm(expected))]

    optimizer = optim.Adam(optim.cosine(rate, updates))
    batches = (batch(equation, equation.points(draws, POINTS)) for _ in range(updates))
    curve = learn(METHODS[method](), optimizer, params, batches, updates, evaluate, rng=rng)
    return {"curve": curve, "solution": np.round(solution(equation, params)(X[THIRD]), 4)}


def costs(problem, rounds, seed):
    """Milliseconds of an estimate, by the layers and by `dg.laplacian`, which agree. Its curve has the loss."""
    equation, started = PROBLEMS[problem], time.process_time()
    params, X = PLAIN.init(rng=seed, dtype=float), equation.points(np.random.default_rng(seed), POINTS)
    layers, operator = batch(equation, X), by_laplacian(equation, X)
    np.testing.assert_allclose(layers(params), operator(params), rtol=1e-10)
    exact, v = Backprop().estimate(layers, params, rng=0).gradient.vector, np.cos(np.arange(params.size))
    slope = dg.jvp(lambda w: operator(params.at(w)), (params.vector,), (v,))[1]
    np.testing.assert_allclose(slope, exact @ v)
    calls = {}
    for way, f in zip(WAYS, (layers, operator), strict=True):
        calls[f"the loss, {way}"] = lambda f=f: f(params)
        for m in METHODS if f is layers else list(METHODS)[1:]:
            calls[f"{m}, {way}"] = lambda m=m, f=f: METHODS[m]().estimate(f, params, rng=0)
    fastest = 1e3 * in_turns(calls.values(), rounds).min(axis=0)
    curve = [[rounds, time.process_time() - started, float(layers(params))]]
    return {"curve": curve, "milliseconds": dict(zip(calls, fastest.tolist(), strict=True))}


# ---------------------------------------------------------------------- what is found

WAYS = "layers", "dg.laplacian"
THIRD = np.s_[::3, ::3]


def tables(runs):
    groups, lines = grouped(runs, "problem", "method"), []
    for (problem, method), found in groups.items():
        fastest = shortest([group for (of, _), group in groups.items() if of == problem])
        errors = spread(final(found, 3), 4), spread(final(found, 3, fastest), 4)
        lines.append(
            [problem, method, f"{found[0]['rate']:g}", *errors, f"{np.nanmean(final(found, 1)):.1f}", len(found)]
        )
    columns = ["equation", "method", "rate", f"error after {runs[0]['updates']:,} updates", "at equal time", "seconds",
               "seeds"]  # fmt: skip
    return {"physics-informed": table("Relative error of the solution, ‖u - u*‖ / ‖u*‖ on a grid", columns, lines)}


def tables_of_costs(runs):
    lines = []
    for r in runs:
        for what in ["the loss", *METHODS]:
            shown = [r["milliseconds"].get(f"{what}, {way}") for way in WAYS]
            lines.append([r["problem"], what, *("" if ms is None else f"{ms:.2f}" for ms in shown)])
    columns = ["equation", "what", *(f"by {way}" for way in WAYS)]
    return {"physics-informed-costs": table(f"Milliseconds at {POINTS} points", columns, lines)}


def claims(runs):
    groups, found = grouped(runs, "problem", "method"), []
    for problem in BOTH:
        exact, forward = (groups.get((problem, method), []) for method in DRAWN)
        ours = ", ".join(f"{np.nanmean(final(group, 3)):.4f}" if group else "none" for group in (forward, exact))
        start = forward[0]["curve"][0][3] if forward else np.nan
        found.append(Claim(f"{problem}: a forward gradient halves the error", "", ours, under(forward, 3, start / 2)))
        found.append(Claim(f"{problem}: Backprop is ahead of it", "", ours, below(exact, forward, 3)))
    unstable = groups.get((UNSTABLE, DRAWN[0]), [])
    found.append(
        Claim(
            f"{UNSTABLE}: Backprop fails, with an error above 0.2",
            "",
            spread(final(unstable, 3)) if unstable else "none",
            over(unstable, 3, 0.2),
        )
    )
    return found


def draw(runs):
    groups = grouped(runs, "problem", "method")
    problems = [problem for problem in BOTH if any(r["problem"] == problem for r in runs)]
    figure, plots = axes(4 * len(problems), height=3.2, columns=2)
    for k, problem in enumerate(problems):
        X, expected = (a[THIRD] for a in PROBLEMS[problem].grid())
        solved, wrong, noisy, curve = plots[4 * k : 4 * k + 4]
        labels = {"xlabel": "x", "ylabel": "y" if problem == "Poisson" else "t"}
        found = {m: np.array(groups[problem, m][0]["solution"]) for m in DRAWN if (problem, m) in groups}
        for ax, method, true, colours, title in (
            (solved, DRAWN[0], None, "RdBu_r", f"{problem}: u by {DRAWN[0]}"),
            (wrong, DRAWN[0], expected, "magma", "its error"),
            (noisy, DRAWN[1], expected, "magma", f"error by {DRAWN[1]}"),
        ):
            if method in found:
                values = found[method] if true is None else np.abs(found[method] - true)
                heat(ax, X[..., 0], X[..., 1], values, colours)
            ax.set(title=title, **labels)
        shown = {m: groups[problem, m] for m in METHODS if (problem, m) in groups}
        bands(curve, shown, 3, ylabel="relative error", yscale="log")
    return figure


def rows(updates, seeds, rates):
    cost = dict(zip(METHODS, (1e-3, 1.5e-3, 4.5e-3), strict=True))
    return tuple(Row({"problem": p, "method": m, "updates": updates}, seeds, rates, seconds=cost[m] * updates)
                 for p in PROBLEMS for m in METHODS if p in BOTH or m == DRAWN[0])  # fmt: skip


def rows_of_costs(rounds):
    return tuple(Row({"problem": p, "rounds": rounds}, 1, seconds=1) for p in BOTH)


STUDIES = [
    Study("physics-informed", training, "updates", ("loss", "relative error"), rows(3000, 5, RATES),
          rows(10, 1, RATES[1:2]), tables, draw, claims, (3, min)),
    Study("physics-informed-costs", costs, "rounds", ("loss",), rows_of_costs(30), rows_of_costs(2), tables_of_costs),
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
