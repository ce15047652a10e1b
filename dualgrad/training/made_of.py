"""What models, losses and functions are made of, as plain data: what has to be the same where a run goes on."""

import hashlib
import pickle
import types
from typing import Any

import numpy as np

from ..backend import is_array
from ..nn.layer import Layer
from ..nn.losses import Loss
from ..settings import plain_data, text

_FOLLOWS = {"by_example", "integers", "layers", "takes"}  # attributes of containers that the children make


def made_of(thing: Any) -> Any:
    """A model or a loss as plain data: of this package's every public attribute, of functions what they compute."""
    if isinstance(thing, dict):
        return {name: made_of(part) for name, part in thing.items()}
    if isinstance(thing, types.FunctionType):
        return _function_as_data(thing)
    if not isinstance(thing, (Layer, Loss)) or not _of_this_package(thing):
        return plain_data(thing)
    public = {name: value for name, value in vars(thing).items() if name[0] != "_" and name not in _FOLLOWS}
    return {"kind": getattr(thing, "_known_as", type(thing).__name__)} | {k: made_of(v) for k, v in public.items()}


def _of_this_package(thing):
    return type(thing).__module__.partition(".")[0] == __package__.partition(".")[0]


def _function_as_data(function, within=()):
    """A function by its name, its code, and the numbers, arrays and functions around it."""
    around = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    around += [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    code = hashlib.sha256(_of_code(function.__code__).encode()).hexdigest()[:16]
    around = [_fixed(value, (*within, function.__code__)) for value in around]
    return {"function": function.__qualname__, "code": code, "around": around}


def _is_filled(cell):
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _fixed(value, within):
    """A value that a function uses; of what may change while it runs, such as a list, the type alone."""
    if isinstance(value, types.FunctionType):
        return text(value) if value.__code__ in within else _function_as_data(value, within)
    if value is None or isinstance(value, (bool, int, float, str, tuple, np.generic)) or is_array(value):
        return plain_data(value)
    return made_of(value) if isinstance(value, (Layer, Loss)) else type(value).__name__


def _of_code(code):
    """What code does, without where it stands."""
    constants = [_of_code(c) if isinstance(c, types.CodeType) else text(c) for c in code.co_consts]
    return repr((code.co_code, code.co_names, code.co_varnames, constants))


def snapshot(thing: Any) -> Any:
    """What tells whether an object has changed."""
    try:
        return pickle.dumps(thing)
    except Exception:  # local classes, and whatever else no pickle takes
        return repr(plain_data(getattr(thing, "__dict__", None)))
