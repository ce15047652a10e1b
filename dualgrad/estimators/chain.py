"""Chain: a network as a line of steps, walked with its values ahead of its tangents; what guessing looks into.

Containers are unrolled: `Sequential` into its layers, `Residual` into a save, its body and an addition. Every other
layer is one step, with its own jvp and vjp. The steps that have parameters are the sites, whose outputs are guessed at.
"""

from typing import NamedTuple

import numpy as np

from ..errors import DualgradError, ShapeError
from ..nn.attention import Transposed
from ..nn.containers import Residual, Sequential
from ..nn.layer import with_buffers
from ..nn.linear import Linear
from ..nn.losses import cross_entropy
from ..nn.networks import LocalMixer
from ..nn.norms import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from ..nn.pooling import GlobalAvgPool2d
from ..nn.recurrent import Recurrent
from ..nn.shape import Reshape
from ..params import Params
from ..scratch import empty_like
from ..zero import ZERO

SAVE, SWAP, ADD = "save", "swap", "add"  # x onto the stack; x against its top; the top added to x


class Step(NamedTuple):
    """A layer, and the names of its parameters and buffers: its own to those of the model. Or an operation on the
    stack, which has neither."""

    layer: object
    names: dict


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


def unrolled(layer, prefix=""):
    """The steps of a layer."""
    if type(layer).forward is Sequential.forward or hasattr(layer, "enter"):
        entering = [Step(layer, {})] if hasattr(layer, "enter") else []
        return entering + [s for name, child in layer.children.items() for s in unrolled(child, f"{prefix}{name}.")]
    if type(layer).forward is Residual.forward:
        body = unrolled(layer.children["body"], f"{prefix}body.")
        around = layer.children.get("shortcut")
        way = [Step(SWAP, {}), *unrolled(around, f"{prefix}shortcut.")] if around is not None else []
        return [Step(SAVE, {}), *body, *way, Step(ADD, {})]
    return [Step(layer, {n: prefix + n for n in layer.names()})]


def is_norm(step):
    """Whether the step scales what comes in, and mixes nothing: no weight to guess through."""
    return isinstance(step.layer, (LayerNorm, RMSNorm, GroupNorm, BatchNorm))


def is_site(step):
    """Whether the step has parameters."""
    return bool(step.names) and bool(step.layer.shapes())


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
        chains = list(_local(objective.model, objective.y))
    else:
        steps = unrolled(objective.model)
        chains = [Chain(steps, len(steps), lambda z: _valued(objective.loss, z, objective.y))]
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
        yield Chain([*steps, *pooled, *own], len(steps), lambda z, targets=targets: _valued(cross_entropy, z, targets))
        steps = []
    last = [step for name in tail for step in unrolled(model.children[name], f"{name}.")]
    yield Chain(last, len(last), lambda z: _valued(cross_entropy, z, y))


def _inner(layer):
    yield layer
    for child in getattr(layer, "children", {}).values():
        yield from _inner(child)


def _valued(loss, z, y):
    value, pull = loss.vjp(z, y)
    return value, pull(1.0)


