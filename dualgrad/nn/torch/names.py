"""The names of torch's tensors: which are missing or left over, and what may be meant."""

from collections.abc import Mapping

import numpy as np

from ...errors import LayoutError

_COUNT = "num_batches_tracked"


def require_names(rows, given, model):
    """Raise unless every array has its tensor and every tensor a place."""
    used = {name for row in rows for name in row.theirs}
    counts = {name for name in given if name.removesuffix(_COUNT) + "running_mean" in used}
    missing = [
        f"no {name!r}, which {row.ours!r} is made of" for row in rows for name in row.theirs if name not in given
    ]
    left = [f"{name!r}, for which {model!r} has no place" for name in given if name not in used | counts]
    if missing or left:
        raise LayoutError(f"the state_dict has {(missing + left)[0]}{_hint(rows, given)}")


def _hint(rows, given):
    """What may be wrong with the names."""
    inside = [name for name, value in given.items() if isinstance(value, Mapping)]
    if inside:
        return f". It looks like a checkpoint: is the state_dict under {' or '.join(map(repr, inside))}?"
    found = _by_order(rows, given)
    if found:
        return f". By order and shape its layers would be names={found}: pass that if it is right"
    some = [repr(name) for name in given][:12]
    return (
        f". It has {', '.join(some)}{', ...' * (len(given) > 12)}: say which layer is which by names={{ours: torch's}}"
    )


def _by_order(rows, given):
    """Names of our layers with parameters and torch's, one after another; None where they do not fit."""
    left = {name: tuple(np.shape(a)) for name, a in given.items() if not name.endswith(_COUNT)}
    units = {}
    for row in rows:
        ours, theirs = row.unit
        ends = units.setdefault(ours, {})
        ends.update({name.removeprefix(theirs).lstrip("."): in_torch(row) for name in row.theirs})
    found = {}
    for ours, ends in units.items():
        first = next(iter(left), "")
        prefixes = [first.removesuffix(end) for end in ends if first.endswith(end)]
        fits = (p for p in prefixes if (not p or p[-1] == ".") and all(left.get(p + e) == s for e, s in ends.items()))
        prefix = next(fits, None)
        if prefix is None:
            return None
        left = {name: shape for name, shape in left.items() if name.removeprefix(prefix) not in ends}
        found[ours] = prefix.removesuffix(".")
    return None if left else found


def in_torch(row):
    """The shape of an array in torch."""
    return row.shape if row.axes is None else tuple(row.shape[k] for k in np.argsort(row.axes))
