"""A row of the catalogue, and what plain sampling says of it."""

import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

AGREES = 4.5  # standard errors: of a thousand entries, one is further off by chance in a hundred and fifty catalogues


@dataclass(frozen=True)
class Case:
    """An estimator of another package on the smallest problem that tells its claim from a likely mistake.

    ``run`` is ``run()`` where it draws from torch's global generator, ``run(key)`` where from a JAX key. ``found`` is
    the mean that the source implies, where that is not the one claimed; ``cause`` says why, in a sentence, ``where``
    names the file and the function, ``verdict`` says how that is to be read. ``raises`` is the error that ends the run
    instead. ``samples`` are drawn, and ``seconds`` given to enumerate it.
    """

    estimator: str
    problem: str
    claim: str
    mean: Any
    run: Callable[..., Any]
    draws: str
    variance: Any = None
    found: Any = None
    cause: str = ""
    where: str = ""
    verdict: str = "differs"
    raises: type[Exception] | tuple[()] = ()
    samples: int | None = None
    seconds: float = 30.0


@dataclass(frozen=True)
class Sampled:
    """Mean, variance and their standard errors over independent runs, entry by entry.

    Runs that are not finite are left out; ``lost`` is their share.
    """

    mean: np.ndarray
    error: np.ndarray
    variance: np.ndarray
    variance_error: np.ndarray
    runs: int
    lost: float

    def off(self, mean):
        """The largest deviation of an entry from a mean, in standard errors; rounding counts as none."""
        return largest(self.mean - np.ravel(np.asarray(mean, float)), self.error, self.mean)

    def variance_off(self, variance):
        """The same for the variance."""
        claimed = np.ravel(np.asarray(variance, float))
        return largest(self.variance - claimed, self.variance_error, self.variance)


def largest(deviation, error, scale):
    """max |deviation| / error, where the deviation exceeds rounding."""
    real = np.abs(deviation) > 1e-6 * np.maximum(1, np.abs(scale))
    with np.errstate(divide="ignore"):
        return float(np.max(np.abs(deviation[real]) / error[real], initial=0.0))


def summary(values):
    """Mean and variance of rows, with their standard errors."""
    finite = np.all(np.isfinite(values), axis=1)
    lost, values = 1 - finite.mean(), values[finite]
    n = len(values)
    mean = values.mean(0)
    squares = (values - mean) ** 2
    variance = squares.sum(0) / (n - 1)
    return Sampled(mean, np.sqrt(variance / n), variance, np.sqrt(squares.var(0) / n), n, float(lost))


def sample(case, seed):
    """Independent runs of a case, by plain sampling."""
    rows = {"torch": torch_rows, "jax": jax_rows}[case.draws]
    return summary(rows(case, seed))


def torch_rows(case, seed):
    """One run after another."""
    import torch

    torch.manual_seed(seed)
    return np.array([flat(case.run()) for _ in range(case.samples or 500)])


def jax_rows(case, seed):
    """Ten vmapped calls."""
    import jax

    keys = jax.random.split(jax.random.key(seed), (10, (case.samples or 50_000) // 10))
    runs = jax.jit(jax.vmap(lambda key: jax.numpy.ravel(case.run(key))))
    return np.concatenate([np.asarray(runs(some)) for some in keys])


def flat(value):
    """A tensor or an array as a vector."""
    return np.ravel(value.detach().numpy() if hasattr(value, "detach") else np.asarray(value))


def double_precision():
    """64 bits in JAX and in torch, before either is imported by a package that reads the setting."""
    os.environ["JAX_ENABLE_X64"] = "1"
    try:
        import torch
    except ModuleNotFoundError:
        return
    torch.set_default_dtype(torch.float64)


def version(package):
    """The installed version, without what a build adds to it."""
    return importlib.metadata.version(package).partition("+")[0]
