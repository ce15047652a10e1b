"""sparsity: passes of a function over bit sets, and what they say about its Jacobian.

A set for each entry of x would take n / 64 words. It takes fewer to know the blocks of entries that a result depends
on, and, apart from that, their places in the blocks: blocks that no result has both of share the bits of their places,
as the columns of a compressed Jacobian do. Which blocks those are is guessed; where that fails a second pass knows.
"""

import functools
from typing import Literal

import numpy as np

from ..arguments import as_primal
from ..backend import is_array, is_host
from ..dual import Dual, lift, primal
from ..pushforward import evaluated
from ..sparsity_pattern import SparsityPattern
from ..tree import Function, Tree, flatten, rebuild, returned
from .bits import distinct, members, one_each, union_by_index, words_for
from .dependent import AnyValue, Dependent
from .meetings import pairs_met
from .operation import Pass

GUESS = 4  # colors of blocks in order, tried first
GUESSED_UP_TO = 2**14  # inputs up to which colors are guessed, and the sets that are begun with are kept
INPUTS_AT_ONCE = 192  # entries of x that one pass takes without looking at blocks first
MEMORY = 2**28  # bytes of the sets of one result of an operation
NOT_THE_SAME = (
    "f did not do the same when it was called again; sparsity calls it twice: give it the same random numbers"
)


def sparsity(f: Function, x: Tree, at: Literal["x"] | None = "x") -> SparsityPattern:
    """Where the Jacobian of f may have entries: at x, by which inputs each result is made of.

    Parameters
    ----------
    f : callable
        A function of an array or tree, written with ``np.*`` and operators. Called twice it must do the same.
    x : array, number, or tree of them
        n floating numbers in all.
    at : {"x", None}
        "x": at these values, along the branches that f takes there: one operand of ``np.maximum`` and ``np.where``, the
        largest entry, one order of sorting, one side of an ``if``. None: for all values, where every branch counts.

    Returns
    -------
    A `SparsityPattern` of shape (entries of f(x), entries of x), in the order of `Layout` for trees, in C order for
    arrays. It has every entry that is not zero, and may have others: what cancels, ``x - x``, is there, and so are
    factors that happen to be 0, unless they are constants.

    Raises
    ------
    NotImplementedError
        With ``at=None`` where f asks for the values of x: an ``if``, an index made of x, ``dg.primal``.
    TypeError
        When f returns something else than numbers.

    Notes
    -----
    An operation joins the packed sets of its operands. Sums of products, such as ``A @ x`` and ``np.einsum``, go along
    the nonzeros of the constants. Functions of matrices and of Fourier transforms depend on the whole of their operand,
    and what is not known on all of what it is given.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> print(dg.sparsity(np.diff, np.ones(4)))
    ●●··
    ·●●·
    ··●●
    >>> relu = lambda x: np.maximum(x, 0)
    >>> dg.sparsity(relu, np.array([1.0, -1.0])).nnz, dg.sparsity(relu, np.array([1.0, -1.0]), at=None).nnz
    (1, 2)
    """
    (outputs,), (m, n) = _looked_at(f, x, at, curved=False)
    return SparsityPattern.of_pairs(*outputs, (m, n))


def hessian_pattern(f: Function, x: Tree, at: Literal["x"] | None = "x") -> SparsityPattern:
    """Where the Hessian of a scalar function may have entries: inputs that meet in a product, or in what bends."""
    (_, first, second), (_, n) = _looked_at(f, x, at, curved=True)
    return SparsityPattern.of_pairs(*np.divmod(pairs_met(first, second, n), max(n, 1)), (n, n))


# ---------------------------------------------------------------------- passes


def _looked_at(f, x, at, curved):
    """Of the outputs, and of what meets where second derivatives are asked for, the pairs (set, input); and how many
    outputs and inputs there are."""
    if not callable(f):
        raise TypeError(f"dg.sparsity got a {type(f).__name__}; expected a function: dg.sparsity(f, x)")
    if at is not None and not (isinstance(at, str) and at == "x"):
        raise ValueError(f"got at={at!r}; expected 'x', for the branches taken at x, or None, for all values")
    leaves, structure = flatten(x)
    leaves = [primal(as_primal(leaf, structure, k)) for k, leaf in enumerate(leaves)]
    if not all(is_host(leaf) or not is_array(leaf) for leaf in leaves):
        raise TypeError("sparsity works on arrays of NumPy, got one on a device: give it a copy of x on the host")
    n, x = sum(map(np.size, leaves)), rebuild(structure, leaves)
    look = lambda *bits: _pass(f, x, np.concatenate(bits), at is None, curved)  # noqa: E731
    if n <= INPUTS_AT_ONCE:
        sets = look(one_each(np.arange(n), words_for(n)))
        return [members(s) for s in _with_distinct_meetings(sets)], (sets[0].shape[1], n)
    return _look_by_blocks(look, n)


