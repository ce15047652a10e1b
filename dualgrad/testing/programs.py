"""Random programs: lists of steps, each one NumPy expression, that keep their shapes fitting and their values tame.

A `Program` is a function of one array and prints as the source it was made from.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array

LARGEST = 1e3
MARGIN = 0.02


class Expression(NamedTuple):
    """An expression in x (the latest value), y (an earlier one) and c (a number), and how far x is from its kinks."""

    source: str
    distance: str = ""
    when: str = ""


def _table(lines, **kwargs):
    return [Expression(line.strip(), **kwargs) for line in lines.strip().splitlines()]


_SMOOTH = """
    x + y
    x * y
    x - c
    c * x
    -x
    x * x
    x**3
    1 / (1 + x * x)
    x / (2 + y * y)
    np.sin(x)
    np.cos(x)
    np.tanh(x)
    np.exp(c * np.tanh(x))
    np.log(1.5 + x * x)
    np.sqrt(1 + x * x)
    np.arctan(x)
    np.sinh(np.sin(x))
    np.cosh(np.sin(x))
    np.arcsinh(x)
    np.arcsin(0.5 * np.sin(x))
    np.arccos(0.5 * np.sin(x))
    np.arctanh(0.5 * np.sin(x))
    np.arccosh(2 + x * x)
    np.tan(np.sin(x))
    np.expm1(np.sin(x))
    np.log1p(x * x)
    np.log2(2 + x * x)
    np.log10(2 + x * x)
    np.exp2(np.sin(x))
    np.cbrt(2 + x * x)
    np.reciprocal(2 + x * x)
    np.square(x)
    np.power(2 + x * x, 1.5)
    np.power(1.5, np.sin(x))
    np.logaddexp(x, y)
    np.logaddexp2(x, c)
    np.hypot(x, 1 + y * y)
    np.arctan2(x, 1 + y * y)
    np.sinc(x)
    np.sum(x)
    np.mean(x)
    np.var(x)
    np.std(x + 3 * np.arange(x.size).reshape(x.shape))
    np.prod(np.sin(x))
    np.ravel(x)
    np.stack([x, y - y + x * c])
    np.broadcast_to(x, (2, *x.shape))
"""
_VECTORS = """
    np.sum(x, axis=-1)
    np.mean(x, axis=0, keepdims=True)
    np.cumsum(x, axis=-1)
    np.cumprod(np.sin(x), axis=-1)
    np.flip(x, -1)
    np.roll(x, 1, axis=0)
    np.concatenate([x, np.sin(x)], axis=-1)
    np.repeat(x, 2, axis=0)
    np.tile(x, 2)
    np.pad(x, 1)
    np.diff(x, prepend=0)
    np.take(x, [0, -1], axis=-1)
    x[..., ::-1]
    x[..., :1]
    x[..., None]
    np.einsum("...i,...i->...", x, x)
    np.linalg.norm(1.5 + x * x, axis=-1)
    np.real(np.fft.fft(x))
    np.fft.irfft(np.fft.rfft(x), 4)
    np.gradient(np.concatenate([x, x * x], axis=-1), axis=-1)
    np.trapezoid(x, axis=-1)
    np.outer(x, x)
    np.convolve(np.ravel(x), [1, c, -1])
    np.interp(np.sin(np.ravel(x)), [-2, 2], [c, 1])
    np.tensordot(x, x, x.ndim)
"""
_MATRICES = """
    x.T
    np.swapaxes(x, -1, -2)
    x @ x.T
    x.T @ x
    np.sum(x, axis=(0, -1))
    np.trace(x)
    np.triu(x)
    np.diagonal(x)
    np.kron(x, [[1, c]])
    np.linalg.inv(x @ x.T + 3 * np.eye(x.shape[0]))
    np.linalg.solve(x @ x.T + 3 * np.eye(x.shape[0]), x)
    np.linalg.det(x @ x.T + np.eye(x.shape[0]))
    np.linalg.slogdet(x @ x.T + np.eye(x.shape[0]))[1]
    np.linalg.cholesky(x @ x.T + 3 * np.eye(x.shape[0]))
    np.linalg.pinv(x @ x.T + 3 * np.eye(x.shape[0]))
    np.linalg.matrix_power(np.sin(x @ x.T), 3)
