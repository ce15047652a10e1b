"""Parts: the directions i ... j of n, without the others."""

_WORD = 64  # signs that are drawn at once
_BLOCK = 1 << 16  # entries that are dropped at once, a multiple of it


def as_part(part, n):
    """A slice of n directions with both its ends; one with a step, of none of them, and what is no slice raise."""
    if not isinstance(part, slice):
        raise TypeError(f"got part={part!r:.60}; expected a slice of the n directions, such as slice(0, 2)")
    if n is None:
        raise ValueError(f"got part={part!r} of no number of directions; say of how many it is a part: n=4")
    if part.step is not None and part.step != 1:
        raise ValueError(f"got part={part!r}; expected one without a step, such as slice(0, 2)")
    try:
        first, last, _ = part.indices(n)
    except TypeError:
        raise TypeError(f"got part={part!r}; expected whole numbers or None as its ends") from None
    if first >= last:
        raise ValueError(f"got part={part!r} of n={n} directions, which is none of them; expected one or more")
    return slice(first, last)


def knows_parts(kind):
    """Whether a class draws parts as it draws all: a ``part_of`` that is older than what draws knows nothing of it."""
    newest = next(base for base in kind.__mro__ if {"part_of", "rows", "matrix", "draw"} & vars(base).keys())
    return "part_of" in vars(newest)


def rows_in_turn(draw, part, n, count, like, rest=False):
    """The rows of a part of n, of ``count`` entries each, where entries are drawn one after another.

    ``draw(m, like)`` draws the next m; signs begin a new word, so that all is cut where a word ends. What is in front
    is drawn and dropped, block by block; with ``rest`` also what is behind.
    """
    first, last, total = part.start * count, part.stop * count, n * count
    start, end = first - first % _WORD, min(last + -last % _WORD, total)
    _drop(draw, start)
    drawn = draw(end - start, like)
    if rest:
        _drop(draw, total - end)
    return drawn[first - start : last - start].reshape(part.stop - part.start, count)


def _drop(draw, count):
    for start in range(0, count, _BLOCK):
        draw(min(_BLOCK, count - start), None)
