"""Functions that work entry by entry, known by their tangents: a direction for each array of x, whatever its length.

All entries of an array are pushed at once, each as far as it deviates, which gives T; and once more all arrays in one,
each entry by a random part r of that. Where this gives the sum of r T, up to rounding, an entry of f(x) depends on its
own entry of each array alone. A single number in x, such as a constant of calibration, may have a part in all of them.
"""

import math

import numpy as np

from ..pushforward import jvp
from ..random import Rng

ULPS = 32  # how many roundings apart two ways to the same tangent may be


def entrywise(f, x, deviations, layout):
    """f(x) and its covariance for independent entries of plain arrays, or None where f works otherwise."""
    shapes, places = list(layout.shapes.values()), list(layout.slices.values())
    arrays = [k for k, shape in enumerate(shapes) if math.prod(shape) > 1]
    numbers = [k for k, shape in enumerate(shapes) if math.prod(shape) == 1]
    if len({shapes[k] for k in arrays}) != 1 or len(arrays) + len(numbers) < len(shapes):
        return None
    leaves = len(shapes)
    rows = np.zeros((leaves + 1, layout.size))
    parts = 1 + Rng(0).uniform(0, 1, layout.size)
    for row, place in zip(rows, places, strict=False):
        row[place] = deviations[place]
    rows[-1] = deviations * parts
    y, T = jvp(f, (x,), (layout.tree(rows),))
    if T.__class__ is not np.ndarray or T.dtype.char not in "fd" or y.shape != shapes[arrays[0]]:
        return None
    T = T.reshape(leaves + 1, y.size)
    terms = [t * parts[place].astype(T.dtype) for t, place in zip(T, places, strict=False)]
    if not np.all(np.abs(sum(terms) - T[-1]) <= ULPS * np.finfo(T.dtype).eps * sum(map(np.abs, terms))):
        return None
    covariance = T[numbers].T @ T[numbers]
    covariance.flat[:: y.size + 1] += np.sum(T[arrays] ** 2, axis=0)
    return y, covariance
