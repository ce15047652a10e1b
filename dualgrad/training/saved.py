"""Files of runs: parameters as they stand in them, and what they must hold to be gone on with."""

from collections.abc import Mapping
from typing import Any

from ..backend import like, to_numpy
from ..errors import CheckpointError
from ..params import Params
from ..tree import leaves


def arrays_of_params(params: Any) -> list[Any]:
    """The arrays that parameters are made of: the vector of Params, the leaves of another tree."""
    return [params.vector] if isinstance(params, Params) else leaves(params)


def params_as_saved(params: Any) -> dict[str, Any]:
    """Parameters as plain data: copies of their arrays in order, and of their buffers."""
    buffers = params.buffers if isinstance(params, Params) else {}
    saved = {name: to_numpy(b).copy() for name, b in buffers.items()}
    return {"arrays": [to_numpy(a).copy() for a in arrays_of_params(params)], "buffers": saved}


def write_params(params: Any, saved: Mapping[str, Any]) -> None:
    """Put saved numbers into parameters."""
    for array, value in zip(arrays_of_params(params), saved["arrays"], strict=True):
        array[...] = like(value, array)
    for name, value in saved["buffers"].items():
        params.buffers[name][...] = like(value, params.buffers[name])


def require_saved(state: Any, name: str, call: str, fields: Mapping[str, Any], callbacks: int) -> None:
    """Raise unless what a file holds is the state of a run of this call, ``"fit"`` or ``"online.fit"``, with so many
    callbacks that have a state."""
    if not isinstance(state, dict) or state.get("kind") != f"dualgrad.{call}":
        raise CheckpointError(f"{name} is no checkpoint of {call}: give another path")
    if state.get("version") != 1:
        raise CheckpointError(f"{name} is of version {state.get('version')!r}; this dualgrad knows 1: is it newer?")
    if broken := [key for key, kind in fields.items() if not isinstance(state.get(key, ...), kind)]:
        raise CheckpointError(f"{name} is damaged: it has no {broken[0]} as {call} saves it; go back to an older one")
    if len(state["callbacks"]) != callbacks:
        raise CheckpointError(
            f"{name} has the states of {len(state['callbacks'])} callbacks; {callbacks} of this call have state_dict "
            "and load_state_dict: give the same"
        )
