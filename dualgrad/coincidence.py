"""Equal eigenvalues along one direction: the vectors that the direction picks, and how they turn.

Of a matrix A(t) = A₀ + A₁ t + ..., Hermitian for every t, the eigenvalues and vectors can be chosen analytic, also
where eigenvalues of A₀ coincide (Rellich 1937; Kato 1966, chapter II). The spaces of different eigenvalues are carried
by the smallest rotation, W' = W Ω; Wᴴ A W keeps one block D = λ + t C for each, and the vectors of D are those of C, to
be found in the same way: what A₁ does not part, A₂ may, or what A₁ does to the space.
`dualgrad.ties` asks here.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from .dual import LIVE, Dual, primal
from .rules.absorb import parts
from .rules.declare import nested_as


class Report(NamedTuple):
    """How the vectors of equal values fare, by columns: such that nothing parts and that stand still, such that turn,
    such that several directions part; the smallest distance of two neighbours among the other values, relative to their
    sum; and whether some have a limit."""

    still: list
    turning: list
    apart: list
    closest: float
    limit: bool = False

    def at(self, places):
        """The same of the vectors that are at these places."""
        return Report(*(np.flatnonzero(np.isin(places, columns)).tolist() for columns in self[:3]), *self[3:])

    def undetermined(self, s, width):
        """The columns without a tangent, also of those that make singular vectors a basis, where values 0 are among
        them."""
        columns = self.turning + self.apart
        with_zero = np.any(s[columns] <= 16 * np.finfo(s.dtype).eps * np.sum(s))
        return columns + list(range(len(s), width)) if with_zero else columns


# ---------------------------------------------------------------------- series of matrices


def ct(x):
    """The conjugate transpose."""
    return np.conj(np.swapaxes(x, -1, -2))


def _cauchy(a, b, k):
    """The coefficient k of a product of series."""
    return sum(a[j] @ b[k - j] for j in range(k + 1))


def _sizes(series):
    return np.array([np.max(np.abs(c), initial=0) * c.shape[-1] for c in series])


def _spaces(a, w, together, gap):
    """W and D = Wᴴ A W with W₀ = 1, W' = W Ω, of A₀ = diag w: Ω is zero within an eigenvalue, and keeps D so between
    two, D' = P + D Ω - Ω D with P = Wᴴ A' W."""
    frame, block, turn, moved = [np.eye(len(w), dtype=a[0].dtype)], [np.diag(w).astype(a[0].dtype)], [], []
    for k in range(len(a) - 1):
        moved.append(sum((j + 1) * a[j + 1] @ frame[k - j] for j in range(k + 1)))
        p = sum(ct(frame[j]) @ moved[k - j] for j in range(k + 1))
        rest = p + sum(block[j] @ turn[k - j] - turn[k - j] @ block[j] for j in range(1, k + 1))
        turn.append(np.where(together, 0, rest / gap))
        frame.append(_cauchy(frame, turn, k) / (k + 1))
        block.append(np.where(together, p, 0) / (k + 1))
    return frame, block


def _diagonalise(a, noise, order, known=None):
    """The eigenvalues and vectors of A(t) to t^order, ascending for small t > 0; the places of those that nothing has
    parted; and the distance of the closest two others, as a multiple of ``noise``, which is what rounding makes of the
    coefficients. ``known`` are the eigenvalues and vectors of A₀."""
    w, v = known or np.linalg.eigh(a[0])
    steps = np.diff(w, prepend=w[:1])
    label = np.cumsum(steps > noise[0])
    closest = np.min(steps[steps > noise[0]], initial=np.inf) / noise[0]
    if known is None and not label[-1]:  # rounding has chosen these vectors
        v = np.eye(len(w))
    together = label[:, None] == label
    frame, block = _spaces([ct(v) @ c @ v for c in a], w, together, np.where(together, 1, w - w[:, None]))
    sizes = _sizes(frame) / len(w)
    noise = np.convolve(np.convolve(sizes, noise)[: len(a)], sizes)[1 : len(a)]
    values = [np.real(np.diagonal(c)).copy() for c in block[: order + 1]]
    vectors = [v @ c for c in frame[: order + 1]]
    joined = []
    for place in (np.flatnonzero(label == k) for k in range(label[-1] + 1)):
        if len(place) == 1:
            continue
        if len(a) < order + 2:
            joined.append(place)
            continue
        within = [c[np.ix_(place, place)] for c in block[1:]]
        slopes, turned, left, distance = _diagonalise(within, noise, order)
        here = [c[:, place] for c in vectors]
        for k in range(order + 1):
            vectors[k][:, place] = _cauchy(here, turned, k)
            if k:
                values[k][place] = slopes[k - 1]
        joined += [place[inner] for inner in left]
        closest = min(closest, distance)
    return values, vectors, joined, closest


def eigenvectors(a, w, v, order, eps):
    """The eigenvalues and vectors of A(t) to t^order, with the eigenvalues w and vectors v of A₀, the places of those
    that stay together, and a `Report`. What follows the coefficients given is taken for zero, to twice the order."""
    size = np.max(np.abs(w), initial=0) or 1.0
    rate = max([(np.max(np.abs(c)) / size) ** (1 / k) for k, c in enumerate(a) if k], default=0) or 1.0
    a = [c.astype(np.result_type(c, float)) / (size * rate**k) for k, c in enumerate(a)]
    a += [np.zeros_like(a[0])] * (2 * order + 3 - len(a))
    noise = 16 * eps * np.array([np.sum(np.abs(w)) / size, *_sizes(a)[1:]])
    values, vectors, joined, closest = _diagonalise(a, noise, order, (w / size, v))
    turning = [any(np.max(np.abs(c[:, place])) > eps**0.4 for c in vectors[1:]) for place in joined]
    kept = [[j for place, t in zip(joined, turning, strict=True) if t == kind for j in place] for kind in (False, True)]
    equal = np.abs(np.diff(w)) <= noise[0] * size
    limit = np.sum(equal) > sum(len(place) - 1 for place in joined)
    values = [size * rate**k * c for k, c in enumerate(values)]
    report = Report(*map(sorted, kept), [], 16 * eps * closest, bool(limit))
    return [w, *values[1:]], [rate**k * c for k, c in enumerate(vectors)], joined, report


def _doubled(u, s, v, eps):
    """The eigenvalues and vectors of [[0, A], [Aᴴ, 0]], (u, ±v) / √2, ascending, of the thin factors of A, in which
    rows are not fewer than columns; of values 0 the vectors (u, 0) and (0, v)."""
    (m, n), count = u.shape, int(np.sum(s > 16 * eps * np.sum(s)))
    null = np.concatenate([u[:, count:], np.linalg.svd(u)[0][:, n:]], 1)
    u, s = u[:, :count] * np.sqrt(0.5), s[:count]
    mixed, null_v = v[:, :count] * np.sqrt(0.5), v[:, count:]
    lower = np.zeros((n, null.shape[1])), np.zeros((m, n - count))
    vectors = np.block([[u, null, lower[1], u[:, ::-1]], [-mixed, lower[0], null_v, mixed[:, ::-1]]])
    return np.concatenate([-s, np.zeros(m + n - 2 * count), s[::-1]]), vectors


def double(a):
    """[[0, A], [Aᴴ, 0]] of a matrix, plain or a Dual."""
    m, n = a.shape
    above = np.concatenate([np.zeros((m, m), a.dtype), a], 1)
    return np.concatenate([above, np.concatenate([ct(a), np.zeros((n, n), a.dtype)], 1)])


def singular_vectors(a, u, s, vh, order, eps):
    """The same of A = U S Vᴴ with the thin factors of A₀, descending. Of values 0, the vectors are those whose values
    grow for t > 0, then others of the two null spaces. Of the phases of complex vectors, that which makes diag(Vᴴ V')
    zero."""
    tall = a[0].shape[0] >= a[0].shape[1]
    if tall:
        u, s, v, report = _tall_vectors(a, u, s, ct(vh), order, eps)
    else:
        v, s, u, report = _tall_vectors([ct(c) for c in a], ct(vh), s, u, order, eps)
    if np.iscomplexobj(v[0]):
        phase, speed = [np.ones(len(s[0]), complex)], [(k + 1) * v[k + 1] for k in range(order)]
        along = [sum(np.sum(np.conj(v[j]) * speed[k - j], 0) for j in range(k + 1)) for k in range(order)]
        for k in range(order):
            phase.append(-sum(along[j] * phase[k - j] for j in range(k + 1)) / (k + 1))
        u, v = ([sum(c[j] * phase[k - j] for j in range(k + 1)) for k in range(order + 1)] for c in (u, v))
    return u, s, v, report


def _tall_vectors(a, u, s, v, order, eps):
    """`singular_vectors` up to their phases, where rows are not fewer than columns."""
    m, n = a[0].shape
    if m > (len(a) + 1) * n:  # all columns lie in a space of few dimensions
        short = np.linalg.qr(np.concatenate([u, *a], 1))[0]
        left, *found = _tall_vectors([ct(short) @ c for c in a], ct(short) @ u, s, v, order, eps)
        return [short @ c for c in left], *found
    w, basis = _doubled(u, s, v, eps)
    values, vectors, joined, report = eigenvectors([double(c) for c in a], w, basis, order, eps)
    top = m + n - 1 - np.arange(n)
    found = [[np.sqrt(2) * c[rows][:, top] for c in vectors] for rows in (np.s_[:m], np.s_[m:])]
    for place in joined:
        here = np.flatnonzero(np.isin(top, place))
        if len(here) and w[place[0]] == 0:
            for side, null in zip(found, _null_spaces([c[:, place] for c in vectors], m), strict=True):
                for c, of in zip(side, null, strict=True):
                    c[:, here] = of[:, : len(here)]
    for side, known in zip(found, (u, v), strict=True):  # as they are, to the last bit, where nothing has turned them
        side[0] = np.where(np.max(np.abs(side[0] - known), 0) < eps**0.5, known, side[0])
    return found[0], [np.maximum(w[top], 0), *(c[top] for c in values[1:])], found[1], report.at(top)


def _null_spaces(vectors, m):
    """A basis of the two null spaces together, as one of each: series of the upper and the lower parts."""
    sizes, turn = np.linalg.svd(vectors[0][:m])[1:]
    count = int(np.sum(sizes > 0.5))
    upper = np.sum(np.abs(vectors[0][:m]) ** 2, 0)
    if np.all((upper < 1e-6) | (upper > 1 - 1e-6)):  # they are apart already
        turn = np.eye(len(upper))[np.argsort(upper < 0.5, kind="stable")]
    vectors = [c @ ct(turn) for c in vectors]
    return [c[:m, :count] for c in vectors], [c[m:, count:] for c in vectors]


def complement(q, rest):
    """The series of [Q₁ Q₂] of that of Q₁: Q₂' = -Q₁ Q₁'ᴴ Q₂, from NumPy's where it is one."""
    if np.max(np.abs(ct(q[0]) @ rest), initial=0) > 1e-3:
        rest = np.linalg.svd(q[0])[0][:, q[0].shape[1] :]
    found = [rest]
    for k in range(len(q) - 1):
        within = [sum((i + 1) * ct(q[i + 1]) @ found[j - i] for i in range(j + 1)) for j in range(k + 1)]
        found.append(-sum(q[j] @ within[k - j] for j in range(k + 1)) / (k + 1))
    return [np.concatenate(pair, 1) for pair in zip(q, found, strict=True)]


# ---------------------------------------------------------------------- along several directions at once


def leaves(a):
    """The plain arrays of a nest of Duals, its value first."""
    return leaves(a.primal) + leaves(a.tangent) if a.__class__ is Dual else [a]


def has_series(a):
    """Whether a series is in a nest of Duals."""
    return 0 in _levels(a)


def blank(a, columns, inside=False):
    """NaN in some columns, of the tangents alone."""
    if a.__class__ is Dual:
        return a.renewed(blank(a.primal, columns, inside), blank(a.tangent, columns, True))
    return np.where(np.isin(np.arange(a.shape[-1]), columns), np.nan, a) if inside else a


def _carried(a, w, v, together):
    """`_spaces` of a nest of Duals: D and W. Between two eigenvalues Ω = F ∘ (P + N Ω - Ω N), F of the plain values and
    N the rest of D, which vanishes in a power."""
    if a.__class__ is not Dual:
        return np.diag(w).astype(v.dtype), v
    block, frame = _carried(a.primal, w, v, together)
    p = np.matmul(ct(frame), np.matmul(a.tangent, frame))
    rest, gap = block - primal(block), np.where(together, 1, w - w[:, None]).astype(w.dtype)
    turn = between = np.where(together, 0, p) / gap
    below = a.primal
    while below.__class__ is Dual:
        turn = between + np.where(together, 0, np.matmul(rest, turn) - np.matmul(turn, rest)) / gap
        below = below.primal
    return (
        a.renewed(block, nested_as(block, np.where(together, p, 0))),
        a.renewed(frame, nested_as(frame, np.matmul(frame, turn))),
    )


def spaces(a, w, v):
    """The eigenvalues and vectors of a nest of Duals with those of its value, and a `Report`: vectors of equal values
    turn with their space alone, and second tangents of values that are parted are NaN."""
    eps, steps, total = np.finfo(w.dtype).eps, np.diff(w, prepend=w[:1]), np.sum(np.abs(w))
    label = np.cumsum(steps > 16 * eps * total)
    closest = np.min(steps[steps > 16 * eps * total], initial=np.inf) / total
    together = label[:, None] == label
    block, frame = _carried(a, w, v, together)
    moves = [ct(v) @ c @ v for c in leaves(a)[1:]]
    noise = 1e3 * eps * max(np.max(np.abs(c), initial=0) for c in moves)
    columns = [[], [], []]  # as a Report has them
    values = np.real(np.diagonal(block, 0, -2, -1))
    for place in (np.flatnonzero(label == k) for k in np.unique(label)):
        if len(place) == 1:
            continue
        within = [c[..., place[:, None], place] for c in leaves(block)[1:]]
        centre = [c - np.mean(np.diagonal(c, 0, -2, -1), -1)[..., None, None] * np.eye(len(place)) for c in within]
        others = np.flatnonzero(label != label[place[0]])
        parted = any(np.max(np.abs(c), initial=0) > noise for c in centre)
        turning = any(np.max(np.abs(c[..., others[:, None], place]), initial=0) > noise for c in moves)
        columns[2 if parted else 1 if turning else 0] += place.tolist()
        if parted and len(within) == 1:
            values = Dual(values.primal, values.tangent.copy(), values.level)
            values.tangent[..., place] = np.linalg.eigvalsh(within[0])
        elif parted:
            values = blank(values, place)
    return values, frame, Report(*columns, closest)


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
    w, basis = _doubled(u, s, v, eps)
    values, vectors, report = spaces(double(a), w.astype(s.dtype), basis.astype(u.dtype))
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


# ---------------------------------------------------------------------- Duals and series as one line


class Line:
    """A matrix as A(t), from the Dual or the series it is; ``of`` says so of a Dual whose nested tangents are those of
    one direction, up to factors, and None of others."""

    def __init__(self, coefficients, like, nested):
        self.coefficients, self.like, self.nested = coefficients, like, nested
        self.order, self.eps = len(coefficients) - 1, np.finfo(coefficients[0].dtype).eps

    @staticmethod
    def of(a):
        if a.__class__ is not Dual:
            found = [a.coefficient(k) for k in range(a.order + 1)]
            return None if any(isinstance(c, Dual) for c in found) else Line(found, a, None)
        levels = sorted(_levels(a))
        if 0 in levels or any(math.prod(LIVE[level]) != 1 for level in levels):
            return None
        subsets = [frozenset(c) for k in range(len(levels) + 1) for c in itertools.combinations(levels, k)]
        tangents = {c: _tangent(a, c) for c in subsets}
        first = {level: tangents[frozenset([level])] for level in levels}
        largest = max(first.values(), key=lambda d: np.max(np.abs(d)))
        square = np.vdot(largest, largest).real
        factors = {level: np.vdot(largest, d).real / square if square else 1.0 for level, d in first.items()}
        factors = {c: math.factorial(len(c)) * math.prod(factors[level] for level in c) for c in subsets}
        coefficients = []
        for k in range(len(levels) + 1):
            best = max((c for c in subsets if len(c) == k), key=lambda c: abs(factors[c]))
            coefficients.append(tangents[best] / (factors[best] or 1.0))
        eps = 1e4 * np.finfo(a.dtype).eps
        for c in subsets:
            off, size = np.abs(tangents[c] - factors[c] * coefficients[len(c)]), np.max(np.abs(tangents[c]))
            if np.any(off > eps * size):
                return None
        return Line(coefficients, a, (levels, factors))

    @property
    def bends(self):
        """Whether coefficients that are not known may matter: unless it is straight as far as it is known."""
        return any(np.any(c) for c in self.coefficients[2:]) if self.order > 1 else not self.like.frozen

    def made(self, coefficients, undetermined=()):
        """The Dual or series with these coefficients, in the precision of the matrix; NaN in some columns."""
        dtype = self.coefficients[0].dtype if np.iscomplexobj(coefficients[0]) else self.coefficients[0].real.dtype
        found = [c.astype(dtype) for c in coefficients[: self.order + 1]]
        for c in found[1:]:
            c[..., list(undetermined)] = np.nan
        if self.nested is None:
            return self.like.__class__(found[0], self.like.order, self.like.level, found.__getitem__)
        levels, factors = self.nested

        def dual(remaining, chosen):
            if not remaining:
                lead = sum((LIVE[level] for level in levels if level in chosen), ())
                c = (factors[chosen] * found[len(chosen)]).astype(dtype)
                return np.reshape(c, lead + c.shape)
            *below, level = remaining
            return Dual(dual(below, chosen), dual(below, chosen | {level}), level)

        return dual(levels, frozenset())


def _levels(a):
    """The levels in a nest of Duals, and 0 for a series in it."""
    if a.__class__ is Dual:
        return {a.level} | _levels(a.primal) | _levels(a.tangent)
    return {0} if isinstance(a, Dual) else set()


def _tangent(a, levels):
    """The tangent that belongs to all these levels at once, without lead axes."""
    shape = a.shape
    for level in sorted(levels, reverse=True):
        while isinstance(a, Dual) and a.level > level:
            a = a.primal
        a = parts(a, level)[1]
        if a is None:
            return np.zeros(shape)
    return np.reshape(primal(a), shape)
