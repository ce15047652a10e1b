"""examples/pes_variance_lstm.py: what it measures is the variance that PES has for losses linear over σ."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import pes_variance_lstm as example

EPS = 1e-5


def slopes_of_two_steps(network, params, steps):
    """∂L_t/∂θ_τ ``[t, τ]`` for θ_1 in the first step and θ_2 in the second, by differences of all entries at once."""
    theta, eye, g = params.vector, np.eye(params.vector.size), {}
    start = network.start(np.float64)
    for tau in (0, 1):
        losses = []
        for sign in (1, -1):
            moved = [params.at(theta + sign * EPS * eye * (tau == t)) for t in (0, 1)]
            state, found = [np.repeat(s[None], theta.size, axis=0) for s in start], []
            for (x, y), p in zip(steps, moved, strict=True):
                state = network.step(tuple(state), x, p)
                found.append(network.loss(state, y, p))
            losses.append(found)
        for t in (0, 1):
            g[t, tau] = (losses[0][t] - losses[1][t]) / (2 * EPS)
    return g


def test_variance_of_one_unroll_and_of_two():
    """P Σ ‖h_sτ‖² + Σ h_sτ·h_τs with h_sτ = Σ_{t >= max(s, τ)} ∂L_t/∂θ_τ; of one unroll (P + 1) ‖g‖²."""
    network, params, steps = example.problem("random", 2, 0)
    g, P = slopes_of_two_steps(network, params, steps), params.vector.size
    h = {(0, 0): g[0, 0] + g[1, 0], (0, 1): g[1, 1], (1, 0): g[1, 0], (1, 1): g[1, 1]}
    exact = h[0, 0] + h[1, 1]
    np.testing.assert_allclose(example.exact_gradient(network, params, steps), exact, atol=1e-6)
    expected = {1: (P + 1) * exact @ exact, 2: sum(P * h[s, t] @ h[s, t] + h[s, t] @ h[t, s] for s, t in h)}
    for unrolls, variance in expected.items():
        [[pairs, _, measured, error]] = example.training("random", unrolls, 2, 600, 0)
        assert pairs == 600
        assert abs(measured - variance / (exact @ exact)) < 4 * error < 0.4 * variance / (exact @ exact)
