"""0 · inf = 0: an entry whose tangent is zero contributes zero, per direction.

The derivative of sqrt at 0 is infinite, yet a direction that leaves that entry alone must not turn into NaN. Rules
compute the plain product; only when the result holds a NaN (one pass at BLAS speed) is it done again with care.
Tangents are computed with NumPy's floating-point warnings off: the primal operation has given its own.
"""

import contextvars
import threading

import numpy as np

from ..backend import is_host
from ..dual import LIVE, Dual, pad_lead, primal

_TREATED = contextvars.ContextVar("treated", default=False)


class Errors(threading.local):
    """One context per thread in which NumPy ignores floating-point errors, or raises them; entering it costs 0.1 µs,
    errstate 1."""

    def __init__(self, treatment):
        context = contextvars.copy_context()
        context.run(np.seterr, all=treatment)
        context.run(_TREATED.set, True)
        self.run = context.run


_quiet = Errors("ignore")


def quietly(function, *args):
    """``function(*args)`` with floating-point warnings off; where `Errors` are raised, they are raised still."""
    return function(*args) if _TREATED.get() else _quiet.run(function, *args)


def has_nan(d):
    """Whether ``d`` may hold a NaN; always true on a device, where looking would cost more than being careful. A
    series sees to its own (`dualgrad.series`)."""
    if d.__class__ is np.ndarray:
        flat = d if d.ndim == 1 else d.ravel("K")
        total = flat.dot(flat)
        return total != total
    if d.__class__ is Dual:
        return has_nan(d.primal) or has_nan(d.tangent)
    return d != d if isinstance(d, np.generic) else not isinstance(d, Dual)


def nan_entries(d):
    """Where ``d`` is NaN, or a tangent of it."""
    if d.__class__ is not Dual:
        return np.isnan(primal(d))
    tangent = nan_entries(d.tangent)
    return nan_entries(d.primal) | (np.any(tangent, 0) if LIVE[d.level] else tangent)


def product(partial, dx):
    """``partial * dx`` with 0 · inf = 0 where ``dx`` is zero."""
    d = partial * dx
    if isinstance(d, Dual) and d.__class__ is not Dual:  # a series
        nothing = np.isnan(primal(d)) & (primal(dx) == 0)
        return np.where(nothing, 0, d) if not is_host(nothing) or np.any(nothing) else d
    return absorb(partial, dx) if has_nan(d) else d


def absorb(partial, dx, either=False):
    """``partial * dx``, and 0 where ``dx`` is 0 whatever the partial, or ``either``; nested by the product rule."""
    top = max((a for a in (dx, partial) if isinstance(a, Dual)), key=lambda a: a.level, default=None)
    if top is None:
        return np.where((dx == 0) | (either & (partial == 0)), 0, partial * dx)
    (p, dp), (t, dt) = parts(partial, top.level), parts(dx, top.level)
    if LIVE[top.level]:
        ndim = max(np.ndim(p), np.ndim(t))
        dp, dt = (d if d is None else pad_lead(d, ndim) for d in (dp, dt))
    terms = []
    if dp is not None:  # both factors are tangents of some level: a zero in either absorbs
        terms.append(absorb(dp, t, either=True))
    if dt is not None:
        terms.append(absorb(p, dt, either))
    return top.renewed(absorb(p, t, either), sum(terms[1:], terms[0]))


def parts(x, level):
    """The primal of ``x`` at ``level``, and its tangent there or None."""
    return (x.primal, x.tangent) if isinstance(x, Dual) and x.level == level else (x, None)


def absorbing_bilinear(f, dx, y):
    """``f(dx, y)`` for a sum of products f (matmul, einsum, ...) where y holds infinities or NaN.

    The finite part goes through f as it is; the infinite entries count only where they meet a nonzero tangent.
    """
    if isinstance(dx, Dual) or isinstance(y, Dual) or np.iscomplexobj(dx) or np.iscomplexobj(y):
        return f(dx, y)
    one = np.result_type(dx, y).type  # small integers would count wrongly
    count = lambda a, b: f(np.where(a, one(1), one(0)), np.where(b, one(1), one(0)))  # noqa: E731
    up = count(dx > 0, y == np.inf) + count(dx < 0, y == -np.inf)
    down = count(dx > 0, y == -np.inf) + count(dx < 0, y == np.inf)
    bad = count(dx != 0, np.isnan(y)) + count(np.isnan(dx), y == y)
    finite = f(dx, np.where(np.isfinite(y), y, one(0)))
    return np.where(bad > 0, np.nan, finite + np.where(up > 0, np.inf, 0) - np.where(down > 0, np.inf, 0)).astype(
        finite.dtype
    )
