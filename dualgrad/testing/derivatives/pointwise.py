"""The derivatives of one function at one point, against oracles that do not use its rules."""

from dataclasses import replace

import numpy as np

from ...backend import to_numpy
from ...tree import flatten
from ..report import Check, Elements, compare, row
from .oracles import LEAST, analytic, complex_step, has_settled, last_bits, slope_at_0
from .variations import splits

STEP_SIZES = 14  # step sizes 0.05, 0.025, ..., 6e-6
RELATIVE = 1e-8  # what an oracle's own rounding may add
SETTLED = 1e-5  # differences less certain than this certify nothing


def largest_finite(values):
    """The size of the largest finite entry."""
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(values), initial=0, where=np.isfinite(values)))


class AtPoint:
    """The checks of a `FlatFunction` at the leaves xs."""

    def __init__(self, f, xs):
        self.f, self.xs = f, xs
        ys = f.tree(*xs)
        self.elements, self.value = Elements(ys), row(ys)
        self.size = largest_finite(self.value)
        self.eps = max((np.finfo(np.asarray(to_numpy(y)).dtype).eps for y in flatten(ys)[0]), default=0.0)

    def along(self, *directions):
        return self.f.tangent(*directions)(*self.xs)

    def line(self, v, f=None):
        """t -> f(x + t v)."""
        f = f or self.f
        return lambda t: f(*(x + t * d for x, d in zip(self.xs, v, strict=True)))

    def rounding(self, v, step, f=None):
        """What rounding x + t v may do to each entry of f: anything, where the largest step is lost in x."""
        if any(np.any((x + step * d == x) & (d != 0)) for x, d in zip(self.xs, v, strict=True)):
            return np.inf
        return last_bits(f or self.f, self.xs)

    def budget(self, expected, relative):
        """What an entry may be off: a part of itself, and a little of the largest entry, which may have cancelled."""
        with np.errstate(all="ignore"):
            size = np.abs(expected)
        return max(relative, 1e4 * self.eps) * (size + 1e-4 * max(self.size, largest_finite(expected)))

    def compare(self, name, oracle, found, expected, relative, sure=True, note=""):
        return compare(name, oracle, self.elements, found, expected, self.budget(expected, relative), sure, note)

    def of_value(self, v):
        return self.compare("value", "f itself", row(self.f.push(self.xs, v)[0]), self.value, 1e-11)

    def order(self, directions):
        """The derivative along all the directions, from that along all but the last."""
        *lower, v = directions
        below = self.f.tangent(*lower) if lower else self.f
        found = self.along(*directions)
        name = f"order {len(directions)}"
        yield self._differences(name, found, below, v)
        yield self._complex_step(name, found, below, v)

    def _differences(self, name, found, below, v):
        longest = max((np.max(np.abs(d), initial=0) for d in v), default=0)
        start = 1 / max(longest, 1e-300) if longest > 1 else 1.0
        line = self.line(v, below)
        noise = self.eps * max(self.size, largest_finite(line(0.0))) + self.rounding(v, 0.05 * start, below)
        at = slope_at_0(line, 0.05 * start, STEP_SIZES, noise)
        sure = has_settled(at, self.budget(at.value, SETTLED)) & self._holds_nearby(at.value, line, v, noise)
        budget = self.budget(at.value, RELATIVE) + 10 * at.error
        return compare(name, "central differences", self.elements, found, at.value, budget, sure, self._why(at, sure))

    def _holds_nearby(self, slope, line, v, noise):
        """Where the slope is that over some step small beside every entry of x, as far as rounding lets it be seen."""
        sizes = [np.abs(x[d != 0] / d[d != 0]) for x, d in zip(map(np.asarray, self.xs), v, strict=True)]
        smallest = min([1.0, *(np.min(s[s > 0], initial=1.0) for s in sizes)])
        return np.any([self._agrees(slope, line, step * smallest, noise) for step in (1e-4, 1e-7, 1e-10)], axis=0)

    def _agrees(self, slope, line, step, noise):
        ahead, behind = line(step), line(-step)
        rounding = noise + self.eps * np.maximum(np.abs(ahead), np.abs(behind))
        near = (ahead - behind) / (2 * step)
        size = np.abs(slope) + np.abs(near) + 0.1 * max(self.size, largest_finite(slope))
        return ~(np.abs(near - slope) > 1e-3 * size + 10 * rounding / step)

    def _why(self, at, sure):
        if np.all(sure):
            return ""
        kinks = at.kink & ~sure
        k = int(np.argmax(kinks if np.any(kinks) else ~sure))
        where = self.elements.label(k) or "the result"
        if kinks[k]:
            sides = f"slopes {at.left[k]:.6g} and {at.right[k]:.6g} on its two sides"
            more = f" (and at {np.sum(kinks) - 1} more)" if np.sum(kinks) > 1 else ""
            return f"a kink at {where}{more}: {sides}; nothing can be certified there"
        return f"the differences do not settle at {where} (± {at.error[k]:.1e}): a kink, a jump, a singularity or noise"

    def _complex_step(self, name, found, below, v):
        if any(np.iscomplexobj(x) for x in self.xs):
            return Check(name, "complex step", "unchecked", note="the input is complex already", mask=False)
        mask = analytic(below, self.xs, v)
        if isinstance(mask, str):
            return Check(name, "complex step", "unchecked", note=mask, mask=False)
        if np.iscomplexobj(found):
            return Check(name, "complex step", "unchecked", note="the result is complex", mask=False)
        note = "" if np.all(mask) else "not analytic in some entries (Cauchy-Riemann)"
        expected = complex_step(below, self.xs, v)
        budget = self.budget(expected, 1e-9) + 10 * last_bits(lambda *xs: complex_step(below, xs, v), self.xs)
        if found.shape == expected.shape:
            mask = mask & ((found == expected) | (np.maximum(np.abs(found), np.abs(expected)) > LEAST))
            note = note or ("" if np.all(mask) else "too small in some entries (underflow)")
        return compare(name, "complex step", self.elements, found, expected, budget, mask, note)

    def linear(self, v, w, factor=-1.75):
        """∂f (v + w) = ∂f v + ∂f w, ∂f (c v) = c ∂f v, and ∂f 0 = 0; a tangent with zeros in it is a part of a sum."""
        name, along_v, along_w = "linear in the tangent", self.along(v), self.along(w)
        both = self.along([a + b for a, b in zip(v, w, strict=True)])
        with np.errstate(all="ignore"):
            total, budget = along_v + along_w, self.budget(np.abs(along_v) + np.abs(along_w), 1e-9)
        yield compare(name, "sums", self.elements, both, total, budget)
        times = self.along([factor * d for d in v])
        yield compare(name, "multiples", self.elements, times, factor * along_v, budget)
        nothing = self.along([0 * d for d in v])
        yield compare(name, "zero", self.elements, nothing, 0 * nothing, 0.0)
        sure = np.isfinite(along_v)
        with np.errstate(all="ignore"):
            sums = [(note, sum(map(self.along, parts))) for note, parts in splits(v)]
        yield worst(
            compare(name, "zeros in it", self.elements, found, along_v, budget, sure, note) for note, found in sums
        )

    def directions(self, counts, v, w, rng):
        """K directions in one pass, each a combination of v and w."""
        pairs = [np.array(pair) for pair in zip(v, w, strict=True)]
        along = [flatten(self.f.push(self.xs, d)[1])[0] for d in (v, w)]
        along = [np.array(pair) for pair in zip(*along, strict=True)]
        return worst(self._directions(rng.normal((k, 2)), pairs, along) for k in counts)

    def _directions(self, weights, pairs, along):
        name, oracle, note = "K directions in one pass", "single ones", f"K = {len(weights)}"
        with np.errstate(all="ignore"):
            stacked, expected = ([np.tensordot(weights, pair, 1) for pair in of] for of in (pairs, along))
        found = flatten(self.f.push(self.xs, stacked)[1])[0]
        got, right = list(map(np.shape, found)), list(map(np.shape, expected))
        if got != right:
            return Check(name, oracle, "failed", note=f"{note}: tangents of shapes {got}; expected {right}")
        found, expected, of = row(found), row(expected), Elements(found)
        return compare(name, oracle, of, found, expected, self.budget(expected, 1e-9), np.isfinite(expected), note)


def worst(checks):
    """The check that is worst, of those that could judge, and which case it is if it failed; the rest stays unsaid."""
    judged = [c for c in checks if c is not None and c.status != "unchecked"]
    found = max(judged, key=lambda c: (c.status == "failed", c.error / max(c.budget, 1e-300)), default=None)
    return found and replace(found, mask=True, note=found.note if found.status == "failed" else "")
