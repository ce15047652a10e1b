"""What the papers print and what is true, side by side, each settled by exact enumeration.

Sources: *DODGE* (Silver et al. 2022), *NoBackTrack* (Ollivier, Tallec and Charpiat 2015), *Persistent Evolution
Strategies* (Vicol et al. 2021), *How to Guess a Gradient* (Singhal et al. 2023), *Forward Gradients Are Not All You
Need* (Daprato et al.). Numbers are those of our list of errata.
"""

from typing import NamedTuple

import numpy as np

from dualgrad.testing import exact_moments

G = np.array([1.0, -2.0, 0.5])
P = len(G)
V = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]])  # three vectors v_i of two entries
W = np.array([[1.0, 0.5, -1.0], [0.25, -2.0, 0.5], [1.5, 1.0, -0.5]])  # and three w_i of three
H = np.array([0.8, -1.1])


class Erratum(NamedTuple):
    """What a paper prints, what is right, and the exact value that decides."""

    number: int
    where: str
    about: str
    printed: object
    right: object
    exact: object


def mean(run, **kwargs):
    return exact_moments(run, **kwargs).mean


def variance(run, **kwargs):
    return exact_moments(run, **kwargs).variance


def gaussian(rng):
    v = rng.normal(P)
    return (G @ v) * v


def signed(rng):
    v = rng.signs(P)
    return (G @ v) * v


def averaged(count):
    return lambda rng: sum(signed(rng) for _ in range(count)) / count


def reduced(rng, noise):
    """Σ_i v_i w_iᵀ as one product of two sums (NoBackTrack, the rank-one trick)."""
    e = noise(rng)
    return e @ V, e @ W


def no_back_track(sign):
    """The gradient of Algorithm 2: H Ã ± Σ_i H_i w_i, from the reduced past and the newest exact term."""

    def run(rng):
        v, w = reduced(rng, lambda r: r.signs(3))
        return (H @ v) * w + sign * H @ W[:2]

    return run


def rank_one(noise):
    def run(rng):
        v, w = reduced(rng, noise)
        return np.outer(v, w)

    return run


def floored(rng, floor):
    """One reduction from v̄ = w̄ = 0: ρ = √(‖w‖/‖v‖) of a zero term is 0/0."""
    v, w = np.vstack([np.zeros(2), V[:1]]), np.vstack([np.zeros(3), W[:1]])
    norms = np.linalg.norm(v, axis=1), np.linalg.norm(w, axis=1)
    with np.errstate(all="ignore"):
        rho = np.sqrt(norms[1] / norms[0])
        rho = np.where(norms[0] * norms[1] > 0, rho, 1.0) if floor else rho
    e = rng.signs(2)
    return np.outer((e * rho) @ v, (e / rho) @ w)


def projected(rng, scale=1.0):
    """g on two of its three coordinates, drawn at random: a projection of rank k = 2 in p = 3."""
    kept = np.zeros(P)
    kept[rng.permutation(P)[:2]] = 1
    return scale * kept * G


def minibatches(count):
    """The mean over directions, each with a minibatch of its own: g is G or 0.2 G."""

    def one(rng):
        v = rng.signs(P)
        return (_sample(rng) @ v) * v

    return lambda rng: sum(one(rng) for _ in range(count)) / count


def _sample(rng):
    return G * (1 - 0.8 * rng.bernoulli(0.5))


def with_baseline(rng):
    """DODGE A.1: g_i + Σ_{k≠i} (g_k - b_k) u_k u_i, with b_k = u_i u_k, which is independent of u_k alone."""
    u = rng.signs(P)
    return np.array([G[i] + sum((G[k] - u[i] * u[k]) * u[k] * u[i] for k in range(P) if k != i) for i in range(P)])


def guessed(noise):
    """(g·y) y for a guess y."""

    def run(rng):
        y = noise(rng)
        return (G @ y) * y

    return run


def persistent(theta, sigma):
    """PES on θ³ unrolled in two windows: L₁ = 0, L₂ = the product θ₁ θ₂² of what each window saw."""

    def run(rng):
        e = sigma * rng.normal(2)
        return np.sum(e) * (theta + e[0]) * (theta + e[1]) ** 2 / sigma**2

    return run


def score(rng):
    """The gradient of -log p at logit 0.7, at an outcome drawn from the model."""
    p = 1 / (1 + np.exp(-0.7))
    return rng.bernoulli(p) - p


def descent(sign):
    """The first-order change of the loss, g · Δw, of Δw = ± (g·u) u."""
    return lambda rng: sign * G @ signed(rng)


