"""Network: cells with a readout and a loss, a system whose derivatives are known unit by unit.

A stack of cells is stepped one after another (NoBackTrack, eqs. 43 to 46): each has a transition of its own, which
changes its own part of the state and depends on its own parameters alone, so that ∂f/∂θ stays sparse.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..backend import Array, ArrayLike, DTypeLike, is_array
from ..backend import like as on_device
from ..errors import DualgradError, LayoutError, ShapeError
from ..inputs import as_data, as_input
from ..nn.cells import Cell
from ..nn.containers import Sequential
from ..nn.layer import Layer, with_buffers
from ..nn.losses import Loss, cross_entropy
from ..nn.recurrent import Recurrent
from ..params import Params
from ..random import RngLike, as_rng
from ..settings import plain_data
from ..tree import Tree, map_leaves
from .dynamics import Arrays, Cotangent, require_real_leaves, require_scalar_loss
from .plain_transition import PlainTransition, is_plain_step
from .transition import CellTransition


class Network:
    """Recurrent cells, a readout of the last one's output, and a loss: ŷ = readout(output(s)), ℓ = loss(ŷ, y).

    Parameters
    ----------
    cells : Cell, or a list of them, each fed with the output of the one before
    readout : Layer, or a list of them, one after another
    loss : a loss of `dualgrad.nn`
    streams : int, optional
        B sequences at once: inputs are then ``(B, in)``, and the loss is that of a batch. By default there is one
        stream, of inputs ``(in,)`` and targets without a batch axis.

    Notes
    -----
    Layers are numbered through, so that the parameters are those of the `Sequential` that runs over whole sequences:
    ``Network(nn.GRUCell(3, 5), nn.Linear(5, 2), loss)`` has those of ``Sequential(nn.GRU(3, 5), nn.Linear(5, 2))``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> network = dg.online.Network(dg.nn.LeakyRNNCell(3, 4), dg.nn.Linear(4, 3), dg.nn.cross_entropy)
    >>> params = network.init(rng=0)
    >>> params
    Params(0.weight_x: (3, 4), 0.weight_h: (4, 4), 0.bias: (4,), 1.weight: (4, 3), 1.bias: (3,); 47 entries)
    >>> state = network.step(network.init_state, np.eye(3, dtype=np.float32)[1], params)
    >>> network.predict(state, params).shape
    (3,)
    """

    batched: bool = False
    cells: list[Cell]
    readout: Layer
    loss_of: Any
    streams: int | None
    cell_names: list[dict[str, str]]
    readout_names: dict[str, str]

    def __init__(
        self,
        cells: Cell | Sequence[Cell],
        readout: Layer | Sequence[Layer],
        loss: Callable[..., Any],
        streams: int | None = None,
    ) -> None:
        self.cells = list(cells) if isinstance(cells, (list, tuple)) else [cells]
        layers = list(readout) if isinstance(readout, (list, tuple)) else [readout]
        if not self.cells or not all(isinstance(cell, Cell) for cell in self.cells):
            raise TypeError(f"got cells={cells!r}; expected nn.RNNCell(3, 5) or the like, or a list of cells")
        if len(set(map(id, self.cells))) < len(self.cells):
            raise DualgradError(
                f"got {self.cells!r}, in which one stands twice: online, each cell has parameters of its own"
            )
        if not layers or any(not isinstance(layer, Layer) or isinstance(layer, (Cell, Recurrent)) for layer in layers):
            raise TypeError(f"got readout={readout!r}; expected layers without recurrence, such as nn.Linear(5, 3)")
        if not isinstance(loss, Loss) and not hasattr(loss, "vjp"):
            raise TypeError(f"got loss={loss!r}; expected a loss of dualgrad.nn, such as nn.cross_entropy")
        whole = isinstance(streams, (int, np.integer)) and not isinstance(streams, bool)
        if streams is not None and (not whole or streams < 1):
            raise ValueError(f"got streams={streams!r}; expected a positive number of sequences, or None for one alone")
        for below, cell in zip(self.cells, self.cells[1:], strict=False):
            if cell.input_size != below.hidden_size:
                raise ShapeError(f"{cell!r} follows {below!r}, whose output has {below.hidden_size} entries")
        self.readout = layers[0] if len(layers) == 1 else Sequential(*layers)
        self.loss_of, self.streams = loss, streams
        count = len(self.cells)
        self.cell_names = [{n: f"{k}.{n}" for n in cell.names()} for k, cell in enumerate(self.cells)]
        if len(layers) == 1:
            self.readout_names = {n: f"{count}.{n}" for n in self.readout.names()}
        else:
            inner = {n: n.partition(".") for n in self.readout.names()}
            self.readout_names = {n: f"{int(k) + count}.{rest}" for n, (k, _, rest) in inner.items()}

        self._layers = [*zip(self.cells, self.cell_names, strict=True), (self.readout, self.readout_names)]
        self._shapes = {names[n]: shape for layer, names in self._layers for n, shape in layer.shapes().items()}
        self._buffers = {names[n]: start for layer, names in self._layers for n, start in layer.buffers().items()}
        self._count = len(self._shapes) + len(self._buffers)

    def buffers(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """What the layers keep beside their parameters, as it starts: ``{name: (shape, value)}``."""
        return dict(self._buffers)

    @classmethod
    def of(cls, model: Layer, loss: Callable[..., Any], streams: int | None = None) -> Self:
        """The network of a `Sequential` that begins with recurrent layers; the parameters are the same."""
        layers = list(getattr(model, "layers", ()))
        count = next((k for k, layer in enumerate(layers) if not isinstance(layer, Recurrent)), len(layers))
        if not count or count == len(layers):
            raise DualgradError(
                f"got {model!r}; expected a Sequential of recurrent layers and then a readout, such as "
                "Sequential(nn.RNN(3, 5), nn.Linear(5, 2))"
            )
        for layer in layers[:count]:
            if layer.num_layers > 1 or layer.bidirectional or layer.batch_first:
                raise DualgradError(
                    f"{layer!r} is no step after step of one cell: online, several layers stand one after another, "
                    "each of one direction, over (T, B, n)"
                )
        return cls([layer.cell for layer in layers[:count]], layers[count:], loss, streams)

    def __repr__(self) -> str:
        return f"Network({self.cells!r}, {self.readout!r}, {self.loss_of!r}, streams={self.streams})"

    # ------------------------------------------------------------------ parameters and state

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The names and shapes of the parameters, those of the cells first."""
        return dict(self._shapes)

    def init(self, *, rng: RngLike, dtype: DTypeLike = np.float32) -> Params:
        """Fresh parameters."""
        rng, arrays = as_rng(rng), {}
        for layer, names in self._layers:
            arrays |= {names[n]: layer.initial(n, shape, rng, dtype) for n, shape in layer.shapes().items()}
        return Params(arrays, {name: np.full(shape, value, dtype) for name, (shape, value) in self._buffers.items()})

    def complete(self, params: Tree) -> Mapping[str, Any]:
        """Parameters and buffers in one mapping; a dict may leave the buffers out, which are then as they start."""
        p = with_buffers(params)
        if len(p) < self._count:
            kind = next(iter(p.values())).dtype
            p = {full: np.full(shape, value, kind) for full, (shape, value) in self._buffers.items()} | {**p}
        return p

    @property
    def init_state(self) -> Tree:
        """Zeros, of the lowest precision: they take that of the parameters at the first step."""
        return self.start(np.float32)

    def start(self, dtype: DTypeLike) -> Tree:
        """The state before the first input: that of the cell, or a tuple of those of several."""
        lead = () if self.streams is None else (self.streams,)
        states = [cell.start(np.zeros((*lead, cell.input_size), dtype)) for cell in self.cells]
        return states[0] if len(states) == 1 else tuple(states)

    def states(self, state: Tree) -> tuple[Any, ...]:
        """The state of every cell."""
        return (state,) if len(self.cells) == 1 else state

    def joined(self, states: Sequence[Any]) -> Tree:
        """The inverse of `states`."""
        return states[0] if len(states) == 1 else tuple(states)

    # ------------------------------------------------------------------ the system

    def input(self, x: ArrayLike, dtype: DTypeLike) -> Array:
        """An input in the precision of the parameters; one of another shape raises."""
        x = as_input(x, self, kinds="biuf")
        x = x if x.dtype == dtype else x.astype(dtype)
        expected = (*(() if self.streams is None else (self.streams,)), self.cells[0].input_size)
        if np.shape(x) != expected:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected {expected}")
        return x

    def target(self, y: Any) -> Any:
        """A target as an array; a loss of one's own is given what it was, in NumPy's arrays or a device's."""
        if y.__class__ is int:
            return y
        ours = getattr(self.loss_of, "_of_arrays", False)
        return as_input(y, self, "a target", "biuf") if ours else as_data(y, self, "a target")

    def step(self, state: Tree, x: ArrayLike, params: Tree) -> Tree:
        """The state after the input ``x``."""
        p, after = self.complete(params), []
        x = self.input(x, next(iter(p.values())).dtype)
        for cell, names, inner in zip(self.cells, self.cell_names, self.states(state), strict=True):
            after.append(cell({n: p[full] for n, full in names.items()}, inner, x))
            x = cell.output(after[-1])
        return self.joined(after)

    def predict(self, state: Tree, params: Tree) -> Any:
        """ŷ: what the readout makes of the last cell's output."""
        p, top = self.complete(params), self.cells[-1].output(self.states(state)[-1])
        seen = top if self.streams is not None else top[None]
        y = self.readout({n: p[full] for n, full in self.readout_names.items()}, seen)
        return y if self.streams is not None else y[0]

    def loss(self, state: Tree, y: Any, params: Tree) -> Any:
        """ℓ at a state."""
        prediction, y = self.predict(state, params), self.target(y)
        if self.streams is not None:
            return self.loss_of(prediction, y)
        return self.loss_of(prediction[None], _row(y))

    def vjp(self, state: Tree, x: ArrayLike, params: Tree) -> tuple[Tree, Callable[[Tree], tuple[Tree, Tree]]]:
        """The next state, and the pullback of its cotangents to the state and to all parameters."""
        dynamics = self.dynamics(params)
        after, transitions = dynamics.advance(params, state, x)

        def pullback(dstate):
            u, direct = dynamics.vector(dstate), dynamics.zeros(dynamics.params_size)
            for T in reversed(transitions):
                direct[T.own] += T.pull_params(u[T.rows])
                u = T.pull(u)
            return dynamics.state(u), dynamics.gradient(direct, params)

        return after, pullback

    def dynamics(self, params: Tree) -> Any:
        """This network as online estimators see it: state and parameters as vectors."""
        return NetworkDynamics(self, params)


