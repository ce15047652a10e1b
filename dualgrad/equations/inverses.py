"""The three ways to solve J y = b for the Jacobian J of a residual: dense, by GMRES, by a function of one's own.

Each is made once at a root, ``way(equation, x, layout)``, and is then a function of plain arrays b of shape
``(..., n)``, whose leading axes count directions.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from ..backend import to_numpy
from ..dual import Dual, primal
from ..errors import NonFiniteError
from ..pushforward import jvp
from ..transforms import jacfwd
from ..vectors import all_finite
from .failures import ConvergenceError, SingularError

LinearSolve: TypeAlias = Literal["gmres"] | Callable[[Callable[[Any], Any], Any], Any] | None


def chosen(linear_solve):
    """The way that an argument ``linear_solve=`` names."""
    if linear_solve is None:
        return dense
    if linear_solve == "gmres":
        return by_gmres()
    if not callable(linear_solve):
        raise ValueError(
            f"got linear_solve={linear_solve!r}; expected None (dense), 'gmres', or a function (matvec, b) -> y"
        )
    return by_products(linear_solve)


# ---------------------------------------------------------------------- dense


def dense(equation, x, layout):
    """The inverse of J, whose rows and columns are brought to one size first, so that units do not count."""
    if not x.size:
        return lambda b: b
    J = primal(jacfwd(equation)(x))
    J = J.astype(np.result_type(J, np.float32))  # linear algebra has no half precision
    if not all_finite(J.reshape(-1)):
        raise NonFiniteError("the Jacobian of the residual has NaN or infinite entries at the root: it has no tangent")
    rows = _to_one(np.abs(J), 1, "entry {} of the residual does not change with x", layout)
    J = J * rows[:, None]
    columns = _to_one(np.abs(J), 0, "entry {} of x has no part in the residual", layout)
    J = J * columns
    try:
        inverse = np.linalg.inv(J)
    except np.linalg.LinAlgError:
        raise _singular("its rows depend on each other") from None
    condition = to_numpy(np.linalg.norm(J, 1) * np.linalg.norm(inverse, 1))
    if not condition * np.finfo(J.dtype).eps < 0.1:
        raise _singular(f"its condition number is {condition:.1e} in {J.dtype}")
    J, inverse = J.T, inverse.T

    def solve(b):
        c = b * rows
        y = c @ inverse
        return ((y + (c - y @ J) @ inverse) * columns).astype(b.dtype)

    return solve


def _to_one(sizes, axis, what, layout):
    """Powers of two that bring the largest of each row, or column, between 1/2 and 1."""
    largest = np.max(sizes, axis=axis)
    if np.any(to_numpy(largest) == 0):
        place = int(np.argmin(to_numpy(largest)))
        raise _singular(what.format(layout.entry(place) or place))
    return np.ldexp(np.ones_like(largest), -np.frexp(largest)[1])


def _singular(why):
    return SingularError(
        f"the Jacobian of the residual is singular: {why}, so that the root does not determine its derivative"
    )


# ---------------------------------------------------------------------- by products with J


def by_products(linear_solve):
    """A function (matvec, b) -> y, called for one direction after the other."""

    def way(equation, x, layout):
        product = _products(equation, x)

        def matvec(v):
            return layout.tree(product(layout.vector(v, "what matvec got")))

        def one(b):
            y = primal(layout.vector(linear_solve(matvec, layout.tree(b)), "what linear_solve returned"))
            return _solved_to(product, y, b, np.finfo(b.dtype).eps ** 0.25)

        return _each(one)

    return way


def by_gmres():
    """SciPy's GMRES, to the last digits that can be had."""
    try:
        from scipy.sparse.linalg import LinearOperator, gmres
    except ImportError:
        raise ImportError("linear_solve='gmres' needs SciPy, which is not installed: pip install scipy") from None

    def way(equation, x, layout):
        product = _products(equation, x)
        J = LinearOperator((x.size, x.size), lambda v: product(v.reshape(-1)), dtype=x.dtype)

        def one(b):
            eps = np.finfo(b.dtype).eps
            y, _ = gmres(J, b, rtol=eps**0.75, restart=min(x.size, 50))
            return _solved_to(product, y, b, eps**0.5)

        return _each(one)

    return way


def _products(equation, x):
    """v -> J v; a Dual v keeps its tangents, so that `jacfwd` makes a matrix of it."""

    def product(v):
        dy = jvp(equation, (x,), (v,))[1]
        return dy if isinstance(v, Dual) else primal(dy)

    return product


def _each(one):
    """Right sides one by one; the solution for zeros is zeros."""

    def solve(b):
        y = np.zeros_like(b, shape=(math.prod(b.shape[:-1]), b.shape[-1]))
        for row, of_row in zip(b.reshape(y.shape), y, strict=True):
            if np.any(to_numpy(row) != 0):
                of_row[...] = one(row)
        return y.reshape(b.shape)

    return solve


def _solved_to(product, y, b, tolerance):
    """y, where J y is b to this part of it."""
    off, size = (float(to_numpy(np.linalg.norm(a))) for a in (product(y) - b, b))
    if not off <= tolerance * size:
        raise ConvergenceError(
            f"linear_solve has not solved J y = b: |J y - b| is {off / size:.1e} of |b|; expected at most "
            f"{tolerance:.1e}. J may be singular, or need more steps or a preconditioner: give a linear_solve= of your "
            "own"
        )
    return y
