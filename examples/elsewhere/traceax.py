"""Trace estimators of traceax, each with its samplers."""

import numpy as np
from elsewhere.case import Case

PACKAGE = "traceax"
B = np.array([[2.0, 1.0, 0.5], [1.0, -1.0, 0.25], [-0.5, 2.0, 3.0]])
POSITIVE = np.array([[3.0, 1.0, 0.5, 0.0], [1.0, 2.0, 0.0, 0.5], [0.5, 0.0, 1.5, 0.25], [0.0, 0.5, 0.25, 1.0]])


def cases():
    """The rows of the catalogue."""
    import jax.numpy as jnp
    import lineax
    import traceax as tx

    matrix = lineax.MatrixLinearOperator(jnp.array(B))
    positive = lineax.MatrixLinearOperator(jnp.array(POSITIVE), lineax.positive_semidefinite_tag)
    S = (B + B.T) / 2
    square, off = np.sum(S**2), np.sum(S**2) - np.sum(np.diag(S) ** 2)
    n = len(B)
    samplers = {
        "Rademacher": (tx.RademacherSampler, 2 * off),
        "normal": (tx.NormalSampler, 2 * square),
        "sphere": (tx.SphereSampler, 2 * n / (n + 2) * (square - np.trace(S) ** 2 / n)),
    }

    def trace(estimator, operator, k):
        return lambda key: estimator.estimate(key, operator, k)[0]

    for name, (sampler, variance) in samplers.items():
        yield Case(
            f"HutchinsonEstimator, {name}", "trace of a 3 x 3 matrix, 2 products", "trace, with its known variance",
            np.trace(B), trace(tx.HutchinsonEstimator(sampler()), matrix, 2), "jax", variance=variance / 2,
        )  # fmt: skip
    for name, (sampler, _) in samplers.items():
        yield Case(
            f"HutchPlusPlusEstimator, {name}", "trace of a 3 x 3 matrix, 3 products", "trace", np.trace(B),
            trace(tx.HutchPlusPlusEstimator(sampler()), matrix, 3), "jax",
        )  # fmt: skip
    for kind, products in ((tx.XTraceEstimator, 4), (tx.XNysTraceEstimator, 2)):
        for name, (sampler, _) in samplers.items():
            for improved in (True, False):
                yield Case(
                    f"{kind.__name__}, {name}" + ", improved" * improved,
                    f"trace of a positive 4 x 4 matrix, {products} products", "trace", np.trace(POSITIVE),
                    trace(kind(sampler(), improved), positive, products), "jax",
                    where=f"_estimators.py, {where(kind.__name__, name)}",
                    cause=cause(kind.__name__, name, improved), verdict="depends on use",
                )  # fmt: skip


def cause(estimator, sampler, improved):
    """Why an estimator differs with a sampler, or nothing."""
    if estimator == "XNysTraceEstimator" and sampler == "Rademacher":
        return (
            "two sign vectors that are equal or opposite, as one pair in 8 of 4 entries is, make a matrix singular "
            "that is inverted"
        )
    if improved and sampler == "normal":
        return (
            "the improved form divides by n - ‖Qᵀω‖² + |d|², which is positive where ‖ω‖² = n, as on the sphere (the "
            "default); normal directions bring it near 0, and the mean of the quotient need not exist"
        )
    if improved and sampler == "Rademacher":
        return (
            "the improved form rescales by (n - k + 1)/(n - ‖Qᵀω‖² + |d|²), which keeps the mean for laws that are "
            "invariant under rotation; the docstring asks for E ω = 0 and E ω ωᵀ = 1 alone. The default is the sphere"
        )
    return ""


def where(estimator, sampler):
    """The function that the cause is in."""
    return (
        "XNysTraceEstimator.estimate" if (estimator, sampler) == ("XNysTraceEstimator", "Rademacher") else "_get_scale"
    )
