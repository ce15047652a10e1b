"""What a saved state must fit: the settings of the object that goes on from it, and the layout of its parameters."""

import hashlib
import inspect
import re
import reprlib
import sys
from collections.abc import Mapping

import numpy as np

from .backend import is_array, to_numpy
from .checks import count
from .errors import LayoutError
from .layout import Layout
from .tree import leaves


def settings(thing, without=(), above=()):
    """What an object was made with, as plain data: the arguments of its constructor by name, arrays by a digest.

    A class keeps its arguments under their own names; of one that does not, its repr stands for them. One that hands
    on ``*args`` or ``**kwargs`` has the arguments of the class it hands them to. A rate of what has a state of its own
    is left out: it is in the state. So are ``circumstances``, arguments that make no difference to what comes out.
    """
    without = (*without, *getattr(thing, "circumstances", ()))
    names, kind = _arguments(thing, without), getattr(thing, "_known_as", type(thing).__name__)
    if names is None:
        return {"kind": kind, "repr": text(thing)}
    above, rate = (*above, id(thing)), "lr" if hasattr(thing, "load_state_dict") else None
    kept = {name: plain_data(getattr(thing, name), above) for name in names if name != rate}
    return {"kind": kind} | kept


def _arguments(thing, without):
    """The names of the constructor's arguments; None where the object does not keep them."""
    names = []
    for cls in type(thing).__mro__:
        arguments = [a for a in inspect.signature(cls).parameters.values() if a.name not in without]
        handed_on = {a.name for a in arguments if a.kind in (a.VAR_POSITIONAL, a.VAR_KEYWORD)}
        missing = {a.name for a in arguments if not hasattr(thing, a.name) or a.kind is a.VAR_KEYWORD}
        names += [a.name for a in arguments if a.name not in missing and a.name not in names]
        if not missing:
            return names
        if _is_builtin(cls) or not missing <= handed_on:
            return None
    return None


def call_of(thing, named=()):
    """A repr: the call that makes a thing. Arguments without a default stand in their places, others by name where they
    differ from it; ``named`` ones always stand there, by name, circumstances never. Of arrays and trees of them, and of
    what is not kept, only that there is some."""
    said, named_before = [], False
    for name, argument in inspect.signature(type(thing)).parameters.items():
        if name in getattr(thing, "circumstances", ()):
            continue
        value, needed = getattr(thing, name, ...), argument.default is argument.empty
        text = "..." if value is ... or any(map(is_array, leaves(value))) else repr(value)
        by_name = name in named or argument.kind is argument.KEYWORD_ONLY or named_before
        if argument.kind is argument.VAR_POSITIONAL and isinstance(value, (tuple, list)):
            said += map(repr, value)
        elif by_name and (needed or name in named) or not needed and text != repr(argument.default):
            said.append(f"{name}={text}")
            named_before = True
        elif needed:
            said.append(text)
    return f"{type(thing).__name__}({', '.join(said)})"


def plain_data(value, above=()):
    """A value as plain data that can be compared: arrays by a digest, objects by their settings or their repr.

    It is the same in every process: sets are sorted, and what holds itself (``above`` are those around it) is cut.
    """
    if value is None or isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if id(value) in above:
        return "..."
    within = (*above, id(value))
    if isinstance(value, Mapping):
        return {str(key): plain_data(v, within) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(v, within) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain_data(v, within) for v in value), key=repr)
    if is_array(value):
        host = np.ascontiguousarray(to_numpy(value))
        return f"{host.dtype}{list(host.shape)} {hashlib.sha256(host.tobytes()).hexdigest()[:16]}"
    if any(map(_is_builtin, type(value).__mro__)) and not inspect.isroutine(value) and not isinstance(value, type):
        return settings(value, above=above)
    return text(value)


def fingerprint(value):
    """Sixteen hexadecimal digits that tell values apart whose plain data differ, the same in every process."""
    return hashlib.blake2b(repr(plain_data(value)).encode(), digest_size=8).hexdigest()


def _is_builtin(cls):
    return cls.__module__.partition(".")[0] == __package__


class _Text(reprlib.Repr):
    """The whole of a repr, six levels of containers deep, with sets in order."""

    def __init__(self):
        super().__init__()
        for name in vars(self):
            if name.startswith("max") and name != "maxlevel":
                setattr(self, name, sys.maxsize)

    def repr_set(self, value, level):
        entries = ", ".join(sorted(self.repr1(entry, level - 1) for entry in value)) if level > 0 else "..."
        return f"{{{entries}}}" if value else "set()"

    def repr_frozenset(self, value, level):
        return f"frozenset({self.repr_set(value, level) if value else ''})"


