"""``scipy.sparse``: its matrices beside Duals. ``A @ x``, ``A.dot(x)`` and ``x @ A`` work as they stand.

The matrix is constant, and stays sparse: its product with K tangents is one product with a matrix of K columns. Other
names are SciPy's own.

Examples
--------
>>> import dualgrad as dg, numpy as np, scipy.sparse
>>> A = scipy.sparse.diags_array([1.0, 2.0, 3.0])
>>> dg.jvp(lambda x: A @ x**2, (np.ones(3),), (np.ones(3),))
(array([1., 2., 3.]), array([2., 4., 6.]))
"""

from scipy import sparse

from ..shared import others
from . import linalg
from .operand import SparseOperand, as_operand  # noqa: F401

__all__ = ["SparseOperand", "linalg"]
__getattr__ = others(sparse)
