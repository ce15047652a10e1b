"""Solving, inverting and factorizing matrices, and what is made of the factors.

Sources: Giles 2008 (Collected matrix derivative results), Townsend 2016 (Differentiating the singular value
decomposition), Golub and Pereyra 1973 (pseudo-inverses), Magnus 1985 (eigenvalues and eigenvectors). Matrices stand in
the last two axes.
"""

import functools
import math

import numpy as np

from ..backend import is_array, is_host
from ..backend import like as on_device
from ..coincidence.cautions import NO_DIGITS, OF_VALUES, OF_VECTORS, coincide
from ..coincidence.matrices import as_namedtuple, ct, depth, hermitian, rounding, with_complement
from ..dual import Dual, lead_of, pad_lead, primal
from ..errors import caution
from ..ties import STAND_INS, TIED, where_tied
from ..vectors import identity
from .absorb import quietly
from .declare import composite, explicit, nested_as, operands, refuse_others, register_rule

# ---------------------------------------------------------------------- parts of matrices


def _diagonal(x):
    return np.diagonal(x, 0, -2, -1) + 0


def _with_results(function):
    """Declare a function with several results by its rule: ``rule(x, dx, *args, **kw) -> ((y, dy), ...)``, or plain
    results where there is no tangent."""

    def declare(rule):
        def push(a, *args, **kw):
            refuse_others(function, args, kw)
            lead_of(a)
            value = None if isinstance(a.primal, Dual) else function(a.primal, *args, **kw)
            tied = quietly(lambda: where_tied(function, value, a, *args, **kw)) if function in TIED else None
            if tied is not None:
                return tied
            if value is None:
                value = function(a.primal, *args, **kw)
            several = isinstance(value, tuple)
            pairs = quietly(lambda: rule(a.primal, a.tangent, value, *args, **kw))
            outputs = [
                y if dy is None else Dual(y, nested_as(y, dy.astype(y.dtype)), a.level)
                for y, dy in zip(value if several else [value], pairs, strict=True)
            ]
            return as_namedtuple(value, outputs) if several else outputs[0]

        register_rule([function], "explicit", push)
        return rule

    return declare


# ---------------------------------------------------------------------- inverses and linear systems


@explicit(np.linalg.inv)
def inv(x, dx, lead):
    """dY = -Y dX Y."""
    y = np.linalg.inv(x)
    return y, -np.matmul(np.matmul(y, dx), y)


def _solve(a, b):
    """A dX = dB - dA X."""
    level, lead, a, b, da, db = operands(a, b)
    x = np.linalg.solve(a, b)
    return Dual(x, nested_as(x, quietly(_solve_tangent, lead, a, b, x, da, db).astype(x.dtype)), level)


def _solve_tangent(lead, a, b, x, da, db):
    vector = np.ndim(b) == 1
    if vector:
        x, db = x[..., None], None if db is None else db[..., None]
    if lead:
        da, db = (d if d is None else pad_lead(d, x.ndim) for d in (da, db))
    rest = 0 if db is None else db
    dx = np.linalg.solve(a, rest if da is None else rest - np.matmul(da, x))
    return dx[..., 0] if vector else dx


register_rule([np.linalg.solve], "explicit", _solve)


@explicit(np.linalg.pinv)
def pinv(x, dx, lead, rcond=None, hermitian=False, **kw):
    """dY = -Y dX Y + Y Yᴴ dXᴴ (I - X Y) + (I - Y X) dXᴴ Yᴴ Y, where the rank stays (Golub and Pereyra 1973)."""
    y = np.linalg.pinv(x, rcond, hermitian, **kw)
    dh, yh = ct(dx), ct(y)
    a, b = _triple(y, yh, dh), _triple(dh, yh, y)
    return y, (a - _triple(a, x, y)) + (b - _triple(y, x, b)) - _triple(y, dx, y)


def _triple(a, b, c):
    """A B C, by the smaller of the squares A B and B C; A and C have the shape of the transpose of B."""
    return (a @ b) @ c if a.shape[-2] <= a.shape[-1] else a @ (b @ c)


# ---------------------------------------------------------------------- determinants


def _well_conditioned(x):
    """Whether no matrix comes near to a singular one; on a device, where looking would cost a wait, it is assumed."""
    if not is_host(x) or x.size == 0 or not np.all(np.isfinite(x)):
        return True
    s = np.linalg.svd(x, compute_uv=False)
    return bool(np.all(s[..., -1] > 1e-3 * s[..., 0]))


