"""Along one direction: the vectors that the direction picks, and how they turn, as series of matrices."""

from typing import NamedTuple

import numpy as np

from .matrices import ct


class Degeneracy(NamedTuple):
    """How the vectors of equal values fare, by columns: such that nothing parts and that stand still, such that turn,
    such that several directions part; the smallest distance of two neighbours among the other values, relative to their
    sum; and whether some have a limit."""

    still: list
    rotating: list
    apart: list
    closest: float
    limit: bool = False

    def at(self, places):
        """The same of the vectors that are at these places."""
        return Degeneracy(*(np.flatnonzero(np.isin(places, columns)).tolist() for columns in self[:3]), *self[3:])

    def undetermined(self, s, width):
        """The columns without a tangent, also of those that make singular vectors a basis, where values 0 are among
        them."""
        columns = self.rotating + self.apart
        with_zero = np.any(s[columns] <= 16 * np.finfo(s.dtype).eps * np.sum(s))
        return columns + list(range(len(s), width)) if with_zero else columns


def _matrix_product(a, b, k):
    """The coefficient k of a product of series."""
    return sum(a[j] @ b[k - j] for j in range(k + 1))


def _sizes(series):
    return np.array([np.max(np.abs(c), initial=0) * c.shape[-1] for c in series])


def _spaces(a, w, together, gap):
    """W and D = Wᴴ A W with W₀ = 1, W' = W Ω, of A₀ = diag w: Ω is zero within an eigenvalue, and keeps D so between
    two, D' = P + D Ω - Ω D with P = Wᴴ A' W."""
    frame, block, omega, moved = [np.eye(len(w), dtype=a[0].dtype)], [np.diag(w).astype(a[0].dtype)], [], []
    for k in range(len(a) - 1):
        moved.append(sum((j + 1) * a[j + 1] @ frame[k - j] for j in range(k + 1)))
        p = sum(ct(frame[j]) @ moved[k - j] for j in range(k + 1))
        rest = p + sum(block[j] @ omega[k - j] - omega[k - j] @ block[j] for j in range(1, k + 1))
        omega.append(np.where(together, 0, rest / gap))
        frame.append(_matrix_product(frame, omega, k) / (k + 1))
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
            vectors[k][:, place] = _matrix_product(here, turned, k)
            if k:
                values[k][place] = slopes[k - 1]
        joined += [place[inner] for inner in left]
        closest = min(closest, distance)
    return values, vectors, joined, closest


def eigenvectors(a, w, v, order, eps):
    """The eigenvalues and vectors of A(t) to t^order, with the eigenvalues w and vectors v of A₀, the places of those
    that stay together, and a `Degeneracy`. What follows the given coefficients is taken for 0, to twice the order."""
    size = np.max(np.abs(w), initial=0) or 1.0
    rate = max([(np.max(np.abs(c)) / size) ** (1 / k) for k, c in enumerate(a) if k], default=0) or 1.0
    a = [c.astype(np.result_type(c, float)) / (size * rate**k) for k, c in enumerate(a)]
    a += [np.zeros_like(a[0])] * (2 * order + 3 - len(a))
    noise = 16 * eps * np.array([np.sum(np.abs(w)) / size, *_sizes(a)[1:]])
    values, vectors, joined, closest = _diagonalise(a, noise, order, (w / size, v))
    rotating = [any(np.max(np.abs(c[:, place])) > eps**0.4 for c in vectors[1:]) for place in joined]
    kept = [
        [j for place, t in zip(joined, rotating, strict=True) if t == kind for j in place] for kind in (False, True)
    ]
    equal = np.abs(np.diff(w)) <= noise[0] * size
    limit = np.sum(equal) > sum(len(place) - 1 for place in joined)
    values = [size * rate**k * c for k, c in enumerate(values)]
    report = Degeneracy(*map(sorted, kept), [], 16 * eps * closest, bool(limit))
    return [w, *values[1:]], [rate**k * c for k, c in enumerate(vectors)], joined, report


def doubled_factors(u, s, v, eps):
    """The eigenvalues and vectors of [[0, A], [Aᴴ, 0]], (u, ±v) / √2, ascending, of the thin factors of A, in which
    rows are not fewer than columns; of values 0 the vectors (u, 0) and (0, v)."""
    (m, n), count = u.shape, int(np.sum(s > 16 * eps * np.sum(s)))
    null = np.concatenate([u[:, count:], np.linalg.svd(u)[0][:, n:]], 1)
    u, s = u[:, :count] * np.sqrt(0.5), s[:count]
    mixed, null_v = v[:, :count] * np.sqrt(0.5), v[:, count:]
    lower = np.zeros((n, null.shape[1])), np.zeros((m, n - count))
    vectors = np.block([[u, null, lower[1], u[:, ::-1]], [-mixed, lower[0], null_v, mixed[:, ::-1]]])
    return np.concatenate([-s, np.zeros(m + n - 2 * count), s[::-1]]), vectors


def hermitian_dilation(a):
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
    w, basis = doubled_factors(u, s, v, eps)
    values, vectors, joined, report = eigenvectors([hermitian_dilation(c) for c in a], w, basis, order, eps)
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
    sizes, basis = np.linalg.svd(vectors[0][:m])[1:]
    count = int(np.sum(sizes > 0.5))
    upper = np.sum(np.abs(vectors[0][:m]) ** 2, 0)
    if np.all((upper < 1e-6) | (upper > 1 - 1e-6)):  # they are apart already
        basis = np.eye(len(upper))[np.argsort(upper < 0.5, kind="stable")]
    vectors = [c @ ct(basis) for c in vectors]
    return [c[:m, :count] for c in vectors], [c[m:, count:] for c in vectors]


def complement_series(q, rest):
    """The series of [Q₁ Q₂] of that of Q₁: Q₂' = -Q₁ Q₁'ᴴ Q₂, from NumPy's where it is one."""
    if np.max(np.abs(ct(q[0]) @ rest), initial=0) > 1e-3:
        rest = np.linalg.svd(q[0])[0][:, q[0].shape[1] :]
    found = [rest]
    for k in range(len(q) - 1):
        within = [sum((i + 1) * ct(q[i + 1]) @ found[j - i] for i in range(j + 1)) for j in range(k + 1)]
        found.append(-sum(q[j] @ within[k - j] for j in range(k + 1)) / (k + 1))
    return [np.concatenate(pair, 1) for pair in zip(q, found, strict=True)]
