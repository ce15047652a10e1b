"""The rules of `dualgrad.rules.factorizations` where eigenvalues or singular values coincide.

Along one direction there is a limit; along several the vectors of equal values have no tangent, and those of simple
values have theirs (`dualgrad.coincidence`).
"""

import numpy as np

from .backend import is_host
from .coincidence.analytic import complement_series, eigenvectors, singular_vectors
from .coincidence.cautions import several_directions, warn_along
from .coincidence.directions import blank, has_series, levels_in, plain_leaves, singular_spaces, spaces
from .coincidence.line import Line
from .coincidence.matrices import as_namedtuple, ct, hermitian, rounding, with_complement
from .dual import Dual, primal
from .rules.declare import nested_as

TIED = {}  # function -> its rule for a matrix of which values coincide
STAND_INS = set()  # levels of Duals that stand for a series, which has more to say where values coincide


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
    if not STAND_INS.isdisjoint(levels_in(a)):
        raise FloatingPointError("values coincide: what is found at once is to be found again with care")
    if x.ndim == 2:
        line = Line.of(a)
        moves = line.coefficients if line is not None else [] if has_series(a) else plain_leaves(a)
        return TIED[function](a, line, *args, **kw) if all(np.all(np.isfinite(c)) for c in moves) else None
    stack, where = np.reshape(a, (-1, *x.shape[-2:])), np.ravel(where)
    pieces = [function(stack[k], *args, **kw) for k in np.flatnonzero(where)]
    rest = [function(stack[~where], *args, **kw)] if not np.all(where) else []
    order = np.argsort(np.concatenate([np.flatnonzero(where), np.flatnonzero(~where)]))

    def whole(*ys):
        y = np.concatenate([np.stack(ys[: len(pieces)]), *ys[len(pieces) :]])[order]
        return np.reshape(y, x.shape[:-2] + y.shape[1:])

    return as_namedtuple(value, map(whole, *pieces, *rest)) if several else whole(*pieces, *rest)


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
        w, v, report = several_directions("eigh", hermitian(a, UPLO), spaces, *value)
        return as_namedtuple(value, [w, blank(v, report.rotating + report.apart)])
    coefficients = [hermitian(c, UPLO) for c in line.coefficients]
    w, v, _, report = eigenvectors(coefficients, *value, line.order, line.eps)
    warn_along("eigh", line, report)
    return as_namedtuple(value, [line.as_dual(w), line.as_dual(v, report.rotating)])


@_tied(np.linalg.eigvalsh)
def _eigvalsh_tied(a, line, UPLO="L"):
    """Along one direction, in which they have derivatives of every order."""
    if line is not None:
        coefficients = [hermitian(c, UPLO) for c in line.coefficients]
        w, *_ = eigenvectors(coefficients, *np.linalg.eigh(coefficients[0]), line.order, line.eps)
        return line.as_dual(w)


@_tied(np.linalg.svd)
def _svd_tied(a, line, full_matrices=True, compute_uv=True, hermitian=False):
    """The limit along one direction; along several, of those values and vectors that have one derivative."""
    if not compute_uv:
        return _singular_values_tied(a, line)
    value = np.linalg.svd(primal(a), full_matrices, hermitian=hermitian)
    k = value[1].shape[-1]
    thin = value[0][:, :k], value[1], value[2][:k]
    if line is None:
        u, s, v, report = several_directions("svd", a, singular_spaces, *thin)
    else:
        u, s, v, report = singular_vectors(line.coefficients, *thin, line.order, line.eps)
        warn_along("svd", line, report)
    if full_matrices:
        whole = _concatenated if line is None else complement_series
        u, v = whole(u, value[0][:, k:]), whole(v, ct(value[2][k:]))
    loose = [report.undetermined(value[1], n) for n in (value[0].shape[-1], len(value[2]))]
    if line is None:
        return as_namedtuple(value, [blank(u, loose[0]), s, ct(blank(v, loose[1]))])
    return as_namedtuple(value, [line.as_dual(u, loose[0]), line.as_dual(s), ct(line.as_dual(v, loose[1]))])


def _concatenated(q, rest):
    """[Q₁ Q₂] of a nest of Duals Q₁ and the plain Q₂."""
    if q.__class__ is not Dual:
        return np.concatenate([q, rest], 1)
    whole = _concatenated(q.primal, rest)
    return q.renewed(whole, nested_as(whole, with_complement(q.tangent, whole)))


@_tied(np.linalg.svdvals)
def _singular_values_tied(a, line):
    """Along one direction, in which they have derivatives of every order."""
    if line is not None:
        thin = np.linalg.svd(line.coefficients[0], full_matrices=False)
        _, s, _, _ = singular_vectors(line.coefficients, *thin, line.order, line.eps)
        zero = thin[1] <= rounding(thin[1])
        return line.as_dual([s[0], *(np.where(zero, 0, c) for c in s[1:])])
