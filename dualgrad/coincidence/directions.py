"""Along several directions at once: the tangents of a nest of Duals, as far as they exist."""

import numpy as np

from ..dual import Dual, primal
from ..rules.declare import nested_as
from .analytic import Degeneracy, doubled_factors, hermitian_dilation
from .matrices import ct


def plain_leaves(a):
    """The plain arrays of a nest of Duals, its value first."""
    return plain_leaves(a.primal) + plain_leaves(a.tangent) if a.__class__ is Dual else [a]


def has_series(a):
    """Whether a series is in a nest of Duals."""
    return 0 in levels_in(a)


def blank(a, columns, inside=False):
    """NaN in some columns, of the tangents alone."""
    if a.__class__ is Dual:
        return a.renewed(blank(a.primal, columns, inside), blank(a.tangent, columns, True))
    return np.where(np.isin(np.arange(a.shape[-1]), columns), np.nan, a) if inside else a


def _nested_spaces(a, w, v, together):
    """`_spaces` of a nest of Duals: D and W. Between two eigenvalues Ω = F ∘ (P + N Ω - Ω N), F of the plain values and
    N the rest of D, which vanishes in a power."""
    if a.__class__ is not Dual:
        return np.diag(w).astype(v.dtype), v
    block, frame = _nested_spaces(a.primal, w, v, together)
    p = np.matmul(ct(frame), np.matmul(a.tangent, frame))
    rest, gap = block - primal(block), np.where(together, 1, w - w[:, None]).astype(w.dtype)
    omega = between = np.where(together, 0, p) / gap
    below = a.primal
    while below.__class__ is Dual:
        omega = between + np.where(together, 0, np.matmul(rest, omega) - np.matmul(omega, rest)) / gap
        below = below.primal
    return (
        a.renewed(block, nested_as(block, np.where(together, p, 0))),
        a.renewed(frame, nested_as(frame, np.matmul(frame, omega))),
    )


def spaces(a, w, v):
    """The eigenvalues and vectors of a nest of Duals with those of its value, and a `Degeneracy`: vectors of equal
    values turn with their space alone, and second tangents of values that are parted are NaN."""
    eps, steps, total = np.finfo(w.dtype).eps, np.diff(w, prepend=w[:1]), np.sum(np.abs(w))
    label = np.cumsum(steps > 16 * eps * total)
    closest = np.min(steps[steps > 16 * eps * total], initial=np.inf) / total
    together = label[:, None] == label
    block, frame = _nested_spaces(a, w, v, together)
    moves = [ct(v) @ c @ v for c in plain_leaves(a)[1:]]
    noise = 1e3 * eps * max(np.max(np.abs(c), initial=0) for c in moves)
    columns = [[], [], []]  # as a Report has them
    values = np.real(np.diagonal(block, 0, -2, -1))
    for place in (np.flatnonzero(label == k) for k in np.unique(label)):
        if len(place) == 1:
            continue
        within = [c[..., place[:, None], place] for c in plain_leaves(block)[1:]]
        centre = [c - np.mean(np.diagonal(c, 0, -2, -1), -1)[..., None, None] * np.eye(len(place)) for c in within]
        others = np.flatnonzero(label != label[place[0]])
        parted = any(np.max(np.abs(c), initial=0) > noise for c in centre)
        rotating = any(np.max(np.abs(c[..., others[:, None], place]), initial=0) > noise for c in moves)
        columns[2 if parted else 1 if rotating else 0] += place.tolist()
        if parted and len(within) == 1:
            values = Dual(values.primal, values.tangent.copy(), values.level)
            values.tangent[..., place] = np.linalg.eigvalsh(within[0])
        elif parted:
            values = blank(values, place)
    return values, frame, Degeneracy(*columns, closest)


def singular_spaces(a, u, s, vh):
    """The same of singular values and vectors, of the thin factors."""
    if a.shape[0] >= a.shape[1]:
        u, s, v, report = _tall_spaces(a, u, s, ct(vh))
    else:
        v, s, u, report = _tall_spaces(ct(a), ct(vh), s, u)
    if np.iscomplexobj(primal(v)):
        phase = _phases(v)
        u, v = u * phase, v * phase
    return u, s, v, report


def _tall_spaces(a, u, s, v):
    (m, n), eps = a.shape, np.finfo(s.dtype).eps
    w, basis = doubled_factors(u, s, v, eps)
    values, vectors, report = spaces(hermitian_dilation(a), w.astype(s.dtype), basis.astype(u.dtype))
    top, count = m + n - 1 - np.arange(n), int(np.sum(w > 0))
    zeros = np.arange(n - count)  # the u and the v of values 0 are apart in the basis
    left, right = np.concatenate([top[:count], count + zeros]), np.concatenate([top[:count], m + zeros])
    scale = np.where(w[top] > 0, np.sqrt(2), 1).astype(s.dtype)
    left, right = _valued(vectors[:m][:, left] * scale, u), _valued(vectors[m:][:, right] * scale, v)
    return left, _valued(values[top], s), right, report.at(top)


def _valued(a, value):
    """A nest of Duals with that value, to the last bit."""
    return a.renewed(_valued(a.primal, value), a.tangent) if a.__class__ is Dual else value


def _phases(v):
    """Those which make diag(Vᴴ dV) zero."""
    if v.__class__ is not Dual:
        return np.ones_like(v[0])
    below = _phases(v.primal)
    along = np.sum(np.conj(v.primal) * v.tangent, -2)
    return v.renewed(below, nested_as(below, -below * along))


def levels_in(a):
    """The levels in a nest of Duals, and 0 for a series in it."""
    if a.__class__ is Dual:
        return {a.level} | levels_in(a.primal) | levels_in(a.tangent)
    return {0} if isinstance(a, Dual) else set()
