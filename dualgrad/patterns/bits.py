"""Packed bit sets: 64 members a word, the words on an axis in front of an array of sets.

``bits[w, ...] >> b & 1`` says whether number 64 w + b is in the set at ``...``.
"""

import numpy as np

WORD = np.uint64
NONE = np.uint64(0)


def words_for(count):
    """How many words hold ``count`` members; one at least."""
    return max(1, -(-count // 64))


def one_each(numbers, words):
    """The sets that hold one number each, ``(words, n)``; those of a number outside of them are empty."""
    bits = np.zeros((words, len(numbers)), WORD)
    at = np.flatnonzero((numbers >= 0) & (numbers < 64 * words))
    held = numbers[at]
    bits[held >> 6, at] = np.left_shift(WORD(1), (held & 63).astype(WORD))
    return bits


def members(bits):
    """The sets ``(words, m)`` as pairs: which set, and which member of it, in that order."""
    octets = np.ascontiguousarray(bits.T).astype("<u8", copy=False).view(np.uint8).ravel()
    full = np.flatnonzero(octets != 0)
    found = np.flatnonzero(np.unpackbits(octets[full], bitorder="little").view(bool))
    which, octet = np.divmod(full, 8 * len(bits))
    held = found >> 3
    return which[held], (octet << 3)[held] + (found & 7)


def union(bits, axes, keepdims=False):
    """The union of the sets along axes, of none the empty one."""
    return np.bitwise_or.reduce(bits, axes, keepdims=keepdims)


def union_by_index(bits, rows, cols, count):
    """For each of ``count`` rows the union of the sets at its columns: ``(..., n)`` to ``(..., count)``."""
    order = np.argsort(rows, kind="stable")
    rows, cols = rows[order], cols[order]
    together = np.zeros((*bits.shape[:-1], count), WORD)
    if rows.size:
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        together[..., rows[starts]] = np.bitwise_or.reduceat(bits[..., cols], starts, axis=-1)
    return together


def distinct(bits):
    """The different ones of the sets ``(words, m)``."""
    if len(bits) == 1:
        ordered = np.sort(bits[0])
        return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]][None]
    rows = np.ascontiguousarray(bits.T)
    whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    return np.unique(whole).view(WORD).reshape(-1, len(bits)).T