def _pass(f, x, bits, any_value, curved):
    """The sets of the outputs, and of what meets, ``(words, m)``, where those of x are ``bits`` ``(words, n)``."""
    leaves, structure = flatten(x)
    words, ends = len(bits), np.cumsum([0, *map(np.size, leaves)])
    run = Pass(words, AnyValue if any_value else Dependent, any_value, [] if curved else None)
    bits = np.concatenate([bits, run.empty((bits.shape[1],))[:any_value]])
    try:
        given = [
            run.made(leaf, bits[:, a:b].reshape(run.words, *np.shape(leaf)), frozen=True)
            for leaf, a, b in zip(leaves, ends, ends[1:], strict=False)
        ]
        outputs, _ = flatten(returned(evaluated(f, [rebuild(structure, given)])))
        sets = [np.concatenate([run.empty((0,)), *(_of_output(lift(y), run) for y in outputs)], axis=1)]
        for part in zip(*run.meetings, strict=True) if run.meetings else [()] * 2 * curved:
            sets.append(np.concatenate([run.empty((0,)), *part], axis=1))
        return [s[:words] for s in sets]
    finally:
        run.close()


def _of_output(y, run):
    if run.owns(y):
        return np.reshape(y.tangent, (run.words, -1))
    if isinstance(y, Dual) and y.level == run.level:
        raise NotImplementedError("f returned a Dual that has no sets of inputs")
    if getattr(y, "dtype", np.result_type(type(y))).kind not in "biufc":
        raise TypeError(f"sparsity takes a function that returns numbers; f returned a {type(y).__name__}")
    return run.empty((int(np.size(y)),))


def _with_distinct_meetings(sets):
    """The same with each meeting once."""
    if len(sets) == 1:
        return sets
    once = distinct(np.concatenate(sets[1:]))
    return [sets[0], once[: len(once) // 2], once[len(once) // 2 :]]


# ---------------------------------------------------------------------- blocks first


def _look_by_blocks(look, n):
    """By blocks of entries, and by the places in blocks that nothing has two of: in one pass where those of one color
    are far apart, as they are for bands, else in two."""
    shift, block, place, color, first, guess = _guessed(n) if n <= GUESSED_UP_TO else _guessed.__wrapped__(n)
    words, size, both = len(first), 1 << shift, look(first, guess) if n <= GUESSED_UP_TO else look(first)
    coarse, shape = [sets[:words] for sets in both], (both[0].shape[1], n)
    known = _blocks_by_color(coarse, color) if n <= GUESSED_UP_TO else None
    if known is not None:
        return _with_places([sets[words:] for sets in both], known, shift, 0), shape
    color = _block_colors(np.concatenate(coarse, axis=1), len(color))
    number, total = color[block] * size + place, (int(color.max()) + 1) * size
    known = _blocks_by_color(coarse, color)
    if total >= n:
        number, total, known = np.arange(n), n, [None] * len(coarse)
    at_once = 64 * max(1, MEMORY // (8 * max(n, shape[0], 1)))
    found = []
    for start in range(0, total, at_once):
        fine = look(one_each(number - start, words_for(min(at_once, total - start))))
        if [s.shape[1] for s in fine] != [s.shape[1] for s in coarse]:
            raise ValueError(NOT_THE_SAME)
        found.append(_with_places(fine, known, shift, start))
    return [tuple(map(np.concatenate, zip(*parts, strict=True))) for parts in zip(*found, strict=True)], shape


@functools.lru_cache(maxsize=8)
def _guessed(n):
    """Blocks of n inputs, in the order of a few colors that change at half, where another field may begin: how many
    bits a place in one takes, each input's block and place, the colors of the blocks, and the sets of both passes."""
    words = max(1, round((4 * n) ** 0.5 / 64))
    shift = (-(-n // (64 * words)) - 1).bit_length()
    block, place = np.arange(n) >> shift, np.arange(n) & (1 << shift) - 1
    blocks = np.arange(int(block[-1]) + 1)
    color = blocks % GUESS + GUESS * (2 * blocks >= len(blocks))
    number = (color[block] << shift) + place
    return shift, block, place, color, one_each(block, words), one_each(number, words_for(2 * GUESS << shift))


def _with_places(fine, known, shift, start):
    """Pairs (set, input) from the places in blocks and the blocks that each set has of each color."""
    pairs = []
    for sets, blocks in zip(fine, known, strict=True):
        rows, bits = members(sets)
        pairs.append((rows, bits + start if blocks is None else _unshared(rows, bits + start, blocks, shift)))
    return pairs


def _block_colors(sets, count):
    """A color for each block, no two of one color in one set."""
    sets = distinct(sets)
    which, blocks = members(sets)
    beside = np.ascontiguousarray(union_by_index(sets, blocks, which, count).T)
    colored, color = [], np.zeros(count, int)
    for b, row in enumerate(beside):
        near = int.from_bytes(row.astype("<u8").tobytes(), "little")
        c = next((c for c, taken in enumerate(colored) if not near & taken), len(colored))
        colored[c:] = [(colored[c] if c < len(colored) else 0) | 1 << b, *colored[c + 1 :]]
        color[b] = c
    return color


def _blocks_by_color(coarse, color):
    """For each set the block that it has of each color, -1 for none; None where one has two of a color."""
    known = []
    for sets in coarse:
        table = np.full((sets.shape[1], int(color.max()) + 1), -1)
        rows, blocks = members(sets)
        at, flat = rows * table.shape[1] + color[blocks], table.reshape(-1)
        flat[at] = blocks
        if not np.array_equal(flat[at], blocks):
            return None
        known.append(table)
    return known


def _unshared(rows, bits, known, shift):
    color, place = bits >> shift, bits & (1 << shift) - 1
    blocks = np.take(known, rows * known.shape[1] + color)
    if np.any(blocks < 0):
        raise ValueError(NOT_THE_SAME)
    return (blocks << shift) + place
