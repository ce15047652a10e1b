"""check_vjp: a layer's rules against each other, against the engine and against the definition of a transpose."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backend import ArrayLike
from ...nn.layer import with_buffers
from ...nn.losses import Loss
from ...nn.user_rules import tangent_rule
from ...pushforward import jvp
from ...random import RngLike, as_rng
from ...transforms import grad
from ...tree import map_leaves
from ...zero import ZERO
from ..report import Check, Elements, Report, compare, row, verdict
from .as_layers import HeldLayer, LossRules
from .functions import CheckError
from .pullbacks import around_layer
from .variations import MEETS, splits

RANDOM_PAIRS = 4  # random pairs (u, v) for <u, J v> = <Jᵀ u, v>
ENTRIES = 4096  # up to so many parameters and inputs, Jᵀ u is compared entry by entry
DIRECTION_COUNTS = 0, 1, 3, 5, 17  # how many are pushed in one pass; and as many as each axis of the input has entries


def check_vjp(
    layer: Any,
    params: Mapping[str, Any],
    x: ArrayLike,
    *,
    rng: RngLike = None,
    raises: bool = True,
    **kwargs: Any,
) -> Report:
    """Check a layer's transposed rule, and its explicit jvp: ⟨u, J v⟩ = ⟨Jᵀ u, v⟩, entry by entry where it is small.

    The forward rule is the truth: its derivative by the engine is compared with the layer's ``jvp`` and ``vjp``. So
    this certifies that the three rules agree; `check_jvp` of the forward rule certifies the engine. The jvp is tried
    along one direction and several at once, also as many as the input has examples, and with `ZERO` for every tangent
    alone, for all but one, and for all.

    Parameters
    ----------
    layer : object with ``forward(p, x)`` and ``vjp(p, x) -> y, pullback``, ``pullback(dy) -> dp, dx``
        A `dualgrad.nn.Layer`, or anything shaped like one; a ``jvp(p, x, dp, dx)`` of its own is checked too. For a
        `dualgrad.nn.Loss`, params is ``{}``, x the prediction, and ``target=`` goes to the rules.
    params : mapping of arrays, such as Params, whose buffers stand still
    x : array
        The input; integers are held constant.
    rng : int, numpy.random.Generator or Rng, optional
        Draws u and v; seed 0 by default. With ``train=True`` a layer that draws gets a stream of its own, the same at
        every call.
    raises : bool
        Raise when the check fails; False only returns the report.
    **kwargs
        Passed on to every rule.

    Returns
    -------
    Report

    Raises
    ------
    AssertionError
        With the report, when a check fails.
    CheckError
        When a rule writes to its input.
    TypeError
        When the layer has no ``forward`` or no ``vjp``.

    Notes
    -----
    Cost: a handful of passes for every array of parameters, of up to 5 directions (16 for an input that has an axis of
    16), and one jvp for every entry while there are at most 4,096 of them; for larger layers only the inner products
    are compared, leaf by leaf.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import testing
    >>> layer = dg.nn.Linear(3, 2)
    >>> testing.check_vjp(layer, layer.init(rng=0, dtype=np.float64), np.ones((4, 3))).passed
    True
    """
    layer = LossRules(layer) if isinstance(layer, Loss) else layer
    buffers, draws = getattr(params, "buffers", {}), kwargs.get("train") and "rng" in getattr(layer, "takes", ())
    for rule in ("forward", "vjp"):
        if not callable(getattr(layer, rule, None)):
            raise TypeError(f"check_vjp got {layer!r}, which has no {rule}; expected a layer with forward and vjp")
    if hasattr(layer, "require"):
        layer.require(with_buffers(params))
    layer = HeldLayer(layer, buffers, draws) if buffers or draws else layer
    checks = _Transposes(layer, dict(params), np.asarray(x), as_rng(0 if rng is None else rng), kwargs)
    found = list(checks.all())
    if not any(check.status == "failed" for check in found):
        found += checks.around()
    return verdict(Report(f"check_vjp of {layer!r}", tuple(found)), raises)


class _Transposes:
    """The checks of one layer at one point."""

    def __init__(self, layer, p, x, rng, kwargs):
        self.layer, self.p, self.x, self.rng, self.kwargs = layer, p, x, rng, kwargs
        moves = np.issubdtype(x.dtype, np.inexact)
        self.point = {"params": p} | ({"x": x} if moves else {})
        self.inputs, self.where = Elements(self.point), (p, x, kwargs)

    def at(self, p, x, kwargs):
        """The same layer at another point."""
        return _Transposes(self.layer, p, x, self.rng, kwargs)

    def forward(self, point):
        return self.layer.forward(point["params"], point.get("x", self.x), **self.kwargs)

    def draw(self, like, lead=()):
        def one(a):
            return self.rng.normal(lead + np.shape(a)).astype(np.asarray(a).dtype)

        return map_leaves(one, like)

    def all(self):
        before = row([self.p, self.x]).tobytes()
        y = self.forward(self.point)
        value, pullback = self.layer.vjp(self.p, self.x, **self.kwargs)
        self.outputs = Elements(y)
        self.tolerance = 1e3 * np.finfo(np.asarray(y).dtype).eps
        self.size = float(np.max(np.abs(y), initial=0))  # rounding of this size may be left where terms cancel
        yield self.close("value of vjp", "forward", self.outputs, value, y)
        if callable(getattr(self.layer, "jvp", None)):
            yield from self.explicit(tangent_rule(self.layer))
        us = [self.draw(y) for _ in range(RANDOM_PAIRS)]
        pulled = [self.pull(pullback, u) for u in us]
        for leaf in self.inputs.names:
            yield self.identity(leaf, us, pulled)
        if 0 < row(self.point).size <= ENTRIES:
            exact = grad(lambda point: np.sum(us[0] * self.forward(point)))(self.point)
            yield self.close("transpose", "Jᵀ u by the engine", self.inputs, pulled[0], exact)
        mixed = self.pull(pullback, 2.5 * us[0] - us[1])
        yield self.close(
            "pullback is linear", "sums and multiples", self.inputs, mixed, 2.5 * row(pulled[0]) - row(pulled[1])
        )
        again = self.pull(pullback, us[0])
        yield self.close("pullback can be called twice", "its first result", self.inputs, again, pulled[0])
        parts = [row(self.pull(pullback, part)) for (part,) in next(splits([us[0]]))[1]]
        yield self.close("pullback is linear", "zeros in dy", self.inputs, sum(parts), pulled[0])
        self.pulled = us[0], pulled[0]
        if row([self.p, self.x]).tobytes() != before:
            raise CheckError(f"{self.layer!r} writes to its parameters or its input: let it work on copies")

    def around(self):
        """What is derived from the point, where all is right at the point itself."""
        return [check for check in around_layer(self, *self.pulled) if check is not None]

    def close(self, name, oracle, elements, found, expected, note=""):
        found, expected = row(found), row(expected)
        if found.shape != expected.shape:
            return compare(name, oracle, elements, found, expected, 0.0)
        budget = self.tolerance * (np.abs(expected) + np.max(np.abs(expected), initial=self.size))
        return compare(name, oracle, elements, found, expected, budget, note=note)

    def explicit(self, push):
        """The layer's own jvp against the engine's derivative of forward."""
        v = self.draw(self.point)
        y, dy = jvp(self.forward, (self.point,), (v,))
        value, found = self.pushed(push, v)
        found = np.zeros_like(dy) if found is ZERO else found
        yield self.close("value of jvp", "forward", self.outputs, value, y)
        yield self.close("jvp", "the engine on forward", self.outputs, found, dy)
        if self.inputs.names:
            yield from self.together("jvp of K directions", push, self.many())
            yield from self.together("jvp with ZERO tangents", push, self.resting())

    def pushed(self, push, v):
        return push(self.p, self.x, v["params"], v.get("x", ZERO), **self.kwargs)

    def many(self):
        """Cases of K directions: what they are, the tangents, and what the engine says."""
        for k in sorted({*DIRECTION_COUNTS, *(n for n in self.x.shape if n <= MEETS)}):
            v = self.draw(self.point, (k,))
            yield f"K = {k}", v, jvp(self.forward, (self.point,), (v,))

    def resting(self):
        """Cases in which one leaf moves, all but one, or none, by linearity from the tangents along each leaf."""
        names, v = self.inputs.names, self.draw(self.point, (3,))
        pairs = [jvp(self.forward, (self.point,), (_only(v, self.inputs, name),)) for name in names]
        y, along = pairs[0][0], {name: dy for name, (_, dy) in zip(names, pairs, strict=True)}
        moving = {f"along {name}": [name] for name in names}
        moving |= {f"along all but {name}": [n for n in names if n != name] for name in names if len(names) > 2}
        for what, leaves in moving.items():
            w, dy = _only(v, self.inputs, *leaves, rest=lambda a: ZERO), sum(along[name] for name in leaves)
            yield f"{what}, K = 3", w, (y, dy)
            yield what, map_leaves(lambda a: a if a is ZERO else a[0], w), (y, dy[0])
        yield "along nothing", map_leaves(lambda a: ZERO, v), (y, ZERO)

    def together(self, name, push, cases):
        """Values and tangents of many calls in one check; a call that raises or gives other shapes is one by itself."""
        found, expected = {}, {}
        for what, v, (y, dy) in cases:
            try:
                value, d = self.pushed(push, v)
                problem = _misfit(value, d, y, dy)
            except Exception as error:  # whatever it is, the rule does not take these tangents
                problem = f"{type(error).__name__}: {error}"
            if problem:
                yield Check(name, what, "failed", note=problem)
            else:
                found[what], expected[what] = (value, _filled(d, y if dy is ZERO else dy)), (y, _filled(dy, y))
        if expected:
            yield self.close(name, "the engine on forward", Elements(expected), found, expected)

    def pull(self, pullback, u):
        """Jᵀ u as a tree like the point; a symbolic zero is filled in, a wrong shape is refused."""
        dp, dx = pullback(u)
        missing = [name for name in self.p if name not in dp]
        if missing or len(dp) != len(self.p):
            raise AssertionError(f"the pullback of {self.layer!r} returns {sorted(dp)}; expected {sorted(self.p)}")
        found = {"params": {name: _filled(dp[name], a) for name, a in self.p.items()}}
        if "x" in self.point:
            found["x"] = _filled(dx, self.x)
        for name, got, like in zip(self.inputs.names, Elements(found).shapes, self.inputs.shapes, strict=True):
            if got != like:
                raise AssertionError(f"the pullback of {self.layer!r} returns shape {got} for {name}; expected {like}")
        return found

    def identity(self, leaf, us, pulled):
        """⟨u, J v⟩ = ⟨Jᵀ u, v⟩ for tangents v of one leaf alone."""
        found, expected, sizes = [], [], []
        for u, back in zip(us, pulled, strict=True):
            v = self.draw(self.point)
            v = _only(v, self.inputs, leaf)
            dy = jvp(self.forward, (self.point,), (v,))[1]
            expected.append(np.sum(row(u) * row(dy)))
            found.append(np.sum(row(back) * row(v)))
            sizes.append(np.sum(np.abs(row(u) * row(dy))) + np.sum(np.abs(row(back) * row(v))) + self.size)
        found, expected = np.array(found), np.array(expected)
        budget = self.tolerance * np.array(sizes)
        return compare("⟨Jᵀu, v⟩ = ⟨u, Jv⟩", f"v in {leaf}", Elements(found), found, expected, budget)


def _misfit(value, d, y, dy):
    """What is wrong with the kind or the shapes of a value and tangent; "" if nothing is."""
    if dy is ZERO is not d:
        return "got an array where nothing moves; expected ZERO, which goes with any K"
    like = y if dy is ZERO else dy
    shapes, right = (np.shape(value), np.shape(_filled(d, like))), (np.shape(y), np.shape(like))
    return "" if shapes == right else f"got y, dy of shapes {shapes}; expected {right}"


def _filled(d, like):
    return np.zeros(np.shape(like), np.asarray(like).dtype) if d is ZERO else np.asarray(d)


def _only(v, elements, *leaves, rest=np.zeros_like):
    """The tangent v with every leaf at rest but these."""
    names = iter(elements.names)
    return map_leaves(lambda a: a if next(names) in leaves else rest(a), v)
