"""Many outcomes of one program, played at once: which branch each takes at every draw, and how likely it is.

A draw has columns, known by the key it is drawn under: one for every choice. A batch of outcomes is a matrix of
choices, -1 where none has been made; a choice that turns out to be needed is 0, and outcomes that take others are
played later.
"""

import math

import numpy as np

from ..enumeration import laws
from ..enumeration.path import RARE
from ..enumeration.source import ReplayError

CONTINUOUS = {law.name: law for law in (
    laws.NORMAL, laws.UNIFORM, laws.EXPONENTIAL, laws.GUMBEL, laws.LAPLACE, laws.LOGISTIC,
)}  # fmt: skip


class Columns:
    """Where the choices of a program stand, and how many branches each has."""

    def __init__(self):
        self.starts, self.radices, self.labels = {}, [], []
        self.under = {}  # key -> law and shape -> columns

    def of(self, key, law, shape, place, count, radix, label=None):
        """The first of ``count`` columns for what is drawn at a place under a key."""
        identity = key, law, shape, place, count, radix
        if identity not in self.starts:
            start = self.starts[identity] = len(self.radices)
            self.radices += [radix] * count
            self.labels += [label or law] * count
            self.under.setdefault(key, {}).setdefault((law, shape), []).extend(range(start, start + count))
        return self.starts[identity]


