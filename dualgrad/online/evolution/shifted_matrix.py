"""ShiftedMatrix: a matrix W + a bᵀ that is not written out, by which a particle's parameters stand."""

from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ...backend import Array
from ...outer_product import OuterProduct


class ShiftedMatrix(NDArrayOperatorsMixin):
    """``W + a bᵀ`` of shape ``(n, m)``, or K of them, ``(K, n, m)``, that differ in a and b.

    Parameters
    ----------
    matrix : array ``(n, m)``
        W, which all have in common.
    shift : OuterProduct ``(n, m)`` or ``(K, n, m)``

    Notes
    -----
    ``x @ M`` is x W + (x a) bᵀ, and ``M @ y`` is W y + a (bᵀ y): one product with W for all K. ``.T`` of one matrix,
    ``.mT`` and ``M[k]`` are of the same kind. Any other use writes it out, and nothing writes into it. It is no
    ``np.ndarray``; a derivative with respect to it is one with respect to ``np.array(M)``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.online.evolution.shifted_matrix import ShiftedMatrix
    >>> M = ShiftedMatrix(np.eye(2), dg.OuterProduct(np.array([0.5, -0.5]), np.array([1.0, 1.0])))
    >>> np.array([1.0, 2.0]) @ M, np.asarray(M).tolist()
    (array([0.5, 1.5]), [[1.5, 0.5], [-0.5, 0.5]])
    """

    __slots__ = ("matrix", "shift")
    __hash__ = None

    matrix: Array
    shift: OuterProduct

    def __init__(self, matrix: Array, shift: OuterProduct) -> None:
        self.matrix, self.shift = matrix, shift

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n, m)`` or ``(K, n, m)``."""
        return self.shift.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.shift.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.shift.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the sum."""
        return np.result_type(self.matrix.dtype, self.shift.dtype)

    def written(self) -> Array:
        """The matrix as an array, which is a copy: it cannot be written into."""
        array = self.matrix + self.shift.dense()
        if array.__class__ is np.ndarray:
            array.flags.writeable = False
        return array

    def times(self, x: Array) -> Array:
        """x W + (x a) bᵀ for rows x ``(n,)`` or ``(..., r, n)``."""
        a, b, W = self.shift.a, self.shift.b, self.matrix
        if x.ndim == 1:
            return self.times(x[None])[..., 0, :]
        along = (x @ a.T).T[..., None] if x.ndim == a.ndim == 2 else x @ a[..., None]
        total = along * b[..., None, :]
        flat = np.reshape(x, (-1, x.shape[-1])) @ W  # one product of many rows, where NumPy makes many of few
        shared = np.reshape(flat, (*x.shape[:-1], W.shape[-1]))
        if total.__class__ is np.ndarray and total.dtype == shared.dtype:
            total += shared
            return total
        return total + shared

    @property
    def mT(self) -> "ShiftedMatrix":  # noqa: N802
        """The transposed matrix, or matrices."""
        return ShiftedMatrix(self.matrix.T, OuterProduct(self.shift.b, self.shift.a))

    @property
    def T(self) -> Any:  # noqa: N802
        """The axes in reverse order."""
        return self.mT if self.ndim == 2 else self.written().T

    def __repr__(self) -> str:
        return f"ShiftedMatrix({self.dtype}{list(self.shape)})"

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self.written())

    def __getitem__(self, index: Any) -> Any:
        if self.ndim == 3 and isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            return ShiftedMatrix(self.matrix, self.shift[int(index)])
        return self.written()[index]

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        _refuse_writes()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.written(), dtype) if copy else np.asarray(self.written(), dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return ShiftedMatrix, (self.matrix, self.shift)

    def __getattr__(self, name: str) -> Any:
        if not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return getattr(self.written(), name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(out, ShiftedMatrix) for out in kwargs.get("out", ())):
            _refuse_writes()
        if ufunc is np.matmul and method == "__call__" and not kwargs.keys() - {"out"}:
            found = _matmul_shifted(*inputs)
            if found is not None:
                return _into(kwargs.get("out", (None,))[0], found)
        return getattr(ufunc, method)(*map(written_out, inputs), **_all_written_out(kwargs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if isinstance(kwargs.get("out"), ShiftedMatrix):
            _refuse_writes()
        if func in (np.shape, np.ndim):
            (given,) = (*args, *kwargs.values())
            return given.shape if func is np.shape else given.ndim
        return func(*map(written_out, args), **_all_written_out(kwargs))


def written_out(x: Any) -> Any:
    """A `ShiftedMatrix` as an array, also within lists and tuples; all else as it is."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(written_out, x))
    return x.written() if isinstance(x, ShiftedMatrix) else x


def _all_written_out(kwargs):
    return {name: written_out(value) for name, value in kwargs.items()}


def _refuse_writes():
    raise ValueError(
        "a particle's matrix W + a bᵀ is not written out and cannot be written into: take a copy, np.array(w)"
    )


def _into(out, found):
    """What was found, in an array that it was to be written into."""
    if out is None:
        return found
    if out.shape != found.shape:
        raise ValueError(f"got out of shape {out.shape} for a product of shape {found.shape}")
    np.copyto(out, found, casting="same_kind")
    return out


def _matmul_shifted(x, y):
    """x (W + a bᵀ) or (W + a bᵀ) y; None for what NumPy has to say something about."""
    x, y = (each if hasattr(each, "ndim") else np.asarray(each) for each in (x, y))
    if isinstance(y, ShiftedMatrix):
        x = written_out(x)
        return y.times(x) if x.ndim and x.shape[-1] == y.shape[-2] else None
    if not y.ndim or y.shape[max(y.ndim - 2, 0)] != x.shape[-1]:
        return None
    if y.ndim == 1:
        return x.mT.times(y)
    return np.swapaxes(x.mT.times(np.swapaxes(y, -1, -2)), -1, -2)
