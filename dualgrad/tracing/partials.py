"""The local derivatives of a step: by each operand, computed when they are asked for, for what is small."""

import numpy as np

from ..dispatch import precedence
from ..dual import Dual
from ..pushforward import jvp
from ..tree import flatten, rebuild

LARGEST_REMEMBERED = 64  # entries of all operands and results together


class Remembered:
    """How a step was made: its operation, and operands with names of steps in the place of what came from them."""

    __slots__ = ("call", "operands", "output", "structure")

    def __init__(self, call, structure, operands, output):
        self.call, self.structure, self.operands, self.output = call, structure, operands, output

    def partials(self, primals):
        """For each operand that is a step: its name, and the derivative by it of shape ``y.shape + x.shape``; None
        where there is none."""
        values = [primals[x.name] if isinstance(x, Named) else x for x in self.operands]
        return [
            (x.name, self._by(k, values) if values[k].dtype.kind in "fc" else None)
            for k, x in enumerate(self.operands)
            if isinstance(x, Named)
        ]

    def _by(self, k, values):
        def f(x):
            found = [x * 1 if j == k else v.copy() if isinstance(v, np.ndarray) else v for j, v in enumerate(values)]
            args, kwargs = rebuild(self.structure, found)
            top = max((a for a in found if isinstance(a, Dual)), key=precedence)
            y = self.call(top, *args, **kwargs)
            y = next(iter((*args, *kwargs.values()))) if y is None else y
            return flatten(y)[0][self.output]

        x = values[k]
        if not x.size:
            return None
        try:
            with np.errstate(all="ignore"):
                directions = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
                slopes = np.asarray(jvp(f, (x,), (directions,))[1])
        except Exception:  # no derivative to show is no reason to fail
            return None
        return np.moveaxis(slopes, 0, -1).reshape((*slopes.shape[1:], *x.shape))


class Named(str):
    """The name of a step, in the place of an operand."""

    __slots__ = ()
    name = property(str)


def remembered(call, structure, leaves, steps, rows):
    """How an operation was made, once for each of its rows, where it is small; nothing where it is large. The steps
    are the rows of those leaves that came from one."""
    size = sum(row.primal.size for row in rows) + sum(row.primal.size for row in steps if row)
    operands = []
    for x, row in zip(leaves, steps, strict=True):
        if row:
            operands.append(Named(row.step))
        elif isinstance(x, Dual) or size > LARGEST_REMEMBERED:
            return ()
        elif type(x) is np.ndarray:
            size += x.size
            operands.append(x.copy() if size <= LARGEST_REMEMBERED else x)
        else:
            operands.append(x)
    if size > LARGEST_REMEMBERED:
        return ()
    return [(row.step, Remembered(call, structure, operands, k)) for k, row in enumerate(rows)]
