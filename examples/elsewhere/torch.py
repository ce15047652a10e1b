"""torch.distributions and torch.nn: score functions, reparameterised samples, straight-through samples, dropout."""

import itertools

import numpy as np
from elsewhere.case import Case

PACKAGE = "torch"
LOGITS, COSTS = np.array([0.5, -0.5, 0.0]), np.array([1.0, -2.0, 4.0])
G = np.array([1.0, -2.0])


def cases():
    """The rows of the catalogue."""
    import torch
    from torch import distributions as td

    def gradient(surrogate, *values):
        """The gradient of a random scalar."""

        def run():
            leaves = [torch.tensor(v, requires_grad=True) for v in values]
            return torch.cat([g.flatten() for g in torch.autograd.grad(surrogate(*leaves), leaves)])

        return run

    p, cost, g = 0.3, torch.tensor(COSTS), torch.tensor(G)
    fit = lambda b: (b - 0.45) ** 2  # noqa: E731
    slope = p * (1 - p) * (0.55**2 - 0.45**2)

    def reinforce(logit, n, baseline):
        law = td.Bernoulli(logits=logit)
        b = law.sample((n,))
        others = (fit(b).sum() - fit(b)) / (n - 1) if baseline else 0.0
        return (law.log_prob(b) * (fit(b) - others)).mean()

    logit = np.array(np.log(p / (1 - p)))
    scores = np.array([(1 - p) * 0.55**2, -p * 0.45**2])
    for n, baseline in ((1, False), (3, True)):
        yield Case(
            "Bernoulli, log_prob" + ", leave-one-out baseline" * baseline,
            f"E (b - 0.45)², {n} sample" + "s" * (n > 1), "gradient for the logit", slope,
            gradient(lambda logit, n=n, baseline=baseline: reinforce(logit, n, baseline), logit), "torch",
            variance=None if baseline else p * scores[0] ** 2 + (1 - p) * scores[1] ** 2 - slope**2,
        )  # fmt: skip

    q = np.exp(LOGITS) / np.exp(LOGITS).sum()
    exact = q * (COSTS - q @ COSTS)

    def categorical(logits):
        law = td.Categorical(logits=logits)
        k = law.sample()
        return law.log_prob(k) * cost[k]

    yield Case("Categorical, log_prob", "E c_k, 3 classes", "gradient for the logits", exact,
               gradient(categorical, LOGITS), "torch")  # fmt: skip

    quadratic = lambda x: (x @ cost) ** 2  # noqa: E731
    squares = q * (COSTS**2 - q @ COSTS**2)
    mean = q @ COSTS
    straight = 2 * (np.diag(q) - np.outer(q, q)) @ COSTS * mean
    yield Case(
        "OneHotCategoricalStraightThrough, linear", "E c·x, 3 classes", "gradient for the logits", exact,
        gradient(lambda logits: td.OneHotCategoricalStraightThrough(logits=logits).rsample() @ cost, LOGITS), "torch",
    )  # fmt: skip
    yield Case(
        "OneHotCategoricalStraightThrough, quadratic", "E (c·x)², 3 classes", "gradient for the logits", squares,
        gradient(lambda logits: quadratic(td.OneHotCategoricalStraightThrough(logits=logits).rsample()), LOGITS),
        "torch", found=straight, verdict="biased, as documented",
        where="torch/distributions/one_hot_categorical.py, OneHotCategoricalStraightThrough.rsample",
        cause="its gradient is that of the probabilities at the sampled point, exact for linear functions alone",
    )  # fmt: skip

    cubic = lambda x: (x**3 @ g).sum()  # noqa: E731
    mu, sigma = np.array([0.5, -1.0]), np.array([0.5, 2.0])
    yield Case(
        "Normal, rsample", "E Σ g_i x_i³", "gradient for mean and standard deviation",
        np.concatenate([3 * G * (mu**2 + sigma**2), 6 * G * mu * sigma]),
        gradient(lambda m, s: cubic(td.Normal(m, s).rsample()), mu, sigma), "torch",
    )  # fmt: skip
    root = np.array([[1.0, 0.0], [0.5, 2.0]])
    yield Case(
        "MultivariateNormal, rsample", "E (g·x)²", "gradient for mean and Cholesky factor L",
        np.concatenate([2 * G * (G @ mu), np.ravel(2 * np.outer(G, G) @ root)]),
        gradient(lambda m, L: (td.MultivariateNormal(m, scale_tril=L).rsample() @ g) ** 2, mu, root), "torch",
    )  # fmt: skip
    rate = np.array(2.0)
    for name, law, claim in (
        ("Exponential", td.Exponential, -4 / rate**3),
        ("Gamma", lambda a: td.Gamma(a, torch.tensor(1.0)), 2 * rate + 1),
        ("Laplace", lambda b: td.Laplace(torch.tensor(0.0), b), 4 * rate),
    ):
        yield Case(f"{name}, rsample", "E x²", "gradient for its parameter", claim,
                   gradient(lambda a, law=law: law(a).rsample() ** 2, rate), "torch")  # fmt: skip

    def poisson(rate):
        law = td.Poisson(rate)
        k = law.sample()
        return law.log_prob(k) * k**2

    yield Case("Poisson, log_prob", "E k²", "gradient for the rate, 2 λ + 1", 2 * rate + 1, gradient(poisson, rate),
               "torch")  # fmt: skip

    drop = torch.nn.Dropout(0.25)
    yield Case(
        "nn.Dropout", "x in 2 entries, p = 1/4", "mean x, variance x² p / (1 - p)", G, lambda: drop(g), "torch",
        variance=G**2 / 3,
    )  # fmt: skip
    subsets = [np.array(keep) / 0.75 for keep in itertools.product([0, 1], repeat=2)]
    chance = [0.75 ** k.astype(bool).sum() * 0.25 ** (~k.astype(bool)).sum() for k in subsets]
    through = sum(c * 2 * (G * k).sum() * k for c, k in zip(chance, subsets, strict=True))
    yield Case(
        "nn.Dropout, gradient", "E (Σ dropout(x))²", "gradient for x", through,
        gradient(lambda x: drop(x).sum() ** 2, G), "torch",
    )  # fmt: skip