def _fisher():
    p = 1 / (1 + np.exp(-0.7))
    return p * (1 - p)


SQUARE = G @ G
SAMPLES = [G, 0.2 * G]
MEAN_G, SECOND_G = sum(SAMPLES) / 2, sum(g * g for g in SAMPLES) / 2
SPREAD_G = SECOND_G - MEAN_G**2


def errata():
    """The list, with the exact values found anew."""
    newest = H @ W[:2]
    past = H @ (V.T @ W)
    identity = np.eye(P)
    mu = np.full(P, 0.5)
    return [
        Erratum(1, "Forward gradients, sec. 3.1", "variance of (g·v) v, v normal",
                SQUARE - G**2, SQUARE + G**2, variance(gaussian)),
        Erratum(2, "NoBackTrack, Alg. 2", "gradient from v̄, w̄ and the newest term",
                past - newest, past + newest, mean(no_back_track(1))),
        Erratum(3, "NoBackTrack, after (22)", "Fisher information from ℓ = -log p",
                -_fisher(), _fisher(), variance(score)[0]),
        Erratum(5, "NoBackTrack, Alg. 1, t = 0", "reduction with a zero term: its ρ is 0/0",
                np.full(6, np.nan), np.outer(V[0], W[0]).ravel(), mean(lambda rng: floored(rng, True))),
        Erratum(9, "DODGE, sec. 3.2", "change of the loss, Δw = +(g·u) u called descent",
                -SQUARE, SQUARE, mean(descent(1))[0]),
        Erratum(10, "DODGE, sec. 4.4", "mean of a random projection, k = 2 of p = 3",
                G, 2 / 3 * G, mean(projected)),
        Erratum(12, "DODGE, (9)", "variance, N = 2 directions with a minibatch each",
                SPREAD_G + (np.sum(SECOND_G) - SECOND_G) / 2, (SPREAD_G + np.sum(SECOND_G) - SECOND_G) / 2,
                variance(minibatches(2))),
        Erratum(13, "DODGE, sec. 4.3", "total variance of N = p averaged sign directions (RTRL has 0)",
                0.0, (P - 1) / P * SQUARE, np.sum(variance(averaged(P)))),
        Erratum(14, "DODGE, A.1", "mean with a baseline b_k = u_i u_k, independent of u_k",
                G, G - (P - 1), mean(with_baseline)),
        Erratum(15, "DODGE, sec. 5.2", "variance for p = 1 and normal u (RTRL has 0)",
                0.0, 2 * G[0] ** 2, variance(lambda rng: (lambda u: G[0] * u * u)(rng.normal()))[0]),
        Erratum(17, "PES", "mean of PES for θ³ in two windows, called unbiased (θ = 1, σ = 0.5)",
                3.0, 3 + 0.5**2, mean(persistent(1.0, 0.5), degree=8)[0]),
        Erratum(18, "How to Guess, (9)", "change of the loss, w + η ĝ called descent (η = 0.1)",
                -0.1 * SQUARE, 0.1 * SQUARE, 0.1 * mean(descent(1))[0]),
        Erratum(19, "How to Guess, A.2", "mean of (g·y) y, y ~ N(0, 1/√N) called unbiased",
                G, G / P, mean(guessed(lambda rng: rng.normal(P) / np.sqrt(P)))),
        Erratum(20, "How to Guess, sec. 5", "mean of (g·y) y for uniform y: Cov(y) g, or E[y yᵀ] g",
                identity @ G / 12, G / 12 + mu * (mu @ G), mean(guessed(lambda rng: rng.uniform(0, 1, P)))),
        Erratum(0, "UORO", "mean of the rank-one trick with noise uniform on (-1, 1), Σ_i v_i w_iᵀ meant",
                (V.T @ W).ravel(), (V.T @ W).ravel() / 3, mean(rank_one(lambda rng: rng.uniform(-1, 1, 3)))),
    ]  # fmt: skip


NOT_SHOWN = {
    4: "(50) of NoBackTrack looks mis-indexed and is right after relabelling: no error",
    6: "NoBackTrack (10), (11) take H after φ was updated: a matter of order, shown with the online estimators",
    7: "indices in NoBackTrack (31) and (35): notation",
    8: "NoBackTrack App. B runs away over a thousand steps: an experiment, not a moment",
    11: "an index in DODGE sec. 2: notation",
    16: "TBPTT(100) is slow, not divergent, in DODGE Table 1: an experiment",
    21: "two rows of Table 2 of How to Guess share entries: data",
    22: "layout of a product and the space of g_k in How to Guess (3): notation",
}