_TEXT = _Text()


def text(value):
    """A repr that is the same in every process: without addresses, sets sorted, modules by name."""
    if inspect.ismodule(value):
        return value.__name__
    return re.sub(r" at 0x[0-9a-fA-F]+", "", _TEXT.repr(value))


def layout_of(tree):
    """The names and shapes of the leaves of a tree, in order."""
    return Layout.of(tree).named


def difference(saved, current, where=""):
    """Where plain data that was saved differs from one's own, in words; empty where it does not."""
    if isinstance(saved, dict) and isinstance(current, dict):
        dot = f"{where}." if where else ""
        found = [f"no {dot}{key}" for key in current if key not in saved]
        found += [f"{dot}{key}={saved[key]!r}, unknown here" for key in saved if key not in current]
        found += [difference(saved[key], current[key], (dot + key).rstrip(".")) for key in current if key in saved]
        if not any(found) and list(saved) != list(current):
            found = [f"{where} in the order {list(saved)} (here {list(current)})".strip()]
        return ", ".join(filter(None, found))
    if isinstance(saved, (list, tuple)) and isinstance(current, (list, tuple)) and len(saved) == len(current):
        if not any(isinstance(one, dict) for one in current):
            return "" if not any(map(difference, saved, current)) else f"{where}={saved!r} (here {current!r})"
        pairs = enumerate(zip(saved, current, strict=True))
        return ", ".join(filter(None, (difference(a, b, f"{where}[{k}]") for k, (a, b) in pairs)))
    alike = isinstance(saved, bool) == isinstance(current, bool)  # 1 is not True
    return "" if not is_array(saved) and saved == current and alike else f"{where}={saved!r} (here {current!r})"


def layouts_differ(before, now):
    """How names and shapes differ, in words; beside ``shapes`` there may be another word of what they are ``of``."""
    if before.get("of") != now.get("of"):
        return f"they were {before['of']}, and these are {now['of']}"
    old, new = before["shapes"], now["shapes"]
    found = [f"{name} {old[name]} is missing" for name in old if name not in new]
    found += [f"{name} {new[name]} is new" for name in new if name not in old]
    found += [f"{name} was {old[name]} and is {new[name]}" for name in old if name in new and old[name] != new[name]]
    return ", ".join(found) or f"their order was {', '.join(old)} and is {', '.join(new)}"


def require_fit(thing, what, saved, current):
    """Raise where saved plain data differs from one's own, naming the differences."""
    if found := difference(saved, current):
        raise LayoutError(f"the saved state does not fit {thing!r}: its {what} has {found}")


def saved_count(state, name, what):
    """A count in a saved state, as an int."""
    try:
        return count(name, state[name])
    except ValueError:
        raise LayoutError(f"the saved state has {name}={state[name]!r}; expected how many {what}") from None


def versioned(thing, state):
    """A state to be saved, with its version."""
    return {"version": 1 + len(thing.grown)} | state


def known_state(thing, state, keys):
    """A saved state of these keys, without its version; what one of an earlier version lacks is filled in.

    ``thing.grown`` holds what states have gained, a dict of names and values for every version after the first. What
    was saved before there were versions is of the first.

    Raises
    ------
    LayoutError
        For what is no dict, has other keys, or is of a later version.
    """
    known = of_this_version(thing, state)
    if set(known) != set(keys):
        given = sorted(str(key) for key in state if key != "version")
        raise LayoutError(f"{thing!r} expects a state of {sorted(keys)}; got {given}")
    return known


def of_this_version(thing, state):
    """The same, whatever its keys."""
    if not isinstance(state, dict):
        raise LayoutError(f"{thing!r} expects a state, a dict of state_dict(); got a {type(state).__name__}")
    version, latest = state.get("version", 1), 1 + len(thing.grown)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= latest:
        raise LayoutError(
            f"the saved state of {type(thing).__name__} is of version {version!r}; this dualgrad knows those up to "
            f"{latest}: was it saved by a later one?"
        )
    gained = {name: value for more in thing.grown[version - 1 :] for name, value in more.items()}
    return gained | {name: value for name, value in state.items() if name != "version"}
