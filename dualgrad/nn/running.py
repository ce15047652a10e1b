"""Running statistics: what layers note of a batch in the pass that training makes anyway, written once a step.

A layer that keeps statistics in buffers calls ``note(p, name=value, ...)`` in training mode, in its `forward` and in
the rules it writes itself; each value is a function of nothing that returns the buffer as the batch makes it. Nothing
happens, and no function is called, but for where somebody gathers: `Layer.update_buffers`, and `dualgrad.fit`.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..backend import Array, to_numpy
from ..errors import NonFiniteError

_HERE = threading.local()


def note(p: Mapping[str, Array], **values: Callable[[], Array]) -> None:
    """Say what a batch makes of buffers in ``p``: of each the first word counts, as where a step makes several passes.

    Examples
    --------
    In the ``forward`` of a layer with a buffer ``largest``:

    >>> import numpy as np
    >>> from dualgrad.nn.running import gathered, note
    >>> p, x = {"largest": np.zeros(2)}, np.array([[1.0, 2.0]])
    >>> with gathered(p) as noted:
    ...     note(p, largest=lambda: np.maximum(p["largest"], x.max(axis=0)))
    >>> noted
    {'largest': array([1., 2.])}
    """
    wanted = getattr(_HERE, "wanted", None)
    if wanted is None:
        return
    names, noted = wanted
    for name, value in values.items():
        full = names.get(id(p[name]))
        if full is not None and full not in noted:
            with np.errstate(over="ignore", invalid="ignore"):  # told where they are written
                noted[full] = value()


@contextlib.contextmanager
def gathered(buffers: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """What is noted in this block, and in this thread, of these buffers: a dict that fills, by their names."""
    before = getattr(_HERE, "wanted", None)
    noted: dict[str, Array] = {}
    _HERE.wanted = {id(b): name for name, b in buffers.items()}, noted
    try:
        yield noted
    finally:
        _HERE.wanted = before


def require_writable_buffers(owner: Any, buffers: Mapping[str, Array]) -> None:
    """Raise where a buffer cannot be written."""
    for name, buffer in buffers.items():
        if not getattr(buffer.flags, "writeable", True):
            raise TypeError(f"{owner!r}: the buffer {name} is read-only; give one that can be written")


def require_finite_buffers(owner: Any, fresh: Mapping[str, Array]) -> None:
    """Raise where what a batch makes of a buffer is not finite."""
    for name, value in fresh.items():
        if not to_numpy(np.isfinite(value).all()):
            raise NonFiniteError(f"{owner!r}: this batch makes {name} NaN or infinite; all buffers are unchanged")


def write_buffers(buffers: Mapping[str, Array], fresh: Mapping[str, Array]) -> None:
    """Put new values into buffers."""
    for name, value in fresh.items():
        buffers[name][...] = value
