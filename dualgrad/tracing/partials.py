"""The local derivatives of a step: by each operand, computed when they are asked for, for what is small."""

import itertools
import operator

import numpy as np

from ..dispatch import precedence
from ..dual import Dual
from ..pushforward import jvp
from ..tree import flatten, rebuild
from .overlaps import laid_over, places_in

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
        named = [k for k, x in enumerate(self.operands) if isinstance(x, Named)]
        moving = [k for k in named if values[k].dtype.kind in "fc" and values[k].size]
        try:
            with np.errstate(all="ignore"):
                slopes = dict(zip(moving, self._by(moving, values), strict=True))
        except Exception:  # no derivative to show is no reason to fail
            slopes = {}
        return [(self.operands[k].name, slopes.get(k)) for k in named]

    def _by(self, moving, values):
        """The derivatives by some of the operands, in one pass; all of them are Duals, so that each can be written."""

        def f(*xs):
            found = [v.copy() if isinstance(v, np.ndarray) else v for v in values]
            for k, x in zip(moving, xs, strict=True):
                found[k] = x * 1
            args, kwargs = rebuild(self.structure, found)
            top = max((a for a in found if isinstance(a, Dual)), key=precedence)
            y = self.call(top, *args, **kwargs)
            y = next(iter((*args, *kwargs.values()))) if y is None else y
            return flatten(y)[0][self.output]

        xs = [values[k] for k in moving]
        ends = np.cumsum([0, *(x.size for x in xs)])
        turned = np.repeat(
            [x.dtype.kind == "c" for x in xs], [x.size for x in xs]
        )  # the entries that have a way along i
        basis = np.vstack([np.eye(ends[-1]), *([1j * np.eye(ends[-1])[turned]] if any(turned) else [])])
        parts = [(x, slice(*ab)) for x, ab in zip(xs, itertools.pairwise(ends), strict=True)]
        directions = tuple(_directions_in(basis[:, ab], x.dtype).reshape(-1, *x.shape) for x, ab in parts)
        slopes = np.moveaxis(np.asarray(jvp(f, tuple(xs), directions)[1]), 0, -1)
        slopes, along_i = slopes[..., : ends[-1]], slopes[..., ends[-1] :]
        one = np.zeros(
            ends[-1], bool
        )  # whether one number is the derivative both ways, as of np.exp, and not of np.abs
        one[turned] = np.isclose(along_i, 1j * slopes[..., turned]).all(axis=tuple(range(slopes.ndim - 1)))
        return [
            slopes[..., ab].reshape((*slopes.shape[:-1], *x.shape)) if np.all(one[ab] | ~turned[ab]) else None
            for x, ab in parts
        ]


def _directions_in(x, dtype):
    return x.astype(dtype) if dtype.kind == "c" else np.real(x).astype(dtype)


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


def of_overwritten(name, steps, array, views):
    """How the array of a step came to be by later writes into views of it, as for `remembered`."""
    small = array.size + sum(view.size for view in views) <= LARGEST_REMEMBERED
    if not small or not isinstance(array, np.ndarray) or any(view.dtype != array.dtype for view in views):
        return ()
    parts = [(Named(step), places_in(view, array)) for step, view in zip(steps[1:], views, strict=True)]
    return _called(name, laid_over, Named(steps[0]), *itertools.chain(*parts))


def of_entry(name, step, index, array):
    """How an entry came out of the array of a step, as for `remembered`."""
    return _called(name, operator.getitem, Named(step), index) if array.size <= LARGEST_REMEMBERED else ()


def _called(name, function, *operands):
    leaves, structure = flatten((operands, {}))
    return [(name, Remembered(lambda top, *operands: function(*operands), structure, leaves, 0))]
