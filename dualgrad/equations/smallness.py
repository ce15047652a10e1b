"""Whether x is a root: how small its residual is, beside what a small change of x makes of it.

No unit counts, neither of x nor of the residual. Each entry of x is moved by a part √ε of its size; an entry of the
residual that is larger than this changes it belongs to an x that is wrong in the first half of its digits.
"""

import numpy as np

from ..backend import like, to_numpy
from ..dual import primal
from ..tree import is_container
from ..vectors import side_by_side
from .failures import ConvergenceError


def require_root(equation, x, r, layout, scale):
    """Raise where the residual r at the plain vector x is not small."""
    r = to_numpy(primal(r))
    if not np.any(r != 0):
        return
    part = np.sqrt(max(np.finfo(a.dtype).eps for a in (x, r) if a.dtype.kind in "fc"))
    step = (part * sizes(x, layout, scale) * _uneven(x.size)).astype(x.dtype)
    allowed = np.zeros_like(np.abs(r))
    with np.errstate(all="ignore"):
        for move in (step, -step):  # the other way where the first leads out of the domain, or along something flat
            moved = to_numpy(primal(equation(x + like(move, x))))
            allowed = np.fmax(allowed, np.abs(moved - r))
            if np.all(np.abs(r) <= allowed):
                return
        excess = np.where(np.abs(r) <= allowed, 0, np.abs(r) / allowed)
    worst = int(np.argmax(np.nan_to_num(excess, nan=np.inf)))
    place = layout.entry(worst)
    raise ConvergenceError(
        f"solve's answer is no root: the residual is {r[worst]:.2g}{' at ' + place if place else ''}; expected at most "
        f"{allowed[worst]:.2g}, what a change of x by {part:.1e} of its size makes of it. Let solve go on until it "
        "arrives; at a root of 0 give scale=, the usual size of x"
    )


def sizes(x, layout, scale):
    """The size of each entry of x, on the host: the largest of its leaf, unless one is given."""
    if scale is None:
        x = np.abs(to_numpy(x))
        found = [np.max(x[s], initial=0) for s in layout.slices.values()]
    else:
        found = layout.leaves(scale, "scale", lead=None) if is_container(scale) else [scale] * len(layout.slices)
        found = [to_numpy(primal(a)) for a in found]
        if not all(np.all(np.greater(a, 0) & np.isfinite(a)) for a in found):
            raise ValueError(f"got scale={scale!r}; expected positive numbers")
    shaped = zip(found, layout.shapes.values(), strict=True)
    return side_by_side([np.ravel(np.broadcast_to(a, shape)) for a, shape in shaped])


def _uneven(n):
    """Numbers between 1/2 and 1 that no row of a Jacobian has reason to cancel."""
    return 0.5 + np.arange(1, n + 1) * 0.6180339887498949 % 1 / 2