class Walk:
    """A pass along a chain. Values and pullbacks are made as far ahead as they are asked for, and dropped behind."""

    def __init__(self, chain, params, x, keywords):
        self.steps, self.keywords, self.p, self.end = chain.steps, keywords, with_buffers(params), chain.trunk
        self.values, self.pulls, self.streams, self.stack = [x], [], [], []
        self.sites = [k for k, step in enumerate(self.steps) if is_site(step)]
        self.examples, self.kept, self.reached = len(x), {}, {}

    def value(self, k):
        """The input of step k, which is the output of the one before."""
        while len(self.values) <= k:
            self._advance()
        return self.values[k]

    def _advance(self):
        step, x = self.steps[len(self.values) - 1], self.values[-1]
        pull = stream = None
        if step.layer is SAVE:
            self.stack.append(x)
        elif step.layer is SWAP:
            x, self.stack[-1] = self.stack[-1], x
        elif step.layer is ADD:
            x = x + self.stack.pop()
        elif hasattr(step.layer, "enter"):
            x, pull = step.layer.enter(x), lambda dy: ({}, step.layer.enter_pullback(dy))
        else:
            self._require(step, x)
            keywords = self._keywords(step)
            stream = keywords["rng"].state_dict() if "rng" in keywords else None
            x, pull = step.layer.vjp(self.own(step), x, **keywords)
        if is_site(step) and (np.ndim(x) < 2 or len(x) != self.examples):
            raise ShapeError(
                f"the output of {step.layer!r} has shape {np.shape(x)}; expected {self.examples} examples along the "
                "first of two axes or more, to give each a slope of its own"
            )
        self.values.append(x)
        self.pulls.append(pull)
        self.streams.append(stream)

    def _require(self, step, x):
        if isinstance(step.layer, Transposed) and np.ndim(x) == 2:
            raise DualgradError(
                f"{step.layer!r} acts across the examples of an input {np.shape(x)}: they have no slopes"
            )

    def _keywords(self, step):
        return {name: v for name, v in self.keywords.items() if name in step.layer.takes}

    def own(self, step):
        """The parameters of a step under the names that its layer knows."""
        return {name: self.p[full] for name, full in step.names.items()}

    def push(self, k, dx, stack):
        """The tangent behind step k, for one (or n, along a leading axis) before it."""
        self.value(k + 1)
        step = self.steps[k]
        if step.layer is SAVE:
            stack.append(dx)
        elif step.layer is SWAP:
            dx, stack[-1:] = (stack[-1] if stack else ZERO), [dx]
        elif step.layer is ADD:
            dx = dx + (stack.pop() if stack else ZERO)
        elif hasattr(step.layer, "enter"):
            dx = dx if dx is ZERO else step.layer.enter_tangent(dx)
        elif dx is not ZERO:
            dx = self._tangent(k, step, dx)
        return dx

    def _tangent(self, k, step, dx):
        if type(step.layer) is Linear:  # the value is known: the tangent is one product
            return np.matmul(dx, self.p[step.names["weight"]])
        keywords = self._keywords(step)
        if self.streams[k] is None:
            return step.layer.push(self.own(step), self.values[k], _still(step), dx, **keywords)[1]
        ahead = keywords["rng"].state_dict()  # the same masks as for the value
        keywords["rng"].load_state_dict(self.streams[k])
        dy = step.layer.push(self.own(step), self.values[k], _still(step), dx, **keywords)[1]
        keywords["rng"].load_state_dict(ahead)
        return dy

    def pull(self, start, end, cotangent):
        """A cotangent of the input of step ``end``, taken back to the input of step ``start``."""
        self.value(end)
        stack = []
        for k in reversed(range(start, end)):
            layer = self.steps[k].layer
            if layer is ADD:
                stack.append(cotangent)
            elif layer is SWAP:
                other = stack.pop() if stack else ZERO
                stack.append(cotangent)
                cotangent = other
            elif layer is SAVE:
                cotangent = cotangent + (stack.pop() if stack else ZERO)
            elif cotangent is not ZERO:
                cotangent = self._back(k, cotangent)
        return cotangent

    def _back(self, k, cotangent):
        """A cotangent of what leaves step k, at its input."""
        step = self.steps[k]
        if type(step.layer) is Linear:  # without the products that make its parameters' share
            return np.matmul(cotangent, self.p[step.names["weight"]].T)
        return self.pulls[k](cotangent)[1]

    def gradient(self, k, cotangent, total):
        """Add to a `Total` the gradient of a site's own parameters, for a cotangent of its output."""
        step = self.steps[k]
        if type(step.layer) is Linear:  # without the product that goes on to its input
            rows, out = np.reshape(self.values[k], (-1, step.layer.in_features)), step.layer.out_features
            weight, cotangent = step.names["weight"], np.reshape(cotangent, (-1, out))
            total.add(weight, np.matmul(rows.T, cotangent, out=total.place(weight)))
            if "bias" in step.names:
                total.add(step.names["bias"], np.sum(cotangent, axis=0))
            return
        for name, g in self.pulls[k](cotangent)[0].items():
            total.add(step.names[name], g)

    def pushed(self, start, end, dx):
        """A tangent at the input of step ``start``, pushed to that of step ``end``."""
        self.value(end)
        stack = []
        for k in range(start, end):
            dx = self.push(k, dx, stack)
        return dx

    @property
    def trunk(self):
        """The input of the next chain."""
        return self.values[self.end]

    def behind(self, k):
        """The layers with weights that what leaves step k reaches, and how many lie on the way: ``[(j, n)]``."""
        if k not in self.reached:
            self.reached[k] = self._reach(k)
        return self.reached[k]

    def _reach(self, k):
        found, count, stack = [], 0, []
        for j in range(k + 1, len(self.steps)):
            step = self.steps[j]
            if step.layer is SAVE:
                stack.append(count)
            elif step.layer is SWAP:
                count, stack[-1:] = (stack[-1] if stack else None), [count]
            elif step.layer is ADD:
                count = max((n for n in (count, stack.pop() if stack else None) if n is not None), default=None)
            elif count is not None and is_site(step) and not is_norm(step):
                found.append((j, count))
                count += 1
        return found

    def leave(self, k):
        """Drop what step k and those before it made."""
        self.values[k] = self.values[k] if k == self.end else None
        self.pulls[k] = None


def _still(step):
    return dict.fromkeys(step.layer.shapes(), ZERO)


class Total:
    """Sums of gradients by name, in the kind of the parameters; the first of a name may be written in its place."""

    def __init__(self, params):
        self.params, self.seen = params, set()
        packed = isinstance(params, Params)
        self.sums = Params.from_vector(params.layout, empty_like(params.vector)) if packed else {}

    def place(self, name):
        """Where the first gradient of a name may be written; None where it may not."""
        return None if name in self.seen or not isinstance(self.sums, Params) else self.sums[name]

    def add(self, name, g):
        """Add to the sum of a name; a g that was written in its place is there."""
        if name in self.seen:
            self.sums[name] = self.sums[name] + g
        elif g is not self.place(name):
            self.sums[name] = g
        self.seen.add(name)

    def finished(self):
        """The sums, zero for names that were never added to."""
        for name, w in self.params.items():
            if name not in self.seen:
                self.sums[name] = np.zeros_like(w)
        return self.sums if isinstance(self.sums, Params) else {name: self.sums[name] for name in self.params}
