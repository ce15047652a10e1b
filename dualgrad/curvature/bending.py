"""What bends: the second derivative of one operation along each tangent of its operands, added to what is carried."""

import numpy as np

from ..dual import LIVE, Dual, new_level, pad_lead
from ..rules.absorb import absorb, has_nan, parts, product, quietly
from ..rules.lead import direction
from ..tables import KINDS
from ..tree import flatten, rebuild


def bend(y, call):
    """The result with the second derivatives ∂²f[Jₖ, Jₖ] added to those that the rule for tangents has sent on."""
    first = call.operands[0]
    level, count, each = first.level, first.count, not first.summed
    outputs, structure = flatten(y)
    if not count or not any(_is_ours(v, level) for v in outputs):
        return y
    last = first.last
    if call.whole is not None:
        return rebuild(
            structure, [_with_last_of(v, d, level, last) for v, d in _beside_definition(outputs, quietly(call.whole))]
        )
    seconds = quietly(_seconds, call, outputs, count, each)
    bent = [_bend_one(v, s, level, last) for v, s in zip(outputs, seconds, strict=True)]
    return rebuild(structure, bent)


def _is_ours(v, level):
    return type(v) is Dual and v.level == level


def _bend_one(v, second, level, last):
    """A Dual with the last of its tangents greater by ``second``, which None says is zero."""
    if second is None or not _is_ours(v, level):
        return v
    d = v.tangent
    bent = d[-last:] + second
    return Dual(v.primal, np.concatenate([d[:-last], bent.astype(d.dtype)]), level)


def _beside_definition(outputs, result):
    """Each output beside what the definition of a composite function makes of it."""
    return zip(outputs, flatten(result)[0], strict=True)


def _with_last_of(v, defined, level, last):
    """A Dual with the last tangents of what its definition makes."""
    if not _is_ours(v, level):
        return v
    return Dual(v.primal, np.concatenate([v.tangent[:-last], defined.tangent[-last:].astype(v.dtype)]), level)


def _seconds(call, outputs, count, each):
    """For each output Σ ∂²f[Jₖ, Jₖ], or all of its terms, as ``(1, *shape)`` or ``(K, *shape)``."""
    kind = KINDS.get(call.function)
    if kind == "bilinear" and len(call.operands) == 2:
        return [_inner_product(call, outputs[0], count, each)]
    entrywise = isinstance(call.function, np.ufunc) and call.function.signature is None
    if (entrywise or kind == "elementwise") and all(_is_real(x) for x in (*call.operands, *outputs)):
        return _entrywise(call, outputs, count, each)
    return _one_by_one(call, count, each)


def _is_real(x):
    return not hasattr(x, "dtype") or x.dtype.kind != "c"


def _collected(terms, each):
    return terms if each else np.sum(terms, axis=0)[None]


# ---------------------------------------------------------------------- products of two


def _inner_product(call, y, count, each):
    """2 Σ f(Jₖ, J'ₖ)."""
    (a, b), function = call.operands, call.function
    da, db = a.tangent[:count], b.tangent[:count]
    if function is np.multiply:
        da, db = pad_lead(da, y.ndim), pad_lead(db, y.ndim)
        terms = da * db
        return 2 * _collected(absorb(da, db, either=True) if has_nan(terms) else terms, each)
    if function is np.matmul and a.ndim > 1 and b.ndim > 1:
        return 2 * _collected(np.matmul(pad_lead(da, y.ndim), pad_lead(db, y.ndim)), each)
    terms = (call.along(da[k], db[k]) for k in range(count))
    return 2 * (np.stack(list(terms)) if each else sum(terms)[None])


# ---------------------------------------------------------------------- entry by entry


def _entrywise(call, outputs, count, each):
    """Σ ∂²f/∂xᵢ∂xⱼ Σ Jᵢ Jⱼ: the curvature once, for all directions."""
    xs, seconds = call.operands, [None] * len(outputs)
    for i in range(len(xs)):
        for j in range(i + 1):
            curvatures = _curvatures(call, i, j)
            for n, (curvature, y) in enumerate(zip(curvatures, outputs, strict=True)):
                if curvature is None:
                    continue
                a, b = pad_lead(xs[i].tangent[:count], y.ndim), pad_lead(xs[j].tangent[:count], y.ndim)
                squares = _collected(a * b, each)
                term = product(curvature if i == j else 2 * curvature, squares)
                seconds[n] = term if seconds[n] is None else seconds[n] + term
    return seconds


def _curvatures(call, i, j):
    """The second derivatives of each output with respect to operands i and j, None where there are none."""
    low, high = new_level(()), new_level(())
    try:
        moved = [x.primal for x in call.operands]
        moved[j] = Dual(moved[j], np.ones_like(moved[j])[()], low, True)
        x = moved[i]
        moved[i] = Dual(x, np.ones_like(call.operands[i].primal)[()], high, True)
        outputs, _ = flatten(call.along(*moved))
        return [None if (d := parts(y, high)[1]) is None else parts(d, low)[1] for y in outputs]
    finally:
        LIVE.pop(low), LIVE.pop(high)


# ---------------------------------------------------------------------- anything else


def _one_by_one(call, count, each):
    """The tangent of the tangent along each Jₖ."""
    found = None
    for k in range(count):
        terms = _curved_along(call, k)
        if found is None:
            found = [[] if each else None for _ in terms]
        for n, term in enumerate(terms):
            if each:
                found[n].append(term)
            elif term is not None:
                found[n] = term if found[n] is None else found[n] + term
    if each:
        return [None if any(t is None for t in terms) else np.stack(terms) for terms in found]
    return [None if total is None else total[None] for total in found]


def _curved_along(call, k):
    low, high = new_level(()), new_level(())

    def line(x):
        d = direction(x.tangent, k)
        return Dual(Dual(x.primal, d, low, True), Dual(d, np.zeros_like(d), low, True), high, True)

    try:
        outputs, _ = flatten(call.along(*map(line, call.operands)))
        return [None if (d := parts(y, high)[1]) is None else parts(d, low)[1] for y in outputs]
    finally:
        LIVE.pop(low), LIVE.pop(high)
