# isort: skip_file
"""What each NumPy function does to a tangent: flat tables, one line per function."""

from . import arithmetic, elementwise, factorizations, fft, keywords, linalg, makers, operators  # noqa: F401
from . import polynomials, reductions, refused, statistics, structural, writes  # noqa: F401
