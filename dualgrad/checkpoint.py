"""save and load: a tree of arrays, numbers and Params in one ``.npz`` file, written whole or not at all.

The file is an ordinary NumPy archive (no pickle): the arrays under numbered names, and a JSON description of the tree
under ``dualgrad``. It is written beside its target, flushed to the disk and renamed, so a crash leaves the old file.
"""

import contextlib
import json
import os
import secrets
import shutil
import zipfile

import numpy as np

from .backend import is_array, to_numpy
from .errors import CheckpointError
from .params import Layout, Params

_FORMAT = "dualgrad-checkpoint-1"
# RuntimeError: a flipped bit may read as encryption, as an unknown compression, as endless nesting.
_DAMAGE = (
    ValueError, KeyError, EOFError, OSError, TypeError, AttributeError, SyntaxError, RuntimeError, zipfile.BadZipFile,
)  # fmt: skip


def save(path, tree):
    """Write a tree of arrays, Params, numbers, strings, None, lists and dicts to a file, atomically.

    Parameters
    ----------
    path : str or os.PathLike
    tree : dict or other tree
        For example ``{"params": params, "optimizer": optimizer.state_dict(), "rng": rng.state_dict()}``.

    Raises
    ------
    TypeError
        For anything else in the tree (nothing is pickled), naming where; an existing file is kept.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.npz")
    >>> dg.save(path, {"params": dg.Params({"w": np.ones(2)}), "step": 3})
    >>> dg.load(path)
    {'params': Params(w: (2,); 2 entries), 'step': 3}
    """
    arrays = {}
    description = json.dumps({"format": _FORMAT, "tree": _describe(tree, arrays, "tree")})
    path = os.path.realpath(os.fsdecode(path))  # a link keeps pointing at its file
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a directory: give the name of a file")
    partial = f"{path}.{secrets.token_hex(4)}.partial"
    try:
        with open(partial, "xb") as file:
            np.savez(file, dualgrad=np.array(description), **arrays)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, partial)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise
    _sync_directory(os.path.dirname(path))


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


def load(path):
    """Read a tree that `save` wrote.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    CheckpointError
        When the file is damaged, truncated, or not a checkpoint of dualgrad.

    Examples
    --------
    See `save`.

    >>> import dualgrad as dg
    >>> dg.load("no such file.npz")
    Traceback (most recent call last):
    ...
    FileNotFoundError: [Errno 2] No such file or directory: 'no such file.npz'
    """
    try:
        with open(path, "rb") as opened:
            file = np.load(opened, allow_pickle=False)
            if not hasattr(file, "files") or "dualgrad" not in file.files:
                raise CheckpointError(f"{path} is a NumPy file but not a checkpoint of dualgrad: give one of dg.save's")
            with file:
                header = json.loads(str(file["dualgrad"]))
                if header.get("format") != _FORMAT:
                    raise CheckpointError(f"{path} has format {header.get('format')!r}; this version reads {_FORMAT!r}")
                return _rebuild(header["tree"], file)
    except (FileNotFoundError, IsADirectoryError, PermissionError, CheckpointError):
        raise
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path} is damaged, truncated, or not a checkpoint of dualgrad ({type(error).__name__}: {error}); go back "
            "to an older one"
        ) from None


def _describe(tree, arrays, where):
    """A JSON description of a tree, its arrays put aside under numbered names."""
    if isinstance(tree, Params):
        shapes = {name: list(shape) for name, shape in tree.layout.shapes.items()}
        found = {"params": shapes, "vector": _describe(tree.vector, arrays, f"{where}.vector")}
        buffers = _describe(tree.buffers, arrays, f"{where}.buffers") if tree.buffers else None
        return found if buffers is None else found | {"buffers": buffers}
    if isinstance(tree, dict):
        if not all(isinstance(key, str) for key in tree):
            raise TypeError(f"{where} has keys that are not strings: {list(tree)}")
        return {"dict": {key: _describe(value, arrays, f"{where}[{key!r}]") for key, value in tree.items()}}
    if isinstance(tree, (list, tuple)):
        kind = "list" if isinstance(tree, list) else "tuple"
        return {kind: [_describe(value, arrays, f"{where}[{k}]") for k, value in enumerate(tree)]}
    if tree is None or isinstance(tree, (bool, int, float, str)) and not isinstance(tree, np.generic):
        return {"value": tree}
    if is_array(tree) and hasattr(tree, "dtype") and not hasattr(tree, "tangent") and tree.dtype.kind in "biufc":
        name = f"array_{len(arrays)}"
        arrays[name] = to_numpy(tree)
        return {"array": name, "scalar": isinstance(tree, np.generic)}
    raise TypeError(f"{where} is a {type(tree).__name__}; a checkpoint holds arrays, Params, numbers, text and trees")


def _rebuild(node, file):
    if "params" in node:
        buffers = _rebuild(node["buffers"], file) if "buffers" in node else None
        layout = Layout({name: tuple(shape) for name, shape in node["params"].items()})
        return Params.from_vector(layout, _rebuild(node["vector"], file), buffers)
    if "dict" in node:
        return {key: _rebuild(value, file) for key, value in node["dict"].items()}
    if "list" in node:
        return [_rebuild(value, file) for value in node["list"]]
    if "tuple" in node:
        return tuple(_rebuild(value, file) for value in node["tuple"])
    if "array" in node:
        array = file[node["array"]]
        return array[()] if node["scalar"] else array
    return node["value"]
