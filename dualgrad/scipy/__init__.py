"""SciPy's special functions and matrix functions on Duals: ``from dualgrad.scipy import special, linalg, fft, sparse``.

Importing it gives the ufuncs of ``scipy.special`` their rules. SciPy's other functions take no Duals, whatever one
registers, so those with a rule stand here under the same names: they call SciPy on plain arrays and the rule on Duals.
Every other name of these modules is SciPy's own. So it is with the distributions of SciPy and its filters, which are
imported when they are asked for: ``from dualgrad.scipy import stats, signal``.
"""

try:
    import scipy  # noqa: F401
except ImportError:
    raise ImportError("dualgrad.scipy needs SciPy, which is not installed: pip install scipy") from None

from ..extend import lasting

with lasting():
    from . import (  # noqa: F401
        bessel,
        elliptic,
        exponential,
        fft,
        gammas,
        hypergeometric,
        incomplete_beta,
        incomplete_gamma,
        linalg,
        logarithms,
        robust,
        sparse,
        special,
        student,
    )

__all__ = ["fft", "linalg", "sparse", "special"]
