"""Journal: the slopes of every step in a file, from which a run can be made again without its passes.

A line of words and a header in JSON, then for every step a record: its numbers as float64, which are n slopes, a mark
of the parameters before it, and a checksum, which covers the number of the step too.
"""

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...backend import Array, to_numpy
from ...checkpoint.saving import refuse_special
from ...checks import count, positive_count
from ...errors import CheckpointError, LayoutError, caution
from ...settings import difference
from ...tree import Tree, leaves

_FIRST = b"dualgrad journal 1"
_U32 = struct.Struct("<I")


def mark_of(params: Tree) -> int:
    """A checksum of the numbers of parameters: much sooner made than a digest, once a step."""
    found = 0
    for leaf in [params.vector] if hasattr(params, "vector") else leaves(params):
        found = zlib.crc32(np.ascontiguousarray(to_numpy(leaf)).reshape(-1).view(np.uint8), found)
    return found


class Record(NamedTuple):
    """A step: the numbers it is known by, and the mark of the parameters before it."""

    numbers: Array
    mark: int


class Contents(NamedTuple):
    """What a journal holds: its header, the number of its first step, its records, and where they end."""

    header: dict[str, Any]
    first: int
    records: list[Record]
    end: int

    @property
    def steps(self) -> int:
        """How many the run has made."""
        return self.first + len(self.records)


class Journal:
    """A file that a run adds its steps to.

    Parameters
    ----------
    path : str or os.PathLike
        Made where there is none; of a run that goes on, a torn step at its end is cut off.
    header : dict of plain data
        What the steps belong to: the ``numbers`` of each, and more.
    steps : int
        How many the run has made.
    """

    def __init__(self, path: str | os.PathLike[str], header: dict[str, Any], steps: int) -> None:
        self.path, self.header, self.steps, self._end, self._late = path, header, steps, 0, b""
        refuse_special(path)
        data = Path(path).read_bytes() if os.path.exists(path) else b""
        if not data:
            text = json.dumps({"first": steps, "header": header}).encode()
            self._write(b"%s %d %d\n%s\n" % (_FIRST, len(text), zlib.crc32(text), text))
            return
        found = parsed(data, path)
        self.steps, self.header = found.steps, found.header
        self.require(header, steps)
        if torn := len(data) - found.end:
            caution(f"the journal {path} ended in {torn} bytes of a torn step, which are cut off", RuntimeWarning)
            os.truncate(path, found.end)
        self._end = found.end

    def require(self, header: dict[str, Any], steps: int) -> None:
        """Raise unless a run goes on with it: by the same settings, after so many steps, all of them written."""
        require_same_run(self.header, header, self.path)
        if self.steps != steps:
            raise CheckpointError(
                f"the journal {self.path} has {self.steps} steps, and this estimator has made {steps}: "
                "estimators.replay(journal, params, optimizer, estimator, rng) makes the rest; for a new run take "
                "another file"
            )
        if self._late:
            self._write(self._late)
            self._late = b""

    def append(self, numbers: Array, mark: int, later: bool = False) -> None:
        """Add a step; what cannot be written is written ``later``, before the next one, or raises."""
        data = np.ascontiguousarray(numbers, "<f8").tobytes() + _U32.pack(mark)
        data += _checksum(self.steps, data)
        try:
            self._write(data)
        except (OSError, CheckpointError):
            if not later:
                raise
            self._late = data  # the other workers have gone on: they are told at the next step
        self.steps += 1

    def _write(self, data):
        """Add bytes; where that fails the file is as it was."""
        with open(self.path, "ab", buffering=0) as file:
            if file.tell() != self._end:
                raise CheckpointError(
                    f"the journal {self.path} has {file.tell()} bytes, and {self._end} were written: does another "
                    "program write into it?"
                )
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError:
                os.truncate(self.path, self._end)
                raise
        self._end += len(data)


def _checksum(step, data):
    return _U32.pack(zlib.crc32(data, zlib.crc32(step.to_bytes(8, "little"))))


def parsed(data: bytes, path: str | os.PathLike[str]) -> Contents:
    """What the bytes of a journal hold; a torn step at its end is left out, other damage raises."""
    words, _, rest = data.partition(b"\n")
    try:
        length, checksum = map(int, words.removeprefix(_FIRST).split())
        text = rest[:length]
        if not words.startswith(_FIRST) or zlib.crc32(text) != checksum:
            raise ValueError("its checksum is wrong")
        header, first = (json.loads(text)[name] for name in ("header", "first"))
        middle = 8 * positive_count("numbers", header["numbers"]) + _U32.size
        first = count("first", first)
    except (ValueError, LookupError, TypeError):
        raise CheckpointError(
            f"{path} is no journal of dualgrad, or was cut off before its first step: remove it, or take another file"
        ) from None
    records, place, each = [], len(words) + length + 2, middle + _U32.size
    while place < len(data):
        step, record = first + len(records), data[place : place + each]
        if record[middle:] != _checksum(step, record[:middle]):
            if len(data) > place + each and any(data[place:]):
                raise CheckpointError(f"step {step} of the journal {path} is damaged, and there are others after it")
            break
        (mark,) = _U32.unpack_from(record, middle - _U32.size)
        records.append(Record(np.frombuffer(record, "<f8", header["numbers"]), mark))
        place += each
    return Contents(header, first, records, place)


def require_same_run(written: dict[str, Any], own: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Raise unless a journal belongs to the run that would go on with it."""
    if written != own and (found := difference(written, own)):
        raise LayoutError(f"the journal {path} is of another run: {found}")
