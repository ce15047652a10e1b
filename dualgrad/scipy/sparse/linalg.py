"""``scipy.sparse.linalg``: solutions of sparse systems with a constant matrix, one factorization for all tangents."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csc_array, issparse
from scipy.sparse import linalg as spl

from ...backend import Array
from ...dispatch import own
from ...dual import Dual, as_array
from ...extend import lasting
from ...rules.declare import linear
from ..columns import by_columns
from ..shared import others

__all__ = ["factorized", "splu", "spsolve"]
__getattr__ = others(spl)


@own
def sparse_solution(b, lu, trans):
    """The solution by the factors of SuperLU, in the precision of both."""
    dtype = np.result_type(b, lu.L.dtype)
    if dtype.kind == "c" and lu.L.dtype.kind != "c":
        return lu.solve(np.ascontiguousarray(b.real), trans) + 1j * lu.solve(np.ascontiguousarray(b.imag), trans)
    return lu.solve(np.ascontiguousarray(b, lu.L.dtype), trans).astype(dtype, copy=False)


def _all_directions(db, ndim, lu, trans):
    columns = db[..., None] if ndim == 1 else db
    y = by_columns(lambda d: sparse_solution(d, lu, trans), columns, db.shape[:1])
    return y[..., 0] if ndim == 1 else y


with lasting():
    linear(sparse_solution, lead=_all_directions)


def spsolve(A: Any, b: ArrayLike, permc_spec: str | None = None, use_umfpack: bool = True) -> Array:
    """The solution X of A X = B for a constant sparse A and a dense b, a vector or columns.

    Value and tangents, of every direction and order, come of one factorization, by SuperLU. Where b is no Dual, the
    result is SciPy's.

    Raises
    ------
    TangentLossError
        From SciPy, for a matrix A made of Duals: a sparse matrix has plain entries. A banded system takes them,
        `dualgrad.scipy.linalg.solve_banded`, and so does any system through `dualgrad.implicit`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np, scipy.sparse
    >>> from dualgrad.scipy.sparse import linalg
    >>> A = scipy.sparse.diags_array([2.0, 4.0], format="csc")
    >>> dg.jacfwd(lambda b: linalg.spsolve(A, b))(np.ones(2))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    b = as_array(b)
    if not isinstance(b, Dual):
        return spl.spsolve(A, b, permc_spec, use_umfpack)
    if b.ndim == 2 and b.shape[1] == 1:  # of which SciPy makes a vector
        b = b[:, 0]
    return splu(A, permc_spec).solve(b)


class SparseFactors:
    """What `splu` gives: the factors of SuperLU, whose ``solve`` takes Duals; every other name is SciPy's."""

    def __init__(self, lu: Any) -> None:
        self._lu = lu

    def solve(self, b: ArrayLike, trans: str = "N") -> Any:
        """The solution of A X = B; of the transposed system for "T", of the adjoint one for "H"."""
        b = as_array(b)
        return sparse_solution(b, self._lu, trans) if isinstance(b, Dual) else self._lu.solve(b, trans)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lu, name)


def splu(A: Any, *settings: Any, **named: Any) -> SparseFactors:
    """The factors of a constant sparse matrix, by SuperLU, with the settings of SciPy.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np, scipy.sparse
    >>> from dualgrad.scipy.sparse import linalg
    >>> lu = linalg.splu(scipy.sparse.diags_array([2.0, 4.0], format="csc"))
    >>> dg.derivative(lambda t: lu.solve(t * np.ones(2)))(1.0)
    array([0.5 , 0.25])
    """
    if not issparse(A):
        raise TypeError(f"got {type(A).__name__} for A; expected a sparse matrix: dualgrad.scipy.linalg.solve")
    return SparseFactors(spl.splu(csc_array(A), *settings, **named))


def factorized(A: Any) -> Callable[[ArrayLike], Any]:
    """A function that solves A x = b for a constant sparse A, factorized once.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np, scipy.sparse
    >>> from dualgrad.scipy.sparse import linalg
    >>> solve = linalg.factorized(scipy.sparse.diags_array([2.0, 4.0], format="csc"))
    >>> dg.derivative(lambda t: solve(t * np.ones(2)))(1.0)
    array([0.5 , 0.25])
    """
    return splu(A).solve
