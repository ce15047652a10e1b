"""Streams that write down what is drawn, and that deal it out again to what draws several at once."""

import numpy as np

import dualgrad as dg


class Recording(dg.Rng):
    """A stream that writes down what is drawn; what it goes back over is written once."""

    def __init__(self, seed):
        super().__init__(seed)
        self.drawn = []

    def _written(self, found):
        self.drawn.append(found.copy())
        return found

    def normal(self, *args, **kwargs):
        return self._written(super().normal(*args, **kwargs))

    def signs(self, *args, **kwargs):
        return self._written(super().signs(*args, **kwargs))

    def integers(self, *args, **kwargs):
        return self._written(super().integers(*args, **kwargs))

    def uniform(self, *args, **kwargs):
        return self._written(super().uniform(*args, **kwargs))

    def state_dict(self):
        return super().state_dict() | {"drawn": len(self.drawn)}

    def load_state_dict(self, state):
        del self.drawn[state["drawn"] :]
        super().load_state_dict({name: value for name, value in state.items() if name != "drawn"})

    def by(self, call):
        """What ``call(self)`` returns, and what it drew."""
        self.drawn = []
        return call(self), self.drawn


class Dealt(dg.Rng):
    """A stream that gives what others drew: the first draws of each, side by side or one after the other."""

    def __init__(self, draws):
        super().__init__(0)
        self.draws, self.at = draws, (0, 0)

    def _next(self, shape):
        k, i = self.at
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if shape == self.draws[i][k].shape:  # one by one
            self.at = (k, i + 1) if i + 1 < len(self.draws) else (k + 1, 0)
            return self.draws[i][k].copy()
        self.at = (k + 1, 0)
        found = np.concatenate([each[k] for each in self.draws])
        assert i == 0
        assert found.shape == shape
        return found

    def normal(self, shape, **kwargs):
        return self._next(shape)

    def signs(self, shape, **kwargs):
        return self._next(shape)

    def integers(self, low, high, shape, **kwargs):
        return self._next(shape)

    def uniform(self, low, high, shape, **kwargs):
        return self._next(shape)

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]