def _det(a):
    """dy = y tr(X⁻¹ dX); near a singular matrix by elimination in the basis of its singular vectors."""
    lead_of(a)
    if _well_conditioned(primal(a)):
        x, dx = a.primal, a.tangent
        y = np.linalg.det(x)
        return Dual(y, nested_as(y, y * np.trace(np.linalg.solve(x, dx), 0, -2, -1)), a.level)
    y = _det_by_elimination(a)
    return Dual(np.linalg.det(a.primal), y.tangent, a.level)


def _det_by_elimination(a):
    """det A = det U · det(Uᴴ A V) · det Vᴴ with the constant U, V of the plain matrix: the middle one is diagonal but
    for its tangents. Elimination by the large pivots leaves a small matrix, whose determinant takes no division."""
    u, s, vh = np.linalg.svd(primal(a))
    b = np.matmul(np.matmul(ct(u), a), ct(vh))
    y = np.linalg.det(u) * np.linalg.det(vh)
    for _ in range(int(np.min(np.sum(s > 1e-3 * s[..., :1], -1)))):
        y = y * b[..., 0, 0]
        b = b[..., 1:, 1:] - b[..., 1:, :1] * b[..., :1, 1:] / b[..., :1, :1]
    return y * _det_without_division(b) if b.shape[-1] else y


def _det_without_division(b):
    """(-1)ⁿ⁻¹ of the corner of Fₙ, F₁ = B, Fₖ₊₁ = μ(Fₖ) B (Bird 2011)."""
    n, f = b.shape[-1], b
    for _ in range(n - 1):
        d = _diagonal(f)
        below = np.cumsum(d[..., ::-1], -1)[..., ::-1] - d
        f = np.matmul(np.triu(f, 1) - below[..., :, None] * identity(b.shape[-1], primal(b)), b)
    return f[..., 0, 0] * (-1) ** (n - 1)


register_rule([np.linalg.det], "explicit", lambda a: quietly(_det, a))


@_with_results(np.linalg.slogdet)
def slogdet(x, dx, value):
    """d log|y| = Re tr(X⁻¹ dX), and the sign turns by its imaginary part."""
    trace = np.trace(np.linalg.solve(x, dx), 0, -2, -1)
    yield value[0] * 1j * np.imag(trace) if np.iscomplexobj(primal(trace)) else 0 * trace
    yield np.real(trace)


# ---------------------------------------------------------------------- triangular factors


@explicit(np.linalg.cholesky)
def cholesky(x, dx, lead, upper=False):
    """dL = L Φ(L⁻¹ dX L⁻ᴴ), Φ the lower triangle with half its diagonal; X is the Hermitian matrix of one triangle."""
    y = np.linalg.cholesky(x, upper=upper)
    l = ct(y) if upper else y
    p = np.linalg.solve(l, hermitian(dx, "U" if upper else "L"))
    dl = np.matmul(l, _half(np.linalg.solve(l, ct(p))))
    return y, ct(dl) if upper else dl


def _half(p):
    """The lower triangle of a Hermitian matrix with half its diagonal."""
    return np.tril(p) - 0.5 * _diagonal(p)[..., None] * identity(p.shape[-1], primal(p))


def _require_rank(x, r):
    """Raise where R, its columns brought to one size, is singular up to rounding: then the last bits of X choose Q.
    On a device nobody looks."""
    if not is_host(x) or x.size == 0:
        return
    eps, exact = max(x.shape[-2:]) * np.finfo(x.dtype).eps, np.any(_diagonal(r) == 0, -1)
    scaled = r / np.max(np.abs(r), -2, keepdims=True)
    inverse = np.linalg.inv(np.where(exact[..., None, None], np.eye(x.shape[-1]), scaled) if exact.any() else scaled)
    deficient = exact | (eps * np.sqrt(np.sum(np.abs(inverse) ** 2, (-2, -1))) >= 1)
    if np.any(deficient):
        which = np.argwhere(deficient)[0].tolist()
        raise np.linalg.LinAlgError(
            f"np.linalg.qr has no derivative at a rank-deficient matrix: the first {x.shape[-1]} columns"
            f"{f' of matrix {which} of the stack' if which else ''} are linearly dependent up to rounding. Leave the "
            "dependent columns out, or use what stays smooth where the rank stays: np.linalg.pinv, np.linalg.lstsq"
        )


