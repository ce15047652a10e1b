# isort: skip_file
"""What each NumPy function does to a tangent: flat tables, one line per function."""

from . import arithmetic, broadcasting, buffers, diagonals, differences, einsum, elementwise  # noqa: F401
from . import facts, factorizations, fft, grids, joins, keywords, linalg, makers  # noqa: F401
from . import order, padding, polynomials, reductions, refused, selection, shapes, slices, statistics, writes  # noqa: F401
