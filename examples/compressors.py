"""What compressors make of a text, in bits per character: gzip, and context tree weighting."""

import gzip
import math
from itertools import islice


def gzip_bits(text, start=0):
    """The size of the gzipped text, in bits per character; of ``text[start:]``, what it adds to that of the rest."""
    before, whole = (len(gzip.compress(part.encode(), 9)) for part in (text[:start], text))
    return 8 * (whole - before * (start > 0)) / (len(text) - start)


class _Node:
    """A context: what came after it, and log₂ probabilities of that by its counts, by its children, and by both."""

    __slots__ = ("below", "children", "counts", "estimate", "total", "weighted")

    def __init__(self):
        self.children, self.counts, self.total = {}, {}, 0
        self.estimate = self.below = self.weighted = 0.0


def ctw_bits(text, depth=10, start=0):
    """The mean of `ctw_each` over ``text[start:]``, where all before has been read."""
    return sum(islice(ctw_each(text, depth), start, None)) / (len(text) - start)


def ctw_each(text, depth=10):
    """Context tree weighting (Willems, Shtarkov and Tjalkens 1995) of whole characters: -log₂ p of each, in one pass.

    A node of the tree is a context of up to ``depth`` characters. It estimates by counts (Krichevsky and Trofimov, 1/k
    for each of k symbols), and weighs that evenly with the product of its children's weighted probabilities.
    """
    prior, root = 1 / len(set(text)), _Node()
    for t, symbol in enumerate(text):
        path = [root]
        for back in range(1, depth + 1):
            before = text[t - back] if back <= t else ""
            path.append(path[-1].children.setdefault(before, _Node()))
        change = None
        for node in reversed(path):
            count = node.counts.get(symbol, 0)
            node.estimate += math.log2((count + prior) / (node.total + 1))
            node.counts[symbol], node.total = count + 1, node.total + 1
            before = node.weighted
            if change is None:
                node.weighted = node.estimate
            else:
                node.below += change
                node.weighted = _mean(node.estimate, node.below)
            change = node.weighted - before
        yield -change


def _mean(a, b):
    """log₂ of the mean of 2ᵃ and 2ᵇ."""
    high, low = max(a, b), min(a, b)
    return high - 1 + (math.log2(1 + 2 ** (low - high)) if high - low < 60 else 0)
