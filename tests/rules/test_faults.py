"""Planted faults: the checks that pass every rule must fail each of these wrong ones."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.dual import Dual, lead_of
from dualgrad.rules.declare import bilinear, composite, elementwise, explicit, explicit_binary, linear
from dualgrad.tables import RULES
from tests.support.cases import Case, inside, real, z
from tests.support.checks import examine_derivatives, examine_laws, examine_single_precision

FAULTS = {}


def fault(case, part, complaint):
    """Register a wrong rule: the part of the examination that must fail, and with which complaint."""

    def add(plant):
        FAULTS[plant.__name__] = plant, case, part, complaint
        return plant

    return add


def row(function, *args, **kwargs):
    return Case(function, None, args, kwargs)


def dominant(function, *args):
    """A row whose first argument, a matrix, is made far from singular."""
    return Case(function, lambda x, *rest: function(x + 5 * np.eye(3), *rest), args, {})


# ---------------------------------------------------------------------- wrong derivatives


@fault(row(np.cos, real(3)), "derivatives", "order 1")
def sign():
    elementwise(np.cos, lambda y, x: np.sin(x))


@fault(row(np.cos, real(3)), "derivatives", "order 1")
def off_by_a_ten_thousandth():
    elementwise(np.cos, lambda y, x: -np.sin(x) * (1 + 1e-4))


@fault(row(np.matmul, real(2, 2), real(2, 2)), "derivatives", "order 1")
def factor_order():
    bilinear(np.matmul, lead=lambda f, a, b, which: np.matmul(a, b) if which == 0 else np.matmul(b, a))
    right = RULES[np.matmul]

    def push(x, y):
        out = right(x, y)
        if isinstance(y, Dual) and not lead_of(out):
            dx = x.tangent if isinstance(x, Dual) and x.level == out.level else 0 * dg.primal(out)
            p, q = (v.primal if isinstance(v, Dual) and v.level == out.level else v for v in (x, y))
            dy = y.tangent if y.level == out.level else 0 * dg.primal(out)
            return Dual(out.primal, np.matmul(dx, q) + np.matmul(dy, p), out.level)
        return out

    RULES[np.matmul] = push


@fault(row(np.sin, real(3)), "derivatives", "order 2")
def dropped_second_order_term():
    elementwise(np.sin, lambda y, x: np.cos(dg.primal(x)))


@fault(row(np.exp, real(3)), "derivatives", "order 3")
def dropped_third_order_term():
    def partial(y, x):
        p = x.primal if isinstance(x, Dual) else x
        if not isinstance(p, Dual):
            return y
        flat = np.exp(dg.primal(p))
        return Dual(flat + 0 * p, np.exp(dg.primal(x)) * x.tangent, x.level)

    elementwise(np.exp, partial)


@fault(row(np.multiply, real(3), real(3)), "derivatives", "order 1")
def dropped_factor():
    explicit_binary(np.multiply)(lambda out, x, y, dx, dy, lead: x * dy if dx is None else dx * y)


@fault(row(np.vdot, z(3), z(3)), "derivatives", "order 1")
def conjugate_forgotten():
    def rule(out, x, y, dx, dy, lead):
        terms = ([] if dx is None else [np.sum(dx * y, -1)]) + ([] if dy is None else [np.sum(np.conj(x) * dy, -1)])
        return sum(terms)

    explicit_binary(np.vdot)(rule)


@fault(row(np.absolute, z(3)), "derivatives", "order 1")
def holomorphic_by_mistake():
    explicit(np.absolute)(lambda x, dx, lead: (np.absolute(x), np.real(dx)))


@fault(row(np.cumsum, real(2, 3), axis=0), "derivatives", "order 1")
def wrong_axis():
    explicit(np.cumsum)(lambda x, dx, lead, axis: (np.cumsum(x, axis), np.cumsum(dx, -1)))


@fault(dominant(np.linalg.inv, real(3, 3)), "derivatives", "order 1")
def factors_of_an_inverse_exchanged():
    def rule(x, dx, lead):
        y = np.linalg.inv(x)
        return y, -np.matmul(np.matmul(y, np.swapaxes(dx, -1, -2)), y)

    explicit(np.linalg.inv)(rule)


@fault(dominant(np.linalg.solve, real(3, 3), real(3)), "derivatives", "order [23]")
def matrix_held_fixed_at_second_order():
    right = RULES[np.linalg.solve]

    def push(a, b):
        plain = isinstance(a, Dual) and isinstance(a.primal, Dual)
        return right(Dual(dg.primal(a) + 0 * a.primal, a.tangent, a.level) if plain else a, b)

    RULES[np.linalg.solve] = push


@fault(row(np.fft.rfft, real(4, 2), axis=0), "laws", "tangent of shape|direction")
def transform_along_the_directions():
    linear(np.fft.rfft, lead=lambda dx, ndim, axis: np.fft.rfft(dx, axis=axis))


@fault(row(np.median, real(4)), "derivatives", "order 1")
def one_of_the_two_middle_entries():
    composite(np.median, lambda a: np.sort(a)[1])


@fault(row(np.linalg.eigvalsh, real(3, 3)), "derivatives", "order 2")
def vectors_that_do_not_turn():
    def rule(x, dx, lead):
        v = np.linalg.eigh(dg.primal(x))[1]
        h = np.tril(dx) + np.swapaxes(np.tril(dx, -1), -1, -2)
        return np.linalg.eigvalsh(x), np.diagonal(v.T @ h @ v, 0, -2, -1) + 0

    explicit(np.linalg.eigvalsh)(rule)


# ---------------------------------------------------------------------- broken laws


@fault(row(np.cos, real(3)), "laws", "linearity")
def nonlinear_in_the_tangent():
    explicit(np.cos)(lambda x, dx, lead: (np.cos(x), -np.sin(x) * dx * np.abs(dx)))


@fault(row(np.cos, real(3)), "laws", "linearity")
def homogeneous_but_not_additive():
    explicit(np.cos)(lambda x, dx, lead: (np.cos(x), -np.sin(x) * np.max(np.abs(dx), -1, keepdims=True)))


@fault(row(np.cos, real(3)), "laws", "linearity")
def something_from_nothing():
    explicit(np.cos)(lambda x, dx, lead: (np.cos(x), -np.sin(x) * dx + 1e-5))


@fault(row(np.add, real(3), real(2, 1)), "laws", "tangent of shape")
def dropped_broadcast():
    right = RULES[np.add]

    def push(x, y):
        out = right(x, y)
        moving = [v for v in (x, y) if isinstance(v, Dual) and v.level == out.level]
        return Dual(out.primal, moving[0].tangent, out.level) if len(moving) == 1 else out

    RULES[np.add] = push


@fault(row(np.add, real(3), real(2, 1)), "laws", "after writing its first entry|after writing the first entry")
def broadcast_view():
    right = RULES[np.add]

    def push(x, y):
        out = right(x, y)
        moving = [v for v in (x, y) if isinstance(v, Dual) and v.level == out.level]
        if len(moving) == 2 or lead_of(out) or isinstance(out.primal, Dual):
            return out
        d = moving[0].tangent.copy()
        strides = np.broadcast_to(d, out.shape).strides
        return Dual(out.primal, np.lib.stride_tricks.as_strided(d, out.shape, strides), out.level)

    RULES[np.add] = push


@fault(row(np.add, real(3), real(2, 1)), "laws", "the tangent cannot")
def read_only_broadcast_view():
    right = RULES[np.add]

    def push(x, y):
        out = right(x, y)
        d = np.broadcast_to(out.tangent[..., :1, :], out.tangent.shape)
        return Dual(out.primal, d, out.level)

    RULES[np.add] = push


@fault(row(np.positive, real(3)), "laws", "operand's tangent")
def aliased_tangent():
    RULES[np.positive] = lambda x: Dual(np.positive(x.primal), x.tangent, x.level)


@fault(row(np.positive, real(3)), "laws", "an argument was written")
def aliased_value():
    RULES[np.positive] = lambda x: Dual(x.primal, np.positive(x.tangent), x.level)


@fault(row(np.exp, real(3)), "laws", "an input was written")
def input_overwritten():
    def rule(x, dx, lead):
        y = np.exp(x)
        if isinstance(dx, np.ndarray):
            flags, dx.flags.writeable = dx.flags.writeable, True
            dx *= y
            dx.flags.writeable = flags
        return y, dx * 1

    explicit(np.exp)(rule)


@fault(row(np.flip, real(2, 3), 0), "laws", "direction 0")
def wrong_axis_under_lead():
    linear(np.flip, lead=lambda dx, ndim, axis: np.flip(dx, axis))


@fault(row(np.cos, real(3)), "laws", "direction 1")
def first_direction_for_all():
    explicit(np.cos)(lambda x, dx, lead: (np.cos(x), -np.sin(x) * (dx[:1] + 0 * dx if lead else dx)))


@fault(row(np.expm1, inside(3)), "laws", "not NumPy's")
def value_not_numpy_s():
    explicit(np.expm1)(lambda x, dx, lead: (np.exp(x) - 1, np.exp(x) * dx))


@fault(row(np.exp, real(3)), "precision", "dtype float64")
def upcast_tangent():
    def push(x):
        y = np.exp(x.primal)
        return Dual(y, y * x.tangent * np.ones(3), x.level)

    RULES[np.exp] = push


@fault(row(np.exp, real(3)), "precision", "not NumPy's")
def upcast_value():
    explicit(np.exp)(lambda x, dx, lead: (np.exp(x.astype(float)), np.exp(x) * dx))


# ---------------------------------------------------------------------- the examination


def examine(case, part, examples=4):
    for seed in range(examples):
        rng = np.random.default_rng(seed)
        xs = case.sample(rng)
        if part in ("derivatives", "all"):
            examine_derivatives(case, xs, rng)
        if part in ("laws", "all"):
            examine_laws(case, xs, rng, 1 + seed % 3)
        if part in ("precision", "all"):
            examine_single_precision(case, xs)


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_caught(name, tables):
    plant, case, part, complaint = FAULTS[name]
    plant()
    with pytest.raises(AssertionError, match=complaint):
        examine(case, part)


@pytest.mark.parametrize("name", FAULTS)
def test_the_right_rule_passes(name):
    examine(FAULTS[name][1], "all")
