"""Journal: the slopes of every step in a file, from which a run can be made again without its passes.

A line of words and a header in JSON, then for every step a record: its numbers as float64, which are n slopes; at every
check-th step the digest that the parameters had before it; a checksum, which covers the number of the step too.
"""

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...backend import Array
from ...errors import CheckpointError, LayoutError, caution
from ...settings import difference

_FIRST = b"dualgrad journal 1"
_CHECKSUM = struct.Struct("<I")
_DIGEST = 8  # bytes


class Record(NamedTuple):
    """A step: the numbers it is known by, and the digest of the parameters before it, where there is one."""

    numbers: Array
    digest: str | None


class Contents(NamedTuple):
    """What a journal holds: its header, its records, and where they end."""

    header: dict[str, Any]
    records: list[Record]
    end: int


class Journal:
    """A file that a run adds its steps to.

    Parameters
    ----------
    path : str or os.PathLike
        Made where there is none; of a run that goes on, a torn step at its end is cut off.
    header : dict of plain data
        What the steps belong to: the ``numbers`` of each, after how many there is a digest (``check``), and more.
    steps : int
        How many the run has made.
    """

    def __init__(self, path: str | os.PathLike[str], header: dict[str, Any], steps: int) -> None:
        self.path, self.steps, self._end = path, steps, 0
        data = Path(path).read_bytes() if os.path.exists(path) else b""
        if not data and not steps:
            text = json.dumps(header).encode()
            self._write(b"%s %d %d\n%s\n" % (_FIRST, len(text), zlib.crc32(text), text))
            return
        found = parsed(data, path)
        require_same_run(found.header, header, path)
        self.steps = len(found.records)
        self.require(steps)
        if found.end < len(data):
            torn = len(data) - found.end
            caution(f"the journal {path} ended in {torn} bytes of a torn step, which are cut off", RuntimeWarning)
            os.truncate(path, found.end)
        self._end = found.end

    def require(self, steps: int) -> None:
        """Raise unless so many steps are in it."""
        if self.steps != steps:
            raise CheckpointError(
                f"the journal {self.path} has {self.steps} steps, and this estimator has made {steps}: "
                "estimators.replay(journal, params, optimizer, estimator, rng) makes the rest; for a new run take "
                "another file"
            )

    def append(self, numbers: Array, digest: str | None) -> None:
        """Add a step; where it cannot be written the file is as it was."""
        data = np.ascontiguousarray(numbers, "<f8").tobytes() + (b"" if digest is None else bytes.fromhex(digest))
        self._write(data + _checksum(self.steps, data))
        self.steps += 1

    def _write(self, data):
        with open(self.path, "ab") as file:
            if file.tell() != self._end:
                raise CheckpointError(
                    f"the journal {self.path} has {file.tell()} bytes, and {self._end} were written: does another "
                    "program write into it?"
                )
            try:
                file.write(data)
                file.flush()
            except OSError:
                file.truncate(self._end)
                raise
        self._end += len(data)


def _checksum(step, data):
    return _CHECKSUM.pack(zlib.crc32(data, zlib.crc32(step.to_bytes(8, "little"))))


def parsed(data: bytes, path: str | os.PathLike[str]) -> Contents:
    """What the bytes of a journal hold; a torn step at its end is left out, other damage raises."""
    words, _, rest = data.partition(b"\n")
    try:
        length, checksum = map(int, words.removeprefix(_FIRST).split())
        text = rest[:length]
        if not words.startswith(_FIRST) or zlib.crc32(text) != checksum:
            raise ValueError("its checksum is wrong")
        header = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"{path} is no journal of dualgrad, or its header is damaged ({error})") from None
    records, place = [], len(words) + length + 2
    while place < len(data):
        step = len(records)
        checked = header["check"] is not None and step % header["check"] == 0
        middle = place + 8 * header["numbers"] + checked * _DIGEST
        end = middle + _CHECKSUM.size
        if data[middle:end] != _checksum(step, data[place:middle]):
            if len(data) > end:
                raise CheckpointError(f"step {step} of the journal {path} is damaged, and there are others after it")
            break
        numbers = np.frombuffer(data, "<f8", header["numbers"], place)
        records.append(Record(numbers, data[middle - _DIGEST : middle].hex() if checked else None))
        place = end
    return Contents(header, records, place)


def require_same_run(written: dict[str, Any], own: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Raise unless a journal belongs to the run that would go on with it."""
    if found := difference(written, own):
        raise LayoutError(f"the journal {path} is of another run: {found}")
