"""The checks a rule must pass, each a function that raises AssertionError: `test_rules` runs them on every rule, and
`test_faults` shows that each kind of wrong rule fails one of them.

Throughout, ``f`` is a function of arrays, ``xs`` its arguments, and ``vs`` one tangent per argument, None where the
argument is held constant.
"""

import numpy as np
from oracles import along, complex_step, is_analytic, richardson

import dualgrad as dg
from dualgrad.dual import Dual


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
    assert a.dtype == b.dtype and a.shape == b.shape, f"{what}: {a.dtype}{a.shape} and {b.dtype}{b.shape}"
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), f"{what}:\n{a}\n{b}"


# ---------------------------------------------------------------------- values, shapes, dtypes


def check_value(f, xs, vs, lead=()):
    """The primal result is NumPy's own, bit for bit; the tangent has its dtype, and its shape behind the lead axes."""
    ys, ds = push(f, xs, vs)
    for y, d, expected in zip(ys, ds, outputs(f(*xs)), strict=True):
        same(y, np.asarray(expected), "the primal result is not NumPy's")
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
    close(exact, expected, 1e-8, 10 * error, f"order {len(directions)}")


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
        expected = [[d for d in g(*xs)] for g in parts]
        expected = np.concatenate([np.ravel(np.stack(pieces)) for pieces in zip(*expected, strict=True)])
        close(found, expected, 1e-10, what=what)


# ---------------------------------------------------------------------- aliasing


def check_fresh(f, xs, vs):
    """Doubling a result in place leaves the operands alone, unless it is a view of value and tangent alike."""

    def program(*args):
        for owned in (False, True):
            for k in range(len(outputs(f(*args)))):
                operands = [a.copy() for a in args] if owned else args
                _double(f, operands, k, owned)
        return 0.0

    g, moved, tangents = moving(f, xs, vs)
    f = g
    dg.jvp(program, moved, tangents)


def _double(f, operands, k, owned):
    before = [(_numbers(a.primal), _numbers(a.tangent)) for a in operands]
    y = outputs(f(*operands))[k]
    if not isinstance(y, Dual):
        return
    try:
        y *= 2
    except (ValueError, dg.TangentLossError):  # read-only, as NumPy's own result, or a view of an argument
        pass
    for a, (p, t) in zip(operands, before, strict=True):
        written = _numbers(a.primal) != p
        assert owned or not written.any(), "an argument was written through a result"
        same(_numbers(a.primal), np.where(written, 2 * p, p), "the operand's value after doubling the result")
        same(_numbers(a.tangent), np.where(written, 2 * t, t), "the operand's tangent after doubling the result")


def _numbers(x):
    """A copy as real numbers: the real and imaginary parts of a complex array are written apart."""
    x = np.array(x)
    return np.stack([x.real, x.imag], -1) if np.iscomplexobj(x) else x
