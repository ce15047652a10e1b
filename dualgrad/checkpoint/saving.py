"""save and load, and which files they take."""

import errno
import io
import os
import shutil
import stat
from typing import Any, Protocol, TypeAlias

from ..checks import positive_count
from ..tree import Tree
from .archive import arrays_of, read, write
from .atomic import remove_leftovers, replace, sync_directory

Name: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Writable(Protocol):
    """A file object that takes bytes."""

    def write(self, data: bytes, /) -> Any: ...


class Readable(Protocol):
    """A file object that gives bytes."""

    def read(self, n: int = -1, /) -> bytes: ...


def save(path: Name | Writable, tree: Tree) -> None:
    """Write a tree to a file, atomically: a crash in the middle leaves the old file.

    Parameters
    ----------
    path : str, bytes, os.PathLike or binary file object
        The name of a regular file, new or to be replaced; a symbolic link stays, and the file that it names is
        replaced. A file object, of which only ``write`` is used, is written in place, which is not atomic.
    tree : dict or other tree
        For example ``{"params": params, "optimizer": optimizer.state_dict(), "rng": rng.state_dict()}``: dicts with
        string keys, lists and tuples, 100 deep at most, of Params, arrays and NumPy scalars (numbers and dates; arrays
        of text too), and Python's bool, int, float, complex, str, bytes and None. All come back as they were, with
        type, dtype and byte order, but that arrays of a device come back as NumPy's, an array that stands in two places
        as two, and the memory order of arrays that are neither C nor Fortran contiguous as C.

    Raises
    ------
    TypeError
        For anything else in the tree, subclasses of these included (nothing is pickled), naming where.
    ValueError
        For a tree that is nested more deeply, or contains itself.
    OSError
        For a directory, FIFO, socket or device, and where the file cannot be written. Each time an existing file is
        kept.

    Notes
    -----
    A process killed in mid-save leaves a file ``NAME.*.partial``, which the next save to the same name removes. A
    writer that lives is told by its lock (``flock``); the leftovers of other machines, whose locks may not be seen
    here, are removed an hour after they were last written to. On Windows, and where the file system has no locks, they
    stay.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.npz")
    >>> dg.save(path, {"params": dg.Params({"w": np.ones(2)}), "step": 3})
    >>> dg.load(path)
    {'params': Params(w: (2,); 2 entries), 'step': 3}
    """
    arrays = arrays_of(tree)
    if hasattr(path, "write"):
        _require_binary(path, "writable")
        write(_Sink(path), arrays)
        return
    refuse_special(path)
    given, target = os.fspath(path), os.path.realpath(os.fsdecode(path))  # a link keeps pointing at its file
    if os.path.basename(os.fsdecode(path)) in ("", ".", ".."):
        raise IsADirectoryError(errno.EISDIR, "The name of a folder: give the name of a file", given)
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(errno.ENOENT, "Its folder does not exist, make it first", given)
    try:
        remove_leftovers(target)
        replace(target, lambda file: write(file, arrays))
        sync_directory(os.path.dirname(target))
    except OSError as error:
        raise OSError(error.errno, error.strerror, given) from None


def load(path: Name | Readable, *, max_bytes: int | None = None) -> Any:
    """Read a tree that `save` wrote.

    Parameters
    ----------
    path : str, bytes, os.PathLike or binary file object
        A file object is read as a whole, wherever it stands; one that cannot seek is read to its end.
    max_bytes : int, optional
        The most that the file may take in memory. By default its own size, since `save` does not compress; give more
        for a checkpoint that was compressed later.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    CheckpointError
        When the file is damaged, truncated, not a checkpoint of dualgrad, or takes more than ``max_bytes``.

    Examples
    --------
    See `save`.

    >>> import dualgrad as dg
    >>> dg.load("no such file.npz")
    Traceback (most recent call last):
    ...
    FileNotFoundError: [Errno 2] No such file or directory: 'no such file.npz'
    """
    if max_bytes is not None:
        max_bytes = positive_count("max_bytes", max_bytes, "a number of bytes")
    if hasattr(path, "read"):
        _require_binary(path, "readable")
        return read(path, repr(path), max_bytes)
    refuse_special(path)
    with open(path, "rb") as file:
        return read(file, os.fsdecode(path), max_bytes)


# ---------------------------------------------------------------------- paths and file objects


def refuse_special(path):
    """Refuse what is there and is no regular file."""
    try:
        mode = os.stat(os.fspath(path)).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{os.fsdecode(path)} is a directory: give the name of a file")
    if not stat.S_ISREG(mode):
        kind = "FIFO" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
        raise shutil.SpecialFileError(f"{os.fsdecode(path)} is a {kind}: give the name of a file, or a file object")


def _require_binary(file, able):
    """Refuse a file object that is closed, of text, or not open for this."""
    if getattr(file, "closed", False):
        raise ValueError(f"{file!r} is closed: give one that is open")
    if isinstance(file, io.TextIOBase) or hasattr(file, "encoding"):
        raise TypeError(f"{file!r} is a file of text: open it in binary mode, as 'rb' or 'wb'")
    if hasattr(file, able) and not getattr(file, able)():
        raise ValueError(f"{file!r} is not {able}: open it with mode {'rb' if able == 'readable' else 'wb'!r}")


class _Sink:
    """A file object of which only ``write`` is used, also where that takes less than it was given."""

    def __init__(self, file):
        self.file = file

    def write(self, data):
        rest = data
        while rest:
            taken = self.file.write(rest)
            if taken is None and isinstance(self.file, io.RawIOBase):
                raise BlockingIOError(f"{self.file!r} would block: save to one that waits")
            rest = rest[len(rest) if taken is None else taken :]
        return len(data)

    def flush(self):
        if hasattr(self.file, "flush"):
            self.file.flush()
