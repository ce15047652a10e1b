"""Along which operands a function of numbers bends: found out from its rule."""

import functools
import itertools

import numpy as np

from ..pushforward import jvp
from ..random import Rng
from ..tables import KINDS

_RANGES = (0.05, 0.95), (1.05, 3.0), (-0.95, -0.05), (-3.0, -1.05)


@functools.lru_cache(maxsize=1024)
def curved_pairs(function, count):
    """The pairs of operands with a second derivative that is not zero everywhere.

    Of NumPy's functions the rules say so, at random numbers: each is curved almost everywhere, or nowhere. Of others
    it cannot be known, and all pairs are.
    """
    pairs = list(itertools.combinations_with_replacement(range(count), 2))
    if KINDS.get(function) in ("linear", "constant"):
        return ()
    known = isinstance(function, np.ufunc) and getattr(np, function.__name__, None) is function and function.nout == 1
    return tuple(pair for pair in pairs if not known or _bends(function, count, *pair))


def _bends(function, count, i, j):
    for ranges in itertools.product(_RANGES, repeat=count):
        rng = Rng(0)
        xs = [rng.uniform(low, high, 16) for low, high in ranges]
        with np.errstate(all="ignore"):
            second = _second_derivative(function, xs, i, j)
        if not np.all(second == 0):
            return True
    return False


def _second_derivative(function, xs, i, j):
    def along(k, f):
        def slope(*args):
            g = lambda x: f(*args[:k], x, *args[k + 1 :])  # noqa: E731
            return jvp(g, (args[k],), (np.ones(16),))[1]

        return slope

    return along(i, along(j, function))(*xs)
