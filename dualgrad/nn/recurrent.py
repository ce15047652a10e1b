"""Recurrent layers: a cell run over a sequence.

The tangent of a sequence is carried along with the state, so its memory does not grow with time; only the pullback
keeps every step.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..backend import Array
from ..errors import DualgradError, ShapeError
from ..outer_product import OuterProduct
from ..random import Rng
from ..rules.absorb import quietly
from ..tree import flatten, map_leaves
from ..zero import ZERO
from .cells import Cell, Factors, GRUCell, LeakyRNNCell, LSTMCell, RNNCell  # noqa: F401 (all cells, from here too)
from .cells.lstm_fast import lstm_jvp
from .joint import on_host
from .layer import Layer
from .setting_checks import checked
from .tangents import with_zeros
from .types import Parameters, Pulled, Pushed, Shape, Tangent, Tangents
from .user_rules import tangent_rule


class Recurrent(Layer):
    """A cell over a sequence ``(T, B, n)``, from a state of zeros: the outputs ``(T, B, hidden)``, or the last."""

    cell_class: type[Cell]
    takes: frozenset[str] = frozenset({"cut"})
    lead = True

    @checked
    def __init__(self, input_size: int, hidden_size: int, *args: Any, last_only: bool = False, **kwargs: Any):
        self.cell: Cell = self.cell_class(input_size, hidden_size, *args, **kwargs)
        self.last_only = last_only

    def __repr__(self) -> str:
        last = ", last_only=True" if self.last_only else ""
        return f"{type(self).__name__}({self.cell.input_size}, {self.cell.hidden_size}{last})"

    def shapes(self) -> Mapping[str, Shape]:
        return self.cell.shapes()

    def buffers(self) -> Mapping[str, tuple[Shape, Any]]:
        return self.cell.buffers()

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return self.cell.initial(name, shape, rng, dtype)

    def _check(self, x):
        if np.ndim(x) != 3 or x.shape[-1] != self.cell.input_size or not x.shape[0]:
            expected = f"(T, B, {self.cell.input_size}) with T > 0"
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected {expected}")

    def forward(self, p: Parameters, x: Array) -> Array:
        self._check(x)
        state, ys = self.cell.start(x[0]), []
        for t in range(len(x)):
            state = self.cell.step(p, state, x[t])
            if not self.last_only:
                ys.append(self.cell.output(state))
        return self.cell.output(state) if self.last_only else np.stack(ys)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        self._check(x)
        step, state, dstate, ys, ds = tangent_rule(self.cell, "step_jvp"), self.cell.start(x[0]), ZERO, [], []
        for t in range(len(x)):
            state, dstate = step(p, state, x[t], dp, dstate, dx[..., t, :, :])
            if not self.last_only:
                ys.append(self.cell.output(state))
                ds.append(self.cell.output_tangent(state, dstate))
        if self.last_only:
            return self.cell.output(state), self.cell.output_tangent(state, dstate)
        ds = with_zeros(ds, ys)
        return np.stack(ys), ds if ds is ZERO else np.stack(ds, axis=-3)

    def vjp(self, p: Parameters, x: Array, cut: Callable[..., Any] | None = None) -> Pulled:
        """Backpropagation through time: the pullback keeps every step.

        ``cut(t, state, dstate)``, where given, returns the cotangent that goes on from step t to the state before it:
        `ZERO` in every part for truncation there, a critic's prediction for synthetic gradients.
        """
        self._check(x)
        state, states, pullbacks = self.cell.start(x[0]), [], []
        for t in range(len(x)):
            state, pull = self.cell.step_vjp(p, state, x[t])
            states.append(state)
            pullbacks.append(pull)
        ys = [self.cell.output(s) for s in states[-1:] if self.last_only] or [self.cell.output(s) for s in states]

        def pullback(dy):
            dstate, dp, dxs = map_leaves(lambda s: ZERO, states[0]), dict.fromkeys(self.shapes(), ZERO), []
            for t in reversed(range(len(states))):
                seen = dy if self.last_only else dy[t]
                if not self.last_only or t == len(states) - 1:
                    dstate = _added(dstate, self.cell.output_vjp(states[t], seen))
                if all(part is ZERO for part in flatten(dstate)[0]):  # cut off from every loss
                    dxs.append(np.zeros_like(x[t]))
                    continue
                dq, dstate, dx = pullbacks[t](dstate)
                if cut is not None and t:
                    dstate = cut(t, states[t - 1], dstate)
                dp = {name: dp[name] + dq[name] for name in dp}
                dxs.append(dx)
            dp = {name: np.zeros_like(p[name]) if d is ZERO else d for name, d in dp.items()}
            return dp, np.stack(dxs[::-1])

        return ys[0] if self.last_only else np.stack(ys), pullback


def _added(a, b):
    """The sum of two states."""
    if isinstance(b, tuple):
        return tuple(x + y for x, y in zip(a, b, strict=True))
    return a + b


class RNN(Recurrent):
    """`RNNCell` over a sequence: y_t = h_t ;  dy_t = dh_t, carried along ;  cotangents summed backwards in time.

    Parameters
    ----------
    input_size, hidden_size : int
    nonlinearity : "tanh" or "relu"
    last_only : bool
        Return the last output ``(B, hidden)`` alone.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.RNN(3, 2)
    >>> layer(layer.init(rng=0), np.zeros((7, 4, 3), np.float32)).shape
    (7, 4, 2)
    """

    cell_class: type[Cell] = RNNCell

    def __init__(
        self, input_size: int, hidden_size: int, nonlinearity: Literal["tanh", "relu"] = "tanh", *,
        last_only: bool = False,
    ):  # fmt: skip
        super().__init__(input_size, hidden_size, nonlinearity, last_only=last_only)


class LeakyRNN(Recurrent):
    """`LeakyRNNCell` over a sequence: y_t = σ(h_t) ;  dy_t = σ' dh_t, carried along ;  cotangents summed backwards.

    Parameters
    ----------
    input_size, hidden_size : int
    leak : float, array, or "learned"
    last_only : bool

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.LeakyRNN(3, 2, leak=0.5)
    >>> layer(layer.init(rng=0), np.zeros((7, 4, 3), np.float32)).shape
    (7, 4, 2)
    """

    cell_class: type[Cell] = LeakyRNNCell

    def __init__(
        self, input_size: int, hidden_size: int, leak: ArrayLike | Literal["learned"] = 0.9, *, last_only: bool = False
    ):
        super().__init__(input_size, hidden_size, leak, last_only=last_only)


class GRU(Recurrent):
    """`GRUCell` over a sequence: y_t = h_t ;  dy_t = dh_t, carried along ;  cotangents summed backwards in time.

    Parameters
    ----------
    input_size, hidden_size : int
    last_only : bool

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.GRU(3, 2, last_only=True)
    >>> layer(layer.init(rng=0), np.zeros((7, 4, 3), np.float32)).shape
    (4, 2)
    """

    cell_class: type[Cell] = GRUCell

    def __init__(self, input_size: int, hidden_size: int, *, last_only: bool = False):
        super().__init__(input_size, hidden_size, last_only=last_only)


class LSTM(Recurrent):
    """`LSTMCell` over a sequence: y_t = h_t ;  dy_t = dh_t, carried along ;  cotangents summed backwards in time.

    Parameters
    ----------
    input_size, hidden_size : int
    last_only : bool

    Notes
    -----
    The outputs alone are returned, ``(T, B, hidden)``; for the states use `LSTMCell`. Cost of a jvp with dense weight
    tangents: three times the products of a step; with `OuterProduct` ones, a little over two.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.LSTM(7, 5)
    >>> layer(layer.init(rng=0), np.zeros((3, 2, 7), np.float32)).shape
    (3, 2, 5)
    """

    cell_class: type[Cell] = LSTMCell
    lead = True

    def __init__(self, input_size: int, hidden_size: int, *, last_only: bool = False):
        super().__init__(input_size, hidden_size, last_only=last_only)

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        tangents = [v for d in (dx, *dp.values()) for v in ((d.a, d.b) if isinstance(d, OuterProduct) else (d,))]
        standard = self.cell.__class__ is LSTMCell
        if standard and on_host(x, *p.values(), *tangents) and any(d is not ZERO for d in tangents):
            self._check(x)
            return quietly(lstm_jvp, self.cell.hidden_size, p, x, dp, dx, self.last_only)
        return super().jvp(p, x, dp, dx)


def require_recurrent(estimator, objective):
    """The recurrent layers of a bound objective's model, of which there must be one."""
    if not hasattr(objective, "vjp"):
        raise DualgradError(
            f"{estimator!r} needs a network: give it nn.Objective(model, loss).bind(x, y), and not beside a candidate "
            "with inner steps, which differentiates another function"
        )
    found = list(_recurrent_layers(objective.model))
    if not found:
        raise DualgradError(
            f"{estimator!r} cuts the sequence of a recurrent layer, and {objective.model!r} has none: add nn.LSTM, "
            "nn.GRU, nn.RNN or nn.LeakyRNN, or take another candidate"
        )
    return found


def _recurrent_layers(layer):
    if isinstance(layer, Recurrent):
        yield layer
    for child in getattr(layer, "children", {}).values():
        yield from _recurrent_layers(child)
