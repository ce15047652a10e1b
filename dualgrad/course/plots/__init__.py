"""Pictures of forward mode, of functions of your own.

Every function draws on axes that it is given, or on new ones, and returns them; random numbers come from an `Rng`. They
need matplotlib: ``pip install "dualgrad[examples]"``.
"""

from .descending import descent
from .ellipses import ellipse
from .estimate_cloud import cloud
from .grids_pushed import pushed_grid
from .influences import influence_matrix
from .moving_pictures import animate
from .nested_boxes import nesting
from .particle_paths import particles
from .slope_arrows import tangent
from .theme import style

__all__ = [
    "animate",
    "cloud",
    "descent",
    "ellipse",
    "influence_matrix",
    "nesting",
    "particles",
    "pushed_grid",
    "style",
    "tangent",
]
