"""Sample calls of ufuncs, np.fft, shapes, selections and writes."""

import numpy as np

from tests.support.cases import MASK, Rows, above, inside, positive, real, z
from tests.support.samples_common import filled

ROWS = Rows()
case = ROWS.case

# ---------------------------------------------------------------------- ufuncs

case(np.cbrt, real(2, 3))
case(np.sign, z(2, 3))
case(np.sign, real(3))
case(np.float_power, positive(2, 3), real(3))
case(np.float_power, positive(3), 2)
case(np.float_power, z(2), z(2))
case(np.heaviside, real(3), real(3))
case(np.heaviside, np.array([-1.0, 0.0, 0.0]), real(3))
case(np.copysign, real(3), real(2, 3))
case(np.copysign, real(3), -1.0)
case(np.fmod, real(3), real(3), _call=lambda x, y: np.fmod(x / 10 - 10, y / 10 + 3))
case(np.fmod, positive(3), above(3), _call=lambda x, y: np.fmod(x / 2, y))
case(np.divmod, real(3), real(3), _call=lambda x, y: np.divmod(x / 10 - 10, y / 10 + 3)[1])
case(np.modf, real(2, 3))
case(np.frexp, real(3), _call=lambda x: np.frexp(x)[0])
case(np.ldexp, real(2, 1), np.array([1, -2, 0]))
case(np.ldexp, real(3), 2)
case(np._core.umath.clip, real(3), -0.5, 0.5)
case(np._core.umath.clip, real(3), real(3), 1.9)

# ---------------------------------------------------------------------- methods of ufuncs

TWICE = [0, 2, 2, 1, 0]


def written_at(ufunc):
    """``ufunc.at`` on a buffer made of the operands."""

    def call(x, *values):
        buffer = x + sum(0 * np.sum(v) for v in values)
        ufunc.at(buffer, TWICE, *values)
        return buffer

    return call


for f in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.power):
    case(f, positive(3), positive(5), _call=written_at(f))
case(np.add, real(3, 2), real(5, 2), _call=written_at(np.add))
case(np.add, real(3, 2), real(2), _call=written_at(np.add))
case(np.add, real(3), 2.0, _call=written_at(np.add))
case(np.multiply, real(3, 2), real(5, 1), _call=written_at(np.multiply))
case(np.negative, real(3), _call=written_at(np.negative))
for f in (np.add, np.multiply, np.maximum, np.hypot):
    case(f, positive(5), _call=lambda x, f=f: f.reduceat(x, [0, 3, 1, 4]))
case(np.add, real(3, 4), _call=lambda x: np.add.reduceat(x, [0, 2], axis=1))
case(np.add, real(2, 3), _call=lambda x: np.add.reduce(x, axis=(0, 1), keepdims=True))
case(np.add, real(2, 3), MASK, _call=lambda x, m: np.add.reduce(x, axis=1, where=m, initial=3.0))
case(np.exp, real(2, 3), MASK, _call=lambda x, m: np.exp(x, where=m, out=np.zeros_like(x)))
case(np.hypot, real(3), real(3), _call=lambda x, y: np.hypot(x, y, dtype=np.longdouble))

# ---------------------------------------------------------------------- Fourier transforms

for f in (np.fft.fft, np.fft.ifft):
    case(f, z(2, 4))
    case(f, real(3))
    case(f, real(2, 4), 3, axis=0, norm="ortho")
    case(f, z(3), 5)
for f in (np.fft.rfft, np.fft.ihfft):
    case(f, real(2, 5))
    case(f, real(4, 2), 6, axis=0, norm="forward")
for f in (np.fft.irfft, np.fft.hfft):
    case(f, z(2, 3))
    case(f, z(3, 2), 5, axis=0, norm="ortho")
case(np.fft.rfft, real(1))
for f in (np.fft.fft2, np.fft.ifft2):
    case(f, z(2, 2, 3))
    case(f, real(2, 3, 2), axes=(0, 1), norm="ortho")
    case(f, real(3, 3), (2, 4))
for f in (np.fft.fftn, np.fft.ifftn):
    case(f, z(2, 3))
    case(f, real(2, 2, 2), axes=(0, 2))
    case(f, real(3, 3), (2, 4), axes=(0, 1))
case(np.fft.rfft2, real(2, 3, 4))
case(np.fft.rfftn, real(2, 3))
case(np.fft.rfftn, real(2, 3, 2), axes=(2, 0))
case(np.fft.irfft2, z(2, 3, 3))
case(np.fft.irfft2, z(3, 3), (3, 5))
case(np.fft.irfftn, z(2, 3))
case(np.fft.irfftn, z(2, 3), (2, 5), axes=(0, 1))
case(np.fft.fft, z(4), _call=lambda x: np.fft.fft(x, out=np.zeros_like(x)))
for f in (np.fft.fftshift, np.fft.ifftshift):
    case(f, real(2, 5))
    case(f, real(2, 5), axes=1)

