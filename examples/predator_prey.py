"""Predators and prey: the sensitivities of Lotka and Volterra's equations, and a fit of their rates to noisy counts.

x' = a x - b x y, y' = d x y - c y. The derivatives of all times and both counts along the four rates come of one
integration; `scipy.optimize.least_squares` takes them as its Jacobian, and J Jᵀ as the uncertainty of the fit.
"""

import argparse
import pathlib

import numpy as np
from lab import axes, legend_below
from scipy import optimize

import dualgrad as dg
from dualgrad.scipy import integrate

NAMES = "a", "b", "c", "d"
RATES, START, END, NOISE = np.array([1.0, 0.3, 1.0, 0.2]), np.array([4.0, 2.0]), 15.0, 0.3


def growth(t, y, rates):
    a, b, c, d = rates
    prey, predators = y
    return [a * prey - b * prey * predators, d * prey * predators - c * predators]


def counts(rates, times):
    """Both counts at some times, ``(2, T)``."""
    return integrate.solve_ivp(growth, (0.0, END), START, "DOP853", times, args=(rates,), rtol=1e-9, atol=1e-11).y


def fit(times, seen):
    """The rates that fit best, their covariance, and how often SciPy asked for residuals and for the Jacobian."""
    off = lambda rates: np.ravel(counts(rates, times) - seen) / NOISE  # noqa: E731
    found = optimize.least_squares(off, 0.9 * RATES, jac=dg.jacfwd(off), x_scale="jac")
    return found.x, np.linalg.inv(found.jac.T @ found.jac), (found.nfev, found.njev)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="DIR", default="output", help="for the figure (default ./output)")
    folder = pathlib.Path(parser.parse_args().output)
    folder.mkdir(parents=True, exist_ok=True)
    times = np.linspace(0.0, END, 25)
    seen = counts(RATES, times) + NOISE * dg.Rng(0).normal((2, len(times)))
    rates, covariance, asked = fit(times, seen)
    print(f"{asked[0]} residuals, {asked[1]} Jacobians\nrate  true   found")
    for name, true, found, deviation in zip(NAMES, RATES, rates, np.sqrt(np.diag(covariance)), strict=True):
        print(f"   {name}  {true:.2f}  {found:.4f} ± {deviation:.4f}")
    path = folder / "lotka-volterra.png"
    draw(times, seen, rates, covariance).savefig(path, dpi=120, metadata={"Software": None})
    print(path)


def draw(times, seen, rates, covariance):
    """What was seen and fitted, with two standard deviations, and the sensitivities of the prey."""
    fine = np.linspace(0.0, END, 400)
    y, dy = counts(rates, fine), dg.jacfwd(lambda rates: counts(rates, fine))(rates)
    deviation = np.sqrt(np.einsum("itj,jk,itk->it", dy, covariance, dy))
    figure, (left, right) = axes(2)
    for k, name in enumerate(("prey", "predators")):
        (line,) = left.plot(fine, y[k], label=name)
        left.fill_between(fine, y[k] - 2 * deviation[k], y[k] + 2 * deviation[k], color=line.get_color(), alpha=0.25)
        left.plot(times, seen[k], ".", color=line.get_color())
    for k, name in enumerate(NAMES):
        right.plot(fine, rates[k] * dy[0, :, k], label=f"{name} ∂x/∂{name}")
    left.set(xlabel="t", title="counts, seen and fitted")
    right.set(xlabel="t", title="prey, along the logarithm of each rate")
    for ax in (left, right):
        legend_below(ax)
    return figure


if __name__ == "__main__":
    main()
