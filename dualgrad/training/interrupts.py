"""Ctrl-C, kept until a step is done."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def kept_interrupts() -> Iterator[list[int]]:
    """A list that the first Ctrl-C fills; a second does what it did before. In the main thread alone."""
    asked: list[int] = []
    before = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if not callable(before):  # another thread, a handler that is not Python's, or interrupts that are ignored
        yield asked
        return

    def keep(number, frame):
        if asked:
            before(number, frame)
        asked.append(number)

    signal.signal(signal.SIGINT, keep)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
