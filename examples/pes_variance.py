"""The variance of PES against the number of unrolls, in both regimes, theory and measurement (Vicol et al. 2021).

Losses that are linear in the parameters of every window: L_t = Σ_τ g_tτ·θ_τ. Where the gradients of windows are alike,
PES has less variance than one perturbation for the whole episode (ES, NRES); where they differ, more.
"""

import time

import numpy as np
from lab import Claim, Row, Study, above, alike, axes, below, grouped, known, main, table, together, under

import dualgrad as dg
from dualgrad import online

SIZE, SIGMA = 10, 0.1
ESTIMATORS = {
    "PES": lambda: online.PersistentES(2, SIGMA, window=1),
    "NRES": lambda: online.NoiseReuseES(2, SIGMA, window=1),
}


def gradients(regime, unrolls):
    """g_tτ ``(T, T, P)``."""
    g, normals = np.zeros((unrolls, unrolls, SIZE)), dg.Rng(0).normal((unrolls, SIZE))
    own = np.arange(unrolls)
    if regime == "alike":
        g[own, own] = 1 / unrolls
    elif regime == "independent":
        g[own, own] = normals / unrolls
    elif regime == "alike, and noise":
        g[own, own] = (1 + 2 * normals) / unrolls
    else:
        g[-1] = 1 / unrolls
    return g


REGIMES = ["alike", "independent", "alike, and noise", "last loss alone"]


def system(unrolls):
    """The state is the parameters of every window so far."""
    return online.System(
        lambda s, x, p: np.where(np.arange(unrolls)[:, None] == x, p[..., None, :], s),
        lambda s, y, p: np.sum(y * s, axis=(-1, -2)), np.zeros((unrolls, SIZE)), batched=True,
    )  # fmt: skip


def theory(estimator, g):
    """The variance of a pair over ‖g‖²: P Σ ‖h_sτ‖² + Σ h_sτ·h_τs, h_sτ = Σ_{t >= max(s, τ)} g_tτ; for NRES P + 1."""
    if estimator == "NRES":
        return SIZE + 1.0
    after = np.cumsum(g[::-1], axis=0)[::-1]  # Σ_{t >= s} g_tτ
    later = np.maximum.outer(np.arange(len(g)), np.arange(len(g)))
    h = after[later, np.arange(len(g))[None, :]]
    return (SIZE * np.sum(h**2) + np.einsum("stp,tsp->", h, h)) / np.sum(g.sum((0, 1)) ** 2)


def training(estimator, regime, unrolls, episodes, seed):
    """The mean squared error over ‖g‖² of episodes of one pair each, and its standard error."""
    g, started = gradients(regime, unrolls), time.process_time()
    exact, stream, off = g.sum((0, 1)), dg.Rng(seed), []
    source = ESTIMATORS[estimator]().start(system(unrolls), np.zeros(SIZE), rng=stream)
    for _ in range(episodes):
        total = sum(source.step(t, g[t]).gradient for t in range(unrolls))
        off.append(np.sum((total - exact) ** 2) / np.sum(exact**2))
        source.reset()
    return [[episodes, time.process_time() - started, float(np.mean(off)), float(np.std(off) / episodes**0.5)]]


# ---------------------------------------------------------------------- what is run and what is found


def rows(counts, episodes, seeds):
    return tuple(
        Row({"estimator": e, "regime": r, "unrolls": n, "episodes": episodes}, seeds, seconds=1e-4 * episodes * n)
        for e in ESTIMATORS for r in REGIMES for n in counts
    )  # fmt: skip


def pooled(group):
    """Variance over ‖g‖² and its standard error, of all seeds."""
    measured, errors = (np.array([r["curve"][0][column] for r in group]) for column in (2, 3))
    return measured.mean(), np.sqrt(np.sum(errors**2)) / len(errors)


def beside_theory(runs):
    """Measured, its standard error, and theory, of every setting."""
    groups = grouped(runs, "regime", "estimator", "unrolls")
    return {k: (*pooled(group), theory(k[1], gradients(k[0], k[2]))) for k, group in groups.items()}


def tables(runs):
    lines = [[*k, f"{measured:.2f} ± {error:.2f}", f"{expected:.2f}"]
             for k, (measured, error, expected) in beside_theory(runs).items()]  # fmt: skip
    columns = ["gradients of the windows", "estimator", "T", "measured", "theory"]
    title = f"Variance of a pair over ‖g‖², {SIZE} parameters, ± standard error"
    return {"pes-variance": table(title, columns, lines)}


def claims(runs):
    groups = grouped(runs, "regime", "estimator", "unrolls")
    off = [abs(measured - expected) / error for measured, error, expected in beside_theory(runs).values()]

    def of(regime, unrolls, estimator="PES"):
        return groups.get((regime, estimator, unrolls), [])

    def said(regime, *counts):
        return ", ".join(f"{pooled(of(regime, n))[0]:.1f} at T = {n}" for n in counts if of(regime, n))

    alike_, apart, both, last = REGIMES
    return [
        Claim("the variance is that of the formula, within 5 standard errors", "", f"at most {max(off):.1f} of them",
              known(max(off) < 5)),
        Claim("it falls with the number of unrolls where gradients are alike", "variance figure, first regime",
              said(alike_, 2, 10, 50), together(*(below(of(alike_, 50), of(alike_, n), 2) for n in (2, 10)))),
        Claim("... to 0.55 of one perturbation for the episode", "", said(alike_, 50),
              under(of(alike_, 50), 2, 0.55 * theory("NRES", None))),
        Claim("it grows where they are independent", "variance figure, second regime", said(apart, 2, 10, 50),
              together(*(above(of(apart, 50), of(apart, n), 2) for n in (2, 10)))),
        Claim("it falls and then grows where they are both", "variance figure", said(both, 2, 10, 50),
              together(*(below(of(both, 10), of(both, n), 2) for n in (2, 50)))),
        Claim("with one loss at the end there is no difference, within 1", "", said(last, 50),
              alike(of(last, 50), of(last, 50, "NRES"), 2, 1.0)),
    ]  # fmt: skip


def draw(runs):
    figure, (left, right) = axes(2, height=4)
    found = beside_theory(runs)
    every = np.arange(1, max(k[2] for k in found) + 1)
    for ax, regimes in ((left, REGIMES[:1] + REGIMES[3:]), (right, REGIMES[1:3])):
        for k, (regime, estimator) in enumerate((r, e) for r in regimes for e in ESTIMATORS):
            points = [(n, m, 2 * e) for (r, name, n), (m, e, _) in found.items() if (r, name) == (regime, estimator)]
            ax.errorbar(*np.array(points).reshape(-1, 3).T, fmt="o", color=f"C{k}", markersize=4)
            lines = [theory(estimator, gradients(regime, n)) for n in every]
            ax.plot(every, lines, color=f"C{k}", label=f"{estimator}, {regime}: theory", linewidth=1.2)
        ax.set(xscale="log", yscale="log", xlabel="unrolls in an episode", ylabel="variance / ‖g‖²")
        ax.legend(fontsize=7)
    left.set_title("gradients alike")
    right.set_title("gradients that differ")
    return figure


STUDIES = [
    Study("pes-variance", training, "episodes", ("variance / squared gradient", "standard error"),
          rows([1, 2, 5, 10, 20, 50], 2000, 3), rows([1, 3], 200, 1), tables, draw, claims)
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
