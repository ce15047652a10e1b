"""Questions with a known answer: derivatives of plain programs along a direction, of order 1, 2 or 3.

Programs stand in NumPy's names, and in torch's where these differ. They come from public bug reports of the libraries
and from the edges of the number line, so they are no sample of all programs: they are where derivatives go wrong.
"""

import math
import warnings
from typing import Any, NamedTuple

import mpmath
import numpy as np

TOLERANCE = 1e-8  # the relative error of a right answer, in double precision
RIGHT, WRONG, ERROR, NONE = "right", "wrong", "error", "none"


class Probe(NamedTuple):
    """``program`` at x along v, ``order`` times, is ``truth``; ``refusable`` where an error is as good an answer."""

    about: str
    program: str
    torch: str | None
    x: Any
    v: Any
    truth: Any
    order: int = 1
    refusable: bool = False


def _of(f, at, order=1):
    """The derivative of a function of one number, in 40 digits."""
    with mpmath.workdps(40):
        return float(mpmath.diff(f, mpmath.mpf(at), order))


M = np.array([[2.0, 1.0, 0.5], [0.3, 1.5, -0.7], [-0.2, 0.4, 1.0]])
V = np.array([[0.1, -0.3, 0.2], [0.5, 0.1, 0.0], [-0.4, 0.2, 0.3]])
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
TWICE = np.diag([1.0, 1.0, 3.0])  # an eigenvalue of multiplicity 2

_inv = np.linalg.inv(M)
_log_det = float(np.trace(-_inv @ V @ _inv @ V))  # d²/dt² log det(M + t V) at 0
_det = float(np.linalg.det(M) * (np.trace(_inv @ V) ** 2 - np.trace(_inv @ V @ _inv @ V)))

