"""Search distributions of EvoTorch: sample, evaluate, compute_gradients."""

import numpy as np
from elsewhere.case import Case

PACKAGE = "evotorch"
MU, SIGMA = np.array([0.5, -1.0]), np.array([0.5, 2.0])
A = np.array([1.0, -3.0])


def cases():
    """The rows of the catalogue: f = Σ a_i x_i², of which E f = Σ a_i (μ_i² + σ_i²)."""
    import torch
    from evotorch.distributions import (
        ExpGaussian,
        SeparableGaussian,
        SymmetricSeparableGaussian,
        make_functional_grad_estimator,
    )

    a = torch.tensor(A)
    mu, sigma = torch.tensor(MU), torch.tensor(SIGMA)
    loss = lambda x: x**2 @ a  # noqa: E731
    means, scales = SIGMA**2 * 2 * A * MU, SIGMA**2 * 2 * A * SIGMA  # σ² times the gradients for μ and σ

    def estimate(kind, n, divide, which):
        distribution = kind({"mu": mu, "sigma": sigma, **{f"divide_{k}_grad_by": divide for k in ("mu", "sigma")}})
        samples = distribution.sample(n)
        return distribution.compute_gradients(samples, loss(samples), objective_sense="max")[which]

    shrunk = (
        "shrunk by 1 - 1/{0} for {0} {1}: the baseline is the mean of all fitnesses, the one's own among them "
        "(`weights - torch.mean(weights)`)"
    )
    for which, claim in (("mu", means), ("sigma", scales)):
        yield Case(
            f"SeparableGaussian, {which}", "Σ a_i x_i², 2 samples, divided by num_solutions",
            f"σ² times the gradient of E f for {which}", claim,
            lambda which=which: estimate(SeparableGaussian, 2, "num_solutions", which), "torch", found=claim / 2,
            where="distributions.py, SeparableGaussian._compute_gradients",
            cause=shrunk.format("N", "samples"), verdict="narrower", samples=1_000,
        )  # fmt: skip
    yield Case(
        "SymmetricSeparableGaussian, mu", "Σ a_i x_i², 1 pair, divided by num_directions",
        "σ² times the gradient of E f for mu", means,
        lambda: estimate(SymmetricSeparableGaussian, 2, "num_directions", "mu"), "torch", samples=1_000,
    )  # fmt: skip
    yield Case(
        "SymmetricSeparableGaussian, sigma", "Σ a_i x_i², 2 pairs, divided by num_directions",
        "σ² times the gradient of E f for sigma", scales,
        lambda: estimate(SymmetricSeparableGaussian, 4, "num_directions", "sigma"), "torch", found=scales / 2,
        where="distributions.py, SymmetricSeparableGaussian._compute_gradients",
        cause=shrunk.format("P", "pairs"), verdict="narrower", samples=1_000,
    )  # fmt: skip

    functional = make_functional_grad_estimator(
        SymmetricSeparableGaussian, function=loss, objective_sense="max", required_parameters=["mu", "sigma"],
        fixed_parameters={"divide_mu_grad_by": "num_directions"},
    )  # fmt: skip
    yield Case(
        "make_functional_grad_estimator, mu", "Σ a_i x_i², 1 pair", "σ² times the gradient of E f for mu", means,
        lambda: functional(2, mu, sigma)["mu"], "torch",
    )  # fmt: skip

    root = torch.tensor([[1.0, 0.0], [0.5, 2.0]])
    full = np.asarray(root)

    def natural(which):
        distribution = ExpGaussian({"mu": mu, "sigma": root})
        samples = distribution.sample(3)
        return distribution.compute_gradients(samples, loss(samples), objective_sense="max")[which]

    for which, claim in (("d", full.T @ (2 * A * MU)), ("M", 2 * full.T @ np.diag(A) @ full)):
        yield Case(
            f"ExpGaussian, {which}", "Σ a_i x_i², 3 samples", f"N - 1 = 2 times the natural gradient for {which}",
            2 * claim,
            lambda which=which: natural(which), "torch", samples=1_000,
        )  # fmt: skip
