"""The variance of PES against the number of unrolls, in both regimes, theory and measurement (Vicol et al. 2021).

Losses that are linear in the parameters of every window: L_t = Σ_τ g_tτ·θ_τ. Where the gradients of windows are alike,
PES has less variance than one perturbation for the whole episode (ES, NRES); where they differ, more; where they change
slowly, less for a few windows, and more for many.
"""

import time
from itertools import pairwise

import numpy as np
from lab import Claim, Row, Study, alike, axes, grouped, known, main, over, table, together, under
from lab.derived import derived, gained

import dualgrad as dg
from dualgrad import online

ESTIMATORS = {
    "PES": lambda sigma: online.PersistentES(2, sigma, window=1),
    "NRES": lambda sigma: online.NoiseReuseES(2, sigma, window=1),
}
REGIMES = {"alike": 1.0, "slow": 0.9, "independent": 0.0, "last loss alone": None}  # correlation from window to window


def gradients(correlation, unrolls, parameters, draw):
    """g_tτ ``(T, T, P)``: g_tt is a stationary autoregression, g_{t+1} = ρ g_t + √(1 - ρ²) z; or, where the last loss
    is alone, g_Tτ the same for every τ."""
    g, normals = np.zeros((unrolls, unrolls, parameters)), dg.Rng(draw).normal((unrolls, parameters))
    if correlation is None:
        g[-1] = normals[0]
        return g / unrolls
    g[0, 0] = normals[0]
    for t in range(1, unrolls):
        g[t, t] = correlation * g[t - 1, t - 1] + (1 - correlation**2) ** 0.5 * normals[t]
    return g / unrolls


def system(unrolls, parameters):
    """The state is the parameters of every window so far."""
    return online.System(
        lambda s, x, p: np.where(np.arange(unrolls)[:, None] == x, p[..., None, :], s),
        lambda s, y, p: np.sum(y * s, axis=(-1, -2)), np.zeros((unrolls, parameters)), batched=True,
    )  # fmt: skip


def theory(estimator, g):
    """The variance of a pair over ‖g‖²: P Σ ‖h_sτ‖² + Σ h_sτ·h_τs, h_sτ = Σ_{t >= max(s, τ)} g_tτ; for NRES P + 1."""
    if estimator == "NRES":
        return g.shape[-1] + 1.0
    after = np.cumsum(g[::-1], axis=0)[::-1]  # Σ_{t >= s} g_tτ
    later = np.maximum.outer(np.arange(len(g)), np.arange(len(g)))
    h = after[later, np.arange(len(g))[None, :]]
    return (g.shape[-1] * np.sum(h**2) + np.einsum("stp,tsp->", h, h)) / np.sum(g.sum((0, 1)) ** 2)


def expected(correlation, unrolls, parameters):
    """The variance of PES over ‖g‖², of both the mean over draws: (P T (T + 1)/2 + T) / Σ_st ρ^|s - t|."""
    apart = np.abs(np.subtract.outer(np.arange(unrolls), np.arange(unrolls)))
    return (parameters * unrolls * (unrolls + 1) / 2 + unrolls) / np.sum(correlation**apart)


def training(estimator, correlation, unrolls, parameters, sigma, episodes, seed):
    """The mean squared error over ‖g‖² of episodes of one pair each, its standard error, and what it is in theory; the
    gradients are the draw of the seed."""
    g, started = gradients(correlation, unrolls, parameters, seed), time.process_time()
    exact, off = g.sum((0, 1)), []
    source = ESTIMATORS[estimator](sigma)
    source = source.start(system(unrolls, parameters), np.zeros(parameters), rng=dg.Rng(1000 + seed))
    for _ in range(episodes):
        total = sum(source.step(t, g[t]).gradient for t in range(unrolls))
        off.append(np.sum((total - exact) ** 2) / np.sum(exact**2))
        source.reset()
    found = float(np.mean(off)), float(np.std(off) / episodes**0.5), float(theory(estimator, g))
    return [[episodes, time.process_time() - started, *found]]


# ---------------------------------------------------------------------- what is run and what is found


def rows(counts, parameters, episodes, seeds):
    common = {"parameters": parameters, "sigma": 0.1, "episodes": episodes}
    return tuple(
        Row({"estimator": e, "correlation": r, "unrolls": n, **common}, seeds, seconds=1e-4 * episodes * n)
        for e in ESTIMATORS for r in REGIMES.values() for n in (counts if e == "PES" else (counts[0], counts[-1]))
    )  # fmt: skip


def pooled(group):
    """Variance over ‖g‖² and its standard error, of all seeds."""
    measured, errors = (np.array([r["curve"][0][column] for r in group]) for column in (2, 3))
    return measured.mean(), np.sqrt(np.sum(errors**2)) / len(errors)


