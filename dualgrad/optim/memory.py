"""What an optimizer keeps from step to step, and for which parameters."""

import functools

import numpy as np

from ..backend import like as on_device
from ..errors import LayoutError
from ..layout import Layout
from ..settings import layouts_differ
from .leaves import described


class Memory:
    """State by name, one vector a leaf; ``places`` are the names and shapes of the parameters it is of."""

    def __init__(self, state, places=None, leaves=(), moments=()):
        self.state, self.places, self.moments = state, places, moments
        self.kinds = [(w.__class__, w.dtype) for w in leaves]
        self.headroom = min((_headroom(w.dtype) for w in leaves), default=np.inf)

    def fitting(self, leaves, places, optimizer):
        """The memory for these leaves: this one, or where it is new, loaded, or of another device, one made of it."""
        same = places is self.places or places == self.places
        if not same and in_no_order(places) == in_no_order(self.places):  # of a tree the order does not matter
            order = [[name for name, _ in self.places].index(name) for name, _ in places]
            reordered = {name: [vs[k] for k in order] for name, vs in self.state.items()}
            return Memory(reordered, places).fitting(leaves, places, optimizer)
        if same and self.moments and self.kinds == [(w.__class__, w.dtype) for w in leaves]:
            return self
        if self.places is None:
            shapes = [w.shape for w in leaves]  # a state without names, of an earlier version
            if any([v.shape for v in vs] != shapes for vs in self.state.values()):
                raise LayoutError(f"the state of {optimizer!r} does not have the shapes {shapes}; reset() forgets it")
        elif not same:
            differ = layouts_differ(described(self.places), described(places))
            raise LayoutError(f"{optimizer!r} was stepping other parameters: {differ}; reset() forgets its state")
        for w in leaves:
            if w.dtype.kind not in "fc":
                raise TypeError(f"got parameters of {w.dtype}; expected floating, of one kind with their gradient")
        if len({id(w) for w in leaves}) < len(leaves):
            raise LayoutError("one array stands in two places of the parameters: give it once, with its whole gradient")
        moments = [np.result_type(w.dtype, optimizer.precision) for w in leaves]
        state = {
            name: [
                _state_array(v, w, kind, f"the state {name!r} of {optimizer!r}")
                for v, w, kind in zip(self.state.get(name, leaves), leaves, moments, strict=True)
            ]
            for name in optimizer._kept
        }
        return Memory(state, places, leaves, moments)

    def copy(self):
        """The same with arrays of its own."""
        found = Memory({name: [v.copy() for v in vs] for name, vs in self.state.items()}, self.places)
        found.kinds, found.moments, found.headroom = self.kinds, self.moments, self.headroom
        return found

    def arrays(self):
        """All arrays of the state."""
        return [v for vs in self.state.values() for v in vs]

    def largest(self):
        """The largest size of an entry."""
        return max((float(np.max(np.abs(v), initial=0)) for v in self.arrays()), default=0.0)

    def tensors(self, arrays):
        """The arrays of a leaf, tensor by tensor."""
        if not isinstance(self.places, Layout):
            return [arrays]
        return [[a[..., place] for a in arrays] for place in self.places.slices.values()]


def _state_array(v, w, kind, what):
    """A state's array on the device of the leaf w, in the dtype of its moments; zeros where w itself stands for it."""
    if v is w:
        return np.zeros_like(w, dtype=kind)
    if not np.can_cast(v.dtype, kind):
        raise LayoutError(f"{what} is of {v.dtype}, and that of parameters of {w.dtype} is {kind}: reset() forgets it")
    return on_device(v.astype(kind, copy=False), w)


def in_no_order(places):
    """Names and shapes of a tree, in no order."""
    return dict(places) if isinstance(places, tuple) else places


@functools.lru_cache
def _headroom(dtype):
    """What may be added to a number of this dtype without an overflow; nothing in half precision."""
    info = np.finfo(dtype)
    return 0.0 if info.bits < 32 else float(info.max) * float(info.eps) / 4
