"""Propagation of uncertainty: the mean and the covariance of f(x) for an x with a covariance."""

from typing import Any, Literal

import numpy as np

from ..chunks import DEFAULT, in_chunks
from ..dual import lift, primal
from ..layout import Layout, ravel
from ..pushforward import jvp
from ..transforms.basis import Chunk
from ..tree import Function, Tree, flatten, is_container, map_leaves, rebuild
from ..vectors import in_kind
from .covariances import in_rows
from .entrywise import entrywise

NOT_REAL = "propagate takes real numbers; {} complex ones: give real and imaginary parts"


def propagate(
    f: Function,
    x: Tree,
    cov: Any = None,
    order: Literal[1, 2] = 1,
    factor: Any = None,
    chunk: Chunk = None,
) -> tuple[Any, Any]:
    """The value of f(x) and its covariance J Σ Jᵀ, for an x of covariance Σ: a factor of Σ is pushed through f.

    Parameters
    ----------
    f : callable
        A function of x, written with ``np.*`` and operators, whose result is a tree of real numbers.
    x : array, number, or tree of them (dict, list, tuple, Params)
        Of real floating numbers, n in all: the means.
    cov : array, number, or tree like x
        ``(n, n)``: the covariance of the entries of x, in the order of `Layout`. ``(n,)``, or like x: the variances of
        independent entries, squares of standard deviations. It may be singular.
    order : {1, 2}
        2 takes the curvature of f into account: mean and covariance are those of its second-order Taylor polynomial
        where x is Gaussian, f(x) + ½ tr(H Σ) and J Σ Jᵀ + ½ tr(H Σ H Σ).
    factor : array of shape ``(n, r)``
        In place of cov an F with Σ = F Fᵀ: as many directions as it has columns.
    chunk : int or "auto", optional
        How many directions to push in one pass, as in `jacfwd`.

    Returns
    -------
    y : f(x), for ``order=2`` with its correction
    covariance : a number where y is one; else ``(m, m)``, for the m entries of y in the order of `Layout`

    Raises
    ------
    ShapeError, StructureError
        For what has not the size of x.
    ValueError
        For a cov that is not symmetric, or has a negative eigenvalue.
    NonFiniteError
        For one with NaN or infinite entries.

    Notes
    -----
    It costs n directions at most: none for entries of variance 0, nor for what a singular covariance lacks in rank.
    Where variances are many, and f works entry by entry on arrays of one shape, it costs one for each array; a random
    direction more decides whether it does (not where ``chunk`` is given). ``order=2`` costs r² / 2 directions for a
    factor of r columns.

    The linear terms are all that order 1 sees: where f bends within a standard deviation, compare the two. It nests:
    x, cov and factor may carry tangents; cov then has to be positive definite.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> resistance, variance = dg.propagate(lambda x: x["U"] / x["I"], {"U": 5.0, "I": 0.1}, {"U": 0.01, "I": 1e-6})
    >>> print(f"{resistance:.1f} ± {variance**0.5:.2f}")
    50.0 ± 1.12
    >>> polar = lambda x: np.stack([np.hypot(x[0], x[1]), np.arctan2(x[1], x[0])])
    >>> y, cov = dg.propagate(polar, np.array([3.0, 4.0]), np.array([[0.02, 0.01], [0.01, 0.02]]))
    >>> print(y.round(3), cov.round(4), sep="\\n")
    [5.    0.927]
    [[ 0.0296 -0.0006]
     [-0.0006  0.0004]]
    """
    if not callable(f):
        raise TypeError(f"dg.propagate got a {type(f).__name__}; expected a function: dg.propagate(f, x, cov)")
    if order not in (1, 2) or isinstance(order, bool):
        raise ValueError(f"got order={order!r}; expected 1, for J Σ Jᵀ, or 2, with the curvature of f")
    x = map_leaves(lift, x)
    vector, layout = ravel(x)
    if np.iscomplexobj(vector):
        raise TypeError(NOT_REAL.format("x has"))
    rows = in_rows(cov, factor, x, layout)

    def along(start, stop):
        return layout.tree(in_kind(rows.part(start, stop), primal(vector)))

    plain = rows.deviations.__class__ is vector.__class__ is np.ndarray
    if plain and order == 1 and chunk is None and rows.count > DEFAULT:
        found = entrywise(f, x, rows.deviations, layout)
        if found is not None:
            return found
    y, T = _along_rows(f, x, along, 0, rows.count, chunk)
    if np.iscomplexobj(T):
        raise TypeError(NOT_REAL.format("f returned"))
    found = T.T @ T
    if order == 2 and rows.count:
        half_trace, curved = _curved(f, x, along, rows.count, chunk)
        y, found = _corrected(y, half_trace), found + curved
    return y, found[0, 0] if not is_container(y) and np.shape(y) == () else found


def _along_rows(f, x, along, first, count, chunk):
    """f(x), and its tangents along the rows of the factor from the first on: ``(count - first, m)``."""
    y = None

    def push(start, stop):
        nonlocal y
        y, d = jvp(f, (x,), (along(first + start, first + stop),))
        return Layout.of(y).rows(d, stop - start)

    parts = in_chunks(push, count - first, chunk)
    return y, parts[0] if len(parts) == 1 else np.concatenate(parts)


def _curved(f, x, along, count, chunk):
    """½ tr(H Σ) and ½ tr(H Σ H Σ), from the second derivatives along each pair of rows."""
    half_trace = curved = 0
    for k in range(count):
        v = map_leaves(lambda a: a[0], along(k, k + 1))
        _, D = _along_rows(lambda x, v=v: jvp(f, (x,), (v,))[1], x, along, k, count, chunk)
        half_trace = half_trace + 0.5 * D[0]
        D = np.concatenate([0.5**0.5 * D[:1], D[1:]])
        curved = curved + D.T @ D
    return half_trace, curved


def _corrected(y, by):
    """A tree whose entries are greater by those of a vector, in their dtypes."""
    layout = Layout.of(y)
    places = zip(layout.slices.values(), layout.shapes.values(), strict=True)
    parts = [by[place].reshape(shape) for place, shape in places]
    leaves, structure = flatten(y)
    kinds = [np.result_type(getattr(a, "dtype", type(a)), np.float16) for a in leaves]
    return rebuild(structure, [a + b.astype(kind) for a, b, kind in zip(leaves, parts, kinds, strict=True)])