# ---------------------------------------------------------------------- arrays made like a Dual

case(np.array, real(2), real(2), _call=lambda x, y: np.array([[x[0], y[1]], [1.0, x[1] + y[0]]], like=x + y))
case(np.array, real(2, 3), real(3), _call=lambda x, y: np.array([x[0], y, x[1] + y], like=x + y))
case(np.array, real(2), _call=lambda x: np.array((x[0], 2), ndmin=3, like=x))
case(np.array, real(3), _call=lambda x: np.array([1.0, -2.0, 0.5], like=np.atleast_1d(x)) * x)
for f in (np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray):
    case(f, real(2), _call=lambda x, f=f: f([x[0], x[1] + x[0]], like=x))
    case(f, real(2, 3), _call=lambda x, f=f: f(x, like=np.atleast_1d(x)) * 2)
case(np.full, real(1), _call=lambda x: np.full((2, 3), x[0], like=x))
case(np.full, real(3), _call=lambda x: np.full(3, 2.0, like=x[:1]) * np.full((2, 3), x, like=x))
case(np.arange, real(1), positive(1), _call=lambda a, h: np.arange(a[0], a[0] + 2.5 * h[0], h[0], like=a * h))
case(np.arange, above(1), _call=lambda a: np.arange(2 + a[0] / 10, like=a))
case(np.arange, real(3), _call=lambda x: np.arange(3.0, like=x) * x + np.arange(3, like=x))
for f in (np.zeros, np.ones):
    case(f, real(2, 3), _call=lambda x, f=f: f((2, 3), like=np.atleast_1d(x)) + x)
case(np.empty, real(2, 3), _call=lambda x: filled(np.empty((2, 3), like=np.atleast_1d(x)), x))
for f in (np.eye, np.identity, np.tri):
    case(f, real(3), _call=lambda x, f=f: f(3, like=np.atleast_1d(x)) * x)

# ---------------------------------------------------------------------- scans and reductions

if hasattr(np, "cumulative_sum"):
    for f in (np.cumulative_sum, np.cumulative_prod):
        case(f, real(4))
        case(f, real(2, 3), axis=0, include_initial=True)
        case(f, real(3), include_initial=True)
        case(f, z(2, 3), axis=-1)


for f in (np.nansum, np.nanprod, np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd):
    case(
        f,
        real(2, 3),
        np.array([[False, True, False], [False, False, True]]),
        _call=lambda x, m, f=f: f(np.where(m, np.nan, x)),
    )
    case(f, real(2, 3), axis=1, keepdims=True)
    case(f, real(2, 3, 2), axis=(0, 2))
for f in (np.nancumsum, np.nancumprod):
    case(f, real(4), np.array([False, True, False, False]), _call=lambda x, m, f=f: f(np.where(m, np.nan, x)))
    case(f, real(2, 3), axis=0)
case(np.nanvar, real(2, 3), ddof=1)
for f in (np.sum, np.prod, np.mean, np.max, np.min, np.var, np.std):
    case(f, real(2, 3, 2), axis=(0, -1))
for f in (np.sum, np.prod):
    case(f, real(2, 3), axis=1, where=MASK, initial=2.0)
for f in (np.mean, np.var, np.std):
    case(f, real(2, 3), axis=0, where=np.array([[True], [True]]))
case(np.max, real(2, 3), axis=1, where=MASK, initial=-9.0)

# ---------------------------------------------------------------------- functions that turn complex

for f in (np.lib.scimath.sqrt, np.lib.scimath.log, np.lib.scimath.log2, np.lib.scimath.log10):
    case(f, positive(3))
    case(f, np.array([-1.0, 1.0, -1.0]), positive(3), _call=lambda s, x, f=f: f(s * x))
for f in (np.lib.scimath.arccos, np.lib.scimath.arcsin, np.lib.scimath.arctanh):
    case(f, inside(3))
    case(f, above(3))
case(
    np.lib.scimath.power,
    np.array([-1.0, 1.0]),
    positive(2),
    positive(2),
    _call=lambda s, x, n: np.lib.scimath.power(s * x, n),
)
case(np.lib.scimath.logn, above(3), positive(3))

# ---------------------------------------------------------------------- shapes, joins, grids

