"""Faults that do not show at the point the user gives, or along one full direction: the kit has to look elsewhere."""

import numpy as np

import dualgrad as dg
from dualgrad import nn, testing
from dualgrad.rules.declare import explicit
from tests.support.mutations.layers import promised, where
from tests.support.mutations.planting import MUTATIONS, Mutation
from tests.support.mutations.rules import M, X, Z, each_direction_its_own, planted, rule


def array(x):
    """The plain array that a rule was given, at any order."""
    return np.asarray(dg.primal(x))


def off_where(seen):
    """The rule of the sine, off by half where the array or the tangent is as described."""
    return lambda x, d: np.cos(x) * d * (1.5 if seen(array(x), array(d)) else 1)


def sine(kind, name, seen, x=X):
    rule(kind, name, np.sin, lambda x, d: np.cos(x) * d, off_where(seen), x)


# ---------------------------------------------------------------------- directions


def wrong_beyond(count):
    """Right for K up to ``count``."""

    def wrong():
        explicit(np.cos)(lambda x, d, lead: (np.cos(x), -np.sin(x) * (d[::-1] if lead and len(d) > count else d)))

    return wrong


planted("under K directions", "K > 4", np.cos, each_direction_its_own, wrong_beyond(4), X)
planted("under K directions", "K > 5", np.cos, each_direction_its_own, wrong_beyond(5), X)
promised("under K directions", "K > 5", where(lambda k, x: k > 5, lambda dy: dy[::-1]))
sine("tangents with zeros", "any entry", lambda x, d: np.any(d == 0))
sine("tangents with zeros", "all but one", lambda x, d: np.sum(d != 0) == 1)


# ---------------------------------------------------------------------- layouts, precisions, shapes

sine("layout", "strided", lambda x, d: x.ndim and abs(x.strides[-1]) > x.itemsize)
sine("layout", "backwards", lambda x, d: x.ndim and x.strides[-1] < 0)
sine("layout", "Fortran-ordered", lambda x, d: not x.flags.c_contiguous and x.flags.f_contiguous, M)
sine("layout", "at a strided point", lambda x, d: x.strides[0] > x.itemsize, np.repeat(X, 2)[::2])
sine("precision", "single, at a point in double", lambda x, d: x.dtype == np.float32)
sine("precision", "single, at a point in single", lambda x, d: x.dtype == np.float32, X.astype(np.float32))
sine("shape", "0-d", lambda x, d: not x.ndim)
sine("shape", "one example", lambda x, d: x.shape[:1] == (1,), M)


# ---------------------------------------------------------------------- other points


def prod_tangent(x, d):
    return sum(d[k] * np.prod(x[np.arange(len(x)) != k]) for k in range(len(x)))


def prod_by_division(x, d):
    with np.errstate(all="ignore"):
        return np.prod(x) * np.sum(d / x)


def tied(x):
    return array(x) == np.max(array(x))


def prod_without_zeros(x, d):
    some = array(x) != 0
    return np.prod(x) * np.sum(d[some] / x[some])


rule("other points", "a product by division, zeros left out", np.prod, prod_tangent, prod_without_zeros, X, orders=(1,))
WITH_A_ZERO = np.array([0.0, -1.2, 1.9])
for name, at in (("not met", X), ("met", WITH_A_ZERO)):
    rule(
        "other points", f"a product by division, zero {name}", np.prod, prod_tangent, prod_by_division, at, orders=(1,)
    )
for name, at in (("not met", X / 2), ("met", 3 * X)):
    rule("other points", f"a clipping forgotten, {name}", lambda x: np.clip(x, -2, 2),
         lambda x, d: (abs(array(x)) < 2) * d, lambda x, d: d * 1, at, orders=(1,))  # fmt: skip
rule("other points", "the absolute value of positive numbers", lambda x: np.abs(x), lambda x, d: np.sign(x) * d,
     lambda x, d: d * 1, abs(X))  # fmt: skip
rule("other points", "a maximum at a tie", np.max, lambda x, d: np.mean(d[tied(x)]), lambda x, d: np.max(d[tied(x)]),
     X, orders=(1,))  # fmt: skip
for name, at in (("at a real point", X), ("at a complex one", Z)):
    rule("conjugate forgotten", f"absolute value, {name}", lambda z: np.abs(z),
         lambda z, d: np.real(np.conj(z) * d) / np.abs(z), lambda z, d: np.real(z * d) / np.abs(z), at)  # fmt: skip


# ---------------------------------------------------------------------- pullbacks


class Bent(nn.Tanh):
    """tanh, whose rules are changed as they are told: ``bend(x, dy, slope) -> dx``."""

    def __init__(self, bend=None):
        self.bend = bend or (lambda x, dy, slope: slope * dy)

    def vjp(self, p, x):
        y = np.tanh(x)
        return y, lambda dy: ({}, self.bend(x, dy, 1 - y * y))


def pullback(kind, name, bend, x=M):
    MUTATIONS.append(Mutation(f"layer: {kind}", name, lambda w: testing.check_vjp(Bent(bend if w else None), {}, x)))


def in_place(x, dy, slope):
    dy *= slope
    return dy


pullback("second order", "its slope held fixed", lambda x, dy, slope: array(slope) * dy)
pullback("shape", "a batch of one", lambda x, dy, slope: slope * dy * (1 if len(x) > 1 else 2))
pullback("state", "writes to the cotangent", in_place)
pullback("precision", "double for single", lambda x, dy, slope: np.float64(1) * (slope * dy).astype(float))
pullback("precision", "double for single, at a point in single", lambda x, dy, slope: (slope * dy).astype(float),
         M.astype(np.float32))  # fmt: skip
pullback("layout", "strided cotangents", lambda x, dy, slope: slope * dy * (1 if array(dy).flags.forc else 2))
pullback("cotangents with zeros", "any entry", lambda x, dy, slope: slope * dy * (2 if np.any(array(dy) == 0) else 1))
