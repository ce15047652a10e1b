"""On which sides the comparisons of a program came out, in branches and loops too: its values are kept on the way."""

import numpy as np
from jax import lax
from jax import numpy as jnp

from .jax_rewrite import bound


class Sides:
    """A function of what a closed jaxpr takes: the least and greatest value at each of some of its equations.

    Where an equation is not come to, the least is +inf and the greatest -inf.
    """

    def __init__(self, closed, equations):
        self.closed = closed
        self.places = {id(equation): k for k, equation in enumerate(equations)}
        self.shapes = [equation.outvars[0].aval.shape for equation in equations]

    def __call__(self, *given):
        unseen = tuple((jnp.full(shape, np.inf), jnp.full(shape, -np.inf)) for shape in self.shapes)
        return self._evaluate(self.closed, given, unseen)[1]

    def _evaluate(self, closed, given, seen):
        """The results of a part of the program, and what has been seen by its end."""
        jaxpr = closed.jaxpr
        values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *given], strict=True))

        def read(v):
            return v.val if hasattr(v, "val") else values[v]

        control = {"cond": self._cond, "while": self._while, "scan": self._scan}
        for equation in jaxpr.eqns:
            inputs, act = [read(v) for v in equation.invars], control.get(equation.primitive.name)
            found, seen = act(inputs, equation.params, seen) if act else (bound(equation, inputs), seen)
            if id(equation) in self.places:
                seen = _with(seen, self.places[id(equation)], found[0])
            values.update(zip(equation.outvars, found, strict=True))
        return [read(v) for v in jaxpr.outvars], seen

    def _cond(self, given, params, seen):
        branches = [
            lambda seen, branch=branch: self._evaluate(branch, given[1:], seen) for branch in params["branches"]
        ]
        return lax.switch(jnp.asarray(given[0], np.int32), branches, seen)

    def _while(self, given, params, seen):
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]

        def test(carry, seen):
            (goes_on,), seen = self._evaluate(params["cond_jaxpr"], [*given[:first], *carry], seen)
            return goes_on, carry, seen

        def body(state):
            _, carry, seen = state
            return test(*self._evaluate(params["body_jaxpr"], [*given[first:second], *carry], seen))

        _, carry, seen = lax.while_loop(lambda state: state[0], body, test(given[second:], seen))
        return carry, seen

    def _scan(self, given, params, seen):
        first, count = params["num_consts"], params["num_carry"]

        def body(state, xs):
            carry, seen = state
            found, seen = self._evaluate(params["jaxpr"], [*given[:first], *carry, *xs], seen)
            return (found[:count], seen), found[count:]

        start = given[first : first + count], seen
        (carry, seen), ys = lax.scan(body, start, given[first + count :], params["length"], params["reverse"])
        return [*carry, *ys], seen


def _with(seen, place, value):
    least, greatest = seen[place]
    value = value.astype(least.dtype)
    return (*seen[:place], (jnp.fmin(least, value), jnp.fmax(greatest, value)), *seen[place + 1 :])


class Tally:
    """Of many runs: on which sides they came out at each equation, and how many of them came there."""

    def __init__(self, count):
        self.ends, self.times = [], np.zeros(count, int)

    def add(self, found):
        """Take in the sides of one run."""
        found = [(np.asarray(least), np.asarray(greatest)) for least, greatest in found]
        self.times += np.array([np.any(b != -np.inf) or not b.size for _, b in found], int)
        self.ends = [
            (np.fmin(a, c), np.fmax(b, d)) for (a, b), (c, d) in zip(self.ends or found, found, strict=True)
        ]  # fmt: skip

    def found(self):
        """For each equation how many runs came there, and whether any of its entries took two values."""
        return self.times, [bool(np.any(least < greatest)) for least, greatest in self.ends]
