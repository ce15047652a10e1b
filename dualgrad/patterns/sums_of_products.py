"""Sums of products, np.einsum and its kin: which entries of its operands an entry of the result is made of."""

import numpy as np

from ..dual import primal
from ..random import Rng
from ..rules.einsum import from_sublists, spelled_out
from .bits import union, union_by_index
from .linear_maps import along_sparse, probed

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def bilinear(step):
    """Any function linear in each of its operands: columns are looked at with the others random where they are not 0;
    all inputs of the one may meet all of the other."""
    held = {}
    count = len(step.leaves) if step.function is np.einsum else 2
    for k, a in enumerate(step.leaves[:count]):
        if isinstance(a, np.ndarray) or step.run.owns(a):
            held[k] = _random_where(True if step.run.owns(a) else primal(a) != 0, a)
    if len(step.moving) > 1:
        sets = [union(a.tangent, tuple(range(1, a.tangent.ndim)))[:, None] for a in step.operands]
        for n, first in enumerate(sets):
            for second in sets[:n]:
                step.run.meet(first, second)
    return probed(step, step.moving, held)


def _random_where(there, a):
    return np.where(there, 1 + Rng(0).uniform(0, 1, np.shape(a)), 0.0)


# ---------------------------------------------------------------------- as np.einsum would have them


def _letters_of(ndim, first=0):
    return _LETTERS[first : first + ndim]


def _spell_matmul(a, b):
    n, m = np.ndim(a), np.ndim(b)
    loops = _LETTERS[: max(n, m) - 2] if max(n, m) > 2 else ""
    left = ("x" if n == 1 else loops[len(loops) - (n - 2) :] + "wx", a)
    right = ("x" if m == 1 else loops[len(loops) - (m - 2) :] + "xy", b)
    return [left, right], loops + ("" if n == 1 else "w") + ("" if m == 1 else "y")


def _spell_dot(a, b):
    n, m = np.ndim(a), np.ndim(b)
    if n == 0 or m == 0:
        return [(_letters_of(n), a), (_letters_of(m), b)], _letters_of(max(n, m))
    left, right = _letters_of(n), list(_letters_of(m, n))
    right[-1 if m == 1 else -2] = left[-1]
    right = "".join(right)
    return [(left, a), (right, b)], (left[:-1] + right).replace(left[-1], "")


def _spell_inner(a, b):
    n, m = np.ndim(a), np.ndim(b)
    if n == 0 or m == 0:
        return _spell_dot(a, b)
    left, right = _letters_of(n), _letters_of(m - 1, n)
    return [(left, a), (right + left[-1], b)], left[:-1] + right


def _spell_tensordot(a, b, axes=2):
    n, m = np.ndim(a), np.ndim(b)
    if isinstance(axes, (int, np.integer)):
        axes = list(range(n - axes, n)), list(range(axes))
    first, second = (np.atleast_1d(x).tolist() for x in axes)
    left, right = _letters_of(n), list(_letters_of(m, n))
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    shared = {left[i] for i in first}
    return [(left, a), ("".join(right), b)], "".join(c for c in left + "".join(right) if c not in shared)


def _spell_outer(a, b):
    return [("a", np.ravel(a)), ("b", np.ravel(b))], "ab"


def _spell_vdot(a, b):
    return [("a", np.ravel(a)), ("a", np.ravel(b))], ""


def _spell_core(left, right, output):
    """A generalized ufunc with these letters behind its loops."""

    def spell(a, b):
        n, m = np.ndim(a) - len(left), np.ndim(b) - len(right)
        loops = _letters_of(max(n, m))
        return [(loops[len(loops) - n :] + left, a), (loops[len(loops) - m :] + right, b)], loops + output

    return spell


def _spell_einsum(*operands, optimize=False):
    if not isinstance(operands[0], str):
        operands = from_sublists(operands)
    subscripts, *operands = operands
    terms, output, _ = spelled_out(subscripts, operands)
    return list(zip(terms, operands, strict=True)), output


SPELLED = {
    np.matmul: _spell_matmul, np.dot: _spell_dot, np.inner: _spell_inner, np.einsum: _spell_einsum,
    np.tensordot: _spell_tensordot, np.linalg.tensordot: _spell_tensordot,
    np.outer: _spell_outer, np.linalg.outer: _spell_outer, np.vdot: _spell_vdot,
    np.vecdot: _spell_core("x", "x", ""),
}  # fmt: skip
if hasattr(np, "matvec"):
    SPELLED |= {np.matvec: _spell_core("yx", "x", "y"), np.vecmat: _spell_core("x", "xy", "y")}


