"""A tree as JSON, its arrays put aside under numbered names, and the tree of such a description."""

import enum
from collections.abc import Mapping

import numpy as np

from ..backend import is_host, to_numpy
from ..params import Params
from ..tree import is_container

_DEEPEST = 100  # far from the end of Python's stack, so that what was saved can be loaded


def describe(tree, arrays, where, depth):
    """A JSON description of a tree, its arrays put aside under numbered names."""
    if depth > _DEEPEST:
        raise ValueError(f"{where:.60}... is nested more than {_DEEPEST} deep, or contains itself: save it flatter")
    kind = type(tree)
    if kind is Params:
        _require_text(tree, where)
        shapes = {name: [int(n) for n in shape] for name, shape in tree.layout.shapes.items()}
        found = {"params": shapes, "vector": describe(tree.vector, arrays, f"{where}.vector", depth)}
        buffers = describe(tree.buffers, arrays, f"{where}.buffers", depth) if tree.buffers else None
        return found if buffers is None else found | {"buffers": buffers}
    if kind is dict:
        _require_text(tree, where)
        return {"dict": {key: describe(v, arrays, f"{where}[{key!r}]", depth + 1) for key, v in tree.items()}}
    if kind in (list, tuple):
        return {kind.__name__: [describe(v, arrays, f"{where}[{k}]", depth + 1) for k, v in enumerate(tree)]}
    if kind is int and tree.bit_length() > 1024:  # Python does not print the longest
        return {"hex": hex(tree)}
    if kind in (bool, int, float, str, type(None)):
        return {"value": tree}
    if kind is complex:
        return {"complex": [tree.real, tree.imag]}
    name, array = f"array_{len(arrays)}", np.frombuffer(tree, np.uint8) if kind is bytes else _savable(tree)
    if array is None:
        raise TypeError(f"{where} is {_type_in_words(tree)}; {_savable_instead(tree)}")
    arrays[name] = array
    found = {"bytes": name} if kind is bytes else {"array": name, "scalar": isinstance(tree, np.generic)}
    return found | ({"mantissa": np.finfo(array.dtype).nmant} if array.dtype.char in "gG" else {})


def from_description(node, array):
    """The tree of a description; ``array(name)`` reads an array."""
    if "params" in node:
        buffers = from_description(node["buffers"], array) if "buffers" in node else None
        layout = Params.layout_of(node["params"])
        return Params.from_vector(layout, from_description(node["vector"], array), buffers)
    if "dict" in node:
        return {key: from_description(value, array) for key, value in node["dict"].items()}
    if "list" in node:
        return [from_description(value, array) for value in node["list"]]
    if "tuple" in node:
        return tuple(from_description(value, array) for value in node["tuple"])
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


def _savable(tree):
    """The NumPy array of an array or scalar that can be saved and comes back as it was; None of anything else."""
    kind = type(tree)
    if kind is np.ndarray:
        return tree if tree.dtype.kind in "biufcmMSU" else None
    if isinstance(tree, np.generic):
        return np.asarray(tree) if kind is tree.dtype.type and tree.dtype.kind in "biufcmM" else None
    if not is_host(tree) and hasattr(kind, "__array_function__") and hasattr(kind, "get"):  # on a device
        return to_numpy(tree)
    return None


def _type_in_words(tree):
    of = f" of dtype {tree.dtype}" if isinstance(tree, (np.ndarray, np.generic)) else ""
    return f"a {type(tree).__name__}{of}"


def _savable_instead(tree):
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
    if hasattr(tree, "state_dict"):
        return "save its .state_dict()"
    if hasattr(tree, "init") and hasattr(tree, "forward"):
        return "save its parameters: the model is code"
    if is_container(tree):
        return "a checkpoint knows no registered classes: save a dict of its children, and make it of that again"
    return "a checkpoint holds arrays, Params, numbers, text, and dicts, lists and tuples of them"
