"""Steps of eps: whether they move the weights, and by how much, in the precision that the weights have."""

import numpy as np

from ..backend import is_host, to_numpy
from ..directions import Rademacher
from ..directions.base import require_real
from ..errors import caution
from ..params import Params
from ..tree import flatten, paths


def coarse(estimator, params):
    """Whether a step of eps may be lost beside some weights; raise where it is lost beside most of them.

    That it is lost beside a few is told by a `RuntimeWarning`.
    """
    eps = estimator.eps
    leaves, structure = flatten(params)
    whole = [params.vector] if isinstance(params, Params) else map(require_real, leaves)
    if all(_far_above_spacing(eps, w) for w in whole):
        return False
    size = lost = 0
    for name, leaf in zip(paths(structure), leaves, strict=True):
        sizes = np.abs(to_numpy(leaf))
        beside = sizes[2 * eps < np.spacing(sizes)]
        if beside.size:
            where, kind, apart = name, leaf.dtype, np.spacing(beside.max())
        size, lost = size + leaf.size, lost + beside.size
    if 2 * lost > size:
        raise too_small(eps, f"{lost} of {size} weights, the largest of params{where} among them", kind, apart)
    if lost:
        caution(
            f"{estimator!r}: eps is lost beside {lost} of {size} weights, the largest of params{where} among them: "
            "they are not moved, and their estimate is 0",
            RuntimeWarning,
        )
    return True


def _far_above_spacing(eps, w):
    """Whether eps is eight times the spacing of all weights; at BLAS speed where their norm is bound enough."""
    info = np.finfo(w.dtype)
    most = eps / 8 / float(info.eps)
    if w.dtype.char in "fd" and is_host(w) and float(np.vdot(w, w)) <= most * most or not w.size:
        return True
    return max(to_numpy(w.max()), -to_numpy(w.min())) <= most


def too_small(eps, what, kind, apart):
    return ValueError(
        f"got eps={eps:g}, which is lost beside {what}: neighbours of {kind} are {apart:.2g} apart there; "
        "expected a larger eps, or parameters of more precision"
    )


def rounded_direction(eps, v, above, below, directions):
    """A direction as it counts in an estimate between two points: 0 where a weight was not moved.

    Of signs each entry is such that the quotient is by the step that its weight took, which was rounded.
    """
    width = above - below
    if isinstance(directions, Rademacher):
        return np.where(width == 0, 0, 2 * eps / np.where(width == 0, 1, width)).astype(v.dtype)
    return v * (width != 0)


def require_moved(eps, moved):
    """Raise where no weight was moved by a direction: that estimate would be 0, whatever the loss."""
    if not any(to_numpy(np.any(v)) for v in moved):
        raise ValueError(
            f"got eps={eps:g}, by which no weight was moved: expected a larger eps, or parameters of more precision"
        )
