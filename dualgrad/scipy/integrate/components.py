"""Duals of some levels as plain vectors of all their parts, and back: what a program of plain numbers integrates.

A Dual of n entries with K tangents has the n (1 + K) components [y, y'₁, ..., y'_K], n in a row; where these are Duals
of a lower level, each of the two parts has such components of its own. A series has its coefficients.
"""

import math

import numpy as np

from ...dual import LIVE, Dual, as_array, ended
from ...equations.lifting import multiples
from ...rules.declare import duals_in
from ...series.series import Series, complete


class NewLevel(Exception):  # noqa: N818  (no error: it says that the integration begins again)
    """A program met a Dual of a level that its state does not carry."""

    def __init__(self, dual):
        self.dual = dual


def at_all_levels(integrate, given):
    """``integrate(duals)``, with a Dual of each level in the trees given and of those that it meets on its way, lowest
    level first."""
    found = {}
    for d in duals_in([as_array(a) for a in given]):
        found |= duals_by_level(d)
    while True:
        try:
            return integrate([found[level] for level in sorted(found)])
        except NewLevel as new:
            found |= duals_by_level(new.dual)


def duals_by_level(a):
    """A Dual of each level that there is in ``a``; a named error where one is not of `jvp` or `taylor`."""
    if not isinstance(a, Dual):
        return {}
    if a.level not in LIVE:
        raise ended()
    if type(a) not in (Dual, Series):
        raise NotImplementedError(
            f"dualgrad.scipy.integrate takes no {type(a).__name__}, which dg.trace, dg.sparsity, dg.laplacian and "
            "dg.taylor along K directions work on: nest dg.jvp, dg.grad or dg.hessian, or use dg.taylor along one"
        )
    found = {a.level: a}
    for part in multiples(a):
        found |= duals_by_level(part)
    return found


class Components:
    """The vectors that stand for Duals of these levels of shape ``(n,)``, lowest level first."""

    def __init__(self, duals, n):
        self.levels = [(d.level, LIVE[d.level], d.order if isinstance(d, Series) else None) for d in duals]
        self.n = n
        self.copies = math.prod(1 + math.prod(lead) if order is None else 1 + order for _, lead, order in self.levels)
        self.size = n * self.copies
        plain = len(self.levels) == 1 and self.levels[0][2] is None
        self.single = self.levels[0][0] if plain else None
        self.tangents = (*self.levels[0][1], n) if plain else None

    def require_live(self):
        """Raise where a level has ended."""
        if not all(level in LIVE for level, _, _ in self.levels):
            raise ended()

    def dual(self, z, frozen=False):
        """The Dual of components z, of shape ``(size, ...)``, whose parts are views of it."""
        if self.single and z.ndim == 1:
            return Dual(z[: self.n], z[self.n :].reshape(self.tangents), self.single, frozen)
        return self._dual(z, len(self.levels), (self.n, *z.shape[1:]), frozen)

    def _dual(self, z, depth, shape, frozen):
        if not depth:
            return z.reshape(shape)
        level, lead, order = self.levels[depth - 1]
        if order is not None:
            size = len(z) // (1 + order)
            y = Series(self._dual(z[:size], depth - 1, shape, False), order, level, None, frozen)
            y.known = [self._dual(z[k * size : (k + 1) * size], depth - 1, shape, False) for k in range(order + 1)]
            return complete(y)
        size = len(z) // (1 + math.prod(lead))
        primal, tangent = (
            self._dual(part, depth - 1, of_part, frozen)
            for part, of_part in ((z[:size], shape), (z[size:], lead + shape))
        )
        return Dual(primal, tangent, level, frozen)

    def vector(self, y, dtype):
        """The components of y."""
        z = np.empty(self.size, dtype)
        self.write(y, z)
        return z

    def write(self, y, z):
        """Write the components of y, a Dual, array or list of numbers of shape (n,), into z.

        Raises
        ------
        NewLevel
            When y has a level that is not among these.
        """
        if self.single and self._written(y, z):
            return
        y = as_array(y)
        y = y if isinstance(y, Dual) else np.asarray(y)
        if y.shape != (self.n,):
            y = np.broadcast_to(y, (self.n,))
        self._write(y, z, len(self.levels), (self.n,))

    def _written(self, y, z):
        """Whether the parts of y are plain and of the one level, and are written already: the common case."""
        n, level = self.n, self.single
        if y.__class__ is Dual:
            p, t = y.primal, y.tangent
            if y.level != level or p.__class__ is Dual or t.__class__ is Dual or p.shape != (n,):
                return False
            if p.dtype is not z.dtype and p.dtype.kind == "c" != z.dtype.kind:
                return False
            z[:n] = p
            z[n:].reshape(t.shape)[...] = t
            return True
        if y.__class__ is not list or len(y) != n:
            return False
        tangents = z[n:].reshape(self.tangents)
        for k, entry in enumerate(y):
            kind = entry.__class__
            if kind is Dual:
                p, t = entry.primal, entry.tangent
                plain = entry.level == level and p.__class__ is not Dual and t.__class__ is not Dual and not p.ndim
                if not plain or p.dtype.kind == "c" != z.dtype.kind:
                    return False
                z[k], tangents[..., k] = p, t
            elif kind is float or kind is np.float64 or kind is int:
                z[k], tangents[..., k] = entry, 0
            else:
                return False
        return True

    def _write(self, y, z, depth, shape):
        if not depth:
            if isinstance(y, Dual):
                raise NewLevel(y)
            if y.dtype.kind == "c" and z.dtype.kind != "c":
                raise TypeError(
                    "the function returned complex numbers where real ones are integrated: begin with y0 + 0j in an "
                    "initial value problem, give quad complex_func=True"
                )
            z.reshape(shape)[...] = y
            return
        level, lead, order = self.levels[depth - 1]
        if isinstance(y, Dual) and (y.level > level or type(y) not in (Dual, Series)):
            raise NewLevel(y)
        here = isinstance(y, Dual) and y.level == level
        if order is not None:
            size = len(z) // (1 + order)
            parts = multiples(y) if here else [y]
            for k, part in enumerate(parts):
                self._write(part, z[k * size : (k + 1) * size], depth - 1, shape)
            z[len(parts) * size :] = 0
            return
        size = len(z) // (1 + math.prod(lead))
        self._write(y.primal if here else y, z[:size], depth - 1, shape)
        if here:
            self._write(y.tangent, z[size:], depth - 1, lead + shape)
        else:
            z[size:] = 0