PROBES = [
    # zero times infinity
    Probe("an entry that does not move, where the slope is infinite", "lambda x: np.sqrt(x)",
          "lambda x: torch.sqrt(x)", [0.0, 4.0], [0.0, 1.0], [0.0, 0.25]),
    Probe("the branch that was not taken", "lambda x: np.where(x > 0, np.log(x), 0.0 * x)",
          "lambda x: torch.where(x > 0, torch.log(x), 0.0 * x)", [0.0, 2.0], [1.0, 1.0], [0.0, 0.5]),
    Probe("x log x at 0, which does not move", "lambda x: x * np.log(x)", "lambda x: x * torch.log(x)",
          [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]),
    Probe("x ** 2.0 at 0, twice", "lambda x: x ** 2.0", "lambda x: x ** 2.0", 0.0, 1.0, 2.0, 2),
    Probe("x ** p along x alone, p an array", "lambda x: np.sum(x ** np_.array([2.0, 1.0, 0.0]))",
          "lambda x: torch.sum(x ** torch.tensor([2.0, 1.0, 0.0], dtype=x.dtype))", [0.0, 0.0, 0.0], [1.0, 1.0, 1.0],
          2.0, 2),
    Probe("0 ** y along y", "lambda y: 0.0 ** y", "lambda y: torch.zeros_like(y) ** y", 2.0, 1.0, 0.0),
    # the edges of the number line
    Probe("the softplus far out", "lambda x: np.logaddexp(0.0, x)",
          "lambda x: torch.logaddexp(torch.zeros_like(x), x)", -800.0, 1.0, 0.0),
    Probe("log(1 + exp(x)), twice, at -40", "lambda x: np.logaddexp(0.0 * x, x)",
          "lambda x: torch.logaddexp(0.0 * x, x)", -40.0, 1.0, _of(lambda x: mpmath.log1p(mpmath.exp(x)), -40, 2), 2),
    Probe("hypot of large numbers", "lambda x: np.hypot(x, 1e200)",
          "lambda x: torch.hypot(x, torch.full_like(x, 1e200))", 1e200, 1.0, math.sqrt(0.5)),
    Probe("hypot of small numbers, twice", "lambda x: np.hypot(x, 1e-150)",
          "lambda x: torch.hypot(x, torch.full_like(x, 1e-150))", 1e-150, 1.0, 1 / (2 * math.sqrt(2) * 1e-150), 2),
    Probe("the angle of a small vector", "lambda x: np.arctan2(x, 1e-200)",
          "lambda x: torch.atan2(x, torch.full_like(x, 1e-200))", 1e-200, 1.0, 0.5e200),
    Probe("the angle of a large vector", "lambda x: np.arctan2(x, 1e200)",
          "lambda x: torch.atan2(x, torch.full_like(x, 1e200))", 1e200, 1.0, 0.5e-200),
    Probe("tanh where it is flat, twice", "lambda x: np.tanh(x)", "lambda x: torch.tanh(x)", 25.0, 1.0,
          _of(mpmath.tanh, 25, 2), 2),
    Probe("arctan of a large number, twice", "lambda x: np.arctan(x)", "lambda x: torch.atan(x)", 1e160, 1.0, 0.0, 2),
    Probe("expm1 near 0", "lambda x: np.expm1(x) / x", "lambda x: torch.expm1(x) / x", 1e-3, 1.0,
          _of(lambda x: mpmath.expm1(x) / x, 1e-3)),
    Probe("the norm of large numbers", "lambda x: np.linalg.norm(x)", "lambda x: torch.linalg.norm(x)",
          [3e200, 4e200], [1.0, 0.0], 0.6),
    Probe("the slope of sigmoid on the left", "lambda x: special.expit(x)", "lambda x: special.expit(x)", -750.0, 1.0,
          0.0),
    Probe("log of sigmoid, twice, at 50", "lambda x: -np.logaddexp(0.0 * x, -x)",
          "lambda x: torch.nn.functional.logsigmoid(x)", 50.0, 1.0,
          _of(lambda x: -mpmath.log1p(mpmath.exp(-x)), 50, 2), 2),
    # removable singularities
    Probe("sinc at 0, twice", "lambda x: np.sinc(x)", "lambda x: torch.sinc(x)", 0.0, 1.0, -math.pi**2 / 3, 2),
    Probe("sinc near 0, twice", "lambda x: np.sinc(x)", "lambda x: torch.sinc(x)", 1e-5, 1.0,
          _of(mpmath.sincpi, 1e-5, 2), 2),
    Probe("a product with two zeros, twice", "lambda x: np.prod(x)", "lambda x: torch.prod(x)", [0.0, 0.0, 3.0],
          [1.0, 2.0, 0.0], 12.0, 2),
    Probe("a running product with a zero", "lambda x: np.cumprod(x)", "lambda x: torch.cumprod(x, 0)",
          [2.0, 0.0, 3.0], [1.0, 1.0, 1.0], [1.0, 2.0, 6.0]),
    Probe("the determinant of a singular matrix", "lambda x: np.linalg.det(x)", "lambda x: torch.linalg.det(x)",
          SINGULAR, [[1.0, 0.0], [0.0, 1.0]], 5.0),
    Probe("the square of a norm at 0", "lambda x: np.linalg.norm(x) ** 2", "lambda x: torch.linalg.norm(x) ** 2",
          [0.0, 0.0], [1.0, 1.0], 0.0),
    # linear algebra
    Probe("det, twice", "lambda x: np.linalg.det(x)", "lambda x: torch.linalg.det(x)", M, V, _det, 2),
    Probe("log det, twice", "lambda x: np.linalg.slogdet(x)[1]", "lambda x: torch.linalg.slogdet(x)[1]", M, V,
          _log_det, 2),
    Probe("inv, twice", "lambda x: np.linalg.inv(x)", "lambda x: torch.linalg.inv(x)", M, V,
          2 * _inv @ V @ _inv @ V @ _inv, 2),
    Probe("the sum of equal eigenvalues", "lambda x: np.sum(np.linalg.eigvalsh(x) ** 2)",
          "lambda x: torch.sum(torch.linalg.eigvalsh(x) ** 2)", TWICE, (V + V.T) / 2, float(2 * np.trace(TWICE @ V))),
    Probe("the trace of a matrix by its singular values, equal ones",
          "lambda x: np.sum(np.linalg.svd(x, compute_uv=False))",
          "lambda x: torch.sum(torch.linalg.svdvals(x))", TWICE, (V + V.T) / 2, float(np.trace(V))),
    Probe("exp of a matrix by eigh, equal eigenvalues",
          "lambda x: (lambda e: np.sum((e[1] * np.exp(e[0])) @ e[1].T))(np.linalg.eigh(x))",
          "lambda x: (lambda e: torch.sum((e[1] * torch.exp(e[0])) @ e[1].T))(torch.linalg.eigh(x))",
          np.eye(2), [[0.0, 1.0], [1.0, 0.0]], 2 * math.e),
    # complex numbers
    Probe("the modulus of a spectrum", "lambda x: np.abs(np.fft.fft(x))[0]", "lambda x: torch.abs(torch.fft.fft(x))[0]",
          [1.0, 2.0, 3.0], [1.0, 0.0, 0.0], 1.0),
    Probe("a complex path between real numbers", "lambda x: np.real(np.exp(1j * x) * np.conj(np.exp(2j * x)))",
          "lambda x: torch.real(torch.exp(1j * x) * torch.conj(torch.exp(2j * x)))", 0.7, 1.0, -math.sin(0.7)),
    Probe("the same, twice", "lambda x: np.abs(np.exp(1j * x) + 1.0)", "lambda x: torch.abs(torch.exp(1j * x) + 1.0)",
          0.7, 1.0, -0.5 * math.cos(0.35), 2),
    # special functions
    Probe("log of the normal's tail, twice", "lambda x: special.log_ndtr(x)", "lambda x: special.log_ndtr(x)", -30.0,
          1.0, _of(lambda x: mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2), -30, 2), 2),
    Probe("erfc far out, relative to itself", "lambda x: special.erfc(x)", "lambda x: special.erfc(x)", 20.0, 1.0,
          _of(mpmath.erfc, 20)),
    Probe("logsumexp of -inf beside a number", "lambda x: special.logsumexp(np.stack([x, -np_.inf + 0.0 * x]))",
          "lambda x: torch.logsumexp(torch.stack([x, -np_.inf + 0.0 * x]), 0)", 1.0, 1.0, 1.0),
    Probe("the incomplete gamma function along its shape", "lambda a: special.gammainc(a, 2.0)",
          "lambda a: special.gammainc(a, torch.full_like(a, 2.0))", 1.5, 1.0,
          _of(lambda a: mpmath.gammainc(a, 0, 2, regularized=True), 1.5)),
    Probe("log Γ near its minimum, twice", "lambda x: special.gammaln(x)", "lambda x: special.gammaln(x)", 1.46, 1.0,
          _of(mpmath.loggamma, 1.46, 2), 2),
    # programs
    Probe("two variables that must not be confused",
          "lambda x: x * derivative(lambda y: x + y, 1.0)", "lambda x: x * derivative(lambda y: x + y, 1.0)", 1.0, 1.0,
          1.0),
    Probe("a third derivative", "lambda x: np.exp(np.sin(x))", "lambda x: torch.exp(torch.sin(x))", 0.5, 1.0,
          _of(lambda x: mpmath.exp(mpmath.sin(x)), 0.5, 3), 3),
    Probe("an array made of entries", "lambda x: np.sum(np.array([x[0], x[1] * x[0]]))",
          "lambda x: torch.sum(torch.stack([x[0], x[1] * x[0]]))", [2.0, 3.0], [1.0, 0.0], 4.0),
    Probe("an array written into", "lambda x: filled(np.zeros_like(x), x)", "lambda x: filled(torch.zeros_like(x), x)",
          [2.0, 3.0], [1.0, 0.0], [4.0, 3.0], refusable=True),
    Probe("a number asked of the array", "lambda x: np.exp(float(x))", "lambda x: torch.exp(torch.tensor(float(x)))",
          1.0, 1.0, math.e, refusable=True),
    Probe("whole numbers asked of the array", "lambda x: x.astype(int) * x",
          None, 2.0, 1.0, 2.0, refusable=True),
    Probe("the second argument of a remainder", "lambda y: np.remainder(7.5, y)",
          "lambda y: torch.remainder(torch.full_like(y, 7.5), y)", 2.0, 1.0, -3.0),
    Probe("interpolation along its point",
          "lambda x: np.interp(x, np_.array([0.0, 1.0, 2.0]), np_.array([0.0, 2.0, 3.0]))", None, 1.5, 1.0, 1.0),
    Probe("the median", "lambda x: np.median(x)", "lambda x: torch.quantile(x, 0.5)", [3.0, 1.0, 2.0, 5.0],
          [1.0, 0.0, 2.0, 0.0], 1.5),
    Probe("a convolution, along both", "lambda x: np.convolve(x, x[:2])", None, [1.0, 2.0, 3.0], [1.0, 1.0, 0.0],
          [2.0, 6.0, 7.0, 3.0]),
    Probe("a least squares solution", "lambda x: np.linalg.lstsq(x, np_.array([1.0, 2.0, 4.0]), rcond=None)[0]",
          "lambda x: torch.linalg.lstsq(x, torch.tensor([[1.0], [2.0], [4.0]], dtype=x.dtype)).solution[:, 0]",
          [[1.0], [1.0], [1.0]], [[1.0], [0.0], [0.0]], [(1.0 - 2 * 7.0 / 3) / 3]),
]  # fmt: skip


