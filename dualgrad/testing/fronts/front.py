"""Front: how the runs of a library are played; what a program of its own draws comes from a `Source`."""

import contextlib
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..enumeration.source import Source
from ..enumeration.traversal import Traversal


class Front:
    """A run, played under one source after the other.

    A front says what the run is given, ``arguments(source)``, and where a run draws from a library itself it puts
    that library's samplers aside while it is entered.
    """

    name = ""
    takes = ""  # what the run is called with, in words; nothing where it draws from a library itself

    def __init__(self, run):
        self.run = run
        with contextlib.suppress(ValueError):  # of what has no signature
            try:
                inspect.signature(run).bind(*(["a generator"] if self.takes else []))
            except TypeError as error:
                raise TypeError(
                    f"draws={self.name!r} calls run({self.takes}), and {getattr(run, '__name__', run)!r} has the "
                    f"parameters {inspect.signature(run)}: {error}"
                ) from None

    def __enter__(self) -> "Front":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def arguments(self, source) -> tuple[Any, ...]:
        """What the run is called with."""
        raise NotImplementedError

    def play(self, source) -> Any:
        """The result of the run under a source."""
        return self.run(*self.arguments(source))

    def walk(self, once: Callable[[Source], Any], degree: int, max_outcomes: int) -> Any:
        """All outcomes of the run, which ``once`` plays as a row: one by one, unless a front can play many at once."""
        return Traversal(once, degree, max_outcomes)


class Given(Front):
    """A front in one function: the run is called with ``make(source)``."""

    name, takes = "a function", "what it makes"

    def __init__(self, run, make):
        super().__init__(run)
        self.make = make

    def arguments(self, source):
        return (self.make(source),)
