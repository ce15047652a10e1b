"""The rules of `dualgrad.rules.factorizations` where eigenvalues or singular values coincide, and what is said there.

Along one direction there is a limit; along several the vectors of equal values have no tangent, and those of simple
values have theirs (`dualgrad.coincidence`). Also what both kinds of rule share.
"""

import numpy as np

from .backend import is_host
from .coincidence import (
    Line,
    blank,
    complement,
    ct,
    eigenvectors,
    has_series,
    leaves,
    singular_spaces,
    singular_vectors,
    spaces,
)
from .dual import Dual, primal
from .errors import caution
from .rules.declare import nested_as

# ---------------------------------------------------------------------- shared by the rules for all matrices


def hermitian(x, uplo="L"):
    """The Hermitian matrix of which LAPACK reads one triangle."""
    half, other = (np.tril(x), np.tril(x, -1)) if uplo in "Ll" else (np.triu(x), np.triu(x, 1))
    h = half + ct(other)
    return h - 0.5 * (h - ct(h)) if np.iscomplexobj(primal(x)) else h


def with_complement(dq, whole):
    """dQ beside dQ₂ = -Q₁ dQ₁ᴴ Q₂: the smallest rotation that keeps [Q₁ Q₂] unitary, whichever Q₂ NumPy has chosen."""
    k = dq.shape[-1]
    if k == whole.shape[-1]:
        return dq
    q, rest = whole[..., :k], whole[..., k:]
    return np.concatenate([dq, -np.matmul(q, np.matmul(ct(dq), rest))], -1)


def like(value, outputs):
    """The outputs in a tuple with the names of NumPy's."""
    return type(value)(*outputs) if hasattr(value, "_fields") else tuple(outputs)


def rounding(values):
    """What rounding makes of a value that is zero."""
    return 16 * np.finfo(values.dtype).eps * np.sum(np.abs(values), -1, keepdims=True)


def depth(x):
    """How often x is differentiated already."""
    return 1 + depth(x.primal) if x.__class__ is Dual else x.order - 1 if isinstance(x, Dual) else 0


NO_DIGITS = (
    "derivatives of order {} of the vectors of np.linalg.{} may have no digits left: some values nearly coincide, or "
    "vanish. The values have theirs, and so have functions of the matrix without vectors"
)
OF_VECTORS = (
    "Along one direction there is a limit for np.linalg.eigh and svd: dg.taylor, or dg.jvp of one direction at a time, "
    "nested along the same. Functions of the matrix that need no vectors have all derivatives: np.linalg.inv, solve, "
    "matrix_power, np.trace(a @ a)"
)
OF_VALUES = (
    "Along one direction they exist: dg.taylor, or dg.jvp nested along the same direction; of a function that does not "
    "depend on the order of the values, (f''(v + w) - f''(v - w)) / 4 is the mixed derivative. Without the values, all "
    "exist: np.trace(a) is their sum, np.trace(a @ a) that of their squares (of singular values np.sum(a * a)), "
    "np.linalg.slogdet(a) that of their logarithms"
)


def coincide(what, works):
    return np.linalg.LinAlgError(
        f"{what} do not exist here: some eigenvalues or singular values coincide, and the direction parts them. {works}"
    )


# ---------------------------------------------------------------------- what is said


def _warn(name, report):
    """Name the columns of vectors that belong to equal values and have no tangent, or one of choice."""
    of = lambda columns: f"columns {', '.join(map(str, columns))} of the vectors of np.linalg.{name}"  # noqa: E731
    if report.apart:
        caution(
            f"{of(report.apart)} belong to equal values that several directions part, each in its way: their tangents "
            f"are NaN. The other columns are right. {OF_VECTORS}"
        )
    if report.turning:
        caution(
            f"{of(report.turning)} belong to equal values that the direction does not part: nothing says how they turn "
            f"among themselves, and their tangents are NaN. The other columns are right. {OF_VECTORS}"
        )
    if report.still:
        caution(
            f"{of(report.still)} belong to equal values that the direction does not part: they are NumPy's choice, and "
            "stand still. What does not depend on the choice is right, and so are the other columns"
        )


def _warn_along(name, line, report):
    """Warn of what the vectors along a line miss."""
    if any(np.any(c) for c in line.coefficients[1:]):
        _warn(name, report)
    if report.limit and line.bends:
        caution(
            f"the vectors of np.linalg.{name} at equal values that the direction parts turn here as along a straight "
            "line of matrices: where the matrix is not linear in what is differentiated, the last of their derivatives "
            "needs one more of the matrix. dg.taylor of a higher order has it: drop the last coefficients"
        )
    if (report.limit or line.order > 1) and line.eps > 2e-4 * report.closest**line.order:
        caution(NO_DIGITS.format(line.order, name))


def _several_directions(name, a, function, *known):
    """Values and vectors along several directions at once, with warnings of what they miss."""
    if has_series(a):
        raise coincide(f"derivatives of the vectors of np.linalg.{name} inside of dg.taylor", OF_VECTORS)
    *found, report = function(a, *known)
    order = 1 + depth(a.primal)
    if any(np.any(c) for c in leaves(a)[1:]):
        _warn(name, report)
        if order > 1 and np.finfo(known[0].dtype).eps > 2e-4 * report.closest**order:
            caution(NO_DIGITS.format(order, name))
    return *found, report


# ---------------------------------------------------------------------- the rules