class Batch:
    """Outcomes that are played together, from the choices made so far; the host of their draws.

    Attributes
    ----------
    drawn : which choices an outcome came to
    weight : its probability, with the weights of nodes
    lost : the weight at which it was given up, where its probability fell below 1e-14; what it draws then is arbitrary
    """

    def __init__(self, columns, choices, degree, lanes):
        """``lanes`` are played, of which those beyond the choices repeat the first."""
        self.columns, self.choices, self.degree, self.lanes = columns, choices, degree, lanes
        self.size, self.given = choices.shape
        self.drawn = np.zeros((self.size, self.given + 8), bool)
        self.likely = np.ones(self.drawn.shape)
        self.weight, self.probability, self.lost = np.ones(self.size), np.ones(self.size), np.zeros(self.size)
        self.cells, self.spans, self.doubts = {}, {}, {}
        self.rng = np.random.default_rng(0)  # for outcomes that are lost, so that their loops come to an end

    def draw(self, law, shape, words, *parameters):
        """The values of a draw: for every key of an array of them, given as words, an array of ``shape``."""
        name, *static = law
        per = math.prod(words.shape[:-1]) // self.lanes
        keys, *parameters = (
            p.reshape(self.lanes, per, *p.shape[words.ndim - 1 :])[: self.size] for p in (words, *parameters)
        )
        values = np.zeros((self.lanes, per, *shape))
        for j in range(per):
            for key, rows in _together(keys[:, j]):
                given = [p[rows, j] for p in parameters]
                values[: self.size][rows, j] = getattr(self, f"_{name}")(rows, key, tuple(shape), *static, *given)
        values[self.size :] = values[:1]
        return values.reshape(words.shape[:-1] + tuple(shape))

    def settle(self):
        """Check what was drawn when the run is over: the choices and which of them were drawn, column by column."""
        width = len(self.columns.radices)
        self._widen(width)
        self.drawn = self.drawn[:, :width]
        self.choices = np.pad(self.choices, ((0, 0), (0, width - self.given)), constant_values=-1)
        for by_law in self.columns.under.values():
            if len(by_law) > 1:
                met = np.stack([np.any(self.drawn[:, places], axis=1) for places in by_law.values()])
                if np.any(twice := np.sum(met, axis=0) > 1):
                    of = met[:, np.argmax(twice)]
                    raise ReplayError(reused([law for law, is_met in zip(by_law, of, strict=True) if is_met]))

    # ------------------------------------------------------------------ choices

    def _take(self, rows, start, count, radix, weights=None, discrete=True):
        """The choices of some outcomes in ``count`` columns; weights are one row, or one for each choice."""
        self._widen(start + count)
        here = slice(start, start + count)
        chosen = self._chosen(rows, here, radix)
        if weights is None:
            likely = np.full(chosen.shape, 1 / radix)
        elif weights.ndim == 1:
            likely = weights[chosen]
        else:
            likely = np.take_along_axis(weights, chosen[..., None], -1)[..., 0]
        seen = self.drawn[rows, here].copy()
        if np.any(seen & (np.abs(likely - self.likely[rows, here]) > 1e-9)):
            raise ReplayError(reused([(self.columns.labels[start], "")] * 2, " with other probabilities"))
        self.drawn[rows, here], self.likely[rows, here] = True, likely
        factor = np.prod(np.where(seen, 1.0, likely), axis=1)
        self.weight[rows] *= factor
        if discrete:
            self.probability[rows] *= factor
            rare = (self.probability < RARE) & (self.lost == 0)
            self.lost[rare] = np.maximum(self.weight[rare], np.finfo(float).tiny)
        return chosen

    def _chosen(self, rows, here, radix):
        off = self.lost[rows] > 0
        chosen = np.zeros((len(off), here.stop - here.start), np.intp)
        if here.start < self.given:
            chosen = np.maximum(self.choices[rows, here], 0).astype(np.intp)
        if np.any(off):
            chosen[off] = self.rng.integers(0, radix, chosen[off].shape)
        return chosen

    def _widen(self, width):
        missing = width - self.drawn.shape[1]
        if missing > 0:
            more = ((0, 0), (0, max(missing, self.drawn.shape[1])))
            self.drawn, self.likely = np.pad(self.drawn, more), np.pad(self.likely, more, constant_values=1.0)

    # ------------------------------------------------------------------ laws

    def _table(self, rows, key, law, shape, values, weights, discrete=True):
        count = math.prod(shape)
        start = self.columns.of(key, law, shape, "", count, len(values))
        return values[self._take(rows, start, count, len(values), weights, discrete)].reshape(-1, *shape)

    def _continuous(self, rows, key, shape, law, *after):
        return self._table(rows, key, law, shape, *CONTINUOUS[law].nodes(self.degree), discrete=False)

    def _rademacher(self, rows, key, shape, *after):
        return self._table(rows, key, "rademacher", shape, laws.SIGNS.values, laws.SIGNS.probabilities)

    def _categorical(self, rows, key, shape, n, weights, *after):
        count = math.prod(shape)
        start = self.columns.of(key, "categorical", shape, "", count, n, "u < p")
        return self._take(rows, start, count, n, probabilities(weights).reshape(-1, count, n)).reshape(-1, *shape)

    def _integers(self, rows, key, shape, spans, *after):
        spans = np.maximum(spans.reshape(len(spans), -1), 1)
        before = self.spans.setdefault((key, shape), np.zeros((self.size, spans.shape[1]), spans.dtype))
        if np.any((before[rows] != 0) & (before[rows] != spans)):
            raise ReplayError(reused([("randint", shape)] * 2, " below other numbers"))
        before[rows] = spans
        values = np.zeros(spans.shape)
        for place in range(spans.shape[1]):
            for span, some in _by_value(spans[:, place]):
                start = self.columns.of(key, "randint", shape, place, 1, span)
                values[some, place] = self._take(_some(rows, some), start, 1, span)[:, 0]
        return values.reshape(-1, *shape)

    def _permutation(self, rows, key, shape, n, weighted, *given):
        """The first of a permutation of n, one after another from those that are left, in proportion to weights."""
        left, picked = np.tile(np.arange(n), (len(self.weight[rows]), 1)), []
        for i in range(shape[0]):
            label = "u < p" if weighted else "permutation"
            start = self.columns.of(key, "permutation", (n,), i, 1, n - i, label)
            likely = probabilities(np.take_along_axis(given[0], left, 1))[:, None] if weighted else None
            chosen = self._take(rows, start, 1, n - i, likely)
            picked.append(np.take_along_axis(left, chosen, 1))
            left = left[np.arange(n - i) != chosen].reshape(len(left), n - i - 1)
        return np.concatenate(picked, 1)

    # ------------------------------------------------------------------ uniforms

    def _below(self, rows, key, shape, uniforms, places, thresholds, *after):
        """Whether uniforms, given by their places in a draw of shape ``uniforms``, are below thresholds."""
        return self._entries(rows, key, uniforms, places, self._cut, thresholds).reshape(-1, *shape)

    def _floor(self, rows, key, shape, uniforms, places, shift, scale, *after):
        """The whole numbers below ``shift + scale * u``, of uniforms given by their places."""
        return self._entries(rows, key, uniforms, places, self._whole, shift, scale).reshape(-1, *shape)

    def _uniform(self, rows, key, shape, uniforms, places, *after):
        """The numbers of uniforms, given by their places: nodes of what is left of their intervals."""
        return self._entries(rows, key, uniforms, places, self._number).reshape(-1, *shape)

    def _entries(self, rows, key, uniforms, places, act, *given):
        places = places.reshape(len(places), -1)
        given = [g.reshape(places.shape) for g in given]
        values = np.zeros(places.shape)
        for j in range(places.shape[1]):
            for place, some in _by_value(places[:, j]):
                identity = key, uniforms, place
                if identity not in self.cells:
                    self.cells[identity] = Cells(identity, self.size)
                values[some, j] = act(_some(rows, some), self.cells[identity], *(g[some, j] for g in given))
        return values

    def _cut(self, rows, cell, thresholds):
        thresholds = np.nan_to_num(thresholds.astype(np.float64), nan=0.0)  # as u < nan
        number = cell.number[rows]
        inside = (cell.low[rows] < thresholds) & (thresholds < cell.high[rows])
        self._note_use(inside, number)
        for unsure, some in _by_value(inside & np.isnan(number)):
            if unsure:
                where = _some(rows, some)
                self._part(where, cell, np.stack([cell.low[where], thresholds[some], cell.high[where]], -1))
        return np.where(np.isnan(number), cell.high[rows] <= thresholds, number < thresholds)

    def _whole(self, rows, cell, shift, scale):
        number = cell.number[rows]
        low, high = (np.where(np.isnan(number), side[rows], number) for side in (cell.low, cell.high))
        first, last = np.sort([shift + scale * low, shift + scale * high], axis=0)
        found = np.floor(first)
        pieces = np.where(np.isnan(number), np.maximum(np.ceil(last) - found, 1), 1)
        self._note_use(np.ceil(shift + scale) - np.floor(shift) > 1, number)
        for count, some in _by_value(pieces):
            if count > 1:
                levels = (found[some, None] + np.arange(count + 1) - shift[some, None]) / scale[some, None]
                edges = np.clip(np.sort(levels, axis=1), low[some, None], high[some, None])
                part = self._part(_some(rows, some), cell, edges)
                found[some] += np.where(scale[some] > 0, part, count - 1 - part)
        return found

    def _note_use(self, unsure, number):
        if np.any(unsure & ~np.isnan(number)):
            self.doubts["a uniform draw is compared after arithmetic was done with it"] = None

    def _part(self, rows, cell, edges):
        """Which of the parts of its interval a uniform is in, which is then what is known of it."""
        count, chosen = edges.shape[1] - 1, np.zeros(len(edges), np.intp)
        key, uniforms, place = cell.identity
        for cuts, some in _by_value(cell.cuts[rows].copy()):
            where, within = _some(rows, some), edges[some]
            sizes = np.diff(within, axis=1)
            start = self.columns.of(key, "uniform", uniforms, (place, cuts), 1, count, "u < p")
            taken = self._take(where, start, 1, count, (sizes / np.sum(sizes, axis=1, keepdims=True))[:, None])
            cell.low[where] = np.take_along_axis(within, taken, 1)[:, 0]
            cell.high[where] = np.take_along_axis(within, taken + 1, 1)[:, 0]
            cell.cuts[where] += 1
            chosen[some] = taken[:, 0]
        return chosen

    def _number(self, rows, cell):
        key, uniforms, place = cell.identity
        nodes, weights = laws.UNIFORM.nodes(self.degree)
        start = self.columns.of(key, "uniform", uniforms, (place, "number"), 1, len(nodes))
        u = nodes[self._take(rows, start, 1, len(nodes), weights, discrete=False)[:, 0]]
        number = cell.low[rows] + (cell.high[rows] - cell.low[rows]) * u
        cell.number[rows] = np.where(np.isnan(cell.number[rows]), number, cell.number[rows])
        return cell.number[rows]


