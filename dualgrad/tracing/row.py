"""A row of a trace, and its parts as text."""

import unicodedata
from typing import Any, NamedTuple

import numpy as np

from ..frames import Place


class Row(NamedTuple):
    """One step of a trace: plain data, copied when the step was taken."""

    step: str  # "v3"; the inputs end with "v0"
    operation: str  # "sin", "linalg.solve", "getitem", "iadd"; "input"
    operands: tuple[str, ...]  # of strings: names of steps, and constants shown short
    inputs: tuple[str, ...]  # the steps among the operands
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    primal: Any  # an array or array scalar
    tangent: Any  # the same, of shape lead + shape; None for a constant
    primal_norm: float  # Euclidean, over all entries
    tangent_norm: float  # over all entries and directions
    multiply_adds: tuple[int, int]  # an estimate for the primal, and one for the tangent in all directions
    made: str  # what came into being here: "NaN in primal", "inf in tangent", ...; else ""
    file: str
    line: int
    source: str  # the text of that line
    expression: str  # the part of it that asked for the operation
    column: int = 0  # where that begins in the line
    edges: tuple[str, ...] = ()  # as inputs, with a step twice that is an operand twice
    depth: int = 1  # 2 for what is computed inside an inner jvp, 3 inside one inside that
    layers: tuple[tuple[str, Any, Any], ...] = ()  # of the inner jvps: "ε₂", the derivative there, and its tangent

    def __str__(self) -> str:
        return f"{self.step} = {call(self)}"

    @property
    def trouble(self) -> str:
        """What came into being here, as a phrase: "makes NaN in primal"; of an input, "has NaN in primal"; else ""."""
        return f"{'has' if self.operation == 'input' else 'makes'} {self.made}" if self.made else ""


def subscript(k):
    """A number below the line."""
    return "".join("₋₀₁₂₃₄₅₆₇₈₉"["-0123456789".index(c)] for c in str(k))


def call(row):
    """What made a row."""
    if row.operation == "input":
        return row.operands[0]
    if row.operation == "perturb":
        return f"{row.operands[0]} + {row.operands[1]}{'·' * bool(row.operands[1])}ε{subscript(row.depth)}"
    if row.operation == "derivative":
        return f"∂{row.operands[0]}/∂ε{subscript(row.depth + 1)}"
    return f"{row.operation}({', '.join(row.operands)})"


def safe_norm(x):
    """The Euclidean norm, which does not overflow on the way."""
    if not x.ndim:
        return float(abs(x))
    with np.errstate(all="ignore"):
        x = np.abs(x).astype(float)
        top = np.max(x, initial=0.0)
        return float(top * np.sqrt(np.sum((x / top) ** 2)) if 0 < top < np.inf else top)


def kind(x):
    return f"{x.dtype}[{', '.join(map(str, x.shape))}]"


def constant(a):
    """A number in four digits, or in as many as it takes for none of them to be a zero that is not there."""
    if isinstance(a, (complex, np.complexfloating)):
        imaginary = constant(a.imag)
        return f"{constant(a.real)}{'' if imaginary[0] == '-' else '+'}{imaginary}j"
    if not isinstance(a, (float, np.floating)) or not np.isfinite(a):
        return str(a)
    texts = (format(a, f".{n}g") for n in range(4, 18))
    return next((t for n, t in enumerate(texts, 4) if type(a)(t) == a or _significant(t) == n), repr(float(a)))


def _significant(text):
    return len(text.partition("e")[0].replace(".", "").lstrip("-0"))


def digits(x):
    """A number, or up to three of them; nothing for more, or where they take much room."""
    if x.ndim > 1 or x.size > 3:
        return ""
    text = f"[{', '.join(map(constant, x))}]" if x.ndim else constant(x)
    return text if len(text) <= 12 else ""


def in_short(n):
    return str(n) if n < 100_000 else f"{n / 1e6:.3g}M"


def where(row, text):
    return str(Place(row.file, row.line, text, "")) if row.line else ""


def columns(text):
    """The columns of a terminal that a text takes up: wide characters take two."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def cut(text, width):
    if columns(text) <= width:
        return text
    while text and columns(text) >= width:
        text = text[:-1]
    return text + "…"[:width]
