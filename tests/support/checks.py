"""The checks a rule must pass, each a function that raises AssertionError: `test_rules` runs them on every rule, and
`test_faults` shows that each kind of wrong rule fails one of them.

Throughout, ``f`` is a function of arrays, ``xs`` its arguments, and ``vs`` one tangent per argument, None where the
argument is held constant.
"""

import numpy as np

import dualgrad as dg
from dualgrad.dual import Dual
from dualgrad.testing.derivatives.oracles import STEP, along, complex_step, is_analytic, richardson


class UnsureError(Exception):
    """The oracle cannot tell: the sample lies too near a kink."""


def outputs(y):
    """The results of a function as a list."""
    return list(y) if isinstance(y, (list, tuple)) else [y]


def moving(f, xs, vs):
    """f as a function of the arguments that move, and those arguments with their tangents."""
    active = [k for k, v in enumerate(vs) if v is not None]

    def g(*some):
        args = list(xs)
        for k, a in zip(active, some, strict=True):
            args[k] = a
        return outputs(f(*args))

    return g, tuple(xs[k] for k in active), tuple(vs[k] for k in active)


def push(f, xs, vs):
    """The values and the tangents of f along vs, as two lists."""
    return dg.jvp(*moving(f, xs, vs))


def derivative_along(f, vs):
    """The function xs -> ∂f(xs) vs, itself fit for another derivative."""
    return lambda *xs: push(f, xs, vs)[1]


def flat(f):
    """f with its results laid out as one vector, for the oracles."""
    return lambda *xs: np.concatenate([np.ravel(y) for y in outputs(f(*xs))])


def close(a, b, rtol, atol=None, what="values"):
    """Entry by entry |a - b| <= rtol max(1, |b|) + atol."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape, f"{what}: shape {a.shape} and {b.shape}"
    bound = rtol * np.maximum(1, np.abs(b)) + (0 if atol is None else atol)
    assert np.all(np.abs(a - b) <= bound), f"{what} differ:\n{a}\n{b}\nby {np.max(np.abs(a - b))}"


def same(a, b, what):
    """Equal type, dtype, shape and bits."""
    assert type(a) is type(b), f"{what}: {type(a).__name__} and {type(b).__name__}"
    assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{what}: {a.dtype}{a.shape} and {b.dtype}{b.shape}"
    a, b = (
        np.asarray(x).astype(x.dtype.char.replace("g", "d").replace("G", "D")) for x in (a, b)
    )  # a long double has idle bytes
    assert a.tobytes() == b.tobytes(), f"{what}:\n{a}\n{b}"


# ---------------------------------------------------------------------- values, shapes, dtypes


def check_value(f, xs, vs, lead=()):
    """The primal result is NumPy's own, bit for bit; the tangent has its dtype, and its shape behind the lead axes."""
    ys, ds = push(f, xs, vs)
    for y, d, expected in zip(ys, ds, outputs(f(*xs)), strict=True):
        same(y, expected, "the primal result is not NumPy's")
        assert d.shape == lead + y.shape, f"tangent of shape {d.shape} for lead {lead} and a result of {y.shape}"
        assert d.dtype == y.dtype, f"tangent of dtype {d.dtype} for a result of {y.dtype}"


