"""Recurrent: cells run over a sequence, in several layers and both directions; nn/recurrent.py has the four kinds.

The tangent of a sequence is carried along with the state, so its memory does not grow with time; only the pullback
keeps every step.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array, to_numpy
from ..dual import primal
from ..errors import ShapeError
from ..inputs import as_input
from ..random import Rng, RngLike
from ..tree import flatten, unflatten
from ..zero import ZERO
from .cells import Cell
from .layer import Layer
from .norms import Dropout
from .runs import CellRun, Padding
from .setting_checks import checked
from .tangents import with_zeros
from .types import Parameters, Pulled, Pushed, Shape, State, Tangent, Tangents


class Recurrent(Layer):
    """A cell over a sequence ``(T, B, n)``: the outputs ``(T, B, hidden)``, or the last.

    Parameters
    ----------
    input_size, hidden_size : int
    *args, **kwargs : what the cell takes beside them
    num_layers : int
        Each layer above the first reads the outputs of the one below.
    batch_first : bool
        Input and outputs are ``(B, T, n)``; states are as ever.
    dropout : float
        Of the outputs of every layer but the last, in training mode.
    bidirectional : bool
        A second cell in each layer reads the sequence from its end; outputs stand side by side.
    last_only : bool
        Return the last output ``(B, hidden)`` alone; of two directions, that of each where it ends.

    Notes
    -----
    Keywords of a call: ``lengths``, whole numbers ``(B,)`` from 1 to T, for padded sequences: what stands behind the
    end of one is not read, its outputs there are 0, its last state is that at its end, and the backward direction
    begins there. ``state``, to start from (zeros by default), in any precision: as in torch, each part
    ``(num_layers * directions, B, hidden)``, the pair (h, c) for an LSTM; and ``return_state=True`` for the pair of
    outputs and last state. These two are of the layer called by itself, and containers do not hand them on; a state
    may be a Dual.

    One cell's parameters have its own names; those of several are ``l0.weight_x``, ``l0_reverse.weight_x``,
    ``l1.weight_x`` and so on, in torch's order.
    """

    cell_class: type[Cell]
    takes: frozenset[str] = frozenset({"cut", "lengths"})
    by_example: frozenset[str] = frozenset({"lengths"})
    alone: frozenset[str] = frozenset({"state", "return_state"})
    lead = True

    @checked
    def __init__(
        self, input_size: int, hidden_size: int, *args: Any, num_layers: int = 1, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, last_only: bool = False, **kwargs: Any,
    ):  # fmt: skip
        self.num_layers, self.bidirectional, self.batch_first = num_layers, bidirectional, batch_first
        self.dropout, self.last_only, self._runs = dropout, last_only, []
        self._dropout = Dropout(dropout)
        self.takes |= self._dropout.takes if dropout else frozenset()
        single, size = num_layers == 1 and not bidirectional, input_size
        for k in range(num_layers):
            runs = []
            for end in ("", "_reverse")[: 1 + bidirectional]:
                cell = self.cell_class(size, hidden_size, *args, **kwargs)
                names = {n: n if single else f"l{k}{end}.{n}" for n in cell.names()}
                runs.append(CellRun(cell, names, bool(end)))
            self._runs.append(runs)
            size = hidden_size * len(runs)
        self.cell: Cell = self._runs[0][0].cell

    def __repr__(self) -> str:
        given = {"num_layers": 1, "bidirectional": False, "batch_first": False, "dropout": 0.0, "last_only": False}
        own = "".join(f", {n}={getattr(self, n)!r}" for n, default in given.items() if getattr(self, n) != default)
        bias = "" if self.cell.bias else ", bias=False"
        return f"{type(self).__name__}({self.cell.input_size}, {self.cell.hidden_size}{bias}{own})"

    def runs(self) -> list[CellRun]:
        """The cells with their names, layer by layer, in each forwards and then backwards."""
        return [run for runs in self._runs for run in runs]

    def shapes(self) -> Mapping[str, Shape]:
        return {run.names[n]: shape for run in self.runs() for n, shape in run.cell.shapes().items()}

    def buffers(self) -> Mapping[str, tuple[Shape, Any]]:
        return {run.names[n]: start for run in self.runs() for n, start in run.cell.buffers().items()}

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        cell, own = next((run.cell, n) for run in self.runs() for n, full in run.names.items() if full == name)
        return cell.initial(own, shape, rng, dtype)

    # ------------------------------------------------------------------ what comes in and goes out

    def _entered(self, x, lengths):
        """The input with time first, 0 behind the ends, and the `Padding`."""
        shape, size = np.shape(x), self.cell.input_size
        time = 1 if self.batch_first else 0
        if len(shape) != 3 or shape[-1] != size or not shape[time]:
            expected = f"({'B, T' if time else 'T, B'}, {size}) with T > 0"
            raise ShapeError(f"{self!r} got an input of shape {shape}; expected {expected}")
        x = self._turned(x)
        if lengths is None:
            return x, None
        padding = Padding.of(self._lengths(lengths, *x.shape[:2]), len(x))
        return padding.masked(x), padding

    def _turned(self, z):
        """Time and batch exchanged where the batch is first."""
        return np.swapaxes(z, -2, -3) if self.batch_first and z is not ZERO else z

    def _lengths(self, lengths, steps, batch):
        n = np.asarray(to_numpy(as_input(lengths, self, "lengths")))
        if n.dtype.kind not in "iu" or n.shape != (batch,):
            raise ShapeError(
                f"{self!r} got an input of {batch} sequences and lengths of {n.dtype}{list(n.shape)}; expected a whole "
                f"number for each{'' if n.shape != (steps,) else f': is batch_first={not self.batch_first} meant?'}"
            )
        if batch and not (n.min() >= 1 and n.max() <= steps):
            raise ShapeError(
                f"{self!r} got an input of {steps} steps and lengths from {n.min()} to {n.max()}; expected 1 to {steps}"
            )
        return n

    def _starts(self, state, p, x):
        """The state that each run starts from, in the precision of parameters and input."""
        if state is None:
            return [run.cell.start(x[0]) for run in self.runs()]
        zeros, structure = flatten(self.cell.start(x[0]))
        kind = np.result_type(*(primal(a).dtype for a in (x, *p.values())))
        given = [as_input(part, self, "a state", "biuf") for part in flatten(state)[0]]
        given = [part if part.dtype == kind else part.astype(kind) for part in given]
        shapes = [(len(self.runs()), *z.shape) for z in zeros]
        if [np.shape(part) for part in given] != shapes:
            raise ShapeError(
                f"{self!r} got a state of shapes {[np.shape(part) for part in given]}; expected {shapes}, for "
                "layers and directions one after another"
            )
        return [unflatten(structure, [part[k] for part in given]) for k in range(len(self.runs()))]

    def _returned(self, ys, last, padding, return_state):
        """What is returned of the top layer's outputs and of the states at the end of all runs."""
        if self.last_only:
            top = list(zip(self._runs[-1], last[-len(self._runs[-1]) :], strict=True))
            y = _side_by_side([run.cell.output(state) for run, state in top])
        else:
            y = _side_by_side(ys)
            y = self._turned(y if padding is None else padding.masked(y))
        if not return_state:
            return y
        leaves = zip(*[flatten(state)[0] for state in last], strict=True)
        return y, unflatten(flatten(last[0])[1], [np.stack(parts) for parts in leaves])

    # ------------------------------------------------------------------ the rules

    def forward(
        self, p: Parameters, x: Array, lengths: Any = None, state: State = None, return_state: bool = False,
        train: bool = False, rng: RngLike = None,
    ) -> Any:  # fmt: skip
        x, padding = self._entered(x, lengths)
        starts, last, ys = iter(self._starts(state, p, x)), [], []
        for k, runs in enumerate(self._runs):
            if k:
                x = self._dropout.forward({}, _side_by_side(ys), train, rng)
            whole = k < len(self._runs) - 1 or not self.last_only
            ys, ends = zip(*[run.forward(p, x, next(starts), padding, whole) for run in runs], strict=True)
            last += ends
        return self._returned(ys, last, padding, return_state)

    def jvp(
        self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, lengths: Any = None, state: State = None,
        train: bool = False, rng: RngLike = None,
    ) -> Pushed:  # fmt: skip
        x, padding = self._entered(x, lengths)
        dx = self._turned(dx)
        dx = dx if padding is None else padding.masked(dx)
        starts, ys, ds = iter(self._starts(state, p, x)), [], []
        for k, runs in enumerate(self._runs):
            if k:
                x, dx = self._dropout.jvp({}, _side_by_side(ys), {}, _tangents_side_by_side(ys, ds), train, rng)
            whole = k < len(self._runs) - 1 or not self.last_only
            ys, ds = zip(*[run.jvp(p, x, dp, dx, next(starts), padding, whole) for run in runs], strict=True)
        y, dy = _side_by_side(ys), _tangents_side_by_side(ys, ds)
        if self.last_only:
            return y, dy
        if padding is not None:
            y, dy = padding.masked(y), padding.masked(dy)
        return self._turned(y), self._turned(dy)

    def vjp(
        self, p: Parameters, x: Array, cut: Callable[..., Any] | None = None, lengths: Any = None,
        state: State = None, train: bool = False, rng: RngLike = None,
    ) -> Pulled:  # fmt: skip
        """Backpropagation through time: the pullback keeps every step. A given ``state`` counts as a constant.

        ``cut(t, state, dstate)``, where given, returns the cotangent that goes on from step t to the state before it,
        in each layer: `ZERO` in every part for truncation there, a critic's prediction for synthetic gradients.
        """
        if cut is not None and self.bidirectional:
            raise NotImplementedError(f"{self!r} reads the sequence from both ends: nothing cuts it in time")
        x, padding = self._entered(x, lengths)
        starts, ys, last, pulls, masks = iter(self._starts(state, p, x)), [], [], [], []
        for k, runs in enumerate(self._runs):
            if k:
                x, pull = self._dropout.vjp({}, _side_by_side(ys), train, rng)
                masks.append(pull)
            found = [run.vjp(p, x, next(starts), padding, cut) for run in runs]
            ys, ends, pulled = zip(*found, strict=True)
            last += ends
            pulls.append(pulled)

        def pullback(dy):
            dp, tops = dict.fromkeys(self.shapes(), ZERO), last[-len(pulls[-1]) :]
            if self.last_only:
                parts = np.split(dy, len(tops), axis=-1)
                ends = [r.cell.output_vjp(s, d) for r, s, d in zip(self._runs[-1], tops, parts, strict=True)]
                seen = [(ZERO, d) for d in ends]
            else:
                dy = self._turned(dy)
                seen = _with_no_state(dy if padding is None else padding.masked(dy), len(tops))
            for k in reversed(range(len(pulls))):
                total = ZERO
                for pull, (dys, dlast) in zip(pulls[k], seen, strict=True):
                    dq, dx = pull(dys, dlast)
                    dp |= dq
                    total = total + dx
                if k:
                    _, total = masks[k - 1](total)
                    seen = _with_no_state(total, len(pulls[k - 1]))
            dp = {name: np.zeros_like(p[name]) if d is ZERO else d for name, d in dp.items() if name in dp}
            return dp, self._turned(total if padding is None else padding.masked(total))

        return self._returned(ys, last, padding, False), pullback


def _side_by_side(ys):
    return ys[0] if len(ys) == 1 else np.concatenate(ys, axis=-1)


def _tangents_side_by_side(ys, ds):
    ds = with_zeros(ds, ys)
    return ds if ds is ZERO else _side_by_side(ds)


def _with_no_state(dy, count):
    """The cotangents of outputs that stand side by side, each with that of a last state, ZERO."""
    return [(part, ZERO) for part in (np.split(dy, count, axis=-1) if count > 1 else [dy])]
