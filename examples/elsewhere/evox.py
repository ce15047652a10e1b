"""Evolution strategies of EvoX, through its workflow; a gradient is how far a step of length 1 moves the center."""

import numpy as np
from elsewhere.case import Case
from elsewhere.unrolled import SIGMA, WEIGHTS, gradients, persistent

PACKAGE = "evox"
G = np.array([1.0, -2.0, 0.5, 3.0])
THETA = np.array([0.5, -1.0])


def cases():
    """The rows of the catalogue."""
    import torch
    from evox.algorithms.so import es_variants as es
    from evox.core import Problem
    from evox.workflows import StdWorkflow

    class Loss(Problem):
        """Evaluates a population by a function."""

        def __init__(self, function):
            super().__init__()
            self.evaluate = function

    class Unrolled(Problem):
        """s' = s/2 + θ with losses c_t s; s begins at 0 every few windows."""

        def __init__(self, weights):
            super().__init__()
            self.weights, self.s, self.t = weights, 0.0, 0

        def evaluate(self, population):
            self.s = self.s / 2 + population[:, 0]
            loss = self.weights[self.t] * self.s
            self.t = (self.t + 1) % len(self.weights)
            self.s = self.s if self.t else 0.0
            return loss

    def moves(algorithm, problem, steps=1):
        """The gradient of every step, at the same center."""
        workflow, center, found = StdWorkflow(algorithm, problem), algorithm.center.clone(), []
        for _ in range(steps):
            workflow.step()
            found.append(center - workflow.algorithm.center)
            workflow.algorithm.center = center.clone()
        return torch.cat(found)

    theta, g = torch.tensor(THETA), torch.tensor(G)
    cubic = Loss(lambda x: x[:, 0] ** 3 - 2 * x[:, 1])
    linear = Loss(lambda x: x @ g)
    smoothed = np.array([3 * (THETA[0] ** 2 + SIGMA**2), -2])
    for mirrored in (True, False):
        kind = "mirrored" if mirrored else "independent"
        yield Case(
            f"OpenES, {kind}", "θ₀³ - 2 θ₁, population 2", "gradient of E f(θ + σ z)", smoothed,
            lambda mirrored=mirrored: moves(es.OpenES(2, theta, 1.0, SIGMA, mirrored_sampling=mirrored), cubic),
            "torch",
        )  # fmt: skip

    settings = {"lr": 1.0, "sigma": SIGMA, "T": len(WEIGHTS), "K": 1}
    windows = 2 * len(WEIGHTS)
    text = "s' = s/2 + θ, losses c_t s, c = (1, -2, 3), two episodes"
    claim = "gradient of every window's loss"
    yield Case(
        "PersistentES", text, claim, gradients(),
        lambda: moves(es.PersistentES(2, torch.ones(1), **settings), Unrolled(WEIGHTS), windows), "torch",
        found=persistent([SIGMA] * windows, [False, False, True, True, True, True]),
        where="persistent_es.py, PersistentES.step",
        cause="from the second episode on the sum of perturbations is emptied after every window: the counter's reset "
        "is a local variable that is not stored",
    )  # fmt: skip
    yield Case(
        "PersistentES, sum over an episode", "s' = s/2 + θ, losses c_t s, c = (1, -2), three episodes",
        "gradient of every episode's loss", [-2.0, -2.0, -2.0],
        lambda: moves(es.PersistentES(2, torch.ones(1), **settings | {"T": 2}), Unrolled((1.0, -2.0)), 6)
        .reshape(3, 2).sum(1),
        "torch", found=[-2.0, -1.0, -1.0], where="persistent_es.py, PersistentES.step",
        cause="the same: the gradient of the second window lacks the first window's perturbation",
    )  # fmt: skip
    yield Case(
        "NoiseReuseES", text, claim, gradients(),
        lambda: moves(es.NoiseReuseES(2, torch.ones(1), **settings), Unrolled(WEIGHTS), windows), "torch",
        found=gradients() * ([1, 0, 0] * 2),
        where="noise_reuse_es.py, NoiseReuseES.step",
        cause="windows after an episode's first are not perturbed: `self.unroll_pert` is read and never written, so it "
        "stays 0",
    )  # fmt: skip

    def guided(k, guide=None, n=2):
        """A step of one pair, along guides of one's own where they are given."""
        algorithm = es.GuidedES(2, torch.zeros(n), k, lr=1.0, sigma=SIGMA)
        if guide is not None:
            algorithm.grad_subspace = guide
        return moves(algorithm, Loss(lambda x: x @ g[:n]))

    qr = "guided_es.py, GuidedES.step"
    yield Case(
        "GuidedES, k = n (default)", "g·θ in 2 parameters", "σ (α/n + (1 - α)/k Q Qᵀ) g = σ g / n", SIGMA * G[:2] / 2,
        lambda: guided(None), "torch",
    )  # fmt: skip
    ones = np.ones((2, 2))
    yield Case(
        "GuidedES, k = 1", "g·θ in 2 parameters, guide e₀", "σ (α/n + (1 - α) Q Qᵀ) g, Q the guide",
        SIGMA * (G[:2] / 4 + np.eye(2)[0] * G[0] / 2), lambda: guided(1, torch.eye(2)[:1]), "torch",
        found=SIGMA * (G[:2] / 4 + ones @ G[:2] / 2), where=qr,
        cause="searches along (1, ..., 1) whatever the guide: `torch.linalg.qr` is taken of the guides as rows, so Q "
        "is k x k, here ±1, and its product is broadcast to all parameters",
    )  # fmt: skip
    yield Case(
        "GuidedES, k = 2", "g·θ in 3 parameters, guides e₀, e₁", "σ (α/n + (1 - α)/k Q Qᵀ) g",
        SIGMA * (G[:3] / 6 + np.diag([1, 1, 0]) @ G[:3] / 4), lambda: guided(2, torch.eye(3)[:2], 3), "torch",
        raises=RuntimeError, where=qr,
        cause="an error for 1 < k < n: Q is k x k, as above, and k rows cannot be added to n",
    )  # fmt: skip
    clipped = "g·θ in 4 parameters, population {}"
    yield Case(
        "ESMC, odd population", clipped.format(3), "σ times the gradient, for a linear loss", SIGMA * G,
        lambda: moves(es.ESMC(3, torch.zeros(4), lr=1.0, sigma=SIGMA), linear), "torch",
    )  # fmt: skip
    yield Case(
        "ESMC, even population", clipped.format(4), "σ times the gradient, for a linear loss", SIGMA * G,
        lambda: moves(es.ESMC(4, torch.zeros(4), lr=1.0, sigma=SIGMA), linear), "torch",
        raises=RuntimeError, verdict="depends on use",
        where="esmc.py, ESMC.step",
        cause="works for odd populations alone, which neither docstring nor assertion says (the "
        "center is evaluated beside the pairs)",
    )  # fmt: skip
