"""The file: an archive of NumPy's, the arrays under their names and the description of the tree under ``dualgrad``."""

import io
import json
import math
import os
import zipfile

import numpy as np

from ..errors import CheckpointError
from .description import describe, from_description

_FORMATS = "dualgrad-checkpoint-1", "dualgrad-checkpoint-2"  # both are read, and the last is written
_PIECE = 2**18  # bytes read at a time


def arrays_of(tree):
    """What an archive holds of a tree: its arrays, and its description as one more."""
    arrays = {}
    description = json.dumps({"format": _FORMATS[-1], "tree": describe(tree, arrays, "tree", 0)})
    return arrays | {"dualgrad": np.array(description)}


def write(file, arrays):
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read(file, name, max_bytes):
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
                return _read_array(archive, members.pop(f"{key}.npy"))  # each once

            header = json.loads(str(array("dualgrad")))
            if header.get("format") not in _FORMATS:
                raise CheckpointError(
                    f"{name} has format {header.get('format')!r}; this version reads {' and '.join(_FORMATS)}"
                )
            return from_description(header["tree"], array)
    except CheckpointError:
        raise
    except MemoryError as error:
        raise CheckpointError(f"{name} takes more memory than there is, or is damaged ({error})") from None
    except Exception as error:  # a flipped bit may read as anything
        raise CheckpointError(
            f"{name} is damaged, truncated, or not a checkpoint of dualgrad ({type(error).__name__}: {error}); go back "
            "to an older one"
        ) from None


def _read_array(archive, member):
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
