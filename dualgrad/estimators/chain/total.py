"""Total: gradients summed by name."""

import numpy as np

from ...params import Params
from ...scratch import empty_like


class Total:
    """Sums of gradients by name, in the kind of the parameters; the first of a name may be written in its place."""

    def __init__(self, params):
        self.params, self.seen = params, set()
        packed = isinstance(params, Params)
        self.sums = Params.from_vector(params.layout, empty_like(params.vector)) if packed else {}

    def place(self, name):
        """Where the first gradient of a name may be written; None where it may not."""
        return None if name in self.seen or not isinstance(self.sums, Params) else self.sums[name]

    def add(self, name, g):
        """Add to the sum of a name; a g that was written in its place is there."""
        if name in self.seen:
            self.sums[name] = self.sums[name] + g
        elif g is not self.place(name):
            self.sums[name] = g
        self.seen.add(name)

    def finished(self):
        """The sums, zero for names that were never added to."""
        for name, w in self.params.items():
            if name not in self.seen:
                self.sums[name] = np.zeros_like(w)
        return self.sums if isinstance(self.sums, Params) else {name: self.sums[name] for name in self.params}
