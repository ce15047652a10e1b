"""Physics-informed networks by Backprop and by forward gradients: Poisson's equation and that of Allen and Cahn.

A tanh network is to satisfy a differential equation at random points, new ones at every update; what is known on the
boundary is built into it. Poisson: Δu = f on the unit square, for u = sin πx sin 2πy + x y. Allen-Cahn: u_t = d u_xx +
κ (u - u³) on [-1, 1] from u = x² cos πx, against a fine finite-difference solution. The same optimizer and points for
all, each at its own best rate; errors after equal updates, and at equal time beside them. Backprop goes through the
layers of `stacked_layers`; so do forward gradients, which `dg.laplacian` would give as well, in more time.

    python examples/physics_informed.py --quick
    python examples/physics_informed.py --full
"""

import numpy as np
from lab import arguments, final, grouped, in_turns, learn, save, shortest, spread, table, tuned, verdicts
from lab.figures import axes, bands, heat
from stacked_layers import seeded, stacked

import dualgrad as dg
from dualgrad import nn, optim
from dualgrad.directions import LowRank
from dualgrad.estimators import Backprop, ForwardGradient

SIZES, POINTS, RATES = (2, 32, 32, 1), 128, [1e-2, 3e-3]
DIFFUSION, KAPPA = 0.01, 2.0
METHODS = {
    "Backprop": lambda: Backprop(),
    "forward gradient, n = 1": lambda: ForwardGradient(LowRank()),
    "forward gradient, n = 4": lambda: ForwardGradient(LowRank(), n=4),
}
DRAWN = "Backprop", "forward gradient, n = 4"


class Residual(nn.Loss):
    """(a·S + c - κ (u - u³))² with u = p + q N, for the rows S = (N, ∂₁N, ∂₂N, L) of a network and targets a, c, p, q,
    κ: what both equations are."""

    def evaluate(self, S, target):
        a, (c, p, q, kappa) = target[:, :4], np.moveaxis(target[:, 4:], -1, 0)
        u = p + q * S[:, 0]
        r = np.sum(a * S, axis=-1) + c - kappa * (u - u**3)

        def slope():
            d = 2 * r[:, None] * a
            d[:, 0] -= 2 * r * kappa * (1 - 3 * u * u) * q
            return d

        return r * r, slope


class Poisson:
    """Δu = f on the unit square: u = x y + x (1 - x) y (1 - y) N."""

    second = 2  # of the tangents count in L

    def points(self, rng, count):
        return rng.uniform(0, 1, (count, 2))

    def ansatz(self, X):
        x, y = X[..., 0], X[..., 1]
        return x * y, x * (1 - x) * y * (1 - y)

    def source(self, X):
        return -5 * np.pi**2 * np.sin(np.pi * X[..., 0]) * np.sin(2 * np.pi * X[..., 1])

    def target(self, X):
        x, y = X[:, 0], X[:, 1]
        a, b, zero = x * (1 - x), y * (1 - y), np.zeros(len(X))
        p, q = self.ansatz(X)
        of_N, of_x, of_y = -2 * (a + b), 2 * (1 - 2 * x) * b, 2 * a * (1 - 2 * y)
        return np.stack([of_N, of_x, of_y, q, -self.source(X), p, q, zero], -1)

    def residual(self, u, X):
        return dg.laplacian(u, axis=-1)(X) - self.source(X)

    def grid(self, count=61):
        side = np.linspace(0, 1, count)
        X = np.stack(np.meshgrid(side, side, indexing="ij"), -1)
        u = np.sin(np.pi * X[..., 0]) * np.sin(2 * np.pi * X[..., 1]) + X[..., 0] * X[..., 1]
        return X, u


class AllenCahn:
    """u_t = d u_xx + κ (u - u³) on [-1, 1] × [0, 1]: u = x² cos πx + t (1 - x²) N."""

    second = 1

    def points(self, rng, count):
        return rng.uniform(0, 1, (count, 2)) * np.array([2, 1]) - np.array([1, 0])

    def ansatz(self, X):
        x, t = X[..., 0], X[..., 1]
        return x**2 * np.cos(np.pi * x), t * (1 - x**2)

    def target(self, X):
        x, t = X[:, 0], X[:, 1]
        p, q = self.ansatz(X)
        bent = (2 - (np.pi * x) ** 2) * np.cos(np.pi * x) - 4 * np.pi * x * np.sin(np.pi * x)  # of x² cos πx
        of_N = 1 - x**2 + 2 * DIFFUSION * t
        return np.stack(
            [of_N, 4 * DIFFUSION * t * x, q, -DIFFUSION * q, -DIFFUSION * bent, p, q, np.full(len(X), KAPPA)], -1
        )

    def residual(self, u, X):
        along_t = np.broadcast_to(np.array([0.0, 1.0]), X.shape)
        value, slope = dg.jvp(u, (X,), (along_t,))
        return slope - dg.second_order(u, X, np.array([[DIFFUSION**0.5], [0.0]]), axis=-1) - KAPPA * (value - value**3)

    def grid(self, count=61, cells=400, steps=2000):
        """Central differences in x and the Runge-Kutta method of fourth order in t, and their solution on a grid."""
        x, h = np.linspace(-1, 1, cells + 1), 1 / steps
        u = x**2 * np.cos(np.pi * x)

        def slope(u):
            d = np.zeros_like(u)
            d[1:-1] = DIFFUSION * (u[2:] - 2 * u[1:-1] + u[:-2]) * (cells / 2) ** 2 + KAPPA * (u - u**3)[1:-1]
            return d

        kept, every = [u], steps // (count - 1)
        for step in range(1, steps + 1):
            k1 = slope(u)
            k2 = slope(u + h / 2 * k1)
            k3 = slope(u + h / 2 * k2)
            u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(u + h * k3))
            if step % every == 0:
                kept.append(u)
        side, times = np.linspace(-1, 1, count), np.arange(len(kept)) * every * h
        values = np.stack([np.interp(side, x, row) for row in kept], -1)
        return np.stack(np.meshgrid(side, times, indexing="ij"), -1), values


