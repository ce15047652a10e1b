"""np.einsum: linear in each of its operands."""

import functools

import numpy as np

from ..backend import is_host
from ..dual import Dual
from .absorb import absorbing_bilinear, has_nan, parts, quietly
from .declare import aliased, as_result, as_tangent, constant, nested_as, register_rule, top_level


def spelled_out(subscripts, operands):
    """The subscripts with their output, and with every Ellipsis replaced by letters."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow:
        letters = inputs.replace(",", "").replace(".", "")
        output = ("..." if "..." in inputs else "") + "".join(c for c in sorted(set(letters)) if letters.count(c) == 1)
    spare = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in subscripts]
    widths = [np.ndim(x) - len(t.replace("...", "")) for t, x in zip(terms, operands, strict=True)]
    widest = max([w for t, w in zip(terms, widths, strict=True) if "..." in t], default=0)
    ellipsis = "".join(spare[:widest])
    terms = [t.replace("...", ellipsis[widest - w :] if w else "") for t, w in zip(terms, widths, strict=True)]
    return terms, output.replace("...", ellipsis), spare[widest]


def _einsum(*operands, optimize=False, **kw):
    """The sum over operands of einsum with that operand replaced by its tangent; the lead axis is one more letter."""
    if not isinstance(operands[0], str):
        operands = from_sublists(operands)
    subscripts, *operands = operands
    level, lead = top_level(operands)
    terms, output, extra = spelled_out(subscripts, operands)
    primals, tangents = zip(*(parts(x, level) for x in operands), strict=True)
    y = np.einsum(subscripts, *primals, optimize=optimize, **kw)
    letter = extra if lead else ""
    active = [k for k, dx in enumerate(tangents) if dx is not None]
    primals = as_result(primals, y.dtype)
    d = quietly(_einsum_tangent, terms, letter, output, primals, tangents, active, {"optimize": optimize, **kw})
    if len(operands) == 1:  # a view for "ii->i" and the like
        return aliased(y, nested_as(y, d), operands[0])
    d = np.asarray(d) if isinstance(y, np.ndarray) and isinstance(d, np.generic) else d
    return Dual(y, nested_as(y, as_tangent(d, y)), level)


def _einsum_tangent(terms, letter, output, primals, tangents, active, kw):
    d = None
    for k in active:
        others, rest = [*terms[:k], *terms[k + 1 :]], [*primals[:k], *primals[k + 1 :]]
        spelled = lambda *factors, k=k: ",".join([letter + terms[k], *factors]) + "->" + letter + output  # noqa: E731
        term = np.einsum(spelled(*others), tangents[k], *rest, **kw)
        if others and is_host(term) and has_nan(term):
            letters = "".join(dict.fromkeys("".join(others)))
            rest = np.einsum(",".join(others) + "->" + letters, *rest)
            term = absorbing_bilinear(functools.partial(np.einsum, spelled(letters)), tangents[k], rest)
        d = term if d is None else d + term
    return d


def from_sublists(operands):
    """``einsum(x, [0, 1], y, [1, 2], [0, 2])`` as a string and operands."""
    letter = lambda axis: "..." if axis is Ellipsis else "abcdefghijklmnopqrstuvwxyz"[axis]  # noqa: E731
    pairs = list(zip(operands[0::2], operands[1::2], strict=False))
    inputs = ",".join("".join(map(letter, axes)) for _, axes in pairs)
    output = "->" + "".join(map(letter, operands[-1])) if len(operands) % 2 else ""
    return inputs + output, *(x for x, _ in pairs)


register_rule([np.einsum], "bilinear", _einsum, operands=0)
constant(np.einsum_path)