"""
_GAPS = "np.diff(np.sort(np.ravel(x)), prepend=-np.inf)"
_SIZES = "np.diff(np.sort(np.abs(np.ravel(x))), prepend=-np.inf)"

STEPS = [
    *_table(_SMOOTH),
    *_table(_VECTORS, when="x.ndim >= 1"),
    *_table(_MATRICES, when="x.ndim == 2"),
    *_table("np.abs(x)\nnp.maximum(x, 0)\nnp.where(x > 0, x, c * x)\nnp.clip(x, 0, 1e3)", distance="x"),
    *_table("np.maximum(x, y - c)\nnp.minimum(x, y - c)\nnp.fmax(x, y - c)", distance="x - y + c"),
    *_table(
        "np.max(x)\nnp.min(x)\nnp.sort(x, axis=None)\nnp.median(x)\nnp.quantile(x, 0.3)\nnp.ptp(x)", distance=_GAPS
    ),
    *_table("np.linalg.norm(np.ravel(x), 1)", distance="x"),
    *_table("np.linalg.norm(np.ravel(x), np.inf)", distance=_SIZES),
]


class Program:
    """A composition of NumPy functions, of one array, at which it was made: ``program(program.x)``.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.testing.programs import STEPS, Program
    >>> program = Program(np.array([1.0, 2.0]), [(STEPS[9], 0, 0.5), (STEPS[39], 0, 0.5)])
    >>> program
    def program(x):  # at array([1., 2.])
        x1 = np.sin(x)
        return np.sum(x1)
    >>> program(program.x)
    np.float64(1.7507684116335782)
    """

    __name__ = "program"
    x: Array
    lines: list[str]
    source: str
    f: Callable[[Any], Any]

    def __init__(self, x: Array, steps: Iterable[tuple[Expression, int, float]]) -> None:
        self.x, self.lines = x, []
        values, names = [x], ["x"]
        for step, earlier, c in steps:
            k = earlier % len(values)
            scope = {"np": np, "x": values[-1], "y": values[k], "c": c}
            value = _attempt(step, scope)
            if value is None and k != len(values) - 1:  # the earlier value may not fit; the latest does
                k, scope["y"] = len(values) - 1, values[-1]
                value = _attempt(step, scope)
            if value is not None:
                self.lines.append(_substitute(step.source, x=names[-1], y=names[k], c=repr(c)))
                values.append(value)
                names.append(f"x{len(values) - 1}")
        body = [f"    {name} = {line}" for name, line in zip(names[1:-1], self.lines, strict=False)]
        self.source = "\n".join(["def program(x):", *body, f"    return {self.lines[-1] if self.lines else 'x'}"])
        scope = {"np": np}
        exec(self.source, scope)
        self.f = scope["program"]

    def __call__(self, x: Any) -> Any:
        return self.f(x)

    def __repr__(self) -> str:
        head, body = self.source.split("\n", 1)
        return f"{head}  # at {self.x!r}\n{body}"


def _substitute(source, **names):
    """The expression with its variables named; they stand as single letters between other characters."""
    return re.sub(r"(?<![\w.])([xyc])(?!\w)", lambda m: names[m[1]], source)


def _attempt(step, scope):
    """The value of a step, or None where it does not fit, is not tame, or lies too near a kink."""
    try:
        if step.when and not eval(step.when, scope):
            return None
        with np.errstate(all="ignore"):
            if step.distance and np.min(np.abs(eval(step.distance, scope)), initial=np.inf) < MARGIN:
                return None
            value = eval(step.source, scope)
    except (ValueError, IndexError, np.linalg.LinAlgError):
        return None
    tame = np.size(value) <= 64 and np.all(np.isfinite(value)) and np.max(np.abs(value), initial=0) <= LARGEST
    return value if tame else None