case(np.block, [[real(2, 2), real(2, 1)], [real(1, 2), real(1, 1)]])
case(np.block, [real(2), real(3)])
case(np.block, [[real(2)], [np.array([1.0, 2.0])]])
if hasattr(np, "unstack"):
    case(np.unstack, real(2, 3))
    case(np.unstack, real(2, 3), axis=1)
case(np.insert, real(4), [1, 3], real(2))
case(np.insert, real(2, 3), 1, real(2), axis=1)
case(np.insert, real(2, 3), 1, 7.0)
case(np.insert, np.arange(3.0), 1, real(2))
case(np.insert, real(2, 3), slice(0, 2), real(3), axis=0)
case(np.delete, real(5), [1, 3])
case(np.delete, real(2, 3), 1, axis=1)
case(np.diagflat, real(2, 2), 1)
case(np.ediff1d, real(2, 3))
case(np.ediff1d, real(4), real(2), real(1))
case(np.resize, real(2, 3), (3, 3))
case(np.resize, real(3), 2)
case(np.meshgrid, real(2), real(3))
case(np.meshgrid, real(2), real(3), np.arange(2.0), indexing="ij")
case(np.meshgrid, real(2), real(3), sparse=True)
case(np.lib.stride_tricks.sliding_window_view, real(5), 3)
case(np.lib.stride_tricks.sliding_window_view, real(3, 4), (2, 2))
case(np.lib.stride_tricks.sliding_window_view, real(3, 4), 2, axis=0)
case(np.apply_along_axis, np.cumsum, 0, real(3, 2))
case(np.apply_along_axis, np.sum, 1, real(2, 3))
case(np.apply_along_axis, lambda r: np.outer(r, r), 1, real(2, 2, 2))
case(np.apply_over_axes, np.sum, real(2, 3, 2), [0, 2])
case(np.sort_complex, z(4))

# ---------------------------------------------------------------------- selections

case(np.choose, np.array([0, 2, 1]), [real(3), 1.5, real(2, 3)])
case(np.choose, np.array([0, 4, -1]), (real(3), real(3)), mode="wrap")
case(np.choose, np.array([0, 4, -1]), (real(3), real(3)), mode="clip")
case(np.compress, [True, False, True], real(3, 2), axis=0)
case(np.compress, [False, True], real(2, 2))
case(np.extract, MASK, real(2, 3))
case(
    np.piecewise,
    real(4),
    np.array([True, False, False, True]),
    _call=lambda x, c: np.piecewise(x, [c, ~c], [np.exp, 2.0]),
)
case(np.piecewise, real(3), np.array([True, False, False]), _call=lambda x, c: np.piecewise(x, [c], [np.sin, np.cos]))
case(np.bincount, np.array([0, 2, 2, 1]), real(4), 5)


# ---------------------------------------------------------------------- writes


def written(function, *rest):
    """The buffer that the function writes into, made of both inputs."""

    def call(x, v, *args, **kw):
        buffer = x + 0 * np.sum(v)
        function(buffer, *args[: len(rest)], v, *args[len(rest) :], **kw)
        return buffer

    return call


case(np.copyto, real(2, 3), real(3), _call=written(np.copyto))
case(np.copyto, real(2, 3), real(3), MASK, _call=lambda x, v, m: written(np.copyto)(x, v, where=m))
case(np.put, real(2, 3), real(2), [0, -1], _call=written(np.put, "ind"))
case(np.put, real(2, 3), real(1), [7, 2, 2], mode="wrap", _call=written(np.put, "ind"))
case(np.putmask, real(2, 3), real(4), MASK, _call=written(np.putmask, "mask"))
case(np.place, real(2, 3), real(3), MASK, _call=written(np.place, "mask"))
case(
    np.put_along_axis, real(2, 3), real(2, 1), np.array([[1], [2]]), axis=1, _call=written(np.put_along_axis, "indices")
)
case(np.put_along_axis, real(2, 3), real(2), np.array([1, 4]), axis=None, _call=written(np.put_along_axis, "indices"))
case(np.fill_diagonal, real(3, 3), real(2), _call=written(np.fill_diagonal))
case(np.fill_diagonal, real(5, 2), real(), wrap=True, _call=written(np.fill_diagonal))

CONSTANT_CALLS = {
    np.tril_indices_from: lambda x: np.tril_indices_from(x, 1),
    np.triu_indices_from: lambda x: np.triu_indices_from(x, 1),
    np.diag_indices_from: lambda x: np.diag_indices_from(x[:, :2]),
    np.lexsort: lambda x: np.lexsort((x[0], x[1])),
    np.isin: lambda x: np.isin(x, [1.5]),
}
