"""The unrolled problem of the ES estimators: s' = s/2 + θ with losses c_t s, one step a window, σ = 1/2."""

import numpy as np

SIGMA = 0.5
WEIGHTS = 1.0, -2.0, 3.0  # c_t


def gradients(weights=WEIGHTS, episodes=2):
    """d(c_t s_t)/dθ = c_t Σ_{j <= t} 2^{-j}, window by window."""
    return np.tile([c * (2 - 0.5**t) for t, c in enumerate(weights)], episodes)


def persistent(sigmas, reset, weights=WEIGHTS):
    """The mean of PES where the perturbation of window t has the standard deviation σ_t and the sum is divided by the
    σ_t² of its last window; ``reset[t]``: the sum of perturbations is emptied after window t."""
    means, length = [], len(weights)
    for t, c in enumerate(weights * (len(sigmas) // length)):
        start = t - t % length
        since = max([start, *(j + 1 for j in range(start, t) if reset[j])])
        means.append(c * sum(sigmas[j] ** 2 * 0.5 ** (t - j) for j in range(since, t + 1)) / sigmas[t] ** 2)
    return np.array(means)


def reused(sigmas, weights=WEIGHTS):
    """The mean of NRES where one perturbation of standard deviation σ_0 is divided by the σ_t² of each window."""
    length = len(weights)
    scale = [sigmas[t - t % length] ** 2 / sigmas[t] ** 2 for t in range(len(sigmas))]
    return gradients(weights, len(sigmas) // length) * scale
