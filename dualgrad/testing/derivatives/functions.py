"""A function of trees, and its derivatives by an engine, as functions of leaves."""

import numpy as np

from ... import pushforward
from ...errors import DualgradError
from ...tree import flatten, rebuild, returned, unflatten
from ..report import Elements, row


class CheckError(DualgradError, ValueError):
    """What was to be checked is not a function: it changes its input, or gives two results for one input.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad import testing
    >>> try:
    ...     testing.check_jvp(lambda x: x + np.random.default_rng().random(), (1.0,))
    ... except testing.CheckError as error:
    ...     print(str(error)[:54])
    <lambda> is not deterministic: two calls with the same
    """


class FlatFunction:
    """f as a function from leaves to one row of entries, and its derivatives by an engine ``jvp(f, xs, vs)``."""

    def __init__(self, f, structure, jvp):
        self.f, self.structure, self.jvp, self.own = f, structure, jvp, jvp is not pushforward.jvp
        self.name = getattr(f, "__name__", None) or repr(f)

    def tree(self, *leaves):
        return self.f(*rebuild(self.structure, leaves))

    def __call__(self, *leaves):
        return row(self.tree(*leaves))

    def push(self, xs, vs):
        """The value and the tangent, as trees, along one direction or K."""
        pair = self.jvp(self.tree, _scalars(xs), _scalars(vs))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"the engine returned a {type(pair).__name__}, not a pair (value, tangent)")
        return pair

    def tangent(self, *directions):
        """The function of the leaves that differentiates f along each direction in turn."""
        f = self.tree
        for vs in directions:
            f = self._along(f, _scalars(vs))
        return lambda *leaves: row(f(*_scalars(leaves)))

    def _along(self, f, vs):
        return lambda *xs: self.jvp(f, xs, vs)[1]

    def examine(self, xs):
        """Raises when f writes to x, is not deterministic, or returns no floating numbers."""
        copies = [np.array(x) for x in xs]
        ys = returned(self.tree(*copies))
        for name, x, copy in zip(Elements(unflatten(self.structure, xs)).names, xs, copies, strict=True):
            if np.asarray(x).tobytes() != copy.tobytes():
                raise CheckError(
                    f"{self.name} writes to its input primals{name}, so it has no well-defined derivative there: let "
                    "it work on a copy (x = x.copy())"
                )
        elements = Elements(ys)
        for name, y in zip(elements.names, flatten(ys)[0], strict=True):
            kind = getattr(y, "dtype", None) or np.asarray(y).dtype
            if not isinstance(kind, np.dtype):
                raise TypeError(
                    f"{self.name} returns a {type(y).__module__.split('.')[0]}.{type(y).__name__} of {kind} at "
                    f"{name or 'its result'}; expected NumPy arrays or numbers: return a NumPy array"
                )
            if not np.issubdtype(kind, np.inexact):
                raise TypeError(
                    f"{self.name} returns {kind} at {name or 'its result'}; expected floating or complex numbers, "
                    "which alone have derivatives"
                )
        again = self.tree(*[np.array(x) for x in xs])
        same = [np.shape(y) for y in flatten(again)[0]] == elements.shapes
        if not same or not np.allclose(row(again), row(ys), rtol=1e-12, atol=0, equal_nan=True):
            raise CheckError(
                f"{self.name} is not deterministic: two calls with the same input differ. Give it a fixed seed, or "
                "make what it keeps between calls part of its input"
            )


def _scalars(leaves):
    """Arrays as they are, numbers as numbers: for engines of one's own that know floats alone."""
    return tuple(x if np.ndim(x) else np.asarray(x)[()] for x in leaves)
