# isort: skip_file
"""What each NumPy function does to a tangent: flat tables, one line per function."""

from . import arithmetic, elementwise, factorizations, fft, linalg, operators  # noqa: F401
from . import makers, polynomials, reductions, refused, statistics, structural, writes  # noqa: F401
