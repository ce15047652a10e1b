"""Scratch arrays are handed out again only when no array or view of them is left."""

import threading
import warnings

import numpy as np

from dualgrad.scratch import empty, empty_like

SHAPE = (1 << 16,)


def test_a_free_array_is_reused_and_a_used_one_is_not():
    first = empty(SHAPE, np.float32)
    address = first.__array_interface__["data"][0]
    assert not np.shares_memory(first, empty(SHAPE, np.float32))
    view = first[10:20]
    del first
    assert all(not np.shares_memory(view, empty(SHAPE, np.float32)) for _ in range(3))
    del view
    held = [empty(SHAPE, np.float32) for _ in range(4)]
    assert address in [a.__array_interface__["data"][0] for a in held]


def test_every_kind_of_reference_counts():
    for keep in (
        lambda a: a,
        lambda a: a.T,
        lambda a: a.reshape(256, -1)[1:],
        memoryview,
        lambda a: {"deep": [a]},
        np.nditer,
    ):
        kept = keep(empty(SHAPE, np.float64))
        inner = (
            kept["deep"][0]
            if isinstance(kept, dict)
            else kept.operands[0]
            if isinstance(kept, np.nditer)
            else np.asarray(kept)
        )
        assert not np.shares_memory(inner, empty(SHAPE, np.float64))


def test_threads_do_not_share():
    found = []
    threads = [threading.Thread(target=lambda: found.append(empty(SHAPE, np.float32))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(np.shares_memory(a, b) for k, a in enumerate(found) for b in found[:k])


def test_small_and_like():
    assert empty((3,), np.float32).shape == (3,)
    assert empty_like(np.ones((300, 300), np.float32)).dtype == np.float32


def test_flags_and_shape_are_the_callers_to_set():
    taken = empty(SHAPE, np.float64)
    taken.flags.writeable = False
    del taken
    taken = empty(SHAPE, np.float64)
    assert taken.flags.writeable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy 2.5 advises against it
        taken.shape = (256, 256)
    del taken
    assert empty(SHAPE, np.float64).shape == SHAPE
