"""Every rule against independent derivatives at orders 1, 2 and 3, and against the laws its kind promises."""

import numpy as np
import pytest
from catalogue import CATALOGUE, name_of
from checks import (
    UnsureError,
    check_complex_step,
    check_directions,
    check_fresh,
    check_linear,
    check_nested_directions,
    check_order,
    check_untouched,
    check_value,
    close,
    push,
)
from hypothesis import given, reject
from hypothesis import strategies as st
from strict import device, host

import dualgrad as dg

SMOOTH = [c for c in CATALOGUE if c.draws]
seeds = st.integers(0, 2**32 - 1)
each_case = pytest.mark.parametrize("case", SMOOTH, ids=str)


def direction(rng, xs, active, lead=()):
    """A random tangent for every active argument, None for the others."""

    def one(x):
        v = rng.uniform(0.2, 1, lead + x.shape) * rng.choice([-1, 1], lead + x.shape)
        if np.iscomplexobj(x):
            v = v * np.exp(1j * rng.uniform(0, 6, lead + x.shape))
        return np.asarray(v, x.dtype)

    return [one(x) if a else None for x, a in zip(xs, active, strict=True)]


def subset(rng, count):
    """Which of the arguments move: all of them every other time."""
    while True:
        active = rng.random(count) < 0.5
        if active.any():
            return active | (rng.random() < 0.5)


def test_every_rule_is_in_the_catalogue():
    listed = {c.function for c in CATALOGUE}
    missing = [name_of(f) for f, kind in dg.supported().items() if kind != "constant" and f not in listed]
    assert not missing, f"rules without a sample call: {missing}"


def test_every_function_of_the_catalogue_has_a_rule():
    missing = {name_of(c.function) for c in CATALOGUE if c.function not in dg.supported()}
    assert not missing, f"no rule: {sorted(missing)}"


@each_case
@given(seed=seeds)
def test_derivatives(case, seed):
    """Orders 1, 2 and 3, every argument active or constant at each order by chance."""
    rng = np.random.default_rng(seed)
    xs = case.sample(rng)
    directions = [direction(rng, xs, subset(rng, len(xs))) for _ in range(3)]
    try:
        check_order(case, xs, *directions[:1])
        check_order(case, xs, *directions[:2])
        check_order(case, xs, *directions)
    except UnsureError:
        reject()
    check_complex_step(case, xs, directions[0])


@each_case
@given(seed=seeds, lead=st.integers(1, 3))
def test_laws(case, seed, lead):
    rng = np.random.default_rng(seed)
    xs = case.sample(rng)
    active = subset(rng, len(xs))
    vs, ws, stacked = direction(rng, xs, active), direction(rng, xs, active), direction(rng, xs, active, (lead,))
    check_value(case, xs, vs)
    check_value(case, xs, stacked, (lead,))
    check_untouched(case, xs, vs)
    check_linear(case, xs, vs, ws)
    check_directions(case, xs, stacked, lead)
    check_nested_directions(case, xs, direction(rng, xs, subset(rng, len(xs))), stacked, lead)
    check_fresh(case, xs, vs)
    check_fresh(case, xs, stacked)


@each_case
def test_single_precision_stays(case):
    rng = np.random.default_rng(0)
    xs = case.sample(rng, np.complex64 if case.is_complex else np.float32)
    for lead in ((), (2,)):
        check_value(case, xs, direction(rng, xs, np.ones(len(xs), bool), lead), lead)


@each_case
def test_on_a_strict_device(case):
    """The same numbers from arrays that refuse everything CuPy refuses."""
    rng = np.random.default_rng(0)
    xs = case.sample(rng)
    for lead in ((), (2,)):
        vs = direction(rng, xs, np.ones(len(xs), bool), lead)
        ys, ds = push(case, xs, vs)
        on = [np.asarray(x) for x in xs]
        device_ys, device_ds = push(case.on(device), device(on), device(vs))
        for a, b in zip((*ys, *ds), (*device_ys, *device_ds), strict=True):
            close(host(b), a, 1e-12, what="device and host")