class NetworkDynamics(Arrays):
    """A `Network` by the closed forms of its cells; see `dynamics`."""

    def __init__(self, network: Network, params: Tree) -> None:
        self.network, shapes = network, network.shapes()
        given = None
        if hasattr(params, "items"):
            given = {n: tuple(np.shape(a)) for n, a in params.items() if n not in network.buffers()}
        if given is None or set(given) != set(shapes) or any(given[n] != s for n, s in shapes.items()):
            raise LayoutError(f"got parameters {given}; {network!r} expects {shapes}: make them by network.init(rng=0)")
        if isinstance(params, Params) and list(given) != list(shapes):
            raise LayoutError(
                f"got parameters in the order {list(given)}; expected {list(shapes)}: "
                "dg.Params({name: params[name] for name in network.shapes()}, params.buffers)"
            )
        packed = self.packed(params)
        require_real_leaves("got params of", [packed.vector])
        self.set_like(packed.vector)
        self.thetas, self.params_size, self._slices = packed.layout, packed.size, packed.layout.slices
        self.size, self._rows, self._own, owners = 0, [], [], []
        streams = network.streams or 1
        for k, (cell, names) in enumerate(zip(network.cells, network.cell_names, strict=True)):
            count = streams * cell.parts * cell.hidden_size
            self._rows.append(slice(self.size, self.size + count))
            self.size += count
            places = [self._slices[names[n]] for n in cell.shapes()]
            self._own.append(slice(places[0].start, places[-1].stop))
            for shape in cell.shapes().values():
                units = np.arange(shape[-1]) % cell.hidden_size + k * 2**20
                owners.append(np.broadcast_to(units, shape).reshape(-1))
        self.recurrent = slice(0, self._own[-1].stop)
        self.owners = np.unique(np.concatenate(owners), return_inverse=True)[1]

    @functools.cached_property
    def streams_of(self):
        """Which entries of the state belong to which stream, as rows of 0 and 1 ``(B, N)``."""
        streams = self.network.streams or 1
        each = [np.repeat(np.arange(streams), cell.parts * cell.hidden_size) for cell in self.network.cells]
        return on_device((np.concatenate(each) == np.arange(streams)[:, None]).astype(self.dtype), self.like)

    def packed(self, params):
        """The parameters as Params in the network's order."""
        if isinstance(params, Params):
            return params
        return Params({name: params[name] for name in self.network.shapes()})

    def start(self):
        """The state at the beginning of an episode."""
        return map_leaves(lambda s: on_device(s, self.like), self.network.start(self.dtype))

    # ------------------------------------------------------------------ states as vectors

    def parts(self, state):
        """The state of a cell as its parts, each ``(B, n)``."""
        parts = state if isinstance(state, tuple) else (state,)
        return parts if self.network.streams is not None else tuple(part[None] for part in parts)

    def _state_of(self, parts):
        parts = parts if self.network.streams is not None else tuple(part[0] for part in parts)
        return parts if len(parts) > 1 else parts[0]

    def vector(self, state):
        """A state as a vector of N: cell by cell, stream by stream, part by part."""
        inner = self.network.states(state)
        return np.concatenate([np.stack(self.parts(s), axis=1).reshape(-1) for s in inner])

    def state(self, vector):
        """A vector of N as a state."""
        states = []
        for cell, rows in zip(self.network.cells, self._rows, strict=True):
            packed = vector[rows].reshape(-1, cell.parts, cell.hidden_size)
            states.append(self._state_of(tuple(packed[:, k] for k in range(cell.parts))))
        return self.network.joined(states)

    # ------------------------------------------------------------------ a step

    def given(self, learner, data, what):
        """An input or a target as an array."""
        if data.__class__ is np.ndarray:
            return data
        return as_input(data, self.network, what, "biuf") if what == "an input" else self.network.target(data)

    def advance(self, params, state, x):
        """The next state, and the transition of every cell."""
        network, packed = self.network, self.packed(params)
        p, states, transitions = network.complete(packed), [], []
        x = network.input(x, self.dtype)
        x = x[None] if network.streams is None else x
        for cell, names, inner, rows, own in zip(
            network.cells, network.cell_names, network.states(state), self._rows, self._own, strict=True
        ):
            own_params = {n: p[full] for n, full in names.items()}
            below = transitions[-1] if transitions else None
            factors = cell.factors(own_params, self.parts(inner), x if below is None else below.output())
            kind = PlainTransition if is_plain_step(cell, factors, rows, self.size) else CellTransition
            transitions.append(kind(cell, own_params, factors, rows, own, self.size, below))
            states.append(self._state_of(factors.state))
        return network.joined(states), transitions

    def loss(self, params, state, y):
        """ℓ, and its `Cotangent`."""
        prediction, pull = self.predicting(params, state)
        y = y if self.network.streams is not None else _row(y)
        if getattr(getattr(y, "dtype", None), "kind", "") == "f" and y.dtype != prediction.dtype:
            y = y.astype(prediction.dtype)
        value, pull_loss = self.network.loss_of.vjp(prediction, y)
        require_scalar_loss(value)
        return value, pull(pull_loss(1.0))

    def predicting(self, params, state):
        """ŷ ``(B, out)``, and what pulls its cotangents back to the state and to the readout's parameters."""
        network = self.network
        p = network.complete(self.packed(params))
        cell, inner = network.cells[-1], self.parts(network.states(state)[-1])
        top = inner if len(inner) > 1 else inner[0]
        y, pullback = network.readout.vjp({n: p[full] for n, full in network.readout_names.items()}, cell.output(top))

        def pull(dy):
            dq, dx = pullback(dy)
            dtop = cell.output_vjp(top, dx)
            H, direct = self.zeros(self.size), self.zeros(self.params_size)
            seen = H[self._rows[-1]].reshape(len(dx), cell.parts, -1)
            seen[:, 0] = dtop[0] if isinstance(dtop, tuple) else dtop
            for n, d in dq.items():
                direct[self._slices[network.readout_names[n]]] = d.reshape(-1)
            return Cotangent(H, direct)

        return y, pull

    def gradient(self, vector, params):
        """A vector of p, or several along leading axes, in the kind of the parameters."""
        found = self.thetas.tree(vector)
        return found if isinstance(params, Params) else {n: found[n] for n in params if n in found}

    def at(self, vector, params):
        """Parameters whose entries are a vector of p; buffers stay."""
        return params.at(vector) if isinstance(params, Params) else {**params, **self.gradient(vector, params)}

    def entries(self, params):
        """The parameters as a vector of p."""
        return self.packed(params).vector

    def leaves(self, params):
        """The arrays of the parameters, in the order of their entries."""
        return [params[name] for name in self._slices]

    def with_leaves(self, leaves, params):
        """Parameters of other arrays, or of what stands for them; buffers stay."""
        arrays = dict(zip(self._slices, leaves, strict=True))
        if isinstance(params, Params):
            return Params.assembled(self.thetas, arrays, params.buffers)
        return {**params, **arrays}

    def rows(self, tree, n):
        """n directions, a mapping with a leading axis, as rows ``(n, p)``."""
        return self.thetas.rows({name: tree[name] for name in self._slices}, n)

    def class_losses(self, params, state):
        """For every class c, √p_c times the cotangent of the loss ℓ_c = -log p_c; a batch counts as its mean."""
        loss = self.network.loss_of
        if not isinstance(loss, cross_entropy.__class__) or loss.reduction != "mean" or loss.given:
            raise DualgradError(f"{loss!r} has no known Fisher matrix; expected nn.cross_entropy: use outer products")
        logits, pull = self.predicting(params, state)
        p = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
        p = p / np.sum(p, axis=-1, keepdims=True)
        classes = p.shape[-1]
        for b in range(len(p)):
            for c in range(classes):
                dy = np.zeros_like(p)
                dy[b] = p[b]
                dy[b, c] -= 1
                dy[b] *= np.sqrt(p[b, c])
                yield pull(dy / len(p) ** 0.5)

    def signature(self):
        """What a saved state must fit."""
        network = self.network
        return {
            "kind": "Network", "cells": plain_data(network.cells), "readout": plain_data(network.readout),
            "loss": plain_data(network.loss_of), "streams": plain_data(network.streams), "dtype": str(self.dtype),
        }  # fmt: skip


def _row(y):
    """A target as that of a batch of one."""
    return (y if is_array(y) else np.asarray(y))[None]
