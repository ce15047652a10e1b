"""One outcome of a program of JAX, whose draws come from a `Source`, key by key."""

import math

import numpy as np

from ..enumeration import laws
from ..enumeration.chance import Random
from ..enumeration.source import ReplayError
from .jax_keys import NOBODY
from .outcomes import CONTINUOUS, probabilities, reused

RADEMACHER = laws.uniformly("rademacher", [1.0, -1.0])


class Wide(Random):
    """Continuous draws spread evenly over their lines, a normal out to 7.5 standard deviations.

    From every other seed branches are taken alike, the rare ones too.
    """

    def __init__(self, seed):
        super().__init__(seed)
        self.rare_as_any = seed % 2 == 1

    def fresh(self, law, count):
        if isinstance(law, laws.Discrete) and self.rare_as_any:
            return law.pick(self.rng.integers(0, law.radix, count))[0]
        drawn = super().fresh(law, count)
        if isinstance(law, laws.Discrete):
            return drawn
        return np.array([law.along(x, t) for x, t in zip(drawn, self.rng.uniform(-1, 1, count), strict=True)])

    def split(self, cell, edges):
        if not self.rare_as_any:
            return super().split(cell, edges)
        return int(self.rng.integers(0, len(edges) - 1))


class Single:
    """The host of one outcome. A key is a stream of its source, and a place in what is drawn under it a position."""

    def __init__(self, source):
        self.source = source
        self.used = {}  # key -> law and shape

    def draw(self, law, shape, words, *parameters):
        """The values of a draw: for every key of an array of them, given as words, an array of ``shape``."""
        name, *static = law
        keys = words.reshape(-1, words.shape[-1])
        parameters = [p.reshape(len(keys), *p.shape[words.ndim - 1 :]) for p in parameters]
        values = np.zeros((len(keys), *shape))
        for k, (outcome, *key) in enumerate(keys.tolist()):
            if outcome != NOBODY:
                given = [p[k] for p in parameters]
                values[k] = np.reshape(getattr(self, f"_{name}")(tuple(key), shape, *static, *given), shape)
        return values.reshape(words.shape[:-1] + tuple(shape))

    def _stream(self, key, law, shape):
        then = self.used.setdefault(key, (law, shape))
        if then != (law, shape):
            raise ReplayError(reused([then, (law, shape)]))
        return key

    def _continuous(self, key, shape, name, *after):
        return self.source.take(self._stream(key, name, shape), 0, CONTINUOUS[name], math.prod(shape))

    def _rademacher(self, key, shape, *after):
        return self.source.take(self._stream(key, "rademacher", shape), 0, RADEMACHER, math.prod(shape))

    def _integers(self, key, shape, spans, *after):
        spans = np.maximum(spans, 1).ravel().tolist()
        stream = self._stream(key, f"randint below {spans}, ", shape)
        drawn = []
        for place, span in enumerate(spans):
            drawn.append(self.source.take((stream, place), 0, laws.Range("randint", 0, span), 1)[0])
        return drawn

    def _categorical(self, key, shape, n, weights, *after):
        cells = self.source.intervals(self._stream(key, "categorical", shape), 0, math.prod(shape))
        edges = np.cumsum(probabilities(weights).reshape(-1, n), axis=1)[:, :-1]
        return [cell.part(ends) for cell, ends in zip(cells, edges.tolist(), strict=True)]

    def _permutation(self, key, shape, n, weighted, *given):
        stream, left, picked = self._stream(key, "permutation", (n,)), list(range(n)), []
        for i in range(shape[0]):
            if weighted:
                edges = np.cumsum(probabilities(given[0][left]))[:-1].tolist()
                place = self.source.intervals((stream, i), 0, 1)[0].part(edges)
            else:
                place = int(self.source.take((stream, i), 0, laws.Range("permutation", 0, len(left)), 1)[0])
            picked.append(left.pop(place))
        return picked

    # ------------------------------------------------------------------ uniforms

    def _cells(self, key, uniforms, places):
        cells = self.source.intervals(self._stream(key, "uniform", uniforms), 0, math.prod(uniforms))
        return [cells[place] for place in places.ravel().tolist()]

    def _below(self, key, shape, uniforms, places, thresholds, *after):
        at = np.nan_to_num(thresholds.astype(np.float64), nan=0.0).ravel().tolist()
        return [cell.below(t) for cell, t in zip(self._cells(key, uniforms, places), at, strict=True)]

    def _floor(self, key, shape, uniforms, places, shift, scale, *after):
        found = []
        for cell, a, b in zip(self._cells(key, uniforms, places), shift.ravel(), scale.ravel(), strict=True):
            lowest, highest = sorted((float(a), float(a + b)))
            steps = np.arange(np.floor(lowest) + 1, np.ceil(highest))
            edges = np.sort((steps - a) / b) if b else steps
            part = cell.part(edges.tolist())
            found.append(np.floor(lowest) + (part if b >= 0 else len(edges) - part))
        return found

    def _uniform(self, key, shape, uniforms, places, *after):
        return [cell.number() for cell in self._cells(key, uniforms, places)]
