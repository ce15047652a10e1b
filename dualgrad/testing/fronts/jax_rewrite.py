"""A traced program, rewritten for a batch of outcomes.

Under vmap a ``cond`` runs both branches, and a ``while`` its body for outcomes that have left it: there the keys that
go in are made nobody's, so that what is not drawn takes no branches. A uniform draw stays lazy through shapes, affine
maps and ``where``: where it is compared with a number, rounded, or bounded by ``max``, ``min`` and ``clamp``, the
interval it lies in is cut, which is exact; anything else makes it a number. Each draw waits for the one before it, so
that the order is that of the program.
"""

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from ..enumeration.source import ReplayError
from .jax_draws import draw
from .jax_keys import KEY, only_where

INLINED = {"jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint", "custom_jvp_call",
           "custom_vjp_call", "custom_vjp_call_jaxpr"}  # fmt: skip
SHAPED = {"broadcast_in_dim", "reshape", "squeeze", "expand_dims", "slice", "transpose", "rev", "dynamic_slice",
          "gather", "copy", "copy_p"}  # fmt: skip
COMPARISONS = {"lt": False, "le": False, "gt": True, "ge": True}  # true above the number


def rewritten(closed):
    """The program of a closed jaxpr that takes a key, rewritten, as a function."""
    return lambda key: Rewriter().outcome(closed, [key])


class Rewriter:
    """Evaluates a program equation by equation; uniform draws are `Lazy` until they are needed as numbers."""

    def __init__(self):
        self.last = None  # a number of the last draw, for which the next one waits
        self.live = True  # whether the part of the program that is being evaluated is taken
        self.control = {"cond": self._cond, "while": self._while, "scan": self._scan}

    def draw(self, law, shape, dtype, keys, *parameters):
        if self.last is not None:
            parameters = [*parameters, jnp.broadcast_to(self.last, keys.shape)]
        drawn = draw(law, shape, dtype, keys, *parameters)
        self._wait_for([drawn])
        return drawn

    def _wait_for(self, results):
        numbers = [y for y in results if y.dtype != KEY and y.size]
        if numbers:
            self.last = jnp.ravel(numbers[0])[0]

    def outcome(self, closed, given):
        """The results of a program, or of a part of it, as numbers."""
        return [_as_number(y) for y in self._evaluate(closed.jaxpr, closed.consts, given)]

    def _evaluate(self, jaxpr, consts, given):
        values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *given], strict=True))

        def read(v):
            return v.val if hasattr(v, "val") else values[v]

        for equation in jaxpr.eqns:
            found = self._equation(equation, [read(v) for v in equation.invars])
            values.update(zip(equation.outvars, found, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def _equation(self, equation, given):
        name, params = equation.primitive.name, equation.params
        if name in INLINED:
            inner = next(params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in params)
            return self._evaluate(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), given)
        if name in self.control:
            found = self.control[name](given, params)
            self._wait_for(found)
            return found
        if name == "draw":
            return [self._lazy(*given[:2], **params) if params["law"][0] == "uniform" else self.draw(
                params["law"], params["shape"], params["dtype"], *map(_as_number, given))]  # fmt: skip
        if name == "random_unwrap" and given[0].dtype == KEY:
            raise ReplayError("the run reads the words of its key (jax.random.key_data), which the replay has not")
        if any(isinstance(x, Lazy) for x in given):
            found = _of_lazy(name, equation, given)
            if found is not None:
                return [found]
        return computed(equation, [_as_number(x) for x in given])

    def _lazy(self, keys, places, *, law, shape, dtype):
        spread = jnp.broadcast_to(lax.expand_dims(keys, range(keys.ndim, keys.ndim + len(shape))), places.shape)
        return Lazy(self, law[1], spread, places, jnp.zeros(places.shape, dtype), jnp.ones(places.shape, dtype))

    # ------------------------------------------------------------------ control flow

    def _part(self, closed, given, live=True):
        """The results of a branch or a loop's body: its keys are nobody's where it is not taken."""
        before = self.last, self.live
        self.live = jnp.logical_and(self.live, live)
        found = self.outcome(closed, [
            x.within(live) if isinstance(x, Lazy) else only_where(live, x) if getattr(x, "dtype", None) == KEY else x
            for x in given
        ])  # fmt: skip
        self.last, self.live = before
        return found

    def _cond(self, given, params):
        index = jnp.asarray(_as_number(given[0]), np.int32)
        branches = [
            lambda k=k, branch=branch: self._part(branch, given[1:], index == k)
            for k, branch in enumerate(params["branches"])
        ]
        return lax.switch(index, branches)

    def _while(self, given, params):
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]

        def goes_on(carry):
            return jnp.logical_and(self.live, self._part(params["cond_jaxpr"], [*given[:first], *carry])[0])

        def body(carry):
            return self._part(params["body_jaxpr"], [*given[first:second], *carry], goes_on(carry))

        return lax.while_loop(goes_on, body, [_as_number(x) for x in given[second:]])

    def _scan(self, given, params):
        first, count = params["num_consts"], params["num_carry"]
        over = given[first + count :]

        def body(carry, xs):
            each = [x.of(part) if isinstance(x, Lazy) else part for x, part in zip(over, xs, strict=True)]
            found = self._part(params["jaxpr"], [*given[:first], *carry, *each])
            return found[:count], found[count:]

        carry = [_as_number(x) for x in given[first : first + count]]
        xs = [x.parts if isinstance(x, Lazy) else x for x in over]
        carry, ys = lax.scan(body, carry, xs, params["length"], params["reverse"], params["unroll"])
        return [*carry, *ys]