def sum_of_products(step, *args, **kwargs):
    """The sets of a sum of products: along the nonzeros of the constants, over whatever index is summed."""
    if any(hasattr(a, "matrix") for a in args[:2]):
        return along_sparse(step, *args)
    try:
        terms, output = SPELLED[step.function](*args, **kwargs)
    except TypeError:  # keywords such as axis=
        return bilinear(step)
    terms = [_without_repeats(letters, a) for letters, a in terms]
    if any(letters is None for letters, _ in terms) or _sizes_differ(terms):
        return bilinear(step)
    moving = [t for t in terms if step.run.owns(t[1]) and not t[1].inert]
    masks = [(names, step.may_count(a)) for names, a in terms]
    constants = [mask for mask, (_, a) in zip(masks, terms, strict=True) if not step.run.owns(a)]
    for n, first in enumerate(moving):
        for second in moving[:n]:
            _meet(step.run, first, second, constants, output)
    together = step.run.empty(np.shape(step.values))
    for k, (letters, a) in enumerate(terms):
        if not step.run.owns(a) or a.inert:
            continue
        bits = a.tangent
        for names, there in masks[:k] + masks[k + 1 :]:
            if not there.all():
                bits, letters = _along_nonzeros(bits, letters, names, there, output)
        together = together | _by_letters(bits, letters, output, np.ndim(step.values))
    return step.results(lambda v: together)


def _without_repeats(letters, a):
    """A term without a letter that stands in it twice; None for the letters of one that has such a letter."""
    return (letters if len(set(letters)) == len(letters) else None), a


def _sizes_differ(terms):
    """Whether an axis of length 1 meets a longer one, over and over."""
    sizes = {}
    return any(sizes.setdefault(c, n) != n for letters, a in terms for c, n in zip(letters, np.shape(a), strict=True))


def _reduced(bits, letters, kept):
    """The union over the letters that are not kept."""
    axes = tuple(1 + n for n, c in enumerate(letters) if c not in kept)
    return (union(bits, axes) if axes else bits), "".join(c for c in letters if c in kept)


def _meet(run, first, second, constants, output):
    """Entries of two operands that are multiplied, along the nonzeros of the constants between them."""
    if run.meetings is None:
        return
    (left, a), (right, b) = first, second
    bits = b.tangent
    for names, there in constants:
        if not there.all():
            bits, right = _along_nonzeros(bits, right, names, there, output + left)
    shared = sorted(set(left) & set(right))
    run.meet(*(_by_letters(sets, letters, shared, len(shared)) for sets, letters in ((a.tangent, left), (bits, right))))


def _by_letters(bits, letters, output, ndim):
    """Sets with an axis for each letter of the output, of length 1 where they have none."""
    bits, letters = _reduced(bits, letters, output)
    order = [letters.index(c) for c in output if c in letters]
    bits = np.transpose(bits, (0, *(1 + n for n in order)))
    return np.expand_dims(bits, [1 + n for n, c in enumerate(output) if c not in letters])


def _along_nonzeros(bits, letters, names, there, output):
    """The union along the nonzeros of a constant, for its letters that are in the output or in the operand."""
    away = tuple(n for n, c in enumerate(names) if c not in letters and c not in output)
    there, names = np.any(there, axis=away), "".join(c for c in names if c in letters or c in output)
    if not names:
        return (bits if np.any(there) else np.zeros_like(bits)), letters
    shared, new = [c for c in letters if c in names], [c for c in names if c not in letters]
    kept = [c for c in letters if c not in names]
    bits = np.transpose(bits, (0, *(1 + letters.index(c) for c in (*kept, *shared))))
    lead, core = bits.shape[: 1 + len(kept)], bits.shape[1 + len(kept) :]
    held = [c for c in shared if c in output]
    places = dict(zip(names, np.nonzero(there), strict=True))
    sizes = dict(zip(names, there.shape, strict=True))
    target = [*held, *new]
    shape = tuple(sizes[c] for c in target)
    cols = _flat([places[c] for c in shared], core, len(places[names[0]]))
    rows = _flat([places[c] for c in target], shape, len(places[names[0]]))
    met = union_by_index(bits.reshape(*lead, -1), rows, cols, int(np.prod(shape)))
    return met.reshape(*lead, *shape), "".join([*kept, *target])


def _flat(index, shape, count):
    return np.ravel_multi_index(tuple(index), shape) if index else np.zeros(count, int)
