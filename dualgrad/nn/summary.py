"""A model as a table: what each layer returns, holds and costs."""

import math

import numpy as np

from ..dual import primal
from ..params import Params
from ..tracing import trace
from ..tree import map_leaves


class Summary:
    """The rows of a summary: ``(layer, shape, parameters, forward, jvp)``, and their table by ``str``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.Tanh()).summary(np.zeros((2, 3), np.float32)).rows[0]
    ('0: Linear(3, 4)', (2, 4), 16, 32, 88)
    """

    def __init__(self, rows: list[tuple[str, tuple[int, ...], int, int, int]]):
        self.rows = rows

    def __str__(self) -> str:
        totals = [sum(row[k] for row in self.rows) for k in (2, 3, 4)]
        table = [("layer", "output", "parameters", "forward", "jvp")]
        table += [(name, str(shape), *(f"{n:,}" for n in counts)) for name, shape, *counts in self.rows]
        table += [("total", "", *(f"{n:,}" for n in totals))]
        widths = [max(len(row[k]) for row in table) for k in range(5)]
        aligned = [[f"{c:<{w}}" if k < 2 else f"{c:>{w}}" for k, (c, w) in enumerate(zip(row, widths, strict=True))]
                   for row in table]  # fmt: skip
        lines = ["  ".join(row).rstrip() for row in aligned]
        rule = "  ".join("-" * w for w in widths)
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], "forward and jvp in multiply-adds"])

    __repr__ = __str__


def one_row(layer, p, x, name, seen):
    """The row of a layer at an input, and its output."""
    names, origins = layer.shapes(), {n: (id(owner), own) for n, (owner, own) in layer.origins().items()}
    params = Params({n: p[n] for n in names}) if names else {}
    moving = (params, x) if x.dtype.kind == "f" else (params,)
    tangents = tuple(map_leaves(np.ones_like, v) for v in moving)

    def forward(q, x=x):
        return layer.forward({**p, **q}, x)

    counted = trace(forward, moving, tangents)
    y = primal(layer.forward(p, x))
    value, tangent = counted.multiply_adds
    parameters = sum(math.prod(shape) for n, shape in names.items() if origins[n] not in seen)
    seen.update(origins.values())
    return (f"{name}: {layer!r}" if name else repr(layer), y.shape, parameters, value, value + tangent), y
