"""Estimators in optax: perturbed functions, the diagonal of a Hessian, and gradients with noise added."""

import numpy as np
from elsewhere.case import Case

PACKAGE = "optax"
THETA, SIGMA = np.array([0.5, -1.0]), 0.5
B = np.array([[2.0, 1.0], [1.0, -3.0]])


def cases():
    """The rows of the catalogue."""
    import jax
    import jax.numpy as jnp
    import optax
    from optax.contrib import differentially_private_aggregate, hutchinson_estimator_diag_hessian
    from optax.perturbations import Gumbel, Normal, make_perturbed_fun

    theta = jnp.array(THETA)
    cubic = lambda x: x[0] ** 3 + x[0] * x[1]  # noqa: E731
    normal = {  # of E f(θ + σ z)
        "value": THETA[0] ** 3 + 3 * THETA[0] * SIGMA**2 + THETA[0] * THETA[1],
        "gradient": np.array([3 * (THETA[0] ** 2 + SIGMA**2) + THETA[1], THETA[0]]),
        "Hessian": np.array([[6 * THETA[0], 1], [1, 0]]),
    }
    derivative = {"value": lambda f: f, "gradient": jax.grad, "Hessian": jax.hessian}
    for baseline in (True, False):
        for what in derivative if baseline else ("gradient", "Hessian"):

            def run(key, what=what, baseline=baseline):
                smoothed = make_perturbed_fun(cubic, 2, SIGMA, Normal(), use_baseline=baseline)
                return derivative[what](lambda x: smoothed(key, x))(theta)

            yield Case(
                f"make_perturbed_fun, {what}" + ("" if baseline else ", no baseline"),
                "θ₀³ + θ₀ θ₁, normal noise, 2 samples", f"{what} of E f(θ + σ z)", normal[what], run, "jax",
            )  # fmt: skip

    g = np.array([1.0, -2.0])
    gumbel = make_perturbed_fun(lambda x: x @ g, 1, SIGMA, Gumbel())
    yield Case(
        "make_perturbed_fun, gradient", "g·θ, Gumbel noise (default), 1 sample", "gradient of E f(θ + σ z) = g", g,
        lambda key: jax.grad(gumbel, argnums=1)(key, theta), "jax",
    )  # fmt: skip
    hard = make_perturbed_fun(lambda x: jax.nn.one_hot(jnp.argmax(x), 3), 1, 1.0, Gumbel())
    logits = np.array([0.5, -0.5, 0.0])
    p = np.exp(logits) / np.exp(logits).sum()
    yield Case(
        "make_perturbed_fun, Jacobian", "argmax of 3 logits, Gumbel noise, 1 sample",
        "Jacobian of softmax: diag p - p pᵀ",
        np.diag(p) - np.outer(p, p), lambda key: jax.jacrev(hard, argnums=1)(key, jnp.array(logits)),
        "jax",
    )  # fmt: skip

    def diagonal(key):
        estimator = hutchinson_estimator_diag_hessian(key)
        loss = lambda x: x @ B @ x / 2  # noqa: E731
        return estimator.update(theta, estimator.init(theta), theta, obj_fn=loss)[0]

    yield Case(
        "hutchinson_estimator_diag_hessian", "θᵀ B θ / 2, 2 parameters",
        "diagonal of the Hessian, variance Σ_j≠i B_ij²", np.diag(B), diagonal, "jax", variance=np.ones(2),
    )  # fmt: skip

    per_example = np.array([[3.0, 4.0], [0.3, 0.0]])

    def private(key):
        aggregate = differentially_private_aggregate(1.0, 0.5, key)
        return aggregate.update(jnp.array(per_example), aggregate.init(theta))[0]

    yield Case(
        "differentially_private_aggregate", "2 gradients, clipped at norm 1, noise 1/2",
        "mean of the clipped gradients, variance (1/2 / 2)²", np.array([0.45, 0.4]), private, "jax",
        variance=np.full(2, 1 / 16),
    )  # fmt: skip
    yield Case(
        "add_noise", "g in 2 parameters, η = 1/4, first step", "mean g, variance η", g,
        lambda key: noised(optax.add_noise(0.25, 0.55, key), jnp.array(g)), "jax", variance=np.full(2, 0.25),
    )  # fmt: skip


def noised(transformation, gradient):
    """What the first update makes of a gradient."""
    return transformation.update(gradient, transformation.init(gradient))[0]
