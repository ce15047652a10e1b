"""PairedMatrix: the matrices W + E_i and W - E_i of particles in antithetic pairs, none of which is written out."""

from typing import Any

import numpy as np

from ...backend import Array
from .shifted_matrix import ShiftedMatrix

_NEAR = 2**18  # bytes of E that are multiplied by both of a pair while they are near, in a processor's own memory


class Paired:
    """E of some particles and -E of others, ``(K, n, m)``: what they add to a matrix, or to all parameters."""

    def __init__(self, above: Array, below: Array) -> None:
        self.above, self.below, self.dtype = above, below, above.dtype
        self.shape = (len(above) + len(below), *above.shape[1:])
        self.ndim, self.size = above.ndim, above.size + below.size

    def __len__(self) -> int:
        return len(self.above) + len(self.below)

    def __getitem__(self, some: Any) -> Any:
        """Those of consecutive particles, or of one."""
        if isinstance(some, slice):
            first, end, _ = some.indices(len(self))
            half = len(self.above)
            return Paired(self.above[first:end], self.below[max(first - half, 0) : max(end - half, 0)])
        return Paired.dense(self[some : some + 1])[0]

    def dense(self) -> Array:
        """All of them, written out."""
        return np.concatenate([self.above, -self.below])

    @property
    def mT(self) -> "Paired":  # noqa: N802
        """The transposed matrices."""
        above = self.above.swapaxes(-1, -2)
        return Paired(above, above if self.below is self.above else self.below.swapaxes(-1, -2))


class PairedMatrix(ShiftedMatrix):
    """``W ± E`` of shape ``(K, n, m)``: as a `ShiftedMatrix`, with a `Paired` for its shift.

    Notes
    -----
    ``x @ M`` is x W ± x E: one product with W for all K, and E is read once for both of a pair.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.online.evolution.paired_matrix import Paired, PairedMatrix
    >>> E = np.full((1, 2, 2), 0.5)
    >>> (np.array([[1.0, 2.0]]) @ PairedMatrix(np.eye(2), Paired(E, E))).tolist()
    [[[2.5, 3.5]], [[-0.5, 0.5]]]
    """

    __slots__ = ()

    @property
    def mT(self) -> "PairedMatrix":  # noqa: N802
        """The transposed matrices."""
        return PairedMatrix(self.matrix.T, self.shift.mT)

    def __getitem__(self, index: Any) -> Any:
        return self.written()[index]

    def __reduce__(self) -> tuple[Any, ...]:
        return PairedMatrix, (self.matrix, self.shift)

    def times(self, x: Array) -> Array:
        """x W ± x E for rows x ``(n,)``, ``(r, n)`` that all have in common, or ``(K, r, n)``."""
        if x.ndim == 1:
            return self.times(x[None])[..., 0, :]
        above, below, W = self.shift.above, self.shift.below, self.matrix
        common = np.reshape(np.reshape(x, (-1, x.shape[-1])) @ W, (*x.shape[:-1], W.shape[-1]))
        if x.ndim == 2:
            there = np.flatnonzero(np.any(x, axis=0))
            few = there if 2 * len(there) < len(W) else slice(None)  # of a symbol it is one row of every E
            moved = x[:, few] @ above[:, few]
            return np.concatenate([common + moved, common - (moved if below is above else x[:, few] @ below[:, few])])
        if x.ndim > 3 or below is not above:
            half = len(above)
            return common + np.concatenate([x[..., :half, :, :] @ above, -(x[..., half:, :, :] @ below)], axis=-3)
        step, half = max(_NEAR // max(above[0].nbytes, 1), 1), len(above)
        total = common if common.dtype == np.result_type(common, above) else common.astype(above.dtype)
        for first in range(0, half, step):
            E, up = above[first : first + step], slice(first, min(first + step, half))
            down = slice(half + up.start, half + up.stop)
            total[up] += x[up] @ E
            total[down] -= x[down] @ E
        return total
