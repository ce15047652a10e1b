"""What the estimators beside this file claim, and what a check of each must say: in NumPy, PyTorch and JAX."""

import contextlib
import importlib
import inspect
import io
import math
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dualgrad.testing import ReplayError, UncheckedWarning, assert_moments

HERE = Path(__file__).parent
FRONTS = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX"}
FAULT = re.compile(r"^( *)\S.*\n +# fault: (.*)$", re.MULTILINE)
P, F = np.array([0.2, 0.3, 0.5]), np.array([1.0, -2.0, 4.0])
SAMPLES = 128  # where there is no certificate


class Estimator(NamedTuple):
    """An estimator of a name in each module; the claim in words and in numbers; the verdict that it must have."""

    name: str
    title: str
    words: str
    moments: dict
    verdict: str = "certified"


ESTIMATORS = [
    Estimator(
        "rloo", "REINFORCE, each baseline the mean of the other samples (RLOO)",
        "E ĝ = d/dθ E f(b), b ~ Bernoulli(σ(θ)), f = 1 + 2b: that is 2p(1 - p) = 3/8 at p = σ(θ) = 3/4. A baseline "
        "that contains its own sample shrinks the mean by a third.",
        {"mean": 3 / 8},
    ),
    Estimator(
        "vimco", "VIMCO, the bound of two samples",
        "E ĝ = d/dθ E log (f(b₁) + f(b₂))/2 = p(1 - p) (2(1 - 2p) log 2 + 2p log 3). The baseline of a sample is the "
        "bound with the geometric mean of the others in its place: of two samples, the log of the other.",
        {"mean": 3 / 16 * (1.5 * math.log(3) - math.log(2))},
    ),
    Estimator(
        "reparameterised", "The reparameterised normal",
        "E ĝ = ∇ E x² = (2m, 2s) for x ~ N(m, s²), and Var ĝ = (4s², 4m² + 8s²).",
        {"mean": [3.0, 1.0], "variance": [1.0, 11.0]},
    ),
    Estimator(
        "straight_through", "Straight-through, a linear loss",
        "E ĝ = ∇ E F·y = P (F - P·F), entry by entry, for y one-hot with probabilities P: unbiased. (JAX "
        "drops a draw that cancels: one outcome.)",
        {"mean": P * (F - P @ F)},
    ),
    Estimator(
        "straight_through_squared", "Straight-through, any other loss",
        "The gradient of E (F·y)² is P (F² - P·F²). Straight-through does not have it: refuted, and the report gives "
        "its exact mean.",
        {"mean": P * (F**2 - P @ F**2)}, "refuted",
    ),
    Estimator(
        "gumbel_softmax", "Gumbel-softmax, two categories",
        "At equal logits and temperature 2: E y = 1/2, and the relaxed gradient has the mean E y(1 - y)/2 = "
        "(1 - π/4)/2, where that of the categories themselves is 1/4. No polynomial, so nodes are added.",
        {"mean": [1 / 2, (1 - math.pi / 4) / 2], "atol": 1e-8, "degree": 24},
    ),
    Estimator(
        "gumbel_max", "Gumbel-max",
        "E y = P. An argmax of continuous draws jumps: no certificate. The draws are sampled, which can refute a claim "
        "and never prove it.",
        {"mean": P}, "not certified",
    ),
    Estimator(
        "hard_sign", "The sign of a normal",
        "E sign(1/2 + z) = erf(1/√8). Another jump. Where the probability is known, draw `u < p` instead: that is "
        "exact.",
        {"mean": math.erf(8**-0.5)}, "not certified",
    ),
    Estimator(
        "spsa", "SPSA",
        "E ĝ = ∇f = A w for f = wᵀA w / 2: without bias for a quadratic, whatever h.",
        {"mean": [13.0, 23.0]},
    ),
    Estimator(
        "antithetic_es", "Antithetic evolution strategies",
        "E ĝ = ∇ E f(w + s v) = 3w² + 3s² for f = Σ w³: the gradient of the smoothed loss, not of the loss.",
        {"mean": [27.75, 48.75]},
    ),
    Estimator(
        "hutchinson", "Hutchinson",
        "E vᵀA v = tr A, and Var = 2 Σ A_jk² over j ≠ k.",
        {"mean": 8.0, "variance": 4.0},
    ),
    Estimator(
        "hutch_plus_plus", "Hutch++",
        "E = tr A: the trace on the range of A s exactly, and Hutchinson on what is orthogonal to it.",
        {"mean": 8.0},
    ),
    Estimator(
        "stochastic_rounding", "Stochastic rounding",
        "E ⌊x + u⌋ = x, and Var = r (1 - r) with r = x - ⌊x⌋. A uniform is an interval here, cut where the floor "
        "jumps.",
        {"mean": [1.3, -0.6], "variance": [0.21, 0.24]},
    ),
    Estimator(
        "dropout", "Dropout",
        "E ŵ = w, and Var ŵ = w² (1 - q)/q for the probability q = 3/4 to be kept.",
        {"mean": [3.0, 4.0], "variance": [3.0, 16 / 3]},
    ),
    Estimator(
        "minibatch", "Minibatches without replacement",
        "E ĉ = mean c, and Var ĉ = σ²/n · (N - n)/(N - 1), n = 2 of N = 5. The fault has the same mean; its variance "
        "tells.",
        {"mean": 6.0, "variance": np.var([0, 1, 4, 9, 16]) * 3 / 8},
    ),
    Estimator(
        "svrg", "SVRG",
        "E ĝ = ∇ Σ F_k w²/2 = w Σ F, at w = 2 with the anchor at 3/2.",
        {"mean": 6.0},
    ),
    Estimator(
        "roulette", "Russian roulette",
        "E ŝ = Σ 10⁻ᵏ = 10/9, each further term with probability 1/5. Paths below 1e-14 are cut; `lost` is their "
        "probability.",
        {"mean": 10 / 9},
    ),
    Estimator(
        "importance", "Importance sampling",
        "E F_k P_k/Q_k = P·F for k ~ Q.",
        {"mean": P @ F},
    ),
    Estimator(
        "fourier_features", "Random Fourier features",
        "E z(x)·z(y) = exp(-(x - y)²/2), z(x) = (cos kx, sin kx), k normal. No polynomial: nodes are added until the "
        "mean stays.",
        {"mean": math.exp(-(1.9**2) / 2)},
    ),
    Estimator(
        "gamma_noise", "Gamma noise",
        "E x = 2. No front models gamma, beta, Student or Cauchy draws: refused by name.",
        {"mean": 2.0}, "refused",
    ),
]  # fmt: skip


