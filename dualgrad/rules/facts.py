"""Facts about an array, not functions of it."""

import numpy as np

from .declare import constant

constant(
    np.shape, np.ndim, np.size, np.argmax, np.argmin, np.argsort, np.argpartition, np.argwhere, np.nonzero,
    np.flatnonzero, np.count_nonzero, np.searchsorted, np.all, np.any, np.result_type, np.can_cast, np.min_scalar_type,
    np.tril_indices_from, np.triu_indices_from, np.diag_indices_from, np.isin,
    np.common_type, np.shares_memory, np.may_share_memory, np.array_repr, np.array_str, np.array2string,
    np.nanargmax, np.nanargmin, np.digitize, np.ix_, np.unravel_index, np.ravel_multi_index,
)  # fmt: skip
constant(np.lexsort, sequence=True)
