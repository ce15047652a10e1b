"""The Fan: Taylor series along K directions from one point, with one value and all coefficients side by side."""

import math
from typing import Any

import numpy as np

from ..backend import is_host
from ..bent import Bent
from ..dual import LIVE, Dual, new_level, pad_lead
from ..rules.absorb import has_nan, quietly
from ..tables import KINDS, RULES
from ..tree import flatten, leaf, rebuild
from .series import OF_TABLES, Series, coefficient_of, stacked
from .together import AT_ONCE, is_constant


@leaf
class Fan(Bent):
    """x₀ + x₁ₖ t + ... + xₙₖ tⁿ along K directions: n K tangents of one value, those of t first.

    Programs receive one inside `taylor`. What is linear sends all of them on at once, so do products and the functions
    of which a recurrence is known (`dualgrad.series.stacked`); any other function is pushed along one direction after
    the other, as a Series.
    """

    __slots__ = ("count", "order")

    axes = 2  # in front of those of the value, in ``rest``

    def __init__(self, value: Any, tangent: Any, level: int, order: int, count: int, frozen: bool = False) -> None:
        super().__init__(value, tangent, level, frozen)
        self.order: int = order
        self.count: int = count

    def like(self, primal, tangent, frozen=False):
        return Fan(primal, tangent, self.level, self.order, self.count, frozen)

    @property
    def rest(self) -> Any:
        """x₁, ..., xₙ, as ``(n, K, *shape)``."""
        return coefficients_of(self.tangent, self)

    def of_rest(self, value, rest):
        """The same of other coefficients."""
        return self.like(value, rest.reshape(self.order * self.count, *value.shape))

    def with_care(self, function, args, kwargs):
        """Nothing: what no recurrence finds is sent along the directions one by one."""
        return

    def by_degree(self):
        """x₀, ..., xₙ, as ``shape`` and ``(K, *shape)``."""
        return [self.primal, *self.rest]

    def of_degrees(self, parts):
        """The same of other coefficients."""
        return self.like(parts[0], np.concatenate(parts[1:]))

    def at_once(self, function, args):
        if function not in AT_ONCE or RULES.get(function) is not OF_TABLES[function] or self.level not in LIVE:
            return None
        if not all(_is_plain_fan(a, self.level) if isinstance(a, Fan) else is_constant(a) for a in args):
            return None
        moving = sum(isinstance(a, Fan) for a in args)
        if moving < 2 and _is_linear(function, args):
            return self.of_straight(RULES[function](*(a.straight() if a is self else a for a in args)))
        if function is np.power and (moving > 1 or args[1].__class__ not in (int, float)):
            return None
        return AT_ONCE[function](function, *args)

    def of_straight(self, y):
        """The Fan of a Dual that is linear in this."""
        return self.like(y.primal, y.tangent, y.frozen)

    def bend(self, y, call):
        """The rules for tangents have made ∂f xⱼ of every coefficient; from t² on there is more."""
        outputs, structure = flatten(y)
        ours = [type(v) is Dual and v.level == self.level for v in outputs]
        if self.order < 2 or not self.count or not any(ours):
            return y
        if call.whole is not None:
            found = [v.rest[1:] if ours[n] else None for n, v in enumerate(flatten(quietly(call.whole))[0])]
        elif KINDS.get(call.function) == "bilinear" and len(call.operands) == 2:
            found = [quietly(_with_inner_products, call, outputs[0], self)]
        else:
            found = quietly(_along_each, call, ours)
        bent = [_later(v, later, self) if mine else v for v, later, mine in zip(outputs, found, ours, strict=True)]
        return rebuild(structure, bent)

    def __repr__(self):
        shape = ", ".join(map(str, self.shape))
        return f"Fan({self.dtype}[{shape}], order {self.order}, level {self.level}, {self.count} directions)"


def coefficients_of(tangent, fan):
    """The tangents of a Fan as ``(n, K, *shape)``."""
    return tangent.reshape(fan.order, fan.count, *tangent.shape[1:])


def _is_plain_fan(x, level):
    return x.level == level and is_host(x.primal) and x.tangent.__class__ is np.ndarray


def _is_linear(function, args):
    """Whether a call with one argument that moves is linear in it."""
    return KINDS.get(function) == "bilinear" or function is np.divide and not isinstance(args[1], Dual)


def _later(v, later, fan):
    """A Dual with other coefficients from t² on."""
    later = later.astype(v.dtype).reshape(math.prod(later.shape[:2]), *v.shape)
    return Dual(v.primal, np.concatenate([v.tangent[: fan.count], later]), v.level)


# ---------------------------------------------------------------------- products of two


def _with_inner_products(call, y, fan):
    """zₖ += Σ f(xⱼ, yₖ₋ⱼ) over 0 < j < k."""
    first, second = (x.rest for x in call.operands)
    z = coefficients_of(y.tangent, fan)
    inner = lambda k: sum(_by_directions(call, first[j], second[k - j - 1], y.ndim) for j in range(k))  # noqa: E731
    later = [z[k] + inner(k) for k in range(1, len(z))]
    return _along_each(call, [True])[0] if any(map(has_nan, later)) else np.stack(later)


def _by_directions(call, a, b, ndim):
    """f along each of the directions."""
    if call.function is np.matmul and min(a.ndim, b.ndim) > 2:
        return np.matmul(pad_lead(a, ndim), pad_lead(b, ndim))
    if call.function is np.multiply:
        return pad_lead(a, ndim) * pad_lead(b, ndim)
    return np.stack([call.along(a[k], b[k]) for k in range(len(a))])


# ---------------------------------------------------------------------- anything else


def _along_each(call, ours):
    """The coefficients from t² on of each output, as ``(n - 1, K, *shape)``: by a Series for every direction."""
    found = [[] for _ in ours]
    order = call.operands[0].order
    for k in range(call.operands[0].count):
        level = new_level(())
        try:
            outputs = flatten(call.along(*(_series_along(x, k, level) for x in call.operands)))[0]
            for n, y in enumerate(outputs):
                if ours[n]:
                    found[n].append(np.stack([coefficient_of(y, level, j) for j in range(2, order + 1)]))
        finally:
            LIVE.pop(level)
    return [np.stack(terms, axis=1) if terms else None for terms in found]


def _series_along(x, k, level):
    rest = x.rest[:, k]
    if _is_plain_fan(x, x.level):
        return stacked(x.primal, rest.copy(), level, True)
    series = Series(x.primal, x.order, level, None, True)
    series.known.extend(rest[j] for j in range(x.order))
    return series
