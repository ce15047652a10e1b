"""The Jacobian as an operator of SciPy: products with vectors by passes, and transposed ones by J itself."""

import functools
from typing import Any

import numpy as np

from ..backend import is_host
from ..chunks import in_chunks
from ..dual import Dual, lift, primal
from ..errors import TangentLossError
from ..layout import Layout, ravel
from ..params import with_entries
from ..random import Rng
from ..transforms import jacfwd
from ..transforms.basis import Chunk
from ..tree import Function, Tree, leaves, map_leaves
from .linearization import linearize


def operator(f: Function, x: Tree, chunk: Chunk = None) -> Any:
    """The Jacobian J of f at x as a ``scipy.sparse.linalg.LinearOperator``, which is not formed.

    Parameters
    ----------
    f : callable
        A function of x, written with ``np.*`` and operators.
    x : array, number, or tree of them (dict, list, tuple, Params)
        Where J is taken; it is copied. All real, or all complex, where f is taken to be holomorphic.
    chunk : int or "auto", optional
        How many columns of a matrix go in one pass, as in `jacfwd`.

    Returns
    -------
    A LinearOperator of shape (m, n), for the n entries of x and the m of f(x), both in the order of `Layout`. ``J @ v``
    is one pass of the linear part of f, by `linearize`, and ``J @ V`` one for all columns of V.

    Raises
    ------
    ImportError
        Where SciPy is not installed.
    ValueError
        When f is not holomorphic at a complex x.
    TangentLossError
        When x or f(x) carries a tangent, which SciPy's solvers would drop: see `implicit`.

    Notes
    -----
    Forward mode has no product with Jᵀ. Where one is asked for (``J.T``, `lsmr`, `svds`), J is formed, once,
    in n directions, and multiplies from then on.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from scipy.sparse.linalg import gmres
    >>> residual = lambda u: u**3 + 2 * u - np.roll(u, 1) - 1
    >>> u = np.zeros(50)
    >>> for _ in range(6):                                         # Newton's method, without a matrix
    ...     step, failed = gmres(dg.operator(residual, u), residual(u), rtol=1e-10)
    ...     u = u - step
    >>> print(np.abs(residual(u)).max() < 1e-12)
    True
    """
    try:
        from scipy.sparse.linalg import LinearOperator
    except ImportError:
        raise ImportError("dg.operator needs SciPy, which is not installed: pip install scipy") from None
    if not callable(f):
        raise TypeError(f"dg.operator got a {type(f).__name__}; expected a function: dg.operator(f, x)")
    x = map_leaves(lift, x)
    products = Products(f, x, chunk)
    return LinearOperator(
        products.shape,
        matvec=products.of_vector,
        rmatvec=products.transposed,
        matmat=products.of_columns,
        rmatmat=products.transposed,
        dtype=products.dtype,
    )


class Products:
    """Those of the Jacobian of f at x: with columns by passes, until it is formed for its transpose."""

    def __init__(self, f, x, chunk):
        self.f, self.chunk = f, chunk
        vector, self.layout = ravel(x)
        self.vector = vector.copy()  # x may be written to before the operator is used
        self.x = x = with_entries(x, self.vector, self.layout)
        if not is_host(primal(self.vector)):
            raise TypeError("dg.operator got arrays of a device; SciPy's solvers work on the host: x.get() of them")
        if len({np.iscomplexobj(a) for a in leaves(x)}) > 1:
            raise TypeError(
                "dg.operator got real and complex arrays; expected one or the other: x + 0j of the real ones"
            )
        y, self.push = linearize(f, x)
        for what, tree in (("x", x), ("f(x)", y)):
            if any(isinstance(a, Dual) for a in leaves(tree)):
                raise TangentLossError(
                    f"{what} carries a tangent, which SciPy's solvers would drop: dg.implicit differentiates what they "
                    "find; or dg.operator(f, dg.primal(x))"
                )
        self.of_y = Layout.of(y)
        self.shape = self.of_y.size, self.layout.size
        self.dtype = np.result_type(self.of_y.vector(y), self.vector)
        if self.vector.dtype.kind == "c":
            along = Rng(0).normal(self.vector.size)
            jacfwd(lambda t: self._entries(self.vector + t * along))(0j)  # raises where f is not holomorphic

    def of_vector(self, v):
        return self.of_columns(v.reshape(-1, 1))[:, 0]

    def of_columns(self, V):
        if "formed" in vars(self):
            return self.formed @ V
        if np.iscomplexobj(V) and self.vector.dtype.kind != "c":
            return self.of_columns(V.real) + 1j * self.of_columns(V.imag)
        rows = V.T.astype(self.vector.dtype)

        def push(start, stop):
            return self.of_y.rows(self.push(self.layout.tree(rows[start:stop])), stop - start)

        if len(rows) == 1:
            return self.of_y.vector(self.push(self.layout.tree(rows[0])))[:, None]
        return np.concatenate(in_chunks(push, len(rows), self.chunk)).T

    def transposed(self, u):
        return self.formed.conj().T @ u

    @functools.cached_property
    def formed(self):
        return self.of_columns(np.eye(self.vector.size))

    def _entries(self, v):
        return self.of_y.vector(map_leaves(lift, self.f(with_entries(self.x, v, self.layout))))
