"""Callbacks: the functions that a run calls on its way, and an error of the run, which has its history."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np


def as_callbacks(given: Any) -> tuple[Callable[[Any], Any], ...]:
    """Callbacks as a tuple of functions; anything else raises TypeError."""
    found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, (str, Mapping)) else (None,)
    if not all(map(callable, found)) or any(isinstance(one, type) for one in found):
        raise TypeError(
            f"got callbacks={given!r:.80}; expected a list of functions, each called as f(after) after every epoch, "
            "with after.epoch, after.history and after.params"
        )
    return found


def with_state(callbacks: Iterable[Any]) -> list[Any]:
    """Those that have a state of their own, which checkpoints keep."""
    return [one for one in callbacks if hasattr(one, "state_dict") and hasattr(one, "load_state_dict")]


def called(callbacks: Iterable[Callable[[Any], Any]], after: Any) -> bool:
    """Whether one of them says that the run ends; all are called."""
    answers = [call(after) for call in callbacks]
    return any(isinstance(answer, (bool, np.bool_)) and bool(answer) for answer in answers)


@contextlib.contextmanager
def told(history: Any, where: Callable[[], str]) -> Iterator[None]:
    """An error from here has the history so far, and says where it was raised."""
    try:
        yield
    except Exception as error:
        error.history = history  # type: ignore[attr-defined]
        error.add_note(f"{where()}; the history so far is the error's .history")
        raise