PROBLEMS = {"Poisson": Poisson(), "Allen-Cahn": AllenCahn()}
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


def training(problem, method, updates, rate, seed, keep=False):
    """One run: its curve of updates, seconds, loss at fixed points, and the relative error on a grid."""
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
    return (curve, solution(equation, params)(X)) if keep else curve


def costs(rounds=30):
    """Milliseconds of an estimate: through the layers, and through `dg.laplacian`."""
    found = []
    for name, equation in PROBLEMS.items():
        params, X = PLAIN.init(rng=0, dtype=float), equation.points(np.random.default_rng(0), POINTS)
        layers, operator = batch(equation, X), by_laplacian(equation, X)
        np.testing.assert_allclose(layers(params), operator(params), rtol=1e-10)
        exact, v = Backprop().estimate(layers, params, rng=0).gradient.vector, np.cos(np.arange(params.size))
        slope = dg.jvp(lambda w, f=operator, p=params: f(p.at(w)), (params.vector,), (v,))[1]
        np.testing.assert_allclose(slope, exact @ v)
        calls = {}
        for by, f in (("layers", layers), ("dg.laplacian", operator)):
            calls[f"loss, {by}"] = lambda f=f, p=params: f(p)
            for m in METHODS if f is layers else list(METHODS)[1:]:
                calls[f"{m}, {by}"] = lambda m=m, f=f, p=params: METHODS[m]().estimate(f, p, rng=0)
        fastest = 1e3 * in_turns(calls.values(), rounds).min(axis=0)
        found += [[name, what, f"{ms:.2f}"] for what, ms in zip(calls, fastest, strict=True)]
    return found


def main():
    args = arguments(__doc__, "about 10 minutes", parts=PROBLEMS, updates=3000)
    updates = args.updates if args.full else min(args.updates, 20)
    tasks = [{"problem": p, "method": m, "updates": updates} for p in args.only for m in METHODS]
    runs, search = tuned(
        training, tasks, RATES if args.full else RATES[:1], args.seeds, args.jobs, "equations", min, -1
    )
    groups = grouped(runs, "problem", "method")
    pictures = {p: pictured(p, groups) for p in args.only}
    save(args, "physics_informed", draw(groups, pictures), report(groups, args), runs + search)


def pictured(problem, groups):
    """What one network has learnt by each of two methods."""
    found = {}
    for method in DRAWN:
        task = {k: groups[problem, method][0][k] for k in ("problem", "method", "updates", "rate", "seed")}
        found[method] = training(**task, keep=True)[1]
    return found


def report(groups, args):
    rows, claims = [], []
    updates = groups[args.only[0], "Backprop"][0]["updates"]
    for problem in args.only:
        of_problem = {method: groups[problem, method] for method in METHODS}
        fastest = shortest(of_problem.values())
        for method, found in of_problem.items():
            errors = spread(final(found, 3), 4), spread(final(found, 3, fastest), 4)
            rows.append([problem, method, found[0]["rate"], *errors, f"{np.nanmean(final(found, 1)):.0f}"])
        ends = {method: np.nanmean(final(found, 3)) for method, found in of_problem.items()}
        forward, start = min(list(ends.values())[1:]), groups[problem, "Backprop"][0]["curve"][0][3]
        claims.append((f"{problem}: a forward gradient halves the error", forward < start / 2))
        claims.append((f"{problem}: it does as well as Backprop", forward <= ends["Backprop"]))
    columns = ["equation", "method", "rate", f"error after {updates:,} updates", "at equal time", "seconds"]
    return [
        table("Relative error of the solution, ‖u - u*‖ / ‖u*‖ on a grid", columns, rows),
        table(f"Milliseconds at {POINTS} points", ["equation", "what", "ms"], costs(30 if args.full else 2)),
        verdicts("Claims", claims),
    ]


def draw(groups, pictures):
    figure, plots = axes(4 * len(pictures), height=3.2, columns=4)
    for k, (problem, found) in enumerate(pictures.items()):
        X, expected = PROBLEMS[problem].grid()
        solved, wrong, noisy, curve = plots[4 * k : 4 * k + 4]
        labels = {"xlabel": "x", "ylabel": "y" if problem == "Poisson" else "t"}
        errors = [np.abs(found[method] - expected) for method in DRAWN]
        for ax, values, colours, title in (
            (solved, found["Backprop"], "RdBu_r", f"{problem}: u by Backprop"),
            (wrong, errors[0], "magma", "its error"), (noisy, errors[1], "magma", f"error by {DRAWN[1]}"),
        ):  # fmt: skip
            heat(ax, X[..., 0], X[..., 1], values, colours)
            ax.set(title=title, **labels)
        bands(curve, {m: groups[problem, m] for m in METHODS}, 3, ylabel="relative error", yscale="log")
    return figure


if __name__ == "__main__":
    main()
