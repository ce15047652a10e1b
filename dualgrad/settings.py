"""What a saved state must fit: the settings of the object that goes on from it, and the layout of its parameters."""

import hashlib
import inspect
import re
from collections.abc import Mapping

import numpy as np

from .backend import is_array, to_numpy
from .errors import LayoutError
from .params import Params
from .tree import flatten, paths


def settings(thing, without=()):
    """What an object was made with, as plain data: the arguments of its constructor by name, arrays by a digest.

    A class keeps its arguments under their own names; of one that does not, its repr stands for them. A rate of what
    has a state of its own is left out: it is in the state.
    """
    arguments = inspect.signature(type(thing)).parameters
    names = [name for name in arguments if name not in without]
    if hasattr(thing, "load_state_dict"):
        names = [name for name in names if name != "lr"]
    if not all(hasattr(thing, name) and arguments[name].kind is not inspect.Parameter.VAR_KEYWORD for name in names):
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
    ours = type(value).__module__.partition(".")[0] == __package__
    if ours and not inspect.isroutine(value) and not isinstance(value, type):
        return settings(value)
    return _repr(value)


def _repr(value):
    """A repr without addresses, which change from run to run."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def layout_of(tree):
    """The names and shapes of the leaves of a tree, in order."""
    if isinstance(tree, Params):
        return {f"[{name!r}]": shape for name, shape in tree.layout.shapes.items()}
    leaves, structure = flatten(tree)
    return {name: np.shape(leaf) for name, leaf in zip(paths(structure), leaves, strict=True)}


def difference(saved, mine, where=""):
    """Where plain data that was saved differs from one's own, in words; empty where it does not."""
    if isinstance(saved, dict) and isinstance(mine, dict):
        dot = f"{where}." if where else ""
        found = [f"no {dot}{key}" for key in mine if key not in saved]
        found += [f"{dot}{key}={saved[key]!r}, unknown here" for key in saved if key not in mine]
        found += [difference(saved[key], mine[key], (dot + key).rstrip(".")) for key in mine if key in saved]
        if not any(found) and list(saved) != list(mine):
            found = [f"{where} in the order {list(saved)} (here {list(mine)})".strip()]
        return ", ".join(filter(None, found))
    if isinstance(saved, (list, tuple)) and isinstance(mine, (list, tuple)) and len(saved) == len(mine):
        if not any(isinstance(one, dict) for one in mine):
            return "" if not any(map(difference, saved, mine)) else f"{where}={saved!r} (here {mine!r})"
        pairs = enumerate(zip(saved, mine, strict=True))
        return ", ".join(filter(None, (difference(a, b, f"{where}[{k}]") for k, (a, b) in pairs)))
    same = saved == mine and isinstance(saved, bool) == isinstance(mine, bool)  # 1 is 1.0, and not True
    return "" if same else f"{where}={saved!r} (here {mine!r})"


def layouts_differ(before, now):
    """How names and shapes differ, in words; beside ``shapes`` there may be another word of what they are ``of``."""
    if before.get("of") != now.get("of"):
        return f"they were {before['of']}, and these are {now['of']}"
    old, new = before["shapes"], now["shapes"]
    found = [f"{name} {old[name]} is missing" for name in old if name not in new]
    found += [f"{name} {new[name]} is new" for name in new if name not in old]
    found += [f"{name} was {old[name]} and is {new[name]}" for name in old if name in new and old[name] != new[name]]
    return ", ".join(found) or f"their order was {', '.join(old)} and is {', '.join(new)}"


def require_same(thing, what, saved, mine):
    """Raise where saved plain data differs from one's own, naming the differences."""
    if found := difference(saved, mine):
        raise LayoutError(f"the saved state does not fit {thing!r}: its {what} has {found}")


def require_keys(thing, state, keys):
    """Raise unless a state is a dict of these keys."""
    if not isinstance(state, dict) or set(state) != set(keys):
        given = sorted(map(str, state)) if isinstance(state, dict) else type(state).__name__
        raise LayoutError(f"{thing!r} expects a state of {sorted(keys)}; got {given}")
