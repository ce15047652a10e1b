"""Steps: a network unrolled into a line.

Containers are unrolled: `Sequential` into its layers, `Residual` into a save, its body and an addition. Every other
layer is one step, with its own jvp and vjp. The steps that have parameters are the sites, whose outputs are guessed at.
"""

from typing import NamedTuple

from ...nn.containers import Residual, Sequential
from ...nn.norms import BatchNorm, GroupNorm, LayerNorm, RMSNorm

SAVE, SWAP, ADD = "save", "swap", "add"  # x onto the stack; x against its top; the top added to x


class Step(NamedTuple):
    """A layer, and the names of its parameters and buffers: its own to those of the model. Or an operation on the
    stack, which has neither."""

    layer: object
    names: dict


def unrolled(layer, prefix="", places=None):
    """The steps of a layer; ``places`` are the model's names of what stands at each."""
    places = layer.aliases() if places is None else places
    if type(layer).forward is Sequential.forward or hasattr(layer, "enter"):
        entering = [Step(layer, {})] if hasattr(layer, "enter") else []
        return entering + [
            s for name, child in layer.children.items() for s in unrolled(child, f"{prefix}{name}.", places)
        ]
    if type(layer).forward is Residual.forward:
        body = unrolled(layer.children["body"], f"{prefix}body.", places)
        around = layer.children.get("shortcut")
        way = [Step(SWAP, {}), *unrolled(around, f"{prefix}shortcut.", places)] if around is not None else []
        return [Step(SAVE, {}), *body, *way, Step(ADD, {})]
    return [Step(layer, {n: places.get(prefix + n, prefix + n) for n in layer.names()})]


def is_norm(step):
    """Whether the step scales what comes in, and mixes nothing: no weight to guess through."""
    return isinstance(step.layer, (LayerNorm, RMSNorm, GroupNorm, BatchNorm))


def is_site(step):
    """Whether the step has parameters."""
    return bool(step.names) and bool(step.layer.shapes())
