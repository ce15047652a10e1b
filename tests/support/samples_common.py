"""Sample calls of the functions that most programs use: entry by entry, reductions, shapes, joins and products."""

import numpy as np

from tests.support.cases import MASK, Rows, above, inside, positive, real, z

ROWS = Rows()
case = ROWS.case

# ---------------------------------------------------------------------- entry by entry

ENTIRE = (
    np.negative, np.positive, np.square, np.exp, np.exp2, np.expm1, np.sin, np.cos, np.sinh, np.cosh, np.tanh,
    np.arctan, np.arcsinh, np.sinc, np.reciprocal,
)  # fmt: skip
for f in ENTIRE:
    case(f, real(2, 3))
    case(f, real())
    case(f, real(0, 2))
    case(f, z(2, 2))
for f in (np.degrees, np.rad2deg, np.radians, np.deg2rad, np.absolute, np.fabs):
    case(f, real(2, 3))
    case(f, real())
for f in (np.sqrt, np.log, np.log2, np.log10, np.log1p):
    case(f, positive(2, 3))
    case(f, positive())
    case(f, z(3))
for f in (np.arcsin, np.arccos, np.arctanh, np.tan):
    case(f, inside(2, 3))
    case(f, inside())
    case(f, z(3))
case(np.arccosh, above(2, 3))
case(np.arccosh, z(3))
case(np.absolute, z(2, 3))
for f in (np.conjugate, np.real, np.imag, np.angle):
    case(f, z(2, 3))
    case(f, z())
    case(f, real(3))
case(np.angle, z(3), deg=True)
case(np.real_if_close, z(3))
case(np.real_if_close, real(3))
case(np.nan_to_num, real(2, 3))
case(np.nan_to_num, z(3))
for f in (np.exp, np.tanh, np.sqrt):  # keywords of ufuncs
    case(f, positive(2, 3), dtype=np.float64)
    case(f, positive(2, 3), where=MASK, _call=lambda x, f=f, **kw: f(x, out=np.ones_like(x), **kw))
    case(f, positive(2, 3), _call=lambda x, f=f: f(x, out=np.zeros_like(x)))

# ---------------------------------------------------------------------- two operands

for f in (np.add, np.subtract, np.multiply):
    case(f, real(2, 3), real(2, 3))
    case(f, real(2, 1, 3), real(4, 1))
    case(f, real(), real(2))
    case(f, real(3), 2.5)
    case(f, 2, real(3))
    case(f, z(2, 2), z(2))
    case(f, z(2), real(2))
    case(f, real(0, 3), real(3))
for draw in (real(2, 3), z(5), real(), z()):
    case(np.multiply, draw, _call=lambda x: x * x)
case(np.divide, real(2, 3), positive(3))
case(np.divide, real(3), real(2, 1))
case(np.divide, 2.0, real(3))
case(np.divide, real(3), 4)
case(np.divide, z(2), z(2, 2))
case(np.divide, real(), real())
case(np.power, positive(2, 3), real(3))
case(np.power, positive(), real())
case(np.power, z(3), z(3))
case(np.power, positive(2, 1), positive(2))
for n in (0, 1, 2, 3, -1, -2, 0.5, 2.5):
    case(np.power, positive(3), n)
for n in (0, 1, 2, 3, -1):
    case(np.power, real(2, 2), n)
    case(np.power, real(3), n, _call=lambda x, n: x**n)
for n in (0, 1, 2, 3, -1, 0.5, 1.7):
    case(np.power, positive(), n, _call=lambda x, n: x**n)
    case(np.power, z(3), n, _call=lambda x, n: x**n)
case(np.power, positive(), positive(), _call=lambda x, y: x**y)
case(np.power, 2.0, positive(), _call=lambda x, y: x**y)
case(np.power, real(2, 3), np.array([0.0, 2.0, 3.0]))
case(np.power, 2.0, real(3))
case(np.power, 3, real(2), _call=lambda b, x: b**x)
for f in (np.logaddexp, np.logaddexp2):
    case(f, real(2, 3), real(3))
    case(f, real(2), real())
    case(f, 0.5, real(2))