TIED = {}  # function -> its rule for a matrix of which values coincide


def _tied(function):
    """Declare what a function of a Dual or series is where values coincide: ``rule(a, line, ...)`` with its `Line`, or
    None for it along several directions; None where the rule for all matrices has it."""

    def declare(rule):
        TIED[function] = rule
        return rule

    return declare


def where_tied(function, value, a, *args, **kw):
    """The function of a Dual or series, matrix by matrix, where values coincide; None where they do nowhere, or where
    the rule for all matrices has it. ``value`` is that of the plain matrix, or None where nobody has asked for it."""
    x = primal(a)
    if not is_host(x) or x.size == 0:
        return None
    if value is None:
        value = function(x, *args, **kw)
    several = isinstance(value, tuple)
    values = value[len(value) // 2 if len(value) == 3 else 0] if several else value
    where = _coincident(values, several and len(value) == 3 and _lonely(x))
    if not np.any(where):
        return None
    if x.ndim == 2:
        line = Line.of(a)
        moves = line.coefficients if line is not None else [] if has_series(a) else leaves(a)
        return TIED[function](a, line, *args, **kw) if all(np.all(np.isfinite(c)) for c in moves) else None
    stack, where = np.reshape(a, (-1, *x.shape[-2:])), np.ravel(where)
    pieces = [function(stack[k], *args, **kw) for k in np.flatnonzero(where)]
    rest = [function(stack[~where], *args, **kw)] if not np.all(where) else []
    order = np.argsort(np.concatenate([np.flatnonzero(where), np.flatnonzero(~where)]))

    def whole(*ys):
        y = np.concatenate([np.stack(ys[: len(pieces)]), *ys[len(pieces) :]])[order]
        return np.reshape(y, x.shape[:-2] + y.shape[1:])

    return like(value, map(whole, *pieces, *rest)) if several else whole(*pieces, *rest)


def _lonely(x):
    """Whether the vectors of a single singular value 0 have a choice besides a sign."""
    return x.shape[-1] != x.shape[-2] or np.iscomplexobj(x)


def _coincident(values, with_zero):
    """Of which matrices two values coincide to rounding, or the last is zero to it."""
    bound = rounding(values)
    near = np.abs(np.diff(values)) <= bound
    return np.any(near | (values[..., -1:] <= bound) if with_zero else near, -1)


@_tied(np.linalg.eigh)
def _eigh_tied(a, line, UPLO="L"):
    """The limit along one direction; along several, of those values and vectors that have one derivative."""
    value = np.linalg.eigh(primal(a), UPLO)
    if line is None:
        w, v, report = _several_directions("eigh", hermitian(a, UPLO), spaces, *value)
        return like(value, [w, blank(v, report.turning + report.apart)])
    coefficients = [hermitian(c, UPLO) for c in line.coefficients]
    w, v, _, report = eigenvectors(coefficients, *value, line.order, line.eps)
    _warn_along("eigh", line, report)
    return like(value, [line.made(w), line.made(v, report.turning)])


@_tied(np.linalg.eigvalsh)
def _eigvalsh_tied(a, line, UPLO="L"):
    """Along one direction, in which they have derivatives of every order."""
    if line is not None:
        coefficients = [hermitian(c, UPLO) for c in line.coefficients]
        w, *_ = eigenvectors(coefficients, *np.linalg.eigh(coefficients[0]), line.order, line.eps)
        return line.made(w)


@_tied(np.linalg.svd)
def _svd_tied(a, line, full_matrices=True, compute_uv=True, hermitian=False):
    """The limit along one direction; along several, of those values and vectors that have one derivative."""
    if not compute_uv:
        return _singular_values_tied(a, line)
    value = np.linalg.svd(primal(a), full_matrices, hermitian=hermitian)
    k = value[1].shape[-1]
    thin = value[0][:, :k], value[1], value[2][:k]
    if line is None:
        u, s, v, report = _several_directions("svd", a, singular_spaces, *thin)
    else:
        u, s, v, report = singular_vectors(line.coefficients, *thin, line.order, line.eps)
        _warn_along("svd", line, report)
    if full_matrices:
        whole = _whole if line is None else complement
        u, v = whole(u, value[0][:, k:]), whole(v, ct(value[2][k:]))
    loose = [report.undetermined(value[1], n) for n in (value[0].shape[-1], len(value[2]))]
    if line is None:
        return like(value, [blank(u, loose[0]), s, ct(blank(v, loose[1]))])
    return like(value, [line.made(u, loose[0]), line.made(s), ct(line.made(v, loose[1]))])


def _whole(q, rest):
    """[Q₁ Q₂] of a nest of Duals Q₁ and the plain Q₂."""
    if q.__class__ is not Dual:
        return np.concatenate([q, rest], 1)
    whole = _whole(q.primal, rest)
    return q.renewed(whole, nested_as(whole, with_complement(q.tangent, whole)))


@_tied(np.linalg.svdvals)
def _singular_values_tied(a, line):
    """Along one direction, in which they have derivatives of every order."""
    if line is not None:
        thin = np.linalg.svd(line.coefficients[0], full_matrices=False)
        _, s, _, _ = singular_vectors(line.coefficients, *thin, line.order, line.eps)
        zero = thin[1] <= rounding(thin[1])
        return line.made([s[0], *(np.where(zero, 0, c) for c in s[1:])])