def _qr(a, mode="reduced"):
    """Q and R of full-rank matrices, R with a real diagonal: M = Qᴴ dA R⁻¹ = Ω + dR R⁻¹ with Ω skew and dR upper."""
    if mode not in ("reduced", "complete", "r"):
        raise NotImplementedError(
            f"np.linalg.qr(mode={mode!r}) of a Dual has no rule: use mode='reduced' or 'complete'"
        )
    lead_of(a)
    n = a.shape[-2]
    x, dx = a[..., :n].primal, a[..., :n].tangent
    k = x.shape[-1]
    whole, r = np.linalg.qr(x, "complete" if mode == "complete" else "reduced")
    q, r = whole[..., :k], r[..., :k, :]
    _require_rank(primal(x), primal(r))
    z = ct(np.linalg.solve(ct(r), ct(dx)))
    m = np.matmul(ct(q), z)
    low = np.tril(m, -1)
    skew = low - ct(low)
    if np.iscomplexobj(primal(m)):
        skew = skew + 1j * np.imag(_diagonal(m))[..., None] * identity(m.shape[-1], primal(m))
    dq, dr = np.matmul(q, skew) + (z - np.matmul(q, m)), np.matmul(m - skew, r)
    dq = with_complement(dq, whole)
    if k < whole.shape[-1]:
        dr = np.matmul(on_device(np.eye(n, k, dtype=dr.dtype), primal(dr)), dr)
        q, r = np.linalg.qr(x, mode)
    q, r = (Dual(y, nested_as(y, d), a.level) for y, d in ((whole, dq), (r, dr)))
    if a.shape[-1] > n:
        r = np.concatenate([r, np.matmul(ct(q), a[..., n:])], -1)
    value = np.linalg.qr(a.primal, mode)
    if mode == "r":
        return Dual(value, r.tangent, a.level)
    return as_namedtuple(value, [Dual(value[0], q.tangent, a.level), Dual(value[1], r.tangent, a.level)])


register_rule([np.linalg.qr], "explicit", lambda *args, **kw: quietly(lambda: _qr(*args, **kw)))

# ---------------------------------------------------------------------- eigenvalues and singular values


def _gaps(values):
    """F_ij = 1 / (λ_j - λ_i), and 0 where the two coincide to rounding; and where they do."""
    gap, p = values[..., None, :] - values[..., :, None], primal(values)
    same = np.abs(primal(gap)) <= rounding(p)[..., None]
    return np.where(same, 0, 1 / np.where(same, 1, gap)), same


def _plain_parts(p):
    """The plain arrays of a nest of Duals, and None for a series in it, or what stands for one."""
    if p.__class__ is Dual and p.level not in STAND_INS:
        return _plain_parts(p.primal) + _plain_parts(p.tangent)
    return [None if isinstance(p, Dual) else p]


def _parted(p, same):
    """Whether P, or a tangent of it, is more than a multiple of the identity where values coincide: then the direction
    parts them, and picks vectors of its own. A series might, at some order. On a device nobody looks."""
    if not is_host(same) or np.count_nonzero(same) * same.shape[-1] <= same.size:
        return False
    joined, parts = same & ~np.eye(same.shape[-1], dtype=bool), _plain_parts(p)
    if any(q is None for q in parts):
        return True
    noise = 1e3 * np.finfo(parts[0].dtype).eps * max(np.max(np.abs(q), initial=0) for q in parts)
    apart = (np.abs(d[..., None, :] - d[..., :, None]) for d in map(_diagonal, parts))
    return any(np.any(joined & (np.maximum(np.abs(q), a) > noise)) for q, a in zip(parts, apart, strict=True))


def _value_tangents(p, same):
    """The derivatives of values in ascending order, along the direction of P: its diagonal, and where values coincide,
    the eigenvalues of their block of P."""
    if not _parted(p, same):
        return np.real(_diagonal(p))
    if isinstance(p, Dual):
        raise coincide("second derivatives of the values along different directions", OF_VALUES)
    block = np.where(same, p, 0)
    first = np.argmax(same, -1)  # the first value of each block; shifts keep the blocks in order
    shift = 4 * np.max(np.abs(p), (-2, -1), initial=0)[..., None] * first
    return np.linalg.eigvalsh(block + shift[..., None] * np.eye(p.shape[-1])) - shift