case(np.arctan2, real(2, 3), real(3))
case(np.arctan2, real(), real(2))
case(np.arctan2, real(2), 1.0)
case(np.hypot, real(2, 3), real(3))
case(np.hypot, real(2), -1.5)
case(np.remainder, real(2, 3), 3.5)
case(np.remainder, inside(2, 3), above(3))
case(np.remainder, real(2, 3), inside(3), _call=lambda x, y: np.remainder(10 + x / 10, 4 + y / 10))
for f in (np.maximum, np.minimum, np.fmax, np.fmin):
    case(f, real(2, 3), real(3))
    case(f, real(2, 1), real(2))
    case(f, real(3), 0.05)
    case(f, real(), real())
for f in (np.add, np.multiply, np.maximum):
    case(f, real(2, 3), real(3), where=MASK, _call=lambda x, y, f=f, **kw: f(x, y, out=x * y, **kw))

# ---------------------------------------------------------------------- sums, moments, products

for f in (np.sum, np.mean, np.prod, np.var, np.std):
    case(f, real(2, 3))
    case(f, real(2, 3), axis=0)
    case(f, real(2, 3, 2), axis=(0, -1), keepdims=True)
    case(f, real(2, 3), axis=-1, where=np.array([[True, True, True], [True, False, True]]))
    case(f, real(1, 3), axis=1)
    case(f, z(2, 3), axis=1)
    case(f, real(4), _call=lambda x, f=f: getattr(x, f.__name__)(0))
case(np.sum, real(2, 3), initial=2.0, axis=1)
case(np.sum, real(5, 3), initial=0.3, axis=0)
case(np.prod, real(2, 3), initial=2.0, axis=1)
for f in (np.sum, np.prod):
    case(f, real(0))
    case(f, real(0, 3), axis=0)
    case(f, real())
    case(f, real(2, 3), axis=0, _call=lambda x, f=f, **kw: f(x, out=np.zeros_like(x, shape=(3,)), **kw))
for f in (np.var, np.std):
    case(f, real(2, 3), ddof=1)
    case(f, real(2, 3), axis=1, correction=1)
    case(f, real(4, 2), axis=0, keepdims=True, ddof=1)
    case(f, real(3, 2), axis=1, mean=real(3, 1), keepdims=True)
for f in (np.sum, np.mean, np.prod, np.cumsum, np.cumprod, np.var, np.std):
    case(f, real(2, 3), axis=0, dtype=np.float64)
for f in (np.cumsum, np.cumprod):
    case(f, real(2, 3))
    case(f, real(2, 3), axis=0)
    case(f, real(2, 3), axis=-1)
    case(f, real(0))
    case(f, z(5))
    case(f, real(1))
for f in (np.max, np.min, np.amax, np.amin):
    case(f, real(2, 3))
    case(f, real(2, 3), axis=0)
    case(f, real(2, 3, 2), axis=(0, -1), keepdims=True)
    case(f, real(2, 3), axis=1, initial=0.1)
    case(f, real(2, 3), axis=1, where=MASK, initial=0.05)
    case(f, real())
    case(f, real(1, 3), axis=0)

for f in (np.sum, np.mean, np.prod):  # NumPy's own order of positions: axis, dtype, out, keepdims
    case(f, real(2, 3), 0, None, None, True)
for f in (np.max, np.min):
    case(f, real(2, 3), 0, None, True)
for f in (np.var, np.std):
    case(f, real(3, 2), 0, None, None, 1, True)
for f in (np.cumsum, np.cumprod):
    case(f, real(2, 3), 1, np.float64, None)
