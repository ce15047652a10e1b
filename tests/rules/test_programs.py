"""Random programs: chains of sample calls from the whole catalogue, on plain arrays and on the strict device array.

A program carries a vector of six numbers. Each step spreads it over the inputs of one row of the catalogue, makes the
call, and squashes the results into six numbers again, by smooth maps that keep away from kinks.
"""

import math

import numpy as np
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import dualgrad as dg
from dualgrad.testing.derivatives.oracles import richardson
from tests.support.cases import DOMAINS
from tests.support.catalogue import CATALOGUE
from tests.support.checks import close, outputs
from tests.support.strict import MissingError, device, host

SIZE = 6
ROWS = [c for c in CATALOGUE if c.draws and all(math.prod(d.shape) for d in c.draws)]


class Step:
    """One row of the catalogue as a function of six numbers, with constants drawn once."""

    def __init__(self, row, seed, put=lambda a: a):
        rng = np.random.default_rng(seed)
        self.row, self.put, self.draws = row.on(put), put, []
        for d in row.draws:
            count = math.prod(d.shape)
            index = [int(i) for i in rng.permutation(max(count, SIZE))[:count] % SIZE]
            phase, turn = rng.uniform(0, 2 * np.pi, (2, count))
            self.draws.append((d, index, phase, turn, rng.choice([-1.0, 1.0], count)))

    def __call__(self, state):
        inputs = []
        for draw, index, phase, turn, sign in self.draws:
            entries = state[index]
            u = 0.5 + 0.3 * np.sin(entries + self.put(phase))
            t = 0.5 + 0.3 * np.sin(entries + self.put(turn))
            inputs.append(np.reshape(DOMAINS[draw.domain](u, self.put(sign), t), draw.shape))
        parts = []
        for y in outputs(self.row(*inputs)):
            flat = np.ravel(y)
            parts += [np.real(flat), np.imag(flat)] if np.iscomplexobj(flat) else [flat]
        flat = np.concatenate(parts)
        size = flat.shape[0]
        if size == 0:
            return state
        return np.tanh(flat[[k % size for k in range(SIZE)]]) + 0.5 * state


def program(rows, seed, put=lambda a: a):
    """The rows one after the other."""
    steps = [Step(row, seed + k, put) for k, row in enumerate(rows)]

    def run(state):
        for step in steps:
            state = step(state)
        return state

    return run


programs = given(rows=st.lists(st.sampled_from(ROWS), min_size=2, max_size=4), seed=st.integers(0, 2**32 - 9))


def arguments(seed, lead=()):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, SIZE), rng.uniform(0.2, 1, (*lead, SIZE)) * rng.choice([-1, 1], (*lead, SIZE))


@programs
@settings(max_examples=150)
def test_derivatives_of_programs(rows, seed):
    """Orders 1 and 2 against differences, Taylor mode against nested jvp, K directions against single ones."""
    f, (x, vs) = program(rows, seed), arguments(seed, (2,))

    def slope(x):
        return dg.jvp(f, (x,), (vs[0],))[1]

    for order, (g, dg_) in enumerate(((f, slope(x)), (slope, dg.jvp(slope, (x,), (vs[0],))[1])), 1):
        expected, error = richardson(lambda t, g=g: g(x + t * vs[0]))
        if np.any(error > 1e-6 * np.maximum(1, np.abs(expected))):
            reject()
        close(dg_, expected, 1e-7, 10 * error, f"order {order}")
        close(dg.taylor(f, x, vs[0], 2)[order] * order, dg_, 1e-9, what="Taylor coefficients")
    close(dg.jvp(f, (x,), (vs,))[1], np.stack([dg.jvp(f, (x,), (v,))[1] for v in vs]), 1e-10, what="K directions")


@programs
@settings(max_examples=150)
def test_programs_on_a_strict_device(rows, seed):
    """The same numbers from arrays that refuse everything CuPy refuses; what CuPy itself lacks is excused."""
    x, vs = arguments(seed, (2,))
    y, dy = dg.jvp(program(rows, seed), (x,), (vs,))
    on = program(rows, seed, device)
    try:
        on(device(x))
    except MissingError:
        reject()
    found = dg.jvp(on, (device(x),), (device(vs),))
    close(host(found[0]), y, 1e-10)
    close(host(found[1]), dy, 1e-9, what="device and host")
