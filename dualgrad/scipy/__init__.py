"""SciPy's special functions and matrix functions on Duals: ``from dualgrad.scipy import special, linalg``.

Importing it gives the ufuncs of ``scipy.special`` their rules. SciPy's other functions take no Duals, whatever one
registers, so those with a rule stand here under the same names: they call SciPy on plain arrays and the rule on Duals.
Every other name of the two modules is SciPy's own. So it is with the distributions of SciPy, which are imported when
they are asked for: ``from dualgrad.scipy import stats``.
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
        gammas,
        hypergeometric,
        incomplete_beta,
        incomplete_gamma,
        linalg,
        logarithms,
        robust,
        special,
        student,
    )

__all__ = ["linalg", "special"]
