"""Where in the user's source something happened: the line, and the expression in it."""

import itertools
import linecache
import os
import sys
from typing import NamedTuple

import numpy as np

OURS = tuple(os.path.dirname(file) + os.sep for file in (__file__, np.__file__))
SCIPY = os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "scipy") + os.sep
SPARSE = SCIPY + os.path.join("sparse", "_")  # the private files of scipy.sparse, which make its matrices


class Place(NamedTuple):
    """A line of source."""

    file: str
    line: int
    text: str
    expression: str  # the part of it that was being evaluated
    column: int = 0  # where that begins

    def __str__(self):
        at = f"{os.path.basename(self.file)}:" if os.path.exists(self.file) else "line "
        return f"{at}{self.line}  {self.text}"


def is_within(code, libraries):
    """Whether code belongs to one of the libraries; of compiled Cython there is an ending, or a name of its own."""
    return code.co_filename.startswith(libraries) or code.co_filename.endswith((".pyx", "<stringsource>"))


def outside(frame=None, libraries=OURS):
    """The innermost frame that is not in one of the libraries."""
    frame = frame or sys._getframe(1)
    while frame.f_back and is_within(frame.f_code, libraries):
        frame = frame.f_back
    return frame


def place(frame, at=None):
    """What a frame is evaluating; for a frame of a traceback at the instruction of that time."""
    return place_of(frame.f_code, frame.f_lasti if at is None else at, frame.f_globals)


def place_of(code, at, names=None):
    """The line and the expression of one instruction."""
    first, last, start, stop = next(itertools.islice(code.co_positions(), at // 2, None))
    lines = [linecache.getline(code.co_filename, k, names).encode() for k in range(first or 0, (last or 0) + 1)]
    text, before = " ".join(lines[0].decode().split()), b""
    if start is not None:  # unless Python was told not to keep the columns
        lines[-1] = lines[-1][:stop]
        before, lines[0] = lines[0][:start], lines[0][start:]
    return Place(code.co_filename, first or 0, text, b"".join(lines).decode().strip(), len(before.decode()))
