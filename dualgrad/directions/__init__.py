"""Distributions of a random direction v, with their exact moments.

The estimate of a gradient g from directions v₁ ... vₙ is made of Σ_i (g·v_i) v_i. Every class knows the exact mean and
variance of that sum (`sum_moments`), which is all that an estimator needs to state its own. Below, κ is the fourth
moment of an entry of v, and p the number of parameters; variances are of component k, for one direction.

============ =========== ======== ================================== =====================================
class        fourth      norm     variance of (g·v) v_k              take it for
============ =========== ======== ================================== =====================================
`LowRank`    1           √p       ‖g‖² - g_k²                        networks: a jvp costs 2 passes, not 3
`Rademacher` 1           √p       ‖g‖² - g_k²                        functions of one's own, vectors
`Uniform`    9/5         about √p ‖g‖² - g_k²/5                      comparison
`Gaussian`   3           about √p ‖g‖² + g_k²                        comparison with papers
`Sphere`     3p/(p + 2)  √p       p (‖g‖² + 2 g_k²)/(p + 2) - g_k²   rotations, at constant norm
`Coordinate` p           √p       (p - 1) g_k²                       one row of RTRL at a time
`Blocks`     of its base √(p/n)   that of its base, in k's block     n parts, none disturbs another
`Orthogonal` 3p/(p + 2)  √p       in total ‖g‖² (p/n - 1), n of them n directions of a small problem
`Hadamard`   1           √p       in total ‖g‖² (p/n - 1), n of them n directions; LowRank too
`Along`      –           1        0, and the mean is (g·u) u         DODGE: a candidate for g
`Scaled`     of its base √(p c)   c_k times its base's, at √c g      a preconditioner inside
============ =========== ======== ================================== =====================================

(DODGE, eqs. 5 to 10 and 12; the general fourth moment gives ‖g‖² + (κ - 2) g_k².)
"""

from .along import Along
from .base import Direction
from .blocks import Blocks
from .coordinate import Coordinate
from .former_names import as_tree, as_vector, at, vector_like  # noqa: F401  (from here, too)
from .gaussian import Gaussian
from .hadamard import Hadamard
from .low_rank import LowRank
from .orthogonal import Orthogonal
from .rademacher import Rademacher
from .rows import Rows
from .scaled import Scaled
from .sphere import Sphere
from .uniform import Uniform

__all__ = [
    "Along",
    "Blocks",
    "Coordinate",
    "Direction",
    "Gaussian",
    "Hadamard",
    "LowRank",
    "Orthogonal",
    "Rademacher",
    "Rows",
    "Scaled",
    "Sphere",
    "Uniform",
]
