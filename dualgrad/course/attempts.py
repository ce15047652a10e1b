"""An answer tried on one input: whatever it does, errors and endless loops included, is an `Outcome`."""

import contextlib
import ctypes
import io
import linecache
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .exercise import Case, Counted, Exercise

LINES = 1_000_000  # of the student's program, on one input
TOO_LONG = 5.0  # seconds on one input, for what never comes to another line; the slowest solution needs a tenth of it
COPIED = 20  # things in a list of which copies are made; no exercise has as many
PLACES = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
OF_OTHERS = (*PLACES, str(Path(__file__).parents[1]), str(Path(np.__file__).parent), "<frozen", "<__array")


class EndlessError(BaseException):
    """It went on for too long; no ``except Exception`` holds it up."""


@dataclass(frozen=True)
class Outcome:
    """What came of one input: a value, and how often a function was called for it; or an error, and its line."""

    value: Any = None
    error: BaseException | None = None
    place: str = ""
    calls: int = 0
    too_often: bool = False

    @property
    def endless(self) -> bool:
        return isinstance(self.error, EndlessError)

    @property
    def own(self) -> bool:
        """Whether the error was raised by the student's program itself, not by what it calls."""
        frames = list(traceback.walk_tb(self.error.__traceback__)) if self.error else []
        return bool(frames) and not is_library(frames[-1][0].f_code.co_filename)


def attempt(exercise: Exercise, answer: Callable[..., Any], case: Case) -> Outcome:
    """The answer on copies of the input, in silence."""
    given = _held(case)
    if exercise.calls:
        given = (Counted(given[0]), *given[1:])
    quiet = contextlib.redirect_stdout(io.StringIO())
    with np.errstate(all="ignore"), warnings.catch_warnings(), quiet:
        warnings.simplefilter("ignore")
        try:
            with not_for_ever(), _lines_counted():
                value = _held(exercise.run(answer, *given))
            calls = given[0].calls if exercise.calls else 0
            return Outcome(value, calls=calls, too_often=bool(exercise.calls) and calls > exercise.calls(*case))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an endless loop, sys.exit, and a student's own
            return Outcome(None, error, _line_of(error))


def _held(value, depth=4):
    """Copies of the arrays in it: an answer may write to what it is given, and to what it has returned."""
    if type(value) in (tuple, list) and len(value) <= COPIED and depth:
        return type(value)(_held(one, depth - 1) for one in value)
    return value.copy() if isinstance(value, np.ndarray) else value


@cache
def is_library(filename: str) -> bool:
    """Whether a file is Python's, of a package, or of dualgrad; a cell of a notebook is none."""
    return filename.startswith(OF_OTHERS)


@contextlib.contextmanager
def _lines_counted():
    """The lines of the student's program are counted, unless a debugger watches them."""
    left = LINES

    def line(frame, event, argument):
        nonlocal left
        left -= 1
        if left < 0:
            raise EndlessError
        return line

    def call(frame, event, argument):
        return None if is_library(frame.f_code.co_filename) else line(frame, event, argument)

    if sys.gettrace() is not None:
        yield
        return
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(None)


@contextlib.contextmanager
def not_for_ever() -> Iterator[None]:
    """After some seconds an `EndlessError` is raised in this thread, by another."""
    thread, over, raised = threading.get_ident(), threading.Event(), threading.Event()
    one_at_a_time = threading.Lock()

    def watch():
        while not over.wait(TOO_LONG):
            with one_at_a_time:
                if not over.is_set():
                    raised.set()
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(EndlessError))

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with one_at_a_time:
            over.set()
        if raised.is_set():
            with contextlib.suppress(EndlessError):  # one may still be on its way
                for _ in range(1000):
                    pass


def _line_of(error):
    """The last line of the student's program that the error came through."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        filename, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        if not is_library(filename):
            source = linecache.getline(filename, line).strip()
            place = f"line {line} of your cell or file" + (f": {source}" if source else "")
        trace = trace.tb_next
    return place
