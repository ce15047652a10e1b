"""LeakyRNNCell: h ← α h + x Wx + σ(h) Wh + b."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ...backend import Array
from ...random import Rng
from ...slopes import logistic, logistic_slope
from ...zero import ZERO
from ..affine import row_sum, row_tangent
from ..types import Parameters, PulledState, PushedState, Shape, Shapes, State, Tangent, Tangents
from .base import Cell, Factors


def _leak(value, shape):
    """A finite number, or one a unit."""
    try:
        fits = np.asarray(value).dtype.kind in "iuf" and np.shape(value) in ((), shape) and np.all(np.isfinite(value))
    except ValueError:  # lists of several lengths
        fits = False
    if not fits:
        raise ValueError(f"got leak={value!r}; expected numbers or 'learned': one, or one for each of {shape[0]} units")
    return value


class LeakyRNNCell(Cell):
    """h ← α h + x Wx + a Wh + b, a = σ(h) ;  dh ← dα h + α dh + dx Wx + x dWx + a' dh Wh + a dWh + db ;  output σ(h).

    NoBackTrack, eq. 37: a feedback α per unit, fixed or learned.

    Parameters
    ----------
    input_size, hidden_size : int
    leak : float, array of hidden_size numbers, or "learned"
        α. Learned, it is the parameter ``leak`` and starts uniform on [0, 1].
    bias : bool

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> list(dg.nn.LeakyRNNCell(3, 2, leak="learned").init(rng=0))
    ['weight_x', 'weight_h', 'bias', 'leak']
    """

    lead = True

    def __init__(
        self, input_size: int, hidden_size: int, leak: ArrayLike | Literal["learned"] = 0.9, bias: bool = True
    ):
        super().__init__(input_size, hidden_size, bias)
        self.learned: bool = isinstance(leak, str) and leak == "learned"
        self.leak: Any = leak if self.learned else _leak(leak, (hidden_size,))

    def shapes(self) -> Shapes:
        return super().shapes() | ({"leak": (self.hidden_size,)} if self.learned else {})

    def buffers(self) -> dict[str, tuple[Shape, Any]]:
        return {} if self.learned else {"leak": ((self.hidden_size,), self.leak)}

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return rng.uniform(0, 1, shape, dtype=dtype) if name == "leak" else super().initial(name, shape, rng, dtype)

    def output(self, state: State) -> Array:
        return logistic(state)

    def output_jvp(self, state: State, dstate: State) -> Tangent:
        return logistic_slope(state) * dstate

    def output_vjp(self, state: State, dy: Tangent) -> State:
        return self.output_jvp(state, dy)

    def step(self, p: Parameters, state: State, x: Array) -> State:
        return p["leak"] * state + self.affine(p, x, logistic(state))

    def step_jvp(self, p: Parameters, state: State, x: Array, dp: Tangents, dstate: State, dx: Tangent) -> PushedState:
        a = logistic(state)
        dh = self.affine_tangent(p, x, a, dp, dx, logistic_slope(state) * dstate) + p["leak"] * dstate
        dleak = dp.get("leak", ZERO)
        if dleak is not ZERO:
            dh = dh + row_tangent(dleak, x.ndim) * state
        return p["leak"] * state + self.affine(p, x, a), dh

    def step_vjp(self, p: Parameters, state: State, x: Array) -> PulledState:
        a = logistic(state)

        def pullback(dy):
            dp, da, dx = self.affine_pullback(p, x, a, dy)
            if self.learned:
                dp["leak"] = row_sum(state * dy)
            return dp, p["leak"] * dy + logistic_slope(state) * da, dx

        return p["leak"] * state + self.affine(p, x, a), pullback

    def blocks(self) -> list[tuple[int, int, bool]]:
        return super().blocks() + [(1, self.hidden_size, False)] * self.learned

    def factors(self, p: Parameters, parts: tuple[Array, ...], x: Array) -> Factors:
        (h,), a = parts, logistic(parts[0])
        ones = np.ones_like(h)[:, None]
        blocks = [(self.beside(x, a), ones)] + [(ones[:, 0, :1], h[:, None])] * self.learned
        keep = (ones * p["leak"])[:, None]
        return Factors((p["leak"] * h + self.affine(p, x, a),), blocks, ones, ones, logistic_slope(h), keep)