def _caution(name, x, p, values, same):
    """Warn where the direction mixes the vectors of values that nearly coincide. What does not depend on the mixture
    has errors of ε / gapᵏ at order k: beyond the first, less than four digits may be left. A small singular value of a
    matrix that is not square is as near to its null space, one order later."""
    order = 1 + depth(x)
    if order == 1 or not is_host(values := primal(values)):
        return
    unit = values / np.max(np.abs(values), -1, keepdims=True, initial=0)
    gap = np.abs(unit[..., None, :] - unit[..., :, None])
    few = lambda distance, power: np.finfo(values.dtype).eps > 2e-4 * distance**power  # noqa: E731
    near = ~same & few(gap, order)
    mixed = any(np.any(near & (q != 0)) for q in _plain_parts(p)) if p.__class__ is Dual else np.any(near)
    if mixed or x.shape[-1] != x.shape[-2] and np.any(few(unit, order - 1)):
        caution(NO_DIGITS.format(order, name))


def _eigh(x, dx, uplo):
    w, v = np.linalg.eigh(x, uplo)
    p = np.matmul(ct(v), np.matmul(hermitian(dx, uplo), v))
    return w, v, p, *_gaps(w)


@_with_results(np.linalg.eigh)
def eigh(x, dx, value, UPLO="L"):
    """dw = diag P and dV = V (F ∘ P), P = Vᴴ dX V, F_ij = 1 / (w_j - w_i)."""
    _, v, p, f, same = _eigh(x, dx, UPLO)
    _caution("eigh", x, p, value[0], same)
    return np.real(_diagonal(p)), np.matmul(v, f * p)


@_with_results(np.linalg.eigvalsh)
def eigvalsh(x, dx, value, UPLO="L"):
    """dw = diag(Vᴴ dX V)."""
    _, _, p, _, same = _eigh(x, dx, UPLO)
    return [_value_tangents(p, same)]


def _eig(x, dx):
    w, v = np.linalg.eig(x)
    p = np.linalg.solve(v, np.matmul(dx, v))
    f, same = _gaps(w)
    if _parted(p, same):
        raise coincide("derivatives of the results of np.linalg.eig", OF_VECTORS)
    return w, v, p, f, same


@_with_results(np.linalg.eig)
def eig(x, dx, value):
    """dw = diag P and dV = V (F ∘ P), P = V⁻¹ dX V; each vector keeps its norm, and its largest entry its phase."""
    w, v, p, f, same = _eig(x, dx)
    _caution("eig", x, p, w, same)
    dv = np.matmul(v, f * p)
    along = np.sum(np.conj(v) * dv, -2, keepdims=True)
    if np.iscomplexobj(primal(v)) and np.size(v):
        top = np.argmax(np.abs(primal(v)), -2)[..., None, :]
        moved = np.take_along_axis(dv, np.broadcast_to(top, dv.shape[: np.ndim(dv) - np.ndim(top)] + top.shape), -2)
        dphase = np.imag(moved / np.take_along_axis(v, top, -2))
        along = np.real(along) + 1j * dphase
    return _diagonal(p), dv - v * along


@_with_results(np.linalg.eigvals)
def eigvals(x, dx, value):
    """dw = diag(V⁻¹ dX V)."""
    return [_diagonal(_eig(x, dx)[2])]


def _svd_tangent(x, dx, full_matrices=False, hermitian=False):
    """The factors, and P = Uᴴ dX V of those vectors that belong to values."""
    u, s, vh = np.linalg.svd(x, full_matrices=full_matrices, hermitian=hermitian)
    k = s.shape[-1]
    return u, s, vh, np.matmul(ct(u[..., :k]), np.matmul(dx, ct(vh[..., :k, :])))


def _singular_values(x, dx):
    """dσ = Re diag(Uᴴ dX V), and 0 where σ = 0."""
    _, s, _, p = _svd_tangent(x, dx)
    _, same = _gaps(s)
    zero = primal(s) <= rounding(primal(s))
    p = np.where(zero[..., None, :] | zero[..., :, None], 0, 0.5 * (p + ct(p)))
    order = slice(None, None, -1)  # from descending to ascending, and back
    return _value_tangents(p[..., order, order], same[..., order, order])[..., order]


