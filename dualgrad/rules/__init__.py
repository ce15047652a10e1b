# isort: skip_file
"""What each NumPy function does to a tangent: flat tables, one line per function."""

from . import arithmetic, broadcasting, buffers, diagonals, einsum, elementwise  # noqa: F401
from . import facts, factorizations, fft, grids, joins, keywords, linalg, makers  # noqa: F401
from . import padding, polynomials, reductions, refused, selection, shapes, shifts, slices, sorting, statistics, writes  # noqa: F401
