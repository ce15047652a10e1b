"""Gradient estimators of Storchastic for two Bernoulli variables and for a categorical one."""

import numpy as np
from elsewhere.case import Case

PACKAGE = "storchastic"
LIMIT = 5.0  # seconds: its relaxed estimators compare continuous draws, for which there is no certificate
P = np.array([0.3, 0.7])
LOGITS, COSTS = np.array([0.5, -0.5, 0.0]), np.array([1.0, -2.0, 4.0])


def cases():
    """The rows of the catalogue: E 2 (b₀ - 0.3)² + b₀ b₁, and E c_k."""
    import storch
    import torch
    from storch.method import (
        ARM,
        LAX,
        REBAR,
        RELAX,
        DisARM,
        Expect,
        RaoBlackwellSF,
        Reparameterization,
        ScoreFunction,
        ScoreFunctionWOR,
        UnorderedSetEstimator,
    )
    from torch.distributions import Bernoulli, Normal, OneHotCategorical

    cost, start = torch.tensor(COSTS), torch.logit(torch.tensor(P))
    binary = lambda b: 2 * (b[..., 0] - 0.3) ** 2 + b[..., 0] * b[..., 1]  # noqa: E731

    def gradient(make, law, loss, values):
        """One call of storch.backward with a new method."""

        def run():
            storch.reset()
            leaf = values.clone().requires_grad_()
            storch.add_cost(loss(make()(law(leaf))), "cost")
            storch.backward()
            slope, leaf.grad = leaf.grad.detach(), None
            return slope

        return run

    slope = P * (1 - P) * np.array([2 * (0.7**2 - 0.3**2) + P[1], P[0]])
    bernoulli = lambda leaf: Bernoulli(logits=leaf)  # noqa: E731
    text, claim = "two Bernoulli variables", "gradient for the logits"
    for name, make in (
        ("ScoreFunction, 2 samples", lambda: ScoreFunction("x", n_samples=2)),
        ("ScoreFunction, batch average, 3 samples",
         lambda: ScoreFunction("x", n_samples=3, baseline_factory="batch_average")),
        ("ARM, 1 sample", lambda: ARM("x")),
        ("ARM, 2 samples", lambda: ARM("x", n_samples=2)),
        ("Expect", lambda: Expect("x")),
        ("RELAX, zero control variate", lambda: RELAX("x", c_phi=lambda z: 0 * z.sum(-1), train_eta=False)),
    ):  # fmt: skip
        yield Case(
            name, text, claim, slope, gradient(make, bernoulli, binary, start), "torch", samples=200, seconds=LIMIT
        )
    for name, make in (
        ("RELAX, control variate z₀ + z₁", lambda: RELAX("x", c_phi=lambda z: z.sum(-1), train_eta=False)),
        ("REBAR", lambda: REBAR("x")),
    ):  # fmt: skip
        yield Case(
            name, text, claim, slope, gradient(make, bernoulli, binary, start), "torch", samples=700, seconds=LIMIT,
            where="storch/storch.py, conditional_gumbel_rsample",
            cause="the relaxed sample given the hard one has another law than the relaxed sample: its logit is written "
            "`probs.log() + probs.log1p() + v_prime.log() + v_prime.log1p()`, log p + log(1 + p), where "
            "log p - log(1 - p) is meant; with that the mean is the one claimed",
        )  # fmt: skip
    yield Case(
        "ScoreFunction, moving average, first step", "E (2 b - 1), p = 1/2", claim, 0.5,
        gradient(lambda: ScoreFunction("x", baseline_factory="moving_average"), bernoulli, lambda b: 2 * b - 1,
                 torch.tensor(0.0)), "torch", found=0.475, samples=100,
        where="storch/method/baseline.py, MovingAverageBaseline.compute_baseline",
        cause="shrunk by 1 - decay = 5 % at the first step: the moving average takes in the sample's own cost before "
        "it serves as its baseline",
    )  # fmt: skip
    yield Case(
        "DisARM", text, claim, slope,
        gradient(lambda: DisARM("x"), bernoulli, lambda b: binary(b * 1.0), start), "torch", samples=200, seconds=LIMIT,
        found=np.zeros(2), where="storch/method/arm.py, DisARM.estimator",
        cause="the cost of the antithetic sample is added where the estimator has a difference: it is returned as a "
        "control variate as it is, so that the surrogate's gradient holds f(b) + f(b'), whose mean is 0 by symmetry",
    )  # fmt: skip

    q = np.exp(LOGITS) / np.exp(LOGITS).sum()
    onehot = lambda leaf: OneHotCategorical(logits=leaf)  # noqa: E731
    linear = lambda x: (x * cost).sum(-1)  # noqa: E731
    twice = (
        "the estimator returns a score that holds the cost already, and `surrogate_loss` multiplies it by the cost "
        "once more: doubled costs give four times the estimate, with the same draws"
    )
    categorical = q * (COSTS - q @ COSTS)
    for name, make in (
        ("ScoreFunctionWOR, biased=False, k = 3", lambda: ScoreFunctionWOR("x", 3, biased=False)),
        ("ScoreFunctionWOR, biased=False, no baseline, k = 2",
         lambda: ScoreFunctionWOR("x", 2, biased=False, use_baseline=False)),
        ("UnorderedSetEstimator, k = 2", lambda: UnorderedSetEstimator("x", 2)),
        ("RaoBlackwellSF, 2 samples", lambda: RaoBlackwellSF("x", 2)),
    ):  # fmt: skip
        yield Case(name, "E c_k, 3 classes", claim, categorical,
                   gradient(make, onehot, linear, torch.tensor(LOGITS)), "torch", samples=200, seconds=LIMIT,
                   where="storch/method/multi_sample_reinforce.py, ScoreFunctionWOR.estimator" * ("WOR" in name),
                   cause=twice if "WOR" in name else "")  # fmt: skip
    yield Case(
        "UnorderedSetEstimator, no baseline, k = 2", "E c_k, 3 classes", claim, categorical,
        gradient(lambda: UnorderedSetEstimator("x", 2, use_baseline=False), onehot, linear, torch.tensor(LOGITS)),
        "torch", raises=NotImplementedError,
        where="storch/method/unordered.py, UnorderedSetEstimator.estimator",
        cause="an error: its estimator returns one term where `surrogate_loss` takes two apart",
    )  # fmt: skip

    mu = torch.tensor([0.5, -1.0])
    normal = lambda leaf: Normal(leaf, 0.5)  # noqa: E731
    square = lambda x: (x**2).sum(-1)  # noqa: E731
    yield Case(
        "Reparameterization", "E ‖x‖², x normal", "gradient for the mean", 2 * mu.numpy(),
        gradient(lambda: Reparameterization("x"), normal, square, mu), "torch", samples=200,
    )  # fmt: skip
    yield Case(
        "LAX", "E ‖x‖², x normal", "gradient for the mean", 2 * mu.numpy(),
        gradient(lambda: LAX("x", c_phi=lambda z: (z**2).sum(-1) / 2), normal, square, mu), "torch", raises=NameError,
        where="storch/method/relax.py, LAX.estimator",
        cause="an error: its estimator loops over `derivs`, which is defined nowhere",
    )  # fmt: skip
