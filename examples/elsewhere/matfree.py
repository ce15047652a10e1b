"""Stochastic estimators of matfree: traces, diagonals, norms, each from a sampler and an integrand."""

import numpy as np
from elsewhere.case import Case

PACKAGE = "matfree"
B = np.array([[2.0, 1.0, 0.5], [1.0, -1.0, 0.25], [-0.5, 2.0, 3.0]])
POSITIVE = np.diag([3.0, 2.0, 1.5, 1.0, 0.5]) + 0.25 * (np.eye(5, k=1) + np.eye(5, k=-1))


def cases():
    """The rows of the catalogue."""
    import jax.numpy as jnp
    from matfree import stochtrace as st

    S = (B + B.T) / 2
    n, square, off = len(B), np.sum(S**2), np.sum(S**2) - np.sum(np.diag(S) ** 2)
    samplers = {
        "signs": (st.sampler_signs, 2 * off),
        "normal": (st.sampler_normal, 2 * square),
        "sphere": (st.sampler_sphere, 2 * n / (n + 2) * (square - np.trace(S) ** 2 / n)),
    }

    def estimate(estimator, integrand, sampler, matrix, num):
        matrix = jnp.array(matrix)
        run = estimator(integrand, sampler(jnp.ones(len(matrix)), num=num))
        return lambda key: run(lambda v: matrix @ v, key)

    small = "3 x 3 matrix, 2 products"
    for name, (sampler, variance) in samplers.items():
        yield Case(
            f"monte_carlo_trace, {name}", small, "trace, with its known variance", np.trace(B),
            estimate(st.estimator_monte_carlo, st.monte_carlo_trace(), sampler, B, 2), "jax", variance=variance / 2,
        )  # fmt: skip
    for integrand, claim, mean in (
        (st.monte_carlo_diagonal, "diagonal", np.diag(B)),
        (st.monte_carlo_rownorms_squared, "Σ_j B_ij² of every row", np.sum(B**2, 1)),
        (st.monte_carlo_frobeniusnorm_squared, "Σ B_ij²", np.sum(B**2)),
    ):
        for name, (sampler, _) in samplers.items():
            yield Case(
                f"{integrand.__name__}, {name}", small, claim, mean,
                estimate(st.estimator_monte_carlo, integrand(), sampler, B, 2), "jax",
            )  # fmt: skip

    large = "positive 5 x 5 matrix, 2 samples"
    for integrand, claim, mean in (
        (st.leave_one_out_xtrace(), "trace", np.trace(POSITIVE)),
        (st.leave_one_out_xnystrace(), "trace", np.trace(POSITIVE)),
        (st.leave_one_out_xdiag(), "diagonal", np.diag(POSITIVE)),
        (st.leave_one_out_xnysdiag(), "diagonal", np.diag(POSITIVE)),
    ):
        for name in ("normal", "sphere"):
            yield Case(
                f"{integrand.__qualname__.partition('.')[0]}, {name}", large, claim, mean,
                estimate(st.estimator_leave_one_out, integrand, samplers[name][0], POSITIVE, 2), "jax",
            )  # fmt: skip
