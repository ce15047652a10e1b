"""save and load: a tree of arrays, numbers and Params in one ``.npz`` file, written whole or not at all.

The file is an ordinary NumPy archive (no pickle): the arrays under numbered names, and a JSON description of the tree
under ``dualgrad``. It is written beside its target, flushed to the disk and renamed, so a crash leaves the old file.
"""

import contextlib
import enum
import errno
import io
import json
import math
import os
import platform
import re
import secrets
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from ..backend import is_host, to_numpy
from ..checks import positive_count
from ..errors import CheckpointError
from ..params import Layout, Params

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_FORMATS = "dualgrad-checkpoint-1", "dualgrad-checkpoint-2"  # both are read, and the last is written
_DEEPEST = 100  # far from the end of Python's stack, so that what was saved can be loaded
_PIECE = 2**18  # bytes read at a time


def save(path, tree):
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
    arrays = {}
    description = json.dumps({"format": _FORMATS[-1], "tree": _describe(tree, arrays, "tree", 0)})
    arrays["dualgrad"] = np.array(description)
    if hasattr(path, "write"):
        _require_binary(path, "writable")
        _write(_Sink(path), arrays)
        return
    _refuse_special(path)
    given, target = os.fspath(path), os.path.realpath(os.fsdecode(path))  # a link keeps pointing at its file
    if os.path.basename(os.fsdecode(path)) in ("", ".", ".."):
        raise IsADirectoryError(errno.EISDIR, "The name of a folder: give the name of a file", given)
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(errno.ENOENT, "Its folder does not exist, make it first", given)
    try:
        _remove_leftovers(target)
        _replace(target, arrays)
        _sync_directory(os.path.dirname(target))
    except OSError as error:
        raise OSError(error.errno, error.strerror, given) from None


def load(path, *, max_bytes=None):
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
        return _read(path, repr(path), max_bytes)
    _refuse_special(path)
    with open(path, "rb") as file:
        return _read(file, os.fsdecode(path), max_bytes)


# ---------------------------------------------------------------------- the tree


def _describe(tree, arrays, where, depth):
    """A JSON description of a tree, its arrays put aside under numbered names."""
    if depth > _DEEPEST:
        raise ValueError(f"{where:.60}... is nested more than {_DEEPEST} deep, or contains itself: save it flatter")
    kind = type(tree)
    if kind is Params:
        _require_text(tree, where)
        shapes = {name: [int(n) for n in shape] for name, shape in tree.layout.shapes.items()}
        found = {"params": shapes, "vector": _describe(tree.vector, arrays, f"{where}.vector", depth)}
        buffers = _describe(tree.buffers, arrays, f"{where}.buffers", depth) if tree.buffers else None
        return found if buffers is None else found | {"buffers": buffers}
    if kind is dict:
        _require_text(tree, where)
        return {"dict": {key: _describe(v, arrays, f"{where}[{key!r}]", depth + 1) for key, v in tree.items()}}
    if kind in (list, tuple):
        return {kind.__name__: [_describe(v, arrays, f"{where}[{k}]", depth + 1) for k, v in enumerate(tree)]}
    if kind is int and tree.bit_length() > 1024:  # Python does not print the longest
        return {"hex": hex(tree)}
    if kind in (bool, int, float, str, type(None)):
        return {"value": tree}
    if kind is complex:
        return {"complex": [tree.real, tree.imag]}
    name, array = f"array_{len(arrays)}", np.frombuffer(tree, np.uint8) if kind is bytes else _plain(tree)
    if array is None:
        raise TypeError(f"{where} is {_named(tree)}; {_cure(tree)}")
    arrays[name] = array
    found = {"bytes": name} if kind is bytes else {"array": name, "scalar": isinstance(tree, np.generic)}
    return found | ({"mantissa": np.finfo(array.dtype).nmant} if array.dtype.char in "gG" else {})


def _rebuild(node, array):
    """The tree of a description; ``array(name)`` reads an array."""
    if "params" in node:
        buffers = _rebuild(node["buffers"], array) if "buffers" in node else None
        layout = Layout({name: tuple(shape) for name, shape in node["params"].items()})
        return Params.from_vector(layout, _rebuild(node["vector"], array), buffers)
    if "dict" in node:
        return {key: _rebuild(value, array) for key, value in node["dict"].items()}
    if "list" in node:
        return [_rebuild(value, array) for value in node["list"]]
    if "tuple" in node:
        return tuple(_rebuild(value, array) for value in node["tuple"])
    if "hex" in node:
        return int(node["hex"], 16)
    if "complex" in node:
        return complex(*node["complex"])
    if "bytes" in node:
        return array(node["bytes"]).tobytes()
    if "array" in node:
        found = array(node["array"])
        if "mantissa" in node and np.finfo(found.dtype).nmant != node["mantissa"]:
            raise ValueError(f"its {found.dtype} was written on another kind of machine")
        return found[()] if node["scalar"] else found
    return node["value"]


def _require_text(tree, where):
    if not all(type(key) is str for key in tree):
        raise TypeError(f"{where} has keys that are not strings: {list(tree)!r:.200}")


def _plain(tree):
    """The NumPy array of an array or scalar that can be saved and comes back as it was; None of anything else."""
    kind = type(tree)
    if kind is np.ndarray:
        return tree if tree.dtype.kind in "biufcmMSU" else None
    if isinstance(tree, np.generic):
        return np.asarray(tree) if kind is tree.dtype.type and tree.dtype.kind in "biufcmM" else None
    if not is_host(tree) and hasattr(kind, "__array_function__") and hasattr(kind, "get"):  # on a device
        return to_numpy(tree)
    return None