case(np.max, real(2, 3), _call=lambda x: x.max(1, None, True))
case(np.sum, real(2, 3), _call=lambda x: np.sum(x, 0, None, np.zeros_like(x, shape=3)))

# ---------------------------------------------------------------------- methods of ufuncs

for f in (np.add, np.multiply, np.maximum, np.minimum, np.subtract, np.logaddexp, np.divide):
    case(f, positive(3, 2), _call=lambda x, f=f: f.reduce(x))
    case(f, positive(2, 3), _call=lambda x, f=f: f.accumulate(x, axis=1))
    case(f, positive(2), positive(2, 2), _call=lambda x, y, f=f: f.outer(x, y))
case(np.add, real(2, 3), _call=lambda x: np.add.reduce(x, axis=(0, 1), keepdims=True, initial=1.0))
case(np.multiply, real(2, 3), MASK, _call=lambda x, m: np.multiply.reduce(x, axis=None, where=m))
case(np.power, positive(2), positive(3), _call=lambda x, y: np.power.outer(x, y))

# ---------------------------------------------------------------------- shapes

case(np.reshape, real(2, 3), (3, -1))
case(np.reshape, real(2, 3), -1)
case(np.reshape, real(2, 3), (3, 2), order="F")
case(np.reshape, real(0, 3), (3, 0))
case(np.reshape, real(), (1, 1))
case(np.reshape, real(2, 3), _call=lambda x: x.T.reshape(3, 2))
case(np.reshape, real(2, 3), _call=lambda x: x.T.reshape(6))
case(np.ravel, real(2, 3))
case(np.ravel, real(2, 3), order="F")
case(np.ravel, real(2, 3), _call=lambda x: x.T.ravel())
case(np.ravel, real())
case(np.ravel, real(2, 3), _call=lambda x: x.flatten())
case(np.squeeze, real(1, 3, 1))
case(np.squeeze, real(1, 3, 1), axis=-1)
case(np.squeeze, real(1, 3, 1), axis=(0, 2))
case(np.expand_dims, real(2, 3), 0)
case(np.expand_dims, real(2, 3), (0, -1))
case(np.transpose, real(2, 3))
case(np.transpose, real(2, 3, 4), (1, 2, 0))
case(np.transpose, real(2, 3, 4), (-1, 0, 1))
case(np.transpose, real(3))
case(np.transpose, real(2, 3), _call=lambda x: x.T)
case(np.swapaxes, real(2, 3, 4), 0, -1)
case(np.moveaxis, real(2, 3, 4), 0, -1)
case(np.moveaxis, real(2, 3, 4), (0, 1), (-1, 0))
case(np.rollaxis, real(2, 3, 4), 2)
case(np.rollaxis, real(2, 3, 4), 0, 3)
case(np.rollaxis, real(2, 3, 4), -1, 1)
for f in (np.roll,):
    case(f, real(2, 3), 1)
    case(f, real(2, 3), -1, axis=0)
    case(f, real(2, 3), (1, 2), axis=(0, 1))
case(np.flip, real(2, 3))
case(np.flip, real(2, 3), 0)
case(np.flip, real(2, 3), (0, -1))
case(np.flip, real())
case(np.fliplr, real(2, 3, 2))
case(np.flipud, real(2, 3))
case(np.flipud, real(3))
case(np.rot90, real(2, 3))
case(np.rot90, real(2, 3, 2), 3, axes=(1, 2))
case(np.broadcast_to, real(3), (2, 3))
case(np.broadcast_to, real(2, 1), (2, 2, 3))
case(np.broadcast_to, real(), (2,))
case(np.broadcast_arrays, real(3), real(2, 1))
for f in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    case(f, real())
    case(f, real(3))
    case(f, real(2, 3))
    case(f, real(2, 3), real(2))
