"""RNNCell: h ← f(x Wx + h Wh + b)."""

from typing import Literal

import numpy as np

from ...backend import Array
from ...dual import primal
from ...slopes import sech2
from ..setting_checks import checked
from ..types import Parameters, PulledState, PushedState, State, Tangent, Tangents
from .base import Cell, Factors


class RNNCell(Cell):
    """h ← f(x Wx + h Wh + b), f = tanh or relu ;  dh ← f' (dx Wx + x dWx + dh Wh + h dWh + db) ;  transposed backwards.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    nonlinearity : "tanh" or "relu"

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> cell = dg.nn.RNNCell(3, 2)
    >>> list(cell.init(rng=0))
    ['weight_x', 'weight_h', 'bias']
    """

    lead = particles = True

    @checked
    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: Literal["tanh", "relu"] = "tanh"
    ):
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = nonlinearity

    def __repr__(self) -> str:
        return super().__repr__()[:-1] + (")" if self.nonlinearity == "tanh" else ", nonlinearity='relu')")

    def _curve(self, z):
        """f(z) and f'(z)."""
        if self.nonlinearity == "tanh":
            return np.tanh(z), sech2(z)
        on = primal(z) > 0
        return np.where(on, z, 0), on

    def step(self, p: Parameters, state: State, x: Array) -> State:
        return self._curve(self.affine(p, x, state))[0]

    def step_jvp(self, p: Parameters, state: State, x: Array, dp: Tangents, dstate: State, dx: Tangent) -> PushedState:
        y, slope = self._curve(self.affine(p, x, state))
        return y, slope * self.affine_tangent(p, x, state, dp, dx, dstate)

    def step_vjp(self, p: Parameters, state: State, x: Array) -> PulledState:
        y, slope = self._curve(self.affine(p, x, state))
        return y, lambda dy: self.affine_pullback(p, x, state, slope * dy)

    def factors(self, p: Parameters, parts: tuple[Array, ...], x: Array) -> Factors:
        y, slope = self._curve(self.affine(p, x, parts[0]))
        gains = slope.astype(y.dtype, copy=False)[:, None]
        return Factors((y,), [(self.beside(x, parts[0]), gains)], gains, gains, None, np.zeros_like(gains[:, None]))