@_with_results(np.linalg.svd)
def svd(x, dx, value, full_matrices=True, compute_uv=True, hermitian=False):
    """dσ = Re diag P, P = Uᴴ dX V; the vectors turn by F ∘ (...), F_ij = 1 / (σ_j² - σ_i²) (Townsend 2016). Of the
    phases that complex vectors may take, that which makes diag(Vᴴ dV) zero. What NumPy adds to make the vectors a basis
    turns the least it can."""
    if not compute_uv:
        return [_singular_values(x, dx)]
    all_u, s, all_vh, p = _svd_tangent(x, dx, full_matrices, hermitian)
    u, vh = all_u[..., : s.shape[-1]], all_vh[..., : s.shape[-1], :]
    f, same = _gaps(s)
    total = s[..., None, :] + s[..., :, None]
    f = f / np.where(same, 1, total)
    left, right = p * s[..., None, :], s[..., :, None] * p
    left, right = left + ct(left), right + ct(right)
    _caution("svd", x, p, s, same)
    du, dv = f * left, np.matmul(ct(vh), f * right)
    if np.iscomplexobj(primal(x)):
        du = du + 1j * (np.imag(_diagonal(p)) / s)[..., None] * on_device(np.eye(s.shape[-1]), primal(s))
    du = np.matmul(u, du)
    if x.shape[-2] > x.shape[-1]:
        rest = np.matmul(dx, ct(vh))
        du = du + (rest - np.matmul(u, np.matmul(ct(u), rest))) / s[..., None, :]
    if x.shape[-1] > x.shape[-2]:
        rest = np.matmul(ct(dx), u)
        dv = dv + (rest - np.matmul(ct(vh), np.matmul(vh, rest))) / s[..., None, :]
    return with_complement(du, all_u), np.real(_diagonal(p)), ct(with_complement(dv, ct(all_vh)))


@_with_results(np.linalg.svdvals)
def svdvals(x, dx, value):
    """dσ = Re diag(Uᴴ dX V), and 0 where σ = 0."""
    return [_singular_values(x, dx)]


# ---------------------------------------------------------------------- made of these


def _lstsq(a, b, rcond=None):
    """X = A⁺ B, |B - A X|² where it is overdetermined, and the singular values; A⁺ of the rank that lstsq takes."""
    a, b = (v if is_array(v) else np.asarray(v) for v in (a, b))
    eps = np.finfo(np.result_type(primal(a), primal(b), np.float32)).eps
    cutoff = max(np.shape(a)) * eps if rcond is None else rcond if rcond >= 0 else eps
    x = np.matmul(np.linalg.pinv(a, cutoff), b)
    _, rest, rank, _ = np.linalg.lstsq(primal(a), primal(b), rcond)
    if rest.size:
        r = b - np.matmul(a, x)
        rest = np.reshape(np.sum(np.real(np.conj(r) * r), 0), rest.shape)
    return x, rest, rank, np.linalg.svdvals(a) if isinstance(a, Dual) else a


def _matrix_power(a, n):
    """By repeated squaring."""
    if n < 0:
        return _matrix_power(np.linalg.inv(a), -n)
    if n < 2:
        return a if n else np.zeros_like(a) + identity(a.shape[-1], primal(a))
    half = _matrix_power(a, n // 2)
    square = np.matmul(half, half)
    return np.matmul(square, a) if n % 2 else square


def _tensorsolve(a, b, axes=None):
    a, b = (v if is_array(v) else np.asarray(v) for v in (a, b))
    if axes is not None:
        axes = [k % a.ndim for k in axes]
        a = np.transpose(a, [k for k in range(a.ndim) if k not in axes] + axes)
    shape = a.shape[-(a.ndim - np.ndim(b)) :]
    return np.reshape(np.linalg.solve(np.reshape(a, (b.size, math.prod(shape))), np.ravel(b)), shape)


def _tensorinv(a, ind=2):
    return np.reshape(np.linalg.inv(np.reshape(a, (math.prod(a.shape[:ind]), -1))), a.shape[ind:] + a.shape[:ind])


def _cond(x, p=None):
    """‖X‖ ‖X⁻¹‖; for p = 2 the ratio of the extreme singular values."""
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))


composite(np.linalg.lstsq, _lstsq)
composite(np.linalg.matrix_power, _matrix_power)
composite(np.linalg.multi_dot, lambda arrays: functools.reduce(np.dot, arrays), sequence=True)
composite(np.linalg.tensorsolve, _tensorsolve)
composite(np.linalg.tensorinv, _tensorinv)
composite(np.linalg.cond, _cond)