def logarithms(runs):
    """In column 2, the logarithm of the variance at the end."""
    return derived(runs, lambda curve: np.log(curve[-1, 2]))


def growth(many, few):
    """In column 2, how much the logarithm of the variance grows from few unrolls to many, seed by seed."""
    return gained(logarithms(many), logarithms(few), 2)


def beside_theory(runs):
    """Measured, its standard error, and theory, of every setting: means over seeds."""
    groups = grouped(runs, "correlation", "estimator", "unrolls")
    return {k: (*pooled(group), np.mean([r["curve"][0][4] for r in group])) for k, group in groups.items()}


def tables(runs):
    names = {correlation: name for name, correlation in REGIMES.items()}
    lines = [[names[correlation], *of, f"{measured:.1f} ± {error:.1f}", f"{exact:.1f}"]
             for (correlation, *of), (measured, error, exact) in beside_theory(runs).items()]  # fmt: skip
    columns = ["gradients of the windows", "estimator", "T", "measured", "theory"]
    title = f"Variance of a pair over ‖g‖², {runs[0]['parameters']} parameters, ± standard error"
    return {"pes-variance": table(title, columns, lines)}


def claims(runs):
    groups = grouped(runs, "correlation", "estimator", "unrolls")
    off = [abs(measured - exact) / error for measured, error, exact in beside_theory(runs).values()]
    size, slowly = runs[0]["parameters"], REGIMES["slow"]

    def of(regime, unrolls, estimator="PES"):
        return groups.get((REGIMES[regime], estimator, unrolls), [])

    def said(regime, *counts):
        return ", ".join(f"{pooled(of(regime, n))[0]:.0f} at T = {n}" for n in counts if of(regime, n))

    def falls(regime, *counts):
        return together(*(under(growth(of(regime, n), of(regime, m)), 2, 0.0) for m, n in pairwise(counts)))

    def grows(regime, *counts):
        return together(*(over(growth(of(regime, n), of(regime, m)), 2, 0.0) for m, n in pairwise(counts)))

    few, some, many = (expected(slowly, n, size) for n in (1, 5, 50))
    return [
        Claim("the variance is that of the formula, within 5 standard errors", "", f"at most {max(off):.1f} of them",
              known(max(off) < 5)),
        Claim("it falls with the number of unrolls where gradients are alike", "variance figure, first regime",
              said("alike", 1, 2, 5, 50), falls("alike", 1, 2, 5, 50)),
        Claim("... to 0.55 of one perturbation for the episode", "", said("alike", 50),
              under(of("alike", 50), 2, 0.55 * (size + 1))),
        Claim("it grows where they are independent", "variance figure, second regime",
              said("independent", 1, 2, 10, 50), grows("independent", 1, 2, 10, 50)),
        Claim(f"it falls and then grows where they change slowly, correlated by {slowly:g}: in the formula",
              "variance figure", f"{few:.0f} at T = 1, {some:.0f} at T = 5, {many:.0f} at T = 50",
              known(some < few < many)),
        Claim("... and as measured", "variance figure", said("slow", 1, 5, 50),
              together(falls("slow", 1, 5), grows("slow", 5, 50))),
        Claim("with one loss at the end there is no difference, within 10 %", "", said("last loss alone", 50),
              alike(of("last loss alone", 50), of("last loss alone", 50, "NRES"), 2, 0.1 * (size + 1))),
    ]  # fmt: skip


def draw(runs):
    figure, (left, right) = axes(2, height=4)
    found, size = beside_theory(runs), runs[0]["parameters"]
    every = np.arange(1, max(k[2] for k in found) + 1)
    for ax, regimes in ((left, ("alike", "last loss alone")), (right, ("slow", "independent"))):
        for k, (regime, name) in enumerate((r, e) for r in regimes for e in ESTIMATORS):
            at = REGIMES[regime], name
            points = [(n, m, 2 * e) for (*where, n), (m, e, _) in found.items() if tuple(where) == at]
            ax.errorbar(*np.array(points).reshape(-1, 3).T, fmt="o", color=f"C{k}", markersize=4)
            one = name == "NRES" or regime == "last loss alone"
            lines = [size + 1 if one else expected(at[0], n, size) for n in every]
            ax.plot(every, lines, color=f"C{k}", label=f"{name}, {regime}: theory", linewidth=1.2)
        ax.set(xscale="log", yscale="log", xlabel="unrolls in an episode", ylabel="variance / ‖g‖²")
        ax.legend()
    left.set_title("gradients alike")
    right.set_title("gradients that differ")
    return figure


METRIC = "variance / squared gradient", "standard error", "theory"
STUDIES = [
    Study("pes-variance", training, "episodes", METRIC, rows([1, 2, 5, 10, 20, 50], 100, 2000, 5),
          rows([1, 3], 5, 100, 1), tables, draw, claims)
]  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(main(__doc__, STUDIES))
