"""What the second derivative by nesting carries."""

import numpy as np

from dualgrad.course import plots


def draw():
    return plots.nesting(lambda x: np.sin(x) * x, 2.0).figure
