"""The rank-one trick: a sum of outer products replaced by one, of the same mean (NoBackTrack, Proposition 1)."""

from typing import Any

import numpy as np

from ..backend import Array, ArrayLike, to_numpy
from ..errors import NonFiniteError, ShapeError
from ..inputs import as_input
from ..random import RngLike, as_rng
from .dynamics import is_finite


def balance(v_norm, w_norm):
    """ρ = √(‖w‖/‖v‖) and 1/ρ, which make ‖ρ v‖ = ‖w/ρ‖ (eq. 52); both 0 where v wᵀ is zero: such terms are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.online.rank_one import balance
    >>> balance(np.array([1.0, 2.0]), np.array([4.0, 0.0]))
    (array([2., 0.]), array([0.5, 0. ]))
    """
    a, b = np.sqrt(v_norm), np.sqrt(w_norm)
    some = (a > 0) & (b > 0)
    if to_numpy(some.all()):
        return b / a, a / b
    return np.where(some, b, 0) / np.where(some, a, 1), np.where(some, a, 0) / np.where(some, b, 1)


def balance_with_ones(w_norm):
    """`balance` of vectors of norm 1 and others."""
    b = np.sqrt(w_norm)
    some = b > 0
    return (b, 1 / b) if to_numpy(some.all()) else (np.where(some, b, 0), np.where(some, 1, 0) / np.where(some, b, 1))


def row_norms(rows):
    """‖row‖ of every row; squared in double precision, where small numbers of single precision do not vanish."""
    return np.sqrt(np.square(rows, dtype=np.float64).sum(axis=-1)).astype(rows.dtype, copy=False)


def rank_one_trick(v: ArrayLike, w: ArrayLike, *, rng: RngLike, rescale: bool = True) -> tuple[Array, Array]:
    """Σ_i v_i w_iᵀ as one outer product of the same mean: (Σ ε_i ρ_i v_i)(Σ ε_i w_i/ρ_i)ᵀ, with signs ε_i (eq. 7).

    Parameters
    ----------
    v, w : arrays ``(k, n)`` and ``(k, p)``
        The terms.
    rng : int, numpy.random.Generator or Rng
    rescale : bool
        Take ρ_i = √(‖w_i‖/‖v_i‖), of least variance (eq. 52), instead of 1.

    Returns
    -------
    vectors ``(n,)`` and ``(p,)``

    Raises
    ------
    ShapeError
        When v and w have not as many terms.
    TypeError, NonFiniteError
        For terms that are no real numbers, or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.online import rank_one_trick
    >>> rank_one_trick(np.eye(2), 4 * np.eye(2), rng=0)
    (array([-2., -2.]), array([-2., -2.]))
    """
    v, w = _terms(v, w)
    signs = as_rng(rng).signs((len(v),), dtype=v.dtype, like=v)
    rho = inverse = np.ones_like(signs)
    if rescale:
        rho, inverse = balance(row_norms(v), row_norms(w))
    return (signs * rho) @ v, (signs * inverse) @ w


def rank_one_variance(v: ArrayLike, w: ArrayLike, *, rescale: bool = True) -> Any:
    """The total variance of `rank_one_trick`: E‖Ã‖² - ‖A‖² in the Hilbert-Schmidt norm.

    Rescaled, Σ_{i≠j} ‖v_i‖‖v_j‖‖w_i‖‖w_j‖ + ⟨v_i, v_j⟩⟨w_i, w_j⟩ (eq. 58); else Σ_{i≠j} ‖v_i‖²‖w_j‖² in the place of
    the first term (from eqs. 49 and 56).

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.online import rank_one_variance
    >>> float(rank_one_variance(np.eye(2), np.array([[1.0, 0.0], [0.0, 9.0]])))
    18.0
    >>> float(rank_one_variance(np.eye(2), np.array([[1.0, 0.0], [0.0, 9.0]]), rescale=False))
    82.0
    """
    v, w = _terms(v, w)
    a, b = v @ v.T, w @ w.T
    sizes = np.sqrt(np.outer(np.diag(a), np.diag(a)) * np.outer(np.diag(b), np.diag(b)))
    first = sizes if rescale else np.outer(np.diag(a), np.diag(b))
    each = first + a * b
    return each.sum() - np.trace(each)


def _terms(v, w):
    v, w = (as_input(terms, "the rank-one trick", f"terms {name}", "biuf") for name, terms in (("v", v), ("w", w)))
    if v.ndim != 2 or w.ndim != 2 or len(v) != len(w):
        raise ShapeError(f"got terms of shapes {v.shape} and {w.shape}; expected (k, n) and (k, p) with one k")
    if not is_finite((v, w)):
        raise NonFiniteError("got terms of the rank-one trick with a NaN or an infinity")
    return v, w