def _named(tree):
    of = f" of dtype {tree.dtype}" if isinstance(tree, (np.ndarray, np.generic)) else ""
    return f"a {type(tree).__name__}{of}"


def _cure(tree):
    """What to save in its place."""
    kind = type(tree)
    if hasattr(kind, "_asdict"):
        return "save its ._asdict()"
    if isinstance(tree, np.ma.MaskedArray):
        return "save its .data and its .mask"
    if isinstance(tree, (np.ndarray, np.void)) and tree.dtype.names:
        return "save its fields, one by one"
    if isinstance(tree, enum.Enum):
        return "save its .value"
    for base in (bool, int, float, complex, str, bytes, list, tuple, dict):
        if isinstance(tree, base):
            return f"save {base.__name__}(...) of it"
    if isinstance(tree, Mapping):
        return "save dict(...) of it"
    if kind is not np.ndarray and hasattr(kind, "__array__") and not hasattr(kind, "tangent"):
        return "save np.asarray(...) of it"
    return "a checkpoint holds arrays, Params, numbers, text and trees"


# ---------------------------------------------------------------------- the archive


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


def _require_binary(file, able):
    """Refuse a file object that is closed, of text, or not open for this."""
    if getattr(file, "closed", False):
        raise ValueError(f"{file!r} is closed: give one that is open")
    if isinstance(file, io.TextIOBase) or hasattr(file, "encoding"):
        raise TypeError(f"{file!r} is a file of text: open it in binary mode, as 'rb' or 'wb'")
    if hasattr(file, able) and not getattr(file, able)():
        raise ValueError(f"{file!r} is not {able}: open it with mode {'rb' if able == 'readable' else 'wb'!r}")


def _write(file, arrays):
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read(file, name, max_bytes):
    """The tree in a file; nothing is read before its size is judged."""
    try:
        if not (hasattr(file, "seekable") and file.seekable()):
            file = io.BytesIO(file.read())
        file.seek(0, os.SEEK_END)
        size = file.tell()
        if not size:
            raise EOFError("it is empty")
        with zipfile.ZipFile(file) as archive:
            members = {member.filename: member for member in archive.infolist()}
            declared = sum(member.file_size for member in members.values())
            if declared > (size if max_bytes is None else max_bytes):
                allowed = "dg.save does not compress" if max_bytes is None else f"max_bytes={max_bytes} was given"
                raise CheckpointError(
                    f"{name} has {size:,} bytes and takes {declared:,} in memory, but {allowed}: if you trust it, "
                    f"load(..., max_bytes={declared})"
                )
            if "dualgrad.npy" not in members:
                raise CheckpointError(f"{name} is a NumPy file but not a checkpoint of dualgrad: give one of dg.save's")

            def array(key):
                return _array(archive, members.pop(f"{key}.npy"))  # each once

            header = json.loads(str(array("dualgrad")))
            if header.get("format") not in _FORMATS:
                raise CheckpointError(
                    f"{name} has format {header.get('format')!r}; this version reads {' and '.join(_FORMATS)}"
                )
            return _rebuild(header["tree"], array)
    except CheckpointError:
        raise
    except MemoryError as error:
        raise CheckpointError(f"{name} takes more memory than there is, or is damaged ({error})") from None
    except Exception as error:  # a flipped bit may read as anything
        raise CheckpointError(
            f"{name} is damaged, truncated, or not a checkpoint of dualgrad ({type(error).__name__}: {error}); go back "
            "to an older one"
        ) from None


def _array(archive, member):
    """An array of the archive, for which memory is taken by the bytes that are there, not by those it promises."""
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("an array in a version of NumPy's format that dg.save does not write")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        left = member.file_size - file.tell()
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which would need pickle")
        if math.prod(shape) * dtype.itemsize != left:
            raise ValueError(f"an array of shape {shape} and dtype {dtype} in {left:,} bytes")
        data = np.empty(left, np.uint8)
        for start in range(0, left, _PIECE):
            if file.readinto(data[start : start + _PIECE]) != min(_PIECE, left - start):
                raise EOFError("the file ends within an array")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")


# ---------------------------------------------------------------------- the place


def _refuse_special(path):
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


_written = set()  # the partial files of this process: over NFS its threads share its locks


def _machine():
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _replace(target, arrays):
    """Write beside the target and rename; the file is locked until then, and removed when that fails."""
    while True:
        partial = f"{target}.{_machine()}{secrets.token_hex(4)}.partial"
        _written.add(partial)
        try:
            with open(partial, "xb") as file:
                if fcntl:
                    with contextlib.suppress(OSError):  # no locks here: then nobody removes it
                        fcntl.flock(file, fcntl.LOCK_EX)
                    if not os.path.exists(partial):  # removed as a leftover before it was locked
                        continue
                _write(file, arrays)
                file.flush()
                os.fsync(file.fileno())
                if os.path.exists(target):
                    shutil.copymode(target, partial)
                if not fcntl:
                    file.close()  # Windows renames no open file
                os.replace(partial, target)
                return
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
            raise
        finally:
            _written.discard(partial)


def _remove_leftovers(target):
    """Remove the partial files of this target whose writers are dead: nobody holds their locks."""
    folder, name = os.path.split(target)
    pattern = re.compile(re.escape(name) + r"\.([0-9a-f]{8})?[0-9a-f]{8}\.partial")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries if fcntl else ():
            found = pattern.fullmatch(entry.name)
            if not found or entry.path in _written or not entry.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(OSError), open(entry.path, "rb+") as file:
                if found[1] == _machine() or time.time() - os.fstat(file.fileno()).st_mtime > 3600:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)


def _sync_directory(directory):
    """Make the rename itself durable, where the system allows a directory to be opened."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
