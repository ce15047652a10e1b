"""The catalogue: sample calls of every supported function of NumPy, from which the tests of the rules are generated."""

import numpy as np

from tests.support import samples_arrays, samples_common, samples_linalg, samples_statistics

CATALOGUE = (*samples_common.ROWS, *samples_arrays.ROWS, *samples_linalg.ROWS, *samples_statistics.ROWS)

# Of functions whose values are constants, the calls that need more than one array.
CONSTANT_CALLS = samples_common.CONSTANT_CALLS | samples_arrays.CONSTANT_CALLS | samples_linalg.CONSTANT_CALLS

# ---------------------------------------------------------------------- the 105 functions HIPS autograd pushes forward

HIPS = (
    np.add, np.subtract, np.multiply, np.divide, np.power, np.remainder, np.negative, np.reciprocal, np.square, np.sqrt,
    np.absolute, np.fabs, np.matmul, np.conjugate,
    np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.logaddexp, np.logaddexp2,
    np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.arctan2, np.sinh, np.cosh, np.tanh, np.arcsinh,
    np.arccosh, np.arctanh, np.degrees, np.rad2deg, np.radians, np.deg2rad,
    np.maximum, np.minimum, np.fmax, np.fmin,
    np.sinc, np.clip, np.nan_to_num, np.real, np.imag, np.real_if_close, np.angle, np.where,
    np.sum, np.prod, np.mean, np.var, np.std, np.max, np.min, np.amax, np.amin, np.cumsum,
    np.sort, np.partition,
    np.reshape, np.ravel, np.squeeze, np.expand_dims, np.transpose, np.swapaxes, np.moveaxis, np.rollaxis, np.roll,
    np.rot90, np.flipud, np.fliplr, np.broadcast_to, np.repeat, np.tile, np.pad, np.split, np.array_split, np.hsplit,
    np.vsplit, np.dsplit, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.diagonal,
    np.diag, np.tril, np.triu, np.full, np.linspace, np.diff, np.gradient,
    np.dot, np.inner, np.outer, np.tensordot, np.einsum, np.cross, np.kron, np.trace, np.linalg.norm,
)  # fmt: skip
HIPS_COMPOSED = (np.concatenate, np.stack, np.vstack, np.hstack, np.column_stack, np.append, np.select)