case(np.repeat, real(2, 3), 2)
case(np.repeat, real(2, 3), 2, axis=1)
case(np.repeat, real(2, 3), [2, 1], axis=0)
case(np.tile, real(2, 3), 2)
case(np.tile, real(3), (2, 2))
case(np.tile, real(2, 3), (2, 1, 2))
case(np.gradient, real(4))
case(np.gradient, real(3, 4))
case(np.gradient, real(4, 3), 0.5, axis=0)
case(np.gradient, real(5), np.array([0.0, 0.5, 0.7, 1.5, 2.0]), edge_order=2)
case(np.diff, real(4))
case(np.diff, real(2, 4), n=2, axis=-1)
case(np.diff, real(3, 2), axis=0, prepend=0.0, append=1.0)
case(np.diff, real(3), prepend=real(2))
case(np.diff, real(3), n=0)
case(np.take, real(2, 3), [0, 2, 2])
case(np.take, real(2, 3), [[0, 1], [1, 0]], axis=1)
case(np.take, real(2, 3), 1, axis=-1)
case(np.take, real(3), [4, -5], mode="wrap")
case(np.take_along_axis, real(2, 3), np.array([[0, 2], [1, 1]]), axis=1)
case(np.take_along_axis, real(3, 2), np.array([[0, 2], [1, 1]]), 0)
case(np.diag, real(3))
case(np.diag, real(3), -1)
case(np.diag, real(2, 3), 1)
for f in (np.tril, np.triu):
    case(f, real(3, 3))
    case(f, real(2, 3, 4), -1)
    case(f, real(2, 3), k=1)
    case(f, real(3))
case(np.diagonal, real(3, 3))
case(np.diagonal, real(2, 3, 3), 1, 1, -1)
case(np.trace, real(3, 3))
case(np.trace, real(2, 3, 3), offset=-1, axis1=1, axis2=2)
case(np.copy, real(2, 3))
case(np.copy, real())
case(np.astype, real(2, 3), np.float64)
case(np.astype, real(2, 3), np.complex128)

# ---------------------------------------------------------------------- joins and splits

case(np.concatenate, [real(2, 3), real(1, 3)])
case(np.concatenate, [real(2, 3), real(2, 1)], axis=-1)
case(np.concatenate, [real(2, 3), real(3)], axis=None)
case(np.concatenate, [real(2), np.array([1.0, 2.0]), real(0)])
case(np.concatenate, [real(2), z(2)])
case(np.concatenate, [real(2), real(3)], dtype=np.float64, casting="same_kind")
case(np.concatenate, (real(2), real(1)), _call=lambda xs: np.concatenate(xs, out=np.zeros_like(xs[0] + xs[1], shape=3)))
case(np.stack, [real(3), real(3)])
case(np.stack, [real(2, 3), real(2, 3)], axis=-1)
case(np.stack, [real(), real(), 2.0])
case(np.append, real(2), real(3))
case(np.append, real(2, 2), real(1, 2), axis=0)
case(np.append, real(2), 3.0)
for f in (np.vstack, np.hstack, np.dstack, np.column_stack):
    case(f, [real(3), real(3)])
    case(f, [real(2, 3), real(2, 3)])
