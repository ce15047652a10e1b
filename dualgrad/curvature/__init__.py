"""Second-order operators in one pass: the Laplacian and its kin, by the forward Laplacian.

A `Curved` is a Dual with K tangents and, as one tangent more, the sum of the second derivatives along them. What is
linear in the tangents sends all K + 1 through at once, by the rules of `dualgrad.rules`; what bends adds to the last
one (`dualgrad.curvature.bending`).
"""

from .biharmonics import biharmonic
from .fields import curl, divergence
from .transforms import hessian_diag, laplacian, second_order

__all__ = ["biharmonic", "curl", "divergence", "hessian_diag", "laplacian", "second_order"]
