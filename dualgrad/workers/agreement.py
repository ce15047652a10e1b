"""What all workers do together: an error of one is an error of all, and who differs is named."""

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import errors
from ..backend import to_numpy
from ..errors import DualgradError
from ..tree import Tree, flatten, paths
from .alone import T, Workers


def require_workers(name: str, workers: Any) -> Workers:
    """Raise unless these are workers."""
    rank, size = getattr(workers, "rank", None), getattr(workers, "size", None)
    whole = not isinstance(workers, type) and all(
        isinstance(x, (int, np.integer)) and not isinstance(x, bool) for x in (rank, size)
    )
    if not whole or not 0 <= rank < size or not callable(getattr(workers, "allgather", None)):
        raise TypeError(
            f"got {name}={workers!r:.80}; expected workers: an object with rank, size and allgather(object), such as "
            "MPI.COMM_WORLD or dg.workers.world()"
        )
    return workers


def together(workers: Workers, call: Callable[[], T], unchanged: str) -> list[T]:
    """What ``call()`` returned on every worker, by rank; where one raises an error, all raise it.

    An error of dualgrad's is raised as what it is, any other as a DualgradError; ``unchanged`` ends its message.
    """
    if workers.size == 1:
        return [call()]
    own = None
    try:
        word = (None, call())
    except BaseException as error:  # the others wait for a word
        own, word = error, (_described(error), None)
    said = workers.allgather(word)
    alike = isinstance(said, (list, tuple)) and len(said) == workers.size
    if not alike or not all(isinstance(word, tuple) and len(word) == 2 for word in said):
        raise DualgradError(
            f"allgather of {workers!r} gave {said!r:.80}; expected a list of what each of {workers.size} workers has "
            f"given; {unchanged}"
        )
    if own is not None and not isinstance(own, Exception):
        raise own
    for rank, (error, _) in enumerate(said):
        if error is not None:
            kind, text = error
            raise getattr(errors, kind)(f"worker {rank} of {workers.size}: {text}; {unchanged}") from own
    return [found for _, found in said]


def _described(error):
    """The name of the nearest error of dualgrad's, and its text; of others their own names too."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    named = next((kind for kind in kinds if kind in errors.__all__), None)
    try:
        text = str(error)
    except Exception:  # of an error of somebody's own, whose words cannot be had
        text = "an error without words"
    return named or DualgradError.__name__, text if named == kinds[0] else f"{kinds[0]}: {text}"


def dealt(units: list[T], workers: Workers) -> list[T]:
    """The units of one of several workers: consecutive ones, as many as others have to within one."""
    ends = [len(units) * rank // workers.size for rank in (workers.rank, workers.rank + 1)]
    return units[slice(*ends)]


def odd_ones(words: list[Any]) -> list[int]:
    """The ranks whose word is not that of the most, of the lowest rank among equals."""
    counts = Counter(words)
    usual = max(counts, key=lambda word: (counts[word], -words.index(word)))
    return [rank for rank, word in enumerate(words) if word != usual]


def digest(tree: Tree) -> str:
    """Sixteen hexadecimal digits that tell trees apart that differ in any bit of their numbers, in names or shapes.

    Parameters
    ----------
    tree : Params, array, or tree of them
        Buffers of Params count too.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.workers.digest(np.zeros(2)), dg.workers.digest(np.array([0.0, -0.0]))
    ('5515bbe7a1abcf08', '8806ddc146e1efb1')
    """
    found = hashlib.blake2b(digest_size=8)
    for path, leaf in [*_named_leaves(tree), *_named_leaves(getattr(tree, "buffers", {}))]:
        array = np.ascontiguousarray(to_numpy(leaf) if hasattr(leaf, "dtype") else leaf)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"got {leaf!r:.60}; expected arrays of numbers, or trees of them")
        found.update(f"{path}{array.dtype.str}{array.shape}".encode())
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _named_leaves(tree):
    """The leaves of a tree, each with its path."""
    found, structure = flatten(tree)
    return zip(paths(structure), found, strict=True)
