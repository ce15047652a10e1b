"""Files of runs: what they must hold to be gone on with."""

from collections.abc import Mapping
from typing import Any

from ..errors import CheckpointError


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
