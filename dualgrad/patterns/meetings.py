"""What meets what: pairs of sets, of which each input of the first meets each of the second."""

import itertools

import numpy as np

AT_ONCE_PAIRS = 2**22
MANY_PAIRS = 2**27
TERMS_A_PAIR, FEW_ENTRIES = 2**8, 2**24  # what a product of matrices adds up in the time of one pair, and their size


def pairs_met(first, second, n):
    """The pairs (i, j) and (j, i) of inputs that meet, as numbers i n + j, each once.

    ``first`` and ``second`` are pairs (set, input) in the order of the sets.
    """
    count = 1 + max(int(p[0].max(initial=-1)) for p in (first, second))
    counts = [np.bincount(rows, minlength=count) for rows, _ in (first, second)]
    each = counts[0] * counts[1]
    faster = count * n**2 < TERMS_A_PAIR * each.sum() and max(count, n) * n < FEW_ENTRIES
    if faster or each.sum() > MANY_PAIRS:
        return _by_product(first, second, n, count)
    starts = [np.cumsum(c) - c for c in counts]
    ends = [*np.searchsorted(np.cumsum(each), np.arange(0, each.sum(), AT_ONCE_PAIRS)), count]
    found = [np.zeros(0, np.int64)]
    for a, b in itertools.pairwise(ends):
        rows = np.repeat(np.arange(a, b), each[a:b])
        within = np.arange(len(rows)) - np.repeat(np.cumsum(each[a:b]) - each[a:b], each[a:b])
        i, j = np.divmod(within, np.maximum(counts[1][rows], 1))
        found.append(_both_ways(first[1][starts[0][rows] + i], second[1][starts[1][rows] + j], n))
    return np.unique(np.concatenate(found))


def _both_ways(i, j, n):
    n = np.int64(n)
    return np.unique(np.concatenate([i * n + j, j * n + i]))


def _by_product(first, second, n, count):
    """As a product of matrices of 0 and 1: where the sets are large."""
    left, right = (np.zeros((count, n), np.float32) for _ in range(2))
    for matrix, (rows, cols) in ((left, first), (right, second)):
        matrix[rows, cols] = 1
    there = left.T @ right > 0
    return np.flatnonzero(there | there.T)
