"""DiCE of dice-mc: surrogate losses whose derivatives of any order are unbiased."""

import numpy as np
from elsewhere.case import Case

PACKAGE = "dice-mc"
LOGITS, COSTS = np.array([0.5, -0.5]), np.array([[1.0, -2.0], [3.0, 0.5]])


def cases():
    """The rows of the catalogue: two choices in a row from the same logits, with a cost after each."""
    import torch
    from dice_mc.torch import EMABaseline, batch_baseline_term, cost_node, logp_categorical, sample_categorical

    table, first = torch.tensor(COSTS), torch.tensor([0.5, -1.0])

    def expected(logits):
        p = torch.softmax(logits, 0)
        return p @ first + p @ table @ p

    def choices(logits, n):
        actions = torch.multinomial(torch.softmax(logits, 0).detach(), n, replacement=True)
        return logp_categorical(logits.expand(n, 2), actions), actions

    def episode(logits):
        (one, two), (a, b) = choices(logits, 2)
        return cost_node(first[a], [one]) + cost_node(table[a, b], [one, two])

    def sampled(logits):
        logp, a = sample_categorical(logits)
        return cost_node(first[a], [logp])

    def batch(logits):
        logp, a = choices(logits, 3)
        cost = first[a]
        return (cost_node(cost, [logp]) + batch_baseline_term(cost, [logp])).mean()

    def averaged(logits):
        baseline = EMABaseline(0.5)
        for _ in range(2):
            (logp,), (a,) = choices(logits, 1)
            surrogate = cost_node(first[a], [logp]) + baseline(first[a], [logp])
        return surrogate

    def derivatives(order, surrogate):
        def run():
            logits = torch.tensor(LOGITS, requires_grad=True)
            slope = torch.autograd.grad(surrogate(logits), logits, create_graph=True)[0]
            if order == 1:
                return slope
            return torch.stack([torch.autograd.grad(s, logits, retain_graph=True)[0] for s in slope])

        return run

    single = lambda logits: torch.softmax(logits, 0) @ first  # noqa: E731
    leaf = torch.tensor(LOGITS)
    for name, problem, surrogate, loss in (
        ("sample_categorical, cost_node", "one choice by its Gumbel draws", sampled, single),
        ("cost_node", "two choices in a row, a cost after each", episode, expected),
        ("batch_baseline_term", "one choice, 3 samples", batch, single),
        ("EMABaseline, second update", "one choice, decay 1/2", averaged, single),
    ):
        exact = {
            1: torch.autograd.functional.jacobian(loss, leaf),
            2: torch.autograd.functional.hessian(loss, leaf),
        }
        for order, what in ((1, "gradient"), (2, "Hessian"))[: 1 if surrogate is sampled else 2]:
            yield Case(f"{name}, {what}", problem, f"{what} of the expected cost", exact[order].numpy(),
                       derivatives(order, surrogate), "torch")  # fmt: skip
