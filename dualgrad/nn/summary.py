"""A model as a table: what each layer returns, holds and costs."""

import math

import numpy as np

from ..dual import primal
from ..inputs import as_input
from ..params import Params
from ..tracing import trace
from ..tree import map_leaves
from .containers import Sequential
from .layer import with_buffers


class Summary:
    """The rows of a summary: ``(layer, shape, parameters, forward, jvp)``, and their table by ``str``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Sequential(dg.nn.Linear(3, 4), dg.nn.Tanh()).summary(np.zeros((2, 3), np.float32)).rows[0]
    ('0: Linear(3, 4)', (2, 4), 16, 32, 88)
    """

    def __init__(self, rows):
        self.rows = rows

    def __str__(self):
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


def summarize(model, x, dtype=np.float32):
    """The `Summary` of a model at an input like ``x``, one row a layer, nested chains unfolded."""
    x = as_input(x, model)
    params = model.init(rng=0, dtype=x.dtype if x.dtype.kind == "f" else dtype)
    return Summary(_rows(model, with_buffers(params), x, "")[0])


def _rows(layer, p, x, name):
    """The rows of a layer, and its output."""
    if type(layer) is Sequential:
        rows = []
        for child, inner in layer.children.items():
            mine = {n: p[full] for n, full in layer._names[child].items()}
            found, x = _rows(inner, mine, x, f"{name}.{child}" if name else child)
            rows += found
        return rows, x
    names = layer.shapes()
    params = Params({n: p[n] for n in names}) if names else {}
    moving = (params, x) if x.dtype.kind == "f" else (params,)
    tangents = tuple(map_leaves(np.ones_like, v) for v in moving)

    def forward(q, x=x):
        return layer.forward({**p, **q}, x)

    counted = trace(forward, moving, tangents)
    y = primal(layer.forward(p, x))
    value, tangent = counted.multiply_adds
    parameters = sum(math.prod(shape) for shape in names.values())
    return [(f"{name}: {layer!r}" if name else repr(layer), y.shape, parameters, value, value + tangent)], y
