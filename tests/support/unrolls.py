"""A system whose losses are linear in the parameters of every window, and what theory says of estimators on it."""

import numpy as np

import dualgrad as dg
from dualgrad import online


def history_step(s, x, p):
    """The state is every parameter vector so far, by window."""
    return np.where(np.arange(s.shape[-2])[:, None] == x, p[..., None, :], s)


def history_loss(s, y, p):
    return np.sum(y * s, axis=(-1, -2))


def history(windows, p, batched=True):
    """A system whose loss at window t is Σ_τ g_tτ·θ_τ, with θ_τ the parameters as they were in window τ."""
    return online.System(history_step, history_loss, np.zeros((windows, p)), batched=batched)


def coefficients(windows, p, seed=0):
    """g_tτ, of the past and the present alone."""
    g = dg.Rng(seed).normal((windows, windows, p))
    return g * (np.arange(windows)[:, None] >= np.arange(windows))[:, :, None]


def episode(estimator, system, params, data, rng):
    """The sum of the estimates of an episode."""
    estimator.start(system, params, rng=rng)
    total = 0
    for x, y in data:
        found = estimator.step(x, y)
        total = total + (0 if found is None else found.gradient)
    if isinstance(estimator, online.EvolutionStrategies):
        total = estimator.close().gradient
    return total


def one_perturbation(g):
    """The variance of a pair with one ε for the whole episode: (p + 1) ‖Σ g‖²."""
    total = g.sum((0, 1))
    return (g.shape[-1] + 1) * total @ total


def perturbation_a_window(g):
    """The variance of a pair of PES, p Σ ‖h_sτ‖² + Σ h_sτ·h_τs with h_sτ = Σ_{t >= max(s, τ)} g_tτ."""
    windows, _, p = g.shape
    h = np.array([[g[max(s, tau) :, tau].sum(0) for tau in range(windows)] for s in range(windows)])
    return p * np.sum(h**2) + np.einsum("stp,tsp->", h, h)
