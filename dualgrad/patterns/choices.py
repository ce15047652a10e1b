"""Functions that choose: the sets of what is chosen at x; for all values, of all that may be."""

import numpy as np

from ..dual import primal
from ..rules.lead import reduced, trailing
from ..tables import RULES
from .bits import NONE, union


def chosen_where(step, condition, *choices):
    """The chosen branch; both where the condition is one for all values."""
    run = step.run
    if not choices:
        return np.where(primal(condition))
    unknown = run.owns(condition) and run.any_value
    holds = True if unknown else np.asarray(primal(condition), bool)
    shape = np.shape(step.values)
    together = run.empty(shape)
    for mask, a in ((holds, choices[0]), (unknown | ~np.asarray(holds), choices[1]), (unknown, condition)):
        if run.owns(a) and not a.inert:
            together = together | np.where(mask, _with_axes(a.tangent, len(shape)), NONE)
    return step.results(lambda v: together)


def _with_axes(bits, ndim):
    return bits.reshape(bits.shape[:1] + (1,) * (ndim + 1 - bits.ndim) + bits.shape[1:])


def larger_or_smaller(step, x, y):
    """The operand that np.maximum and its kin return, both at a tie."""
    if step.run.any_value:
        return step.entrywise()
    out, at = step.values, [step.plain(a) for a in (x, y)]
    shown = [a == out for a in at]
    chosen = [shown[0] | ~shown[1], shown[1] | ~shown[0]]
    return step.entrywise([chosen[n] for n, a in enumerate((x, y)) if step.run.owns(a) and not a.inert])


def extremum(step, a, axis=None, out=None, keepdims=False, **kw):
    """The entries that attain the extremum; for all values, all."""
    if not step.run.any_value or not step.run.owns(a) or kw:
        return None
    bits = union(a.tangent, reduced(axis, a.ndim), keepdims)
    return step.results(lambda v: step.spread(bits, v.shape))


def sorted_along(step, a, axis=-1, **kw):
    """Entries in another order; for all values, in any along the axis."""
    if not step.run.any_value:
        return None
    if axis is None:
        return step.dense()
    bits = union(a.tangent, trailing(axis, a.ndim), keepdims=True)
    return step.results(lambda v: step.spread(bits, v.shape))


def partitioned(step, a, kth, axis=-1, **kw):
    """As `sort`."""
    return sorted_along(step, a, axis)


def sign_of(step, z):
    """Constant for real numbers."""
    if z.dtype.kind == "c":
        return step.entrywise()
    return step.run.without_inputs(step.values) if step.run.any_value else step.values


def power(step, x, n):
    """All exponents but a constant 0, of which nothing moves."""
    if not step.run.owns(n) and step.run.owns(x):
        exponent = np.asarray(primal(n))
        if not exponent.all():
            return step.entrywise([np.broadcast_to(exponent != 0, np.shape(step.values))])
    return step.entrywise()


def product_of(step, x, y):
    """Not along the zeros of a constant."""
    masks = {id(a): step.may_count(b) for a, b in ((x, y), (y, x))}
    if x is y or all(there.all() for there in masks.values()):
        return step.entrywise()
    return step.entrywise([np.broadcast_to(masks[id(a)], np.shape(step.values)) for a in step.operands])


def quotient_of(step, x, y):
    """Not where a constant 0 is divided."""
    return product_of(step, x, y) if step.run.owns(y) and not step.run.owns(x) else step.entrywise()


def part(step, z):
    """The real or imaginary part: of a complex entry it depends on as much. A view is read-only."""
    if step.function is np.imag and z.dtype.kind != "c":
        return step.results(lambda v: step.run.empty(v.shape))
    if z.dtype.kind != "c":
        return step.run.made(step.values, z.tangent, frozen=z.frozen)
    return step.run.made(step.values, z.tangent.copy(), frozen=True)


# ---------------------------------------------------------------------- arrays of the kind of another


def empty_buffer(step, a, *args, **kwargs):
    """A buffer that depends on nothing, to write into."""
    y = step.values
    return step.run.made(y, step.run.empty(y.shape)) if y.dtype.kind in "fc" else y


def filled(step, a, fill_value, *args, **kwargs):
    """np.full_like of what may move."""
    y = step.values
    if y.dtype.kind not in "fc":
        return RULES[np.full_like](a, fill_value, *args, **kwargs)
    moves = step.run.owns(fill_value) and not fill_value.inert
    bits = step.spread(fill_value.tangent, y.shape) if moves else step.run.empty(y.shape)
    return step.run.made(y, bits)


def copied_sets(step, a, *args, **kwargs):
    """A copy to write into."""
    return step.run.made(step.values, a.tangent.copy())


def another_precision(step, x, dtype, /, **kwargs):
    """np.astype."""
    return x.astype(dtype)


def padded(step, array, pad_width, mode="constant", **kw):
    """np.pad: with a statistic by its definition, else linear."""
    return RULES[np.pad](array, pad_width, mode, **kw) if mode in ("maximum", "minimum", "median") else None