def answer(library, probe):
    """What a library says: one of `RIGHT`, `WRONG`, `ERROR` and `NONE` (it has no such function), and in words."""
    text = probe.torch if library.name == "torch.func" else probe.program
    if text is None:
        return NONE, ""
    x, v = (library.array(np.asarray(a, float)) for a in (probe.x, probe.v))

    def derivative(f, at):
        at = library.array(np.asarray(at, float))
        return library.jvp(f, at, library.array(np.ones(at.shape)))

    def filled(y, x):
        y[0] = x[0] * x[0]
        y[1] = x[1] * x[0]
        return y

    library.names |= {"derivative": derivative, "filled": filled}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # wrong answers come with warnings, of which none is the answer
        try:
            f = library.program(text)
            for _ in range(probe.order):
                f = lambda x, f=f: library.jvp(f, x, v)  # noqa: E731
            found = library.numpy(f(x))
        except (NameError, ImportError):
            return NONE, ""
        except Exception as error:  # of any kind: what is asked is whether there is a number
            missing = isinstance(error, AttributeError) and "has no attribute" in str(error)
            return (
                NONE if missing else ERROR
            ), f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return verdict(found, probe.truth), np.array2string(np.asarray(found), precision=6, separator=", ")


def verdict(found, truth):
    """Whether a number is right: within a relative error of `TOLERANCE` in every entry, and of the truth's shape."""
    found, truth = np.asarray(found), np.asarray(truth, float)
    if found.shape != truth.shape or found.dtype.kind not in "fiu":
        return WRONG
    scale = np.where(truth == 0, 1e-300, np.abs(truth))
    with np.errstate(all="ignore"):
        return RIGHT if np.all(np.abs(found - truth) <= TOLERANCE * scale) else WRONG