def computed(equation, given):
    """The results of an equation; those that depend on no draw at once, so that they are told from others."""
    if any(isinstance(x, jax.core.Tracer) for x in given):
        return bound(equation, given)
    with jax.ensure_compile_time_eval():
        return bound(equation, given)


def bound(equation, given):
    with equation.ctx.manager:
        found = equation.primitive.bind(*given, **equation.params)
    return found if equation.primitive.multiple_results else [found]


def _as_number(x):
    return x.number() if isinstance(x, Lazy) else x


# ---------------------------------------------------------------------- uniforms


class Lazy:
    """A uniform u in each entry, as ``shift + scale * u``: the key and the place it is drawn at, entry by entry.

    Where the scale is 0, as beyond a bound, an entry is a number, equal to some.
    """

    def __init__(self, rewriter, uniforms, keys, places, shift, scale):
        self.rewriter, self.uniforms, self.keys, self.places = rewriter, uniforms, keys, places
        self.shift, self.scale = shift, scale

    dtype = property(lambda self: self.scale.dtype)

    @property
    def parts(self):
        """The arrays that it consists of, all in one layout."""
        return self.keys, self.places, self.shift, self.scale

    def of(self, parts):
        return Lazy(self.rewriter, self.uniforms, *parts)

    def moved(self, function):
        """The same uniforms in another layout."""
        return self.of(map(function, self.parts))

    def affine(self, shift, scale):
        return self.of((self.keys, self.places, shift, scale))

    def within(self, live):
        """The same uniforms in a part of the program, and nobody's where it is not taken."""
        return self.of((only_where(live, self.keys), self.places, self.shift, self.scale))

    def _draw(self, what, dtype, *parameters):
        return self.rewriter.draw((what, self.uniforms), (), dtype, self.keys, self.places, *parameters)

    def below(self, threshold):
        """Whether ``shift + scale * u`` is below a threshold, but for a null set; anything where it is a number."""
        at = (threshold - self.shift) / jnp.where(self.scale == 0, 1, self.scale)
        under = self._draw("below", bool, jnp.where(self.scale == 0, 0, at))
        return jnp.where(self.scale >= 0, under, ~under)

    def compared(self, name, other, left):
        """Whether it is on one side of a number, as a primitive asks."""
        still = getattr(lax, name)(*((self.shift, other) if left else (other, self.shift)))
        return jnp.where(self.scale == 0, still, self.below(other) if left != COMPARISONS[name] else ~self.below(other))

    def is_equal(self, other):
        """Whether it is equal to a number, or to what the same uniforms are elsewhere, by its own parts."""
        if isinstance(other, Lazy):
            words, others = map(jax.random.key_data, (self.keys, other.keys))
            same = jnp.all(words == others, -1) & (self.places == other.places) & (self.scale == other.scale)
            return (same | ((self.scale == 0) & (other.scale == 0))) & (self.shift == other.shift)
        if isinstance(other, jax.core.Tracer):  # which depends on a draw, perhaps on the same
            return lax.eq(self.number(), other)
        return (self.scale == 0) & (self.shift == other)

    def bounded(self, name, bound):
        """The larger or the smaller of it and a number."""
        is_bound = self.compared("lt" if name == "max" else "gt", bound, True)
        return self.affine(jnp.where(is_bound, bound, self.shift), jnp.where(is_bound, 0, self.scale))

    def floor(self):
        return self._draw("floor", self.dtype, self.shift, self.scale)

    def number(self):
        return self.shift + self.scale * self._draw("uniform", self.dtype)


