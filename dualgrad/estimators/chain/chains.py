"""The chains of a bound objective: one to its loss, or one to each local loss of a `LocalMixer`."""

from typing import NamedTuple

import numpy as np

from ...errors import DualgradError
from ...nn.local_mixer import LocalMixer
from ...nn.losses import cross_entropy
from ...nn.norms import BatchNorm
from ...nn.pooling import GlobalAvgPool2d
from ...nn.recurrent import Recurrent
from ...nn.shape import Reshape
from .steps import Step, is_site, unrolled


class Chain(NamedTuple):
    """Steps from an input to a loss.

    Attributes
    ----------
    steps : list of Step
    trunk : int
        How many of them lead to the next chain; the others to this one's loss alone.
    loss : callable
        ``loss(z) -> value, dL/dz``
    """

    steps: list
    trunk: int
    loss: object


def chains_of(estimator, objective, local=False):
    """The chains of a bound objective: one to its loss, or with ``local`` one to each local loss of its model.

    Raises
    ------
    DualgradError
        When a layer couples examples, so that no example has a slope of its own, or a loss has no derivative.
    """
    if not hasattr(objective.loss, "vjp"):
        raise DualgradError(
            f"{estimator!r} needs the derivative of the loss {objective.loss!r}: use one of dualgrad.nn"
        )
    if local:
        if not isinstance(objective.model, LocalMixer):
            raise DualgradError(
                f"{objective.model!r} has no local losses: leave local out, or take nn.networks.LocalMixer"
            )
        if objective.loss is not cross_entropy:
            raise DualgradError(
                f"the local losses are nn.cross_entropy; got the loss {objective.loss!r}: bind that one"
            )
        if objective.weights is not None:
            raise DualgradError(
                f"{estimator!r} with local=True takes no weights of examples: bind without weights=, and leave out the "
                "examples of weight 0"
            )
        chains = list(_local(objective.model, objective.y))
    else:
        steps = unrolled(objective.model)
        weighted = objective.loss_keywords()
        loss = lambda z: _value_and_gradient(objective.loss, z, objective.y, **weighted)  # noqa: E731
        chains = [Chain(steps, len(steps), loss)]
    training = bool(objective.kwargs.get("train"))
    for chain in chains:
        for step in chain.steps:
            for layer in _inner(step.layer):
                if isinstance(layer, BatchNorm) and training:
                    raise DualgradError(
                        f"{estimator!r} takes a slope for every example, and {layer!r} in training couples them: bind "
                        "without train=True, or use LayerNorm or GroupNorm"
                    )
                if isinstance(layer, Recurrent):
                    raise DualgradError(f"{estimator!r} has no rule for {layer!r}, whose examples are its second axis")
    if not any(is_site(step) for chain in chains for step in chain.steps):
        raise DualgradError(f"{objective.model!r} has no layer with parameters to guess the gradient of")
    return chains


def _local(model, y):
    """A chain to each block's own loss, and one to the last layer's; each begins where the trunk of another ended."""
    (entry, embedding, *blocks), tail = (
        list(model.children)[: 2 + model.blocks],
        list(model.children)[2 + model.blocks :],
    )
    steps = [
        Step(model, {}),
        *unrolled(model.children[entry], f"{entry}."),
        *unrolled(model.children[embedding], f"{embedding}."),
    ]
    channels = model.heads[0].in_channels
    pooled = [
        Step(Reshape(model.grid, model.grid, channels), {}),
        Step(GlobalAvgPool2d(), {}),
        Step(Reshape(1, channels), {}),
    ]
    for k, (name, head) in enumerate(zip(blocks, model.heads, strict=True)):
        steps += unrolled(model.children[name], f"{name}.")
        own = [Step(head, {n: f"heads.{k}.{n}" for n in head.shapes()}), Step(Reshape(model.groups, model.classes), {})]
        targets = np.repeat(y[:, None], model.groups, axis=1)
        yield Chain(
            [*steps, *pooled, *own],
            len(steps),
            lambda z, targets=targets: _value_and_gradient(cross_entropy, z, targets),
        )
        steps = []
    last = [step for name in tail for step in unrolled(model.children[name], f"{name}.")]
    yield Chain(last, len(last), lambda z: _value_and_gradient(cross_entropy, z, y))


def _inner(layer):
    yield layer
    for child in getattr(layer, "children", {}).values():
        yield from _inner(child)


def _value_and_gradient(loss, z, y, **weighted):
    value, pull = loss.vjp(z, y, **weighted)
    return value, pull(1.0)
