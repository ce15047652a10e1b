"""How many directions to push in one pass, when the answer is "as many as fit"."""

from .tree import map_leaves

BUDGET = 256 * 2**20  # bytes that the directions of one pass may take with chunk="auto"
DEFAULT = 128


def in_chunks(push, count, chunk=None):
    """``push(start, stop)`` over 0, ..., count in passes of ``chunk`` directions.

    ``"auto"`` measures: passes of one and of three directions tell what each direction adds to the peak of memory, and
    the rest are as wide as ``BUDGET`` allows. Their results are kept, so that measuring costs no pass of its own.

    Raises
    ------
    ValueError
        For anything but a positive integer, None or "auto".
    """
    if isinstance(chunk, str) and chunk == "auto":
        return _with_peaks(push, count)
    chunk = DEFAULT if chunk is None else chunk
    if not hasattr(chunk, "__index__") or isinstance(chunk, bool) or chunk < 1:
        raise ValueError(f"got chunk={chunk!r}; expected a positive number of directions, or 'auto'")
    return [_owned(push(start, min(start + chunk, count))) for start in range(0, count, chunk) or [0]]


def _owned(tangents):
    """The tangents, those that are views copied: a view would keep alive all that it is a view of."""
    return map_leaves(lambda d: d.copy() if getattr(d, "base", None) is not None else d, tangents)


def _with_peaks(push, count):
    results, peaks, start = [], [], 0
    for size in (1, 3):
        stop = min(start + size, count)
        peak, result = _peak(lambda start=start, stop=stop: push(start, stop))
        peaks.append(peak)
        results.append(_owned(result))
        start = stop
        if start == count:
            return results
    each = max((peaks[1] - peaks[0]) / 2, 1)
    chunk = max(1, int(BUDGET / each))
    return results + [_owned(push(k, min(k + chunk, count))) for k in range(start, count, chunk)]


def _peak(call):
    """The bytes that a call needs at its peak, and its result."""
    import tracemalloc  # which few programs need

    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        result = call()
        return tracemalloc.get_traced_memory()[1] - before, result
    finally:
        if ours:
            tracemalloc.stop()
