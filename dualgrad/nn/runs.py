"""CellRun: one cell over a sequence in one direction, from a state on: outputs and last state, with their rules.

Where sequences are padded, what stands behind the end of one has no influence on what stands before it; so a run goes
over all steps alike, and of each sequence keeps the state at its own end.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, like
from ..dual import primal
from ..outer_product import OuterProduct
from ..rules.absorb import quietly
from ..tree import flatten, map_leaves, unflatten
from ..zero import ZERO
from .cells import Cell, LSTMCell
from .cells.lstm_fast import lstm_jvp
from .joint import on_host
from .tangents import with_zeros
from .types import Parameters, Pushed, State, Tangent, Tangents
from .user_rules import tangent_rule


class Padding(NamedTuple):
    """How sequences ``(T, B, ...)`` of these lengths stand in their array.

    Attributes
    ----------
    lengths : ``(B,)``
    inside : ``(T, B)``, whether a step belongs to its sequence
    turned : ``(T, B)``, the step that stands here when each sequence is read from its own end
    """

    lengths: Array
    inside: Array
    turned: Array

    @classmethod
    def of(cls, lengths, steps):
        """That of lengths, each from 1 to ``steps``."""
        t = np.arange(steps)[:, None]
        inside = t < lengths
        return cls(lengths, inside, np.where(inside, lengths - 1 - t, t))

    def masked(self, z):
        """A sequence, or its tangent ``(..., T, B, n)``, with 0 behind each end."""
        return z if z is ZERO else np.where(like(self.inside[..., None], primal(z)), z, 0)

    def chosen(self, t, new, old):
        """Of a state or its tangent: ``new`` where step t belongs to the sequence, else ``old``."""
        return _row_choice(self.inside[t], new, old)

    def at_end(self, t, dstate):
        """A cotangent of the states at the ends: what of it belongs to step t, 0 elsewhere."""
        return map_leaves(lambda d: d if d is ZERO else _row_choice(self.lengths == t + 1, d, np.zeros_like(d)), dstate)


class CellRun(NamedTuple):
    """A cell, forwards in time or, ``reverse``, from each sequence's end; ``names`` are those of its parameters."""

    cell: Cell
    names: dict[str, str]
    reverse: bool = False

    def own(self, mapping: Tangents) -> Tangents:
        """The cell's share of parameters or tangents."""
        return {n: mapping[full] for n, full in self.names.items() if full in mapping}

    def turn(self, z: Tangent, padding: Padding | None) -> Tangent:
        """A sequence in the order in which this run reads it, or one it wrote in order of time: the same function."""
        if not self.reverse or z is ZERO:
            return z
        if padding is None:
            return z[..., ::-1, :, :]
        v = primal(z)
        return z[..., like(padding.turned, v), like(np.arange(z.shape[-2]), v), :]

    def forward(self, p: Parameters, x: Array, state: State, padding: Padding | None, whole: bool) -> Any:
        """The outputs (None but where the ``whole`` sequence is wanted) and the last state."""
        p, x, cell, ys, last = self.own(p), self.turn(x, padding), self.cell, [], state
        for t in range(len(x)):
            state = cell.step(p, state, x[t])
            last = state if padding is None else padding.chosen(t, state, last)
            if whole:
                ys.append(cell.output(state))
        return self.turn(np.stack(ys), padding) if whole else None, last

    def jvp(
        self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, state: State, padding: Padding | None, whole: bool
    ) -> Pushed:
        """The ``whole`` sequence of outputs, or the last output, and its tangent; the state at the start stands."""
        p, dp, x, dx = self.own(p), self.own(dp), self.turn(x, padding), self.turn(dx, padding)
        if self._is_fast(p, x, dp, dx, state):
            ys, ds = quietly(lstm_jvp, self.cell.hidden_size, p, x, dp, dx, state, not whole and padding is None)
            if not whole and padding is not None:
                end = padding.lengths - 1, np.arange(len(padding.lengths))
                return ys[end], ds[..., *end, :]
        else:
            ys, ds = self._pushed(p, x, dp, dx, state, padding, whole)
        return (self.turn(ys, padding), self.turn(ds, padding)) if whole else (ys, ds)

    def _pushed(self, p, x, dp, dx, state, padding, whole):
        """The same by the rule of a step."""
        cell, step, dstate, ys, ds = self.cell, tangent_rule(self.cell, "step_jvp"), ZERO, [], []
        last, dlast = state, ZERO
        for t in range(len(x)):
            state, dstate = step(p, state, x[t], dp, dstate, dx[..., t, :, :])
            if whole:
                ys.append(cell.output(state))
                ds.append(cell.output_tangent(state, dstate))
            elif padding is None:
                last, dlast = state, dstate
            else:
                last, dlast = padding.chosen(t, state, last), padding.chosen(t, dstate, dlast)
        if not whole:
            return cell.output(last), cell.output_tangent(last, dlast)
        ds = with_zeros(ds, ys)
        return np.stack(ys), ds if ds is ZERO else np.stack(ds, axis=-3)

    def _is_fast(self, p, x, dp, dx, state):
        """Whether all is plain and of the one cell that has a jvp of its own over sequences."""
        if self.cell.__class__ is not LSTMCell:
            return False
        tangents = [v for d in (dx, *dp.values()) for v in ((d.a, d.b) if isinstance(d, OuterProduct) else (d,))]
        return on_host(x, *p.values(), *state, *tangents) and any(d is not ZERO for d in tangents)

    def vjp(
        self, p: Parameters, x: Array, state: State, padding: Padding | None, cut: Callable[..., Any] | None
    ) -> Any:
        """Outputs, last state, and the pullback of both; it keeps every step."""
        p, x, cell, states, pullbacks, last = self.own(p), self.turn(x, padding), self.cell, [], [], state
        for t in range(len(x)):
            state, pull = cell.step_vjp(p, state, x[t])
            last = state if padding is None else padding.chosen(t, state, last)
            states.append(state)
            pullbacks.append(pull)

        def pullback(dys, dlast):
            """Cotangents of the parameters, by their full names, and of the input, from those of outputs and state."""
            dys, end = self.turn(dys, padding), len(states) - 1
            dstate, dp, dxs = map_leaves(lambda s: ZERO, states[0]), dict.fromkeys(self.names, ZERO), []
            for t in reversed(range(len(states))):
                if dlast is not ZERO and (padding is not None or t == end):
                    dstate = _added(dstate, dlast if padding is None else padding.at_end(t, dlast))
                if dys is not ZERO:
                    dstate = _added(dstate, cell.output_vjp(states[t], dys[t]))
                if all(part is ZERO for part in flatten(dstate)[0]):  # cut off from every loss
                    dxs.append(np.zeros_like(x[t]))
                    continue
                dq, dstate, dx = pullbacks[t](dstate)
                if cut is not None and t:
                    dstate = cut(t, states[t - 1], dstate)
                dp = {name: dp[name] + dq[name] for name in dq}
                dxs.append(dx)
            return {self.names[n]: d for n, d in dp.items()}, self.turn(np.stack(dxs[::-1]), padding)

        ys = self.turn(np.stack([cell.output(s) for s in states]), padding)
        return ys, last, pullback


def _row_choice(mask, a, b):
    """Of two states, or tangents ``(..., B, n)`` of them: ``a`` in the rows of the mask, else ``b``."""
    if a is ZERO and b is ZERO:
        return ZERO
    (given, structure) = flatten(b if a is ZERO else a)
    parts = [[ZERO] * len(given) if z is ZERO else flatten(z)[0] for z in (a, b)]
    return unflatten(structure, [_leaf_rows(mask, x, y) for x, y in zip(*parts, strict=True)])


def _leaf_rows(mask, x, y):
    if x is ZERO and y is ZERO:
        return ZERO
    rows = like(mask[:, None], primal(y if x is ZERO else x))
    return np.where(rows, 0 if x is ZERO else x, 0 if y is ZERO else y)


def _added(a, b):
    """The sum of two states."""
    if isinstance(b, tuple):
        return tuple(x + y for x, y in zip(a, b, strict=True))
    return a + b
