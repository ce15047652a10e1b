"""Threads that a play starts: what they draw, or take of uniform draws, is noticed: their order is not replayed."""

import contextlib
import threading

import torch
from torch.overrides import TorchFunctionMode

from ..enumeration.source import ReplayError
from .torch_operations import DispatchMode, each_tensor
from .torch_reading import MEMORY_READS
from .torch_states import ELSEWHERE, REMEDY


class Threads:
    """While this is entered, threads are started under modes that notice draws."""

    def __enter__(self):
        self._start = start = threading.Thread.start

        def started(thread):
            thread.run = self._under_modes(thread.run)
            start(thread)

        threading.Thread.start = started
        return self

    def __exit__(self, *error):
        threading.Thread.start = self._start

    @contextlib.contextmanager
    def watched(self, storages):
        """A play, which is refused if something is noticed."""
        self.storages, self.noticed = storages, ""
        yield
        if self.noticed:
            raise ReplayError(f"{ELSEWHERE}: {self.noticed}; {REMEDY}")

    def _under_modes(self, run):
        def watched():
            with ThreadDraws(self), ThreadReads(self):
                run()

        return watched

    def notice(self, what):
        self.noticed = what

    def notice_tensors(self, what, tensors):
        """Something is taken from tensors, which matters if they hold uniform draws."""
        if any(self.storages.of(x) is not None for x in tensors):
            self.notice(what)


class ThreadDraws(DispatchMode):
    """Notices operations that draw, or that take uniform draws."""

    def __init__(self, threads):
        super().__init__()
        self.threads = threads

    def dispatch(self, func, args, kwargs):
        name = func.overloadpacket.__name__
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.threads.notice(name)
        self.threads.notice_tensors(f"{name} of a uniform draw", each_tensor([*args, *kwargs.values()]))
        return func(*args, **kwargs)


class ThreadReads(TorchFunctionMode):
    """Notices uniform draws that are read past the dispatcher."""

    def __init__(self, threads):
        super().__init__()
        self.threads = threads

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in MEMORY_READS:
            self.threads.notice_tensors(f"{func.__name__} of a uniform draw", args[:1])
        return func(*args, **(kwargs or {}))
