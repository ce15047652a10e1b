"""The incomplete beta function and Student's distribution, along x."""

import numpy as np
from scipy import special as sp

from ..dual import primal
from ..rules.declare import elementwise
from .densities import incomplete_beta_slope
from .shared import as_number
from .tails import SQRT_2PI, fixed

_shapes = fixed("betainc", "its shapes")
elementwise(sp.betainc, _shapes, _shapes, lambda y, a, b, x: incomplete_beta_slope(a - 1, b - 1, a, b, x))
elementwise(sp.betaincc, _shapes, _shapes, lambda y, a, b, x: -incomplete_beta_slope(a - 1, b - 1, a, b, x))


def _student(y, df, t):
    """The density (1 + t²/ν)^-(ν + 1)/2 / (√ν B(ν/2, ½)), which is the normal one for infinite ν."""
    df = as_number(y, df)
    normal = primal(df) == np.inf
    v = np.where(normal, 1, df)
    root = np.sqrt(v)
    density = np.exp(-sp.betaln(v / 2, as_number(y, 0.5)) - (v + 1) * np.log(np.hypot(1, t / root))) / root
    return np.where(normal, np.exp(-np.square(np.where(normal, t, 0)) / 2) / SQRT_2PI, density)


elementwise(sp.stdtr, fixed("stdtr", "its degrees of freedom"), _student)