def check_untouched(f, xs, vs):
    """The caller's arrays keep every bit, and could not have been written."""
    arrays = [a for a in (*xs, *vs) if isinstance(a, np.ndarray)]
    before = [a.tobytes() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    push(f, xs, vs)
    for a, bits in zip(arrays, before, strict=True):
        a.flags.writeable = True
        assert a.tobytes() == bits, "an input was written to"


# ---------------------------------------------------------------------- derivatives


def check_order(f, xs, *directions):
    """The derivative along 1, 2 or 3 directions (nested jvp) is the difference quotient of the next lower one."""
    for vs in directions[:-1]:
        f = derivative_along(f, vs)
    exact = flat(derivative_along(f, directions[-1]))(*xs)
    expected, error = richardson(along(flat(f), xs, directions[-1]))
    if np.any(error > 1e-6 * np.maximum(1, np.abs(expected))):
        raise UnsureError(f"the differences do not settle (a kink is near): {np.max(error)}")
    try:
        close(exact, expected, 1e-8, 10 * error, f"order {len(directions)}")
    except AssertionError:
        finer, _ = richardson(along(flat(f), xs, directions[-1]), STEP / 1000)
        if np.any(np.abs(finer - expected) > 1e-3 * np.maximum(1, np.abs(expected))):
            raise UnsureError("a kink lies between the steps of the differences") from None
        raise


def check_complex_step(f, xs, vs):
    """Order 1 to rounding, where f is analytic; says whether it was."""
    if any(np.iscomplexobj(x) for x in xs) or not is_analytic(flat(f), xs, vs):
        return False
    close(flat(derivative_along(f, vs))(*xs), complex_step(flat(f), xs, vs), 1e-11, what="complex step")
    return True


def check_linear(f, xs, vs, ws, factor=-1.75):
    """∂f (c v + w) = c ∂f v + ∂f w, and ∂f 0 = 0."""

    def tangent(us):
        return flat(derivative_along(f, us))(*xs)

    mixed = tangent([None if v is None else (factor * v + w).astype(v.dtype) for v, w in zip(vs, ws, strict=True)])
    close(mixed, factor * tangent(vs) + tangent(ws), 1e-10, what="linearity")
    assert not np.any(tangent([None if v is None else 0 * v for v in vs])), "the tangent of zero is not zero"


def check_directions(f, xs, stacked, lead):
    """K directions in one pass are K single ones, also below and above another level."""
    _, ds = push(f, xs, stacked)
    for k in range(lead):
        _, single = push(f, xs, [None if v is None else v[k] for v in stacked])
        for d, s in zip(ds, single, strict=True):
            close(d[k], s, 1e-11, what=f"direction {k}")


def check_nested_directions(f, xs, vs, stacked, lead):
    """K directions over one, and one over K: each is what single directions give."""
    singles = [[None if v is None else v[k] for v in stacked] for k in range(lead)]
    outer = flat(derivative_along(derivative_along(f, vs), stacked))
    inner = flat(derivative_along(derivative_along(f, stacked), vs))
    over = [derivative_along(derivative_along(f, vs), s) for s in singles]
    under = [derivative_along(derivative_along(f, s), vs) for s in singles]
    for whole, parts, what in ((outer, over, "K over one"), (inner, under, "one over K")):
        found = whole(*xs)
        expected = [list(g(*xs)) for g in parts]
        expected = np.concatenate([np.ravel(np.stack(pieces)) for pieces in zip(*expected, strict=True)])
        close(found, expected, 1e-10, what=what)


# ---------------------------------------------------------------------- aliasing


def check_fresh(f, xs, vs):
    """Writing to a result leaves the operands alone, unless it is a view of value and tangent alike; and each entry of
    a result can be written by itself."""
    f, moved, tangents = moving(f, xs, vs)

    def program(*args):
        for owned in (False, True):
            for k in range(len(outputs(f(*args)))):
                operands = [a.copy() for a in args] if owned else args
                _double(f, operands, k, owned)
                _write_first(outputs(f(*[a.copy() for a in args]))[k])
        return 0.0

    dg.jvp(program, moved, tangents)


def _double(f, operands, k, owned):
    before = [(_numbers(a.primal), _numbers(a.tangent)) for a in operands]
    y = outputs(f(*operands))[k]
    if not isinstance(y, Dual):
        return
    try:
        y *= 2
    except dg.TangentLossError:  # a view of an argument
        pass
    except ValueError:
        assert not y.primal.flags.writeable, "the value can be written and the tangent cannot"
    for a, (p, t) in zip(operands, before, strict=True):
        written = _numbers(a.primal) != p
        assert owned or not written.any(), "an argument was written through a result"
        same(_numbers(a.primal), np.where(written, 2 * p, p), "the operand's value after doubling the result")
        same(_numbers(a.tangent), np.where(written, 2 * t, t), "the operand's tangent after doubling the result")


def _write_first(y):
    if not isinstance(y, Dual) or y.frozen or y.size == 0 or not getattr(y.primal.flags, "writeable", False):
        return
    first = (0,) * y.ndim
    at_first = np.zeros(y.shape, bool)
    at_first[first] = True
    p, t = np.array(y.primal), np.array(y.tangent)
    y[first] = 5
    same(np.array(y.primal), np.where(at_first, 5, p).astype(p.dtype), "the value after writing its first entry")
    same(np.array(y.tangent), np.where(at_first, 0, t).astype(t.dtype), "the tangent after writing the first entry")


def _numbers(x):
    """A copy as real numbers: the real and imaginary parts of a complex array are written apart."""
    x = np.array(x)
    return np.stack([x.real, x.imag], -1) if np.iscomplexobj(x) else x


# ---------------------------------------------------------------------- all together


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


def examine_derivatives(f, xs, rng):
    """Orders 1, 2 and 3, every argument active or constant at each order by chance."""
    directions = [direction(rng, xs, subset(rng, len(xs))) for _ in range(3)]
    check_order(f, xs, *directions[:1])
    check_order(f, xs, *directions[:2])
    check_order(f, xs, *directions)
    check_complex_step(f, xs, directions[0])


def examine_laws(f, xs, rng, lead):
    """Value, shape, dtype, linearity, K directions, aliasing."""
    active = subset(rng, len(xs))
    vs, ws, stacked = direction(rng, xs, active), direction(rng, xs, active), direction(rng, xs, active, (lead,))
    check_value(f, xs, vs)
    check_value(f, xs, stacked, (lead,))
    check_untouched(f, xs, vs)
    check_linear(f, xs, vs, ws)
    check_directions(f, xs, stacked, lead)
    check_nested_directions(f, xs, direction(rng, xs, subset(rng, len(xs))), stacked, lead)
    check_fresh(f, xs, vs)
    check_fresh(f, xs, stacked)


def examine_single_precision(f, xs):
    """float32 in, float32 out (or what NumPy makes of it), one direction and K."""
    rng = np.random.default_rng(0)
    xs = [x.astype(np.complex64 if np.iscomplexobj(x) else np.float32) for x in xs]
    for lead in ((), (2,)):
        check_value(f, xs, direction(rng, xs, np.ones(len(xs), bool), lead), lead)
