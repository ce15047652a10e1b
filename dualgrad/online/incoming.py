"""Streams that a learner follows: arrays, a function of the step, or an iterator; and the place where each stands."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from ..backend import is_array, to_numpy
from ..errors import DualgradError
from ..settings import fingerprint, plain_data

_EXPECTED = (
    "expected arrays (xs, ys) or (xs, ys, ends), a function stream(t) -> (x, y), a list or an iterator of such pairs, "
    "each with a third entry where an episode can end"
)


class Saved(Protocol):
    """An iterator whose place can be saved."""

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    def state_dict(self) -> Any:
        """Its place, as plain data for `dualgrad.save`."""
        ...

    def load_state_dict(self, state: Any, /) -> None:
        """Go to a place that was saved."""
        ...


class Incoming:
    """What all have: ``item(t)``, the input, the target and whether the episode ends after step t, from 0 on."""

    length: int | None = None  # how many steps, where that is known
    endless = False  # whether nothing but a count of steps ends it

    def item(self, t: int) -> tuple[Any, Any, bool]:
        """That of step t; StopIteration where the stream has ended."""
        raise NotImplementedError

    def said(self) -> Any:
        """What has to be the same where a run goes on."""
        raise NotImplementedError

    def state(self) -> Any:
        """Where it stands beside the step, as plain data."""
        return None

    def go_to(self, state: Any) -> None:
        """Go to a place that was saved."""


class OfArrays(Incoming):
    """The rows of xs and ys; None for either where the system has no use for it."""

    def __init__(self, arrays: tuple[Any, ...]) -> None:
        if len(arrays) not in (2, 3):
            raise TypeError(f"got a stream of {len(arrays)} arrays; {_EXPECTED}")
        self.arrays = tuple(None if a is None else a if is_array(a) else np.asarray(a) for a in arrays)
        lengths = {len(a) for a in self.arrays if a is not None and np.ndim(a)}
        if len(lengths) != 1 or any(a is not None and not np.ndim(a) for a in self.arrays):
            shapes = [None if a is None else np.shape(a) for a in self.arrays]
            raise ValueError(f"got a stream of arrays of shapes {shapes}; expected as many steps in each")
        self.length = lengths.pop()

    def item(self, t: int) -> tuple[Any, Any, bool]:
        if t >= self.length:
            raise StopIteration
        return as_item(tuple(None if a is None else a[t] for a in self.arrays), t)

    def said(self) -> Any:
        return {"arrays": [plain_data(a) for a in self.arrays]}


class OfPairs(Incoming):
    """A list of such pairs."""

    def __init__(self, pairs: list[Any]) -> None:
        self.pairs, self.length = pairs, len(pairs)

    def item(self, t: int) -> tuple[Any, Any, bool]:
        return as_item(self.pairs[t], t)

    def said(self) -> Any:
        return {"pairs": self.length, "digest": fingerprint(self.pairs)}


class OfSteps(Incoming):
    """A function of the step."""

    endless = True

    def __init__(self, call: Callable[[int], Any]) -> None:
        self.call = call

    def item(self, t: int) -> tuple[Any, Any, bool]:
        return as_item(self.call(t), t)

    def said(self) -> Any:
        return "a function of the step"


class OfIterator(Incoming):
    """An iterator, or what can be iterated over."""

    def __init__(self, items: Any) -> None:
        self.items, self.iterator = items, iter(items)

    @property
    def has_place(self) -> bool:
        """Whether its place can be saved."""
        return self.iterator is self.items and all(hasattr(self.items, f"{x}state_dict") for x in ("", "load_"))

    def item(self, t: int) -> tuple[Any, Any, bool]:
        return as_item(next(self.iterator), t)

    def said(self) -> Any:
        return type(self.items).__name__

    def state(self) -> Any:
        return self.items.state_dict()

    def go_to(self, state: Any) -> None:
        self.items.load_state_dict(state)

    def require_place(self) -> None:
        """Raise unless its place can be saved."""
        if not self.has_place:
            raise DualgradError(
                f"a {type(self.items).__name__} cannot be gone on with: its place in the stream is not known. For a "
                "checkpoint give arrays (xs, ys), a function stream(t) -> (x, y), or an iterator with state_dict and "
                "load_state_dict"
            )


def as_stream(stream: Any) -> Incoming:
    """A stream of any of these kinds."""
    if isinstance(stream, list) and stream and all(isinstance(item, tuple) for item in stream):
        return OfPairs(stream)
    if isinstance(stream, (tuple, list)):
        return OfArrays(tuple(stream))
    if hasattr(stream, "__next__") or hasattr(stream, "__iter__") and not is_array(stream):
        return OfIterator(stream)
    if callable(stream):
        return OfSteps(stream)
    raise TypeError(f"got stream={stream!r:.80}; {_EXPECTED}")


def as_item(item: Any, t: int) -> tuple[Any, Any, bool]:
    """An input, a target, and whether the episode ends."""
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise TypeError(f"step {t} of the stream is {item!r:.80}; expected (x, y), or (x, y, whether an episode ends)")
    if len(item) == 2:
        return (*item, False)
    x, y, given = item
    end = np.asarray(to_numpy(given) if is_array(given) else given)
    if end.shape or end.dtype.kind not in "b":
        raise TypeError(f"step {t} of the stream says {given!r:.60} of its end; expected True or False")
    return x, y, bool(end)
