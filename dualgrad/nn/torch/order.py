"""The order of features along an axis: facts that a later layer may settle.

torch has an image as (B, C, H, W), we as (B, H, W, C). So the features of a flattened image stand channel by channel in
torch and place by place with us, and whatever is learned about them with them.
"""

import numpy as np

from ...errors import LayoutError


class Fact:
    """A value that may be known later, None until then; facts that are joined are one."""

    def __init__(self, value=None, size=None):
        self._value, self._size, self._same = value, size, None

    def root(self):
        return self if self._same is None else self._same.root()

    @property
    def value(self):
        return self.root()._value

    def settle(self, value):
        """Whether the value is this one, which it becomes where it was unknown."""
        root = self.root()
        if root._value is None:
            root._value = value
        return root._value == value

    def join(self, other):
        """Whether the two agree; from now on they are one."""
        a, b = self.root(), other.root()
        fits = a is b or b._value is None or a.settle(b._value)
        if fits and a is not b:
            a._size, b._same = a._size or b._size, a
        return fits


class Order(Fact):
    """The order of the features along an axis: 1 where it is torch's; C where torch has them channel by channel, and we
    places of C channels; a tuple of orders side by side; None while nothing depends on it."""

    @property
    def size(self):
        return self.root()._size

    def sized(self, size):
        """How many features there are, which may be these."""
        root = self.root()
        root._size = root._size or size
        return root._size

    def settle(self, value):
        own, size = self.value, self.size
        if isinstance(own, tuple) and isinstance(value, tuple):
            return len(own) == len(value) and all(a.join(b) for a, b in zip(own, value, strict=True))
        for parts, other in ((own, value), (value, own)):
            if isinstance(parts, tuple) and other is not None:
                return other in (1, size) and all(part.settle(1) for part in parts)
        return super().settle(1 if value == size else value)

    def leaves(self):
        """The orders that it is put together from."""
        value = self.value
        return [leaf for part in value for leaf in part.leaves()] if isinstance(value, tuple) else [self.root()]

    def permutation(self, size):
        """The place in torch of each of our features; None where it is the same."""
        value = self.value
        if all(leaf.value in (None, 1, size) for leaf in self.leaves()):
            return None
        if isinstance(value, tuple):
            return self._side_by_side(value, size)
        if size % value:
            raise LayoutError(f"got {size} features of a flattened image; expected a multiple of its {value} channels")
        return np.arange(size).reshape(value, -1).T.ravel()

    def _side_by_side(self, parts, size):
        sizes = [part.size for part in parts]
        if sizes.count(None) > 1:
            raise LayoutError("how many features come from each branch of a Parallel is not known: flatten what comes "
                              "out of it instead, or bring the branches over one by one")  # fmt: skip
        sizes = [size - sum(filter(None, sizes)) if n is None else n for n in sizes]
        starts = np.cumsum([0, *sizes[:-1]])
        own = [(n, part.permutation(n)) for n, part in zip(sizes, parts, strict=True)]
        return np.concatenate([k + (np.arange(n) if q is None else q) for k, (n, q) in zip(starts, own, strict=True)])
