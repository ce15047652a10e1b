"""Sample calls of np.linalg."""

import numpy as np

from tests.support.cases import Rows, real, z

ROWS = Rows()
case = ROWS.case


def _beyond(q):
    """The projection on all columns but the first."""
    return q[..., 1:] @ np.conj(np.swapaxes(q[..., 1:], -1, -2))


for f in (np.linalg.inv, np.linalg.det):
    case(f, real(3, 3))
    case(f, real(2, 2, 2))
    case(f, z(2, 2))
    case(f, real(1, 1))
    case(f, real(0, 2, 2))
case(np.linalg.det, real(0, 0))
case(np.linalg.inv, real(0, 0))
case(np.linalg.slogdet, real(3, 3))
case(np.linalg.slogdet, real(2, 2, 2))
case(np.linalg.slogdet, z(2, 2))
case(np.linalg.solve, real(3, 3), real(3))
case(np.linalg.solve, real(3, 3), real(3, 2))
case(np.linalg.solve, real(2, 2, 2), real(2))
case(np.linalg.solve, real(2, 2), real(3, 2, 1))
case(np.linalg.solve, real(3, 1, 2, 2), real(2, 2, 1))
case(np.linalg.solve, z(2, 2), z(2))
case(np.linalg.solve, real(2, 2), np.array([1.0, 2.0]))
case(np.linalg.solve, np.array([[2.0, 1.0], [0.0, 1.0]]), real(2))
case(np.linalg.pinv, real(3, 2))
case(np.linalg.pinv, real(2, 2, 3))
case(np.linalg.pinv, z(2, 3))
case(np.linalg.pinv, real(3, 2), 1e-12)

SQUARE = [real(3, 3), real(2, 2, 2), z(2, 2), real(1, 1)]
for draw in SQUARE:
    eye = np.eye(draw.shape[-1])
    case(np.linalg.cholesky, draw, eye, _call=lambda x, e: np.linalg.cholesky(x @ np.conj(np.swapaxes(x, -1, -2)) + e))
case(np.linalg.cholesky, real(2, 2), np.eye(2), _call=lambda x, e: np.linalg.cholesky(x + x.T + 5 * e, upper=True))
for f in (np.linalg.eigh, np.linalg.eigvalsh):
    for draw in SQUARE[:2]:
        case(f, draw)
        case(f, draw, "U")
case(np.linalg.eigvalsh, z(3, 3))
case(np.linalg.eigvals, z(3, 3))
case(np.linalg.eigvals, real(2, 2, 2))
case(np.linalg.eig, real(2, 2), np.diag([4.0, -3.0]), _call=lambda x, d: np.linalg.eig(x @ x.T + d))
case(np.linalg.svdvals, real(3, 2))
case(np.linalg.svdvals, real(2, 2, 2))
case(np.linalg.svdvals, z(2, 3))
case(np.linalg.qr, real(3, 3))
case(np.linalg.qr, real(3, 2))
case(np.linalg.qr, real(2, 2, 3))
case(np.linalg.qr, z(2, 2))
case(np.linalg.qr, real(2, 3), mode="r")
case(np.linalg.qr, real(2, 3), mode="complete")
for draw in (real(3, 2), real(2, 2, 1)):
    case(np.linalg.qr, draw, mode="complete")
    case(np.linalg.svd, draw)
for draw in (real(2, 3, 1), z(3, 1)):  # of a basis of free choice, the projection on its space
    case(np.linalg.qr, draw, _call=lambda a: _beyond(np.linalg.qr(a, "complete")[0]))
    case(np.linalg.svd, draw, _call=lambda a: _beyond(np.linalg.svd(a)[0]))
for a, b in ((real(3, 2), real(3)), (real(3, 2), real(3, 2)), (real(2, 3), real(2)), (z(3, 2), z(3))):
    case(np.linalg.lstsq, a, b, _call=lambda a, b: [y for k, y in enumerate(np.linalg.lstsq(a, b)) if k != 2])
for n in (-2, -1, 0, 1, 2, 3, 5):
    case(np.linalg.matrix_power, real(2, 2), n)
case(np.linalg.matrix_power, real(2, 2, 2), 3)
case(np.linalg.multi_dot, [real(2, 3), real(3, 2), real(2, 2)])
case(np.linalg.multi_dot, [real(3), real(3, 2), real(2)])
case(np.linalg.tensorsolve, real(2, 3, 6), real(2, 3))
case(np.linalg.tensorsolve, real(2, 4, 2), real(4), axes=(0,))
case(np.linalg.tensorinv, real(4, 2, 2), ind=1)
case(np.linalg.tensorinv, real(2, 2, 4))
for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro"):
    case(np.linalg.cond, real(3, 3), p)
case(np.linalg.cond, real(2, 3, 2))
for p in ("fro", "nuc", 1, -np.inf, 2):
    case(np.linalg.matrix_norm, real(2, 3, 2), ord=p)
case(np.linalg.matrix_norm, real(3, 2), keepdims=True)
for p in (2, 1, 3, np.inf, 0.5):
    case(np.linalg.vector_norm, real(2, 3), ord=p)
case(np.linalg.vector_norm, real(2, 3, 2), axis=(0, 2), keepdims=True)
case(np.linalg.vector_norm, z(3))
case(np.linalg.cross, real(3), real(3))
case(np.linalg.cross, real(3, 2), real(3, 2), axis=0)
case(np.linalg.diagonal, real(2, 3, 3))
case(np.linalg.diagonal, real(3, 3), offset=1)
case(np.linalg.matmul, real(2, 3), real(3, 2))
case(np.linalg.matmul, real(3), real(2, 3, 2))
case(np.linalg.matrix_transpose, real(2, 3, 2))
case(np.matrix_transpose, real(2, 3))
case(np.linalg.outer, real(2), real(3))
case(np.linalg.tensordot, real(2, 3, 2), real(3, 2))
case(np.linalg.trace, real(2, 3, 3))
case(np.linalg.trace, real(3, 3), offset=-1)
case(np.linalg.vecdot, real(2, 3), real(3))
case(np.linalg.vecdot, z(3, 2), z(3, 2), axis=0)
case(np.vecdot, real(2, 3), real(3))
case(np.vecdot, real(3), real(2, 2, 3))
case(np.vecdot, z(3), z(3))
if hasattr(np, "matvec"):
    case(np.matvec, real(2, 3), real(3))
    case(np.matvec, real(2, 3), real(2, 2, 3))
    case(np.vecmat, real(3), real(2, 3, 2))
    case(np.vecmat, z(3), z(3, 2))

CONSTANT_CALLS = {
    np.linalg.matrix_rank: np.linalg.matrix_rank,
    np.einsum_path: lambda x: np.einsum_path("ij,kj->ik", x, x),
}