def module_of(front):
    """The programs of a front."""
    return importlib.import_module(f"{__package__}.{front}_estimators")


def program(front, name):
    """An estimator of a front."""
    return getattr(module_of(front), name)


def source(front, name):
    """The same as it stands in its file."""
    return inspect.getsource(program(front, name))


def beginning(front):
    """What stands before the first program of a module: imports, numbers and short names."""
    text = inspect.getsource(module_of(front)).partition("\n\n")[2]
    return text.partition(f"\n\n\ndef {ESTIMATORS[0].name}")[0]


def has_fault(front, name):
    """Whether a program says which fault to plant."""
    return FAULT.search(source(front, name)) is not None


def planted(front, name):
    """The program with the line of its fault in place."""
    scope = dict(vars(module_of(front)))
    exec(FAULT.sub(r"\1\2", source(front, name)), scope)
    return scope[name]


def first(front, fault=False):
    """What the first program of the tutorial prints, or, with its fault in place, the error that it raises."""
    text, printed = first_source(front), io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(FAULT.sub(r"\1\2", text) if fault else text, {})
        except AssertionError as error:
            return f"AssertionError: {error}"
    return printed.getvalue().rstrip()


def first_source(front):
    """The first program, without its docstring."""
    return (HERE / f"first_{front}.py").read_text("utf-8").partition("\n\n")[2]


def judge(run, estimator, front):
    """What the kit says of a program: the verdict, and the report or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UncheckedWarning)
        try:
            report = assert_moments(run, draws=front, samples=SAMPLES, **estimator.moments)
        except AssertionError as error:
            return "refuted", error
        except ReplayError as error:
            return "refused", error
    exact = report.passed and all("outcome" in check.oracle for check in report.checks)
    return "certified" if exact else "not certified", report


def forward_gradients(n):
    """The same estimator for every front: (g·v) v for n signs."""
    import torch
    from jax import random

    g = np.arange(1.0, n + 1)
    in_torch = torch.tensor(g)

    def of_numpy(gen):
        v = gen.choice([-1.0, 1.0], n)
        return (g @ v) * v

    def of_torch():
        v = torch.randint(0, 2, (n,)) * 2.0 - 1
        return (in_torch @ v) * v

    def of_jax(key):
        v = random.rademacher(key, (n,), float)
        return (g @ v) * v

    return {"numpy": of_numpy, "torch": of_torch, "jax": of_jax}
