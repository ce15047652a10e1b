"""What a saved state must fit: the settings of the object that goes on from it, and the layout of its parameters."""

import hashlib
import inspect
import re
from collections.abc import Mapping

import numpy as np

from .backend import is_array, to_numpy
from .errors import LayoutError
from .tree import flatten, paths


def settings(thing, without=()):
    """What an object was made with, as plain data: the arguments of its constructor by name, arrays by a digest.

    A class keeps its arguments under their own names; of one that does not, its repr stands for them. A rate of what
    has a state of its own is left out: it is in the state.
    """
    names = [name for name in inspect.signature(type(thing)).parameters if name not in without]
    if hasattr(thing, "load_state_dict"):
        names = [name for name in names if name != "lr"]
    if not all(hasattr(thing, name) for name in names):
        return {"kind": type(thing).__name__, "repr": _repr(thing)}
    return {"kind": type(thing).__name__} | {name: plain(getattr(thing, name)) for name in names}


def plain(value):
    """A value as plain data that can be compared: arrays by a digest, objects by their settings or their repr."""
    if value is None or isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if is_array(value):
        host = np.ascontiguousarray(to_numpy(value))
        return f"{host.dtype}{list(host.shape)} {hashlib.sha256(host.tobytes()).hexdigest()[:16]}"
    if type(value).__module__.partition(".")[0] == __package__ and not callable(value):
        return settings(value)
    return _repr(value)


def _repr(value):
    """A repr without addresses, which change from run to run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def layout_of(tree):
    """The names and shapes of the leaves of a tree, in order."""
    leaves, structure = flatten(tree)
    return {name: np.shape(leaf) for name, leaf in zip(paths(structure), leaves, strict=True)}


def difference(saved, mine, where=""):
    """Where plain data that was saved differs from one's own, in words; empty where it does not."""
    if isinstance(saved, dict) and isinstance(mine, dict):
        found = [f"no {where}{key}" for key in mine if key not in saved]
        found += [f"{where}{key}={saved[key]!r}, unknown here" for key in saved if key not in mine]
        for key in (key for key in mine if key in saved):
            inside = isinstance(saved[key], dict) and isinstance(mine[key], dict)
            found += [difference(saved[key], mine[key], f"{where}{key}." if inside else f"{where}{key}".rstrip("."))]
        if not any(found) and list(saved) != list(mine):
            found = [f"{where.rstrip('.')} in the order {list(saved)} (here {list(mine)})".strip()]
        return ", ".join(filter(None, found))
    if isinstance(saved, (list, tuple)) and isinstance(mine, (list, tuple)):
        same = len(saved) == len(mine) and not any(difference(a, b) for a, b in zip(saved, mine, strict=True))
    else:
        same = type(saved) is type(mine) and saved == mine
    return "" if same else f"{where}={saved!r} (here {mine!r})"


def require_same(thing, what, saved, mine):
    """Raise where saved plain data differs from one's own, naming the differences."""
    if found := difference(saved, mine):
        raise LayoutError(f"the saved state does not fit {thing!r}: its {what} has {found}")


def require_keys(thing, state, keys):
    """Raise unless a state is a dict of these keys."""
    if not isinstance(state, dict) or set(state) != set(keys):
        given = sorted(map(str, state)) if isinstance(state, dict) else type(state).__name__
        raise LayoutError(f"{thing!r} expects a state of {sorted(keys)}; got {given}")
