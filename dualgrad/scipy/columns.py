"""Linear maps of matrices by columns, under a lead axis: the directions are more columns of one call."""

import numpy as np


def by_columns(function, d, lead):
    """``function`` of the matrices (..., n, r) of each of K directions, in one call on (n, K r).

    Parameters
    ----------
    function : callable
        It maps (n, r) to (m, r), each column by itself.
    d : array (n, r), or (K, n, r) under a lead axis
    lead : ``()`` or ``(K,)``

    Returns
    -------
    array (m, r) or (K, m, r)
    """
    if not lead:
        return function(d)
    k, n, r = np.shape(d)
    y = function(np.reshape(np.moveaxis(d, 0, 1), (n, k * r)))
    return np.moveaxis(np.reshape(y, (len(y), k, r)), 1, 0)