class Cells:
    """One uniform in every outcome of a batch: the interval it is known to lie in, and its number once it has one."""

    def __init__(self, identity, size):
        self.identity = identity
        self.low, self.high = np.zeros(size), np.ones(size)
        self.cuts, self.number = np.zeros(size, np.intp), np.full(size, np.nan)


def reused(laws_met, how=""):
    """What is said of a key that is used twice, for laws of some shapes."""
    names = " and for ".join(f"{law}{shape}" for law, shape in laws_met)
    return (
        f"key reused for {names}{how}: in JAX the two draws depend on each other, as bits of one key. Split the key, "
        "and use each part once"
    )


def probabilities(weights):
    """Weights that sum to one along the last axis; all on the first NaN, as argmax takes it."""
    weights = weights.astype(np.float64)
    bad = np.isnan(weights)
    if np.any(bad):
        weights = np.where(np.any(bad, -1, keepdims=True), np.eye(weights.shape[-1])[np.argmax(bad, -1)], weights)
    return weights / np.sum(weights, axis=-1, keepdims=True)


def _together(keys):
    """The keys among those of all outcomes that are played, each with the outcomes that have it."""
    outcomes, hashes = keys[:, 0], (keys[:, 1].astype(np.uint64) << np.uint64(32)) | keys[:, 2]
    live = outcomes < len(keys)
    if np.all(live) and np.all(hashes == hashes[0]):
        yield int(hashes[0]), slice(None)
        return
    for found in np.unique(hashes[live]):
        yield int(found), np.flatnonzero(live & (hashes == found))


def _by_value(numbers):
    """The values among whole numbers, each with the places it stands at."""
    if numbers.size and np.all(numbers == numbers[0]):
        yield int(numbers[0]), slice(None)
        return
    for value in np.unique(numbers):
        yield int(value), np.flatnonzero(numbers == value)


def _some(rows, some):
    """A part of rows, which are a slice of all or their numbers."""
    if isinstance(some, slice):
        return rows
    return some if isinstance(rows, slice) else rows[some]
