"""What a traced program says of itself: where continuous draws meet a jump, draws from other keys, types and sizes."""

import numpy as np
from jax import numpy as jnp

JUMPING = {"eq", "ne", "lt", "le", "gt", "ge", "lt_to", "le_to", "sign", "floor", "ceil", "round", "rem", "argmax",
           "argmin", "sort", "top_k", "approx_top_k", "nextafter"}  # fmt: skip
DRAWN_BY = {"random_bits", "random_seed", "threefry2x32", "rng_bit_generator", "rng_uniform"}


class Reading:
    """Of a closed jaxpr of one result.

    Attributes
    ----------
    jumps : the laws of continuous draws with the primitives at which their numbers jump
    watched : the equations of those, each with the laws in words and the name of its primitive
    is_foreign : whether it draws from keys that are not the replay's
    narrowest : the type whose rounding the results have: their own or a narrower one on the way, in 32 bits at least
    largest : the size of the largest array in it
    """

    def __init__(self, closed):
        (result,) = closed.out_avals
        self.jumps, self._met = {}, {}
        self.is_foreign, self.largest = False, 1
        self.narrowest = np.dtype(complex if jnp.issubdtype(result.dtype, jnp.complexfloating) else float)
        self._note(result)
        self._follow(closed.jaxpr, [frozenset()] * len(closed.jaxpr.invars))

    @property
    def watched(self):
        return [
            (equation, " and ".join(sorted(laws)), equation.primitive.name) for equation, laws in self._met.values()
        ]

    def _follow(self, jaxpr, laws):
        """The continuous draws that each result depends on without a jump, from those the arguments depend on."""
        of = dict(zip(jaxpr.invars, laws, strict=True))
        for equation in jaxpr.eqns:
            given = [frozenset() if hasattr(v, "val") else of.get(v, frozenset()) for v in equation.invars]
            of.update(zip(equation.outvars, self._through(equation, given), strict=True))
        return [frozenset() if hasattr(v, "val") else of.get(v, frozenset()) for v in jaxpr.outvars]

    def _through(self, equation, given):
        name, params, count = equation.primitive.name, equation.params, len(equation.outvars)
        self.is_foreign |= name in DRAWN_BY
        for v in equation.outvars:
            self._note(v.aval)
        if name == "draw":
            law, *which = params["law"]
            return [frozenset(which if law == "continuous" else ["uniform"] if law == "uniform" else [])]
        if name == "cond":
            found = [self._follow(branch.jaxpr, given[1:]) for branch in params["branches"]]
            return [frozenset().union(*each) for each in zip(*found, strict=True)]
        if name == "while":
            first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
            carry = self._until_steady(params["body_jaxpr"].jaxpr, given[first:second], given[second:], [])
            self._follow(params["cond_jaxpr"].jaxpr, given[:first] + carry)
            return carry
        if name == "scan":
            first, second = params["num_consts"], params["num_consts"] + params["num_carry"]
            jaxpr = params["jaxpr"].jaxpr
            carry = self._until_steady(jaxpr, given[:first], given[first:second], given[second:])
            return carry + self._follow(jaxpr, given[:first] + carry + given[second:])[len(carry) :]
        for inner in filter(None, map(_jaxpr, params.values())):
            if len(inner.invars) == len(given) and len(inner.outvars) == count:
                return self._follow(inner, given)
            self._follow(inner, [frozenset().union(*given)] * len(inner.invars))
        met = frozenset().union(*given)
        if name in JUMPING or (name == "convert_element_type" and not jnp.issubdtype(params["new_dtype"], jnp.inexact)):
            self.jumps.update(dict.fromkeys((law, name) for law in met))
            if met:
                self._met[id(equation)] = equation, self._met.get(id(equation), (None, met))[1] | met
            met = frozenset()
        return [met] * count

    def _note(self, aval):
        self.largest = max(self.largest, aval.size)
        if jnp.issubdtype(aval.dtype, jnp.inexact) and jnp.finfo(aval.dtype).eps > jnp.finfo(self.narrowest).eps:
            is_complex = jnp.issubdtype(self.narrowest, jnp.complexfloating)
            self.narrowest = jnp.dtype(jnp.complex64 if is_complex else jnp.float32)

    def _until_steady(self, jaxpr, fixed, carry, xs):
        while True:
            found = self._follow(jaxpr, fixed + carry + xs)
            more = [a | b for a, b in zip(carry, found, strict=False)]
            if more == carry:
                return carry
            carry = more


def _jaxpr(param):
    """The jaxpr in a parameter of a primitive, or None."""
    inner = getattr(param, "jaxpr", param)
    return inner if hasattr(inner, "eqns") else None