case(np.column_stack, [real(3), real(3, 2)])
case(np.hstack, [real(), real(2)])
case(np.split, real(4, 2), 2)
case(np.split, real(2, 5), [1, 3], axis=-1)
case(np.array_split, real(5), 3)
case(np.array_split, real(2, 3), 2, axis=1)
case(np.hsplit, real(2, 4), 2)
case(np.hsplit, real(4), 2)
case(np.vsplit, real(4, 2), [1])
case(np.dsplit, real(1, 2, 4), 2)
case(np.where, MASK, real(2, 3), real(3))
case(np.where, MASK, real(2, 3), 0.0)
case(np.where, MASK, 1, real(1, 3))
case(np.where, MASK[0], real(2, 1), z(3))
case(np.select, [MASK, ~MASK[:1]], [real(2, 3), real(3)])
case(np.select, [MASK], real(2, 3), real(), _call=lambda m, x, y: np.select(m, [x + 0 * y], default=y))
case(np.select, [MASK], [real(2, 3)])
case(np.clip, real(2, 3), -0.5, 0.9)
case(np.clip, real(2, 3), None, real(3))
case(np.clip, real(2, 3), real(2, 1), 5.0)
case(np.clip, real(), 0.0, None)
for mode in ("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "mean", "maximum", "minimum", "median"):
    case(np.pad, real(2, 3), 1, mode=mode)
    case(np.pad, real(3), (2, 1), mode=mode)
case(np.pad, real(2, 3), ((1, 0), (0, 2)))
case(np.pad, real(2, 3), 1, constant_values=2.0)
if np.lib.NumpyVersion(np.__version__) >= "2.4.0":
    case(np.pad, real(2, 3), {-1: (1, 2)})
case(np.pad, real(4), 2, mode="reflect", reflect_type="odd")
case(np.pad, real(4), 2, mode="linear_ramp", end_values=3.0)
case(np.pad, real(5), 1, mode="maximum", stat_length=2)
case(np.linspace, real(), real(), 4)
case(np.linspace, real(2), 1.0, 3)
case(np.linspace, 0.5, real(2), 3, endpoint=False, axis=-1)
case(np.linspace, real(), 2.0, 3, retstep=True)

# ---------------------------------------------------------------------- order

case(np.sort, real(5))
case(np.sort, real(3, 4), axis=0)
case(np.sort, real(2, 3), axis=None)
case(np.sort, real(2, 4), kind="stable")
case(np.partition, real(6), 2)
case(np.partition, real(3, 5), 1, axis=0)
case(np.partition, real(2, 4), (1, 2))

# ---------------------------------------------------------------------- products

case(np.matmul, real(2, 3), real(3, 4))
case(np.matmul, real(3), real(3))
case(np.matmul, real(3), real(3, 2))
case(np.matmul, real(2, 3), real(3))
case(np.matmul, real(2, 2, 3), real(3, 2))
case(np.matmul, real(3, 2), real(4, 2, 3))
case(np.matmul, real(2, 1, 2, 3), real(3, 3, 1))
case(np.matmul, real(3), real(2, 3, 2))
case(np.matmul, z(2, 2), real(2, 2))
case(np.matmul, real(0, 3), real(3, 2))
case(np.matmul, real(2, 0), real(0, 2))
case(np.matmul, real(2, 3), np.arange(12.0).reshape(3, 4) / 10)
case(np.matmul, np.arange(6.0).reshape(2, 3) / 10, real(3, 2))
case(np.matmul, real(2, 2), real(2, 2), _call=lambda x, y: np.matmul(x, y, out=np.zeros_like(x + y)))
case(np.dot, real(3), real(3))
case(np.dot, real(2, 3), real(3))
case(np.dot, real(2, 3), real(3, 2))
case(np.dot, real(2, 2, 3), real(2, 3, 2))
case(np.dot, real(2, 2, 3), real(3))
case(np.dot, real(3), real(2, 3, 2))
case(np.dot, real(), real(3))
case(np.dot, real(2, 3), 2.0)
case(np.dot, z(3), z(3))
case(np.outer, real(2), real(3))
case(np.outer, real(2, 2), real(3))
case(np.outer, real(2), 2.0)
case(np.inner, real(3), real(3))
case(np.inner, real(2, 3), real(4, 3))
case(np.inner, real(), real(3))
case(np.tensordot, real(2, 3, 2), real(3, 2))
case(np.tensordot, real(2, 3), real(3, 2), axes=1)
case(np.tensordot, real(2, 3, 4), real(4, 2), axes=([0, 2], [1, 0]))
case(np.tensordot, real(2), real(3), axes=0)
case(np.kron, real(2, 2), real(2, 3))
case(np.kron, real(2), real(2, 2))
case(np.cross, real(3), real(3))
case(np.cross, real(2, 3), real(3))
case(np.cross, real(3, 2), real(3, 2), axis=0)
case(np.vdot, real(2, 3), real(2, 3))
case(np.vdot, z(3), z(3))
case(np.vdot, z(2, 2), real(4))
case(np.einsum, "ij,jk->ik", real(2, 3), real(3, 2))
case(np.einsum, "ij,jk,k", real(2, 3), real(3, 2), real(2))
case(np.einsum, "...ij,...j->...i", real(2, 2, 3), real(3))
case(np.einsum, "ii->i", real(3, 3))
case(np.einsum, "ii", real(3, 3))
case(np.einsum, "ij->ji", real(2, 3))
case(np.einsum, "i,i->", z(3), z(3))
case(np.einsum, real(2, 3), [0, 1], real(3), [1], [0])
case(np.einsum, "ij,jk,kl->il", real(2, 2), real(2, 2), real(2, 2), optimize=True)
case(np.einsum, "ij,j", real(2, 3), real(3), _call=lambda s, x, y: np.einsum(s, x, y, out=np.zeros_like(x @ y)))
case(np.einsum, "i,j", real(2), np.array([1.0, 2.0, 3.0]))
case(np.linalg.norm, real(3))
case(np.linalg.norm, real(2, 3))
case(np.linalg.norm, real(2, 3), axis=1, keepdims=True)
case(np.linalg.norm, real(2, 3, 2), axis=(0, 2))
case(np.linalg.norm, z(3))
for p in (1, 2, 3, 0.5, np.inf, -np.inf, -1):
    case(np.linalg.norm, real(4), p)
    case(np.linalg.norm, real(2, 3), p, axis=-1)
for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
    case(np.linalg.norm, real(3, 3), p)
case(np.linalg.norm, real(2, 3, 2), "nuc", axis=(0, 1), keepdims=True)
case(np.linalg.svd, real(3, 2), full_matrices=False)
case(np.linalg.svd, real(2, 3), full_matrices=False)
case(np.linalg.svd, real(2, 2))
case(np.linalg.svd, real(2, 2, 3), compute_uv=False)
case(np.linalg.svd, z(2, 3), compute_uv=False)

# ---------------------------------------------------------------------- buffers

case(np.zeros_like, real(2, 3))
case(np.ones_like, real(2, 3), shape=(2,))
case(np.full_like, real(2, 3), 7.0)
case(np.full_like, real(2, 3), real(3), _call=lambda x, y: np.full_like(x + y if isinstance(x, np.ndarray) else x, y))


def filled(buffer, x):
    """The buffer with 2x written into it."""
    buffer[...] = x * 2
    return buffer


case(np.empty_like, real(2, 3), _call=lambda x: filled(np.empty_like(x), x))

# ---------------------------------------------------------------------- constants: calls that need more than one array

CONSTANT_CALLS = {
    np.argpartition: lambda x: np.argpartition(x, 1),
    np.searchsorted: lambda x: np.searchsorted(x[0, :1], x[1]),
    np.digitize: lambda x: np.digitize(x, np.array([0.0, 1.0])),
    np.isclose: lambda x: np.isclose(x, x * (1 + 1e-12)),
    np.allclose: lambda x: np.allclose(x, x * (1 + 1e-12)),
    np.array_equal: lambda x: np.array_equal(x, x),
    np.array_equiv: lambda x: np.array_equiv(x, x[0]),
    np.can_cast: lambda x: np.can_cast(x, np.float32),
    np.shares_memory: lambda x: np.shares_memory(x, x[0]),
    np.may_share_memory: lambda x: np.may_share_memory(x, x[0]),
    np.ix_: lambda x: np.ix_([0, 1], [0]),
    np.unravel_index: lambda x: np.unravel_index(np.argmax(x), x.shape),
    np.ravel_multi_index: lambda x: np.ravel_multi_index((0, np.argmax(x[0])), x.shape),
}
