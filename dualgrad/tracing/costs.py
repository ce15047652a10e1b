"""Multiply-adds of an operation, estimated."""

import math

import numpy as np

from ..backend import is_array
from ..rules.einsum import from_sublists, spelled_out
from ..zero import ZERO

MOVED = frozenset(
    "append array array_split astype atleast_1d atleast_2d atleast_3d block broadcast_arrays broadcast_to column_stack "
    "compress concatenate copy copyto delete diag diagflat diagonal dsplit dstack empty_like expand_dims extract "
    "fft.fftshift fft.ifftshift fill_diagonal flip fliplr flipud full_like getitem hsplit hstack imag insert "
    "linalg.diagonal linalg.matrix_transpose matrix_transpose meshgrid moveaxis ones_like pad permute_dims place put "
    "put_along_axis putmask ravel real repeat reshape resize roll rollaxis rot90 select setitem split squeeze stack "
    "swapaxes take take_along_axis tile transpose tril trim_zeros triu unstack vsplit vstack where zeros_like".split()
)
_FACTORIZATIONS = frozenset(
    "cholesky det eig eigh eigvals eigvalsh inv lstsq matrix_power pinv qr slogdet solve svd svdvals".split()
)


def multiply_adds(operation, function, args, leaves, outputs):
    """Multiply-adds of one evaluation: the terms of products, n³ for a factorization, n log n for a transform, none
    where entries only move; for all others, the size of the largest array."""
    if operation in MOVED:
        return 0
    module, _, name = operation.rpartition(".")
    arrays = [a for a in leaves if is_array(a) and a is not ZERO]
    largest = max((a.size for a in (*arrays, *outputs) if is_array(a)), default=0)
    if function is np.einsum:
        subscripts, *factors = args if isinstance(args[0], str) else from_sublists(args)
        letters, sizes = "".join(spelled_out(subscripts, factors)[0]), {}
        for letter, n in zip(letters, (n for factor in factors for n in np.shape(factor)), strict=True):
            sizes[letter] = max(n, sizes.get(letter, 0))  # an axis of 1 broadcasts
        return math.prod(sizes.values())
    if len(arrays) > 1 and arrays[0].ndim and arrays[1].ndim:
        x, y = arrays[:2]
        if name in ("matmul", "imatmul", "dot", "inner", "vecdot", "matvec", "vecmat"):
            return outputs[0].size * x.shape[-1]
        if name in ("tensordot", "vdot"):
            return math.isqrt(x.size * y.size * outputs[0].size)
        if name in ("convolve", "correlate"):
            return x.size * y.size
    if module == "linalg" and name in _FACTORIZATIONS:
        return largest * arrays[0].shape[-1]
    return largest * max(largest, 2).bit_length() if module == "fft" else largest