def _of_lazy(name, equation, given):
    """An operation on lazy uniforms that leaves them lazy, or cuts them; None where they must be numbers."""
    first, *others = given
    if name in SHAPED and isinstance(first, Lazy):
        return first.moved(lambda part: bound(equation, [part, *others])[0])
    if name == "neg":
        return first.affine(-first.shift, -first.scale)
    if name == "convert_element_type":
        return _retyped(first, equation.params["new_dtype"])
    if name in ("floor", "ceil", "round"):
        return _rounded(name, first)
    if name == "sign":
        moving = jnp.where(first.below(jnp.zeros_like(first.shift)), -1, 1).astype(first.dtype)
        return jnp.where(first.scale == 0, jnp.sign(first.shift), moving)
    if name == "clamp" and not any(isinstance(bound, Lazy) for bound in (given[0], given[2])):
        low, lazy, high = (_spread(x, equation.outvars[0].aval.shape) for x in given)
        return lazy.bounded("max", low).bounded("min", high)
    if name == "select_n":
        return _selected(*given)
    return _of_two(name, given, equation.outvars[0].aval.shape) if len(given) == 2 else None


def _selected(which, *cases):
    """Entry by entry one of several: lazy where they are numbers and uniforms of one draw."""
    first, *others = [case for case in cases if isinstance(case, Lazy)]
    if any(other.keys is not first.keys or other.places is not first.places for other in others):
        return None
    parts = [(x.shift, x.scale) if isinstance(x, Lazy) else (x, jnp.zeros_like(x)) for x in cases]
    return first.affine(*(lax.select_n(jnp.asarray(which), *part) for part in zip(*parts, strict=True)))


MAPS = "add", "add_any", "sub", "mul", "div"


def _of_two(name, given, shape):
    name = name.removesuffix("_to")
    if name not in COMPARISONS and name not in MAPS and name not in ("eq", "ne", "max", "min"):
        return None
    left = isinstance(given[0], Lazy)
    lazy, other = (_spread(x, shape) for x in (given if left else given[::-1]))
    if name in ("eq", "ne"):
        is_equal = np.ones(shape, bool) if given[0] is given[1] else lazy.is_equal(other)
        return is_equal if name == "eq" else ~is_equal
    if isinstance(other, Lazy):
        if name in ("max", "min"):
            return None
        other = other.number()
    if name in COMPARISONS:
        return lazy.compared(name, other, left)
    if name in ("max", "min"):
        return lazy.bounded(name, other)
    if name in ("add", "add_any"):
        return lazy.affine(lazy.shift + other, lazy.scale)
    if name == "sub":
        return lazy.affine(lazy.shift - other, lazy.scale) if left else lazy.affine(other - lazy.shift, -lazy.scale)
    if name == "mul":
        return lazy.affine(lazy.shift * other, lazy.scale * other)
    if name == "div" and left:
        return lazy.affine(lazy.shift / other, lazy.scale / other)
    return None


def _spread(x, shape):
    """Broadcast to a shape; what depends on no draw stays a plain array."""
    if isinstance(x, Lazy):
        return x.moved(lambda part: _spread(part, shape))
    if jnp.shape(x) == shape:
        return x
    return jnp.broadcast_to(x, shape) if isinstance(x, jax.core.Tracer) or x.dtype == KEY else np.broadcast_to(x, shape)


def _retyped(lazy, dtype):
    if jnp.issubdtype(dtype, jnp.floating):
        return lazy.affine(lazy.shift.astype(dtype), lazy.scale.astype(dtype))
    if jnp.issubdtype(dtype, jnp.integer):  # towards zero
        whole = lazy.floor()
        return jnp.where(whole < 0, whole + 1, whole).astype(dtype)
    return None


def _rounded(name, lazy):
    """Rounded up, down, or to the nearest; halves are a null set."""
    if name == "ceil":
        return -lazy.affine(-lazy.shift, -lazy.scale).floor()
    return lazy.affine(lazy.shift + (0.5 if name == "round" else 0.0), lazy.scale).floor()
