"""LSTMCell: c ← f c + i g, h ← o tanh c."""

import numpy as np

from ...backend import Array
from ...slopes import logistic, logistic_slope, sech2
from ...zero import ZERO
from ..types import Input, Parameters, PulledState, PushedState, State, Tangent, Tangents
from .base import Cell, Factors


class LSTMCell(Cell):
    """c ← f c + i g, h ← o tanh c ;  i, f, o = σ(...), g = tanh(...) of x Wx + h Wh + b.

    dc ← df c + f dc + di g + i dg, dh ← do tanh c + o tanh' c dc; and the transpose backwards (Hochreiter and
    Schmidhuber 1997, with forget gates).

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool

    Notes
    -----
    The state is the pair (h, c). Gates stand in the order i, f, g, o: ``weight_x`` is ``(in, 4n)``, ``weight_h``
    ``(n, 4n)``, ``bias`` ``(4n,)``. ``nn.initialise(params, "forget_gate", rng=rng)`` sets the forget gate's bias to 1.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> cell = dg.nn.LSTMCell(3, 2)
    >>> x = np.ones((4, 3), np.float32)
    >>> h, c = cell(cell.init(rng=0), cell.start(x), x)
    >>> h.shape, c.shape
    ((4, 2), (4, 2))
    """

    gates = 4
    parts = 2
    lead = particles = True

    def start(self, x: Input) -> State:
        h = super().start(x)
        return h, h + 0

    def output(self, state: State) -> Array:
        return state[0]

    def output_jvp(self, state: State, dstate: State) -> Tangent:
        return dstate[0]

    def output_vjp(self, state: State, dy: Tangent) -> State:
        return dy, ZERO

    def _gate_values(self, p, state, x):
        """The gates i, f, g, o, and their slopes."""
        n, z = self.hidden_size, self.affine(p, x, state[0])
        s, zg = logistic(z), z[..., 2 * n : 3 * n]

        def slopes():
            d = logistic_slope(z)
            return d[..., :n], d[..., n : 2 * n], sech2(zg), d[..., 3 * n :]

        return (s[..., :n], s[..., n : 2 * n], np.tanh(zg), s[..., 3 * n :]), slopes

    def step(self, p: Parameters, state: State, x: Array) -> State:
        (i, f, g, o), _ = self._gate_values(p, state, x)
        c = f * state[1] + i * g
        return o * np.tanh(c), c

    def step_jvp(self, p: Parameters, state: State, x: Array, dp: Tangents, dstate: State, dx: Tangent) -> PushedState:
        dh, dc = (ZERO, ZERO) if dstate is ZERO else dstate
        (i, f, g, o), slopes = self._gate_values(p, state, x)
        c = f * state[1] + i * g
        t = np.tanh(c)
        dz = self.affine_tangent(p, x, state[0], dp, dx, dh)
        if dz is ZERO and dc is ZERO:
            return (o * t, c), ZERO
        n = self.hidden_size
        di, df, dg, do = (slope * dz[..., k * n : (k + 1) * n] for k, slope in enumerate(slopes()))
        dc = f * dc + df * state[1] + di * g + i * dg
        return (o * t, c), (do * t + o * sech2(c) * dc, dc)

    def step_vjp(self, p: Parameters, state: State, x: Array) -> PulledState:
        (i, f, g, o), slopes = self._gate_values(p, state, x)
        c = f * state[1] + i * g
        t = np.tanh(c)

        def pullback(dstate):
            dh, dc = dstate
            dc = o * sech2(c) * dh + dc
            gates = zip(slopes(), (g * dc, state[1] * dc, i * dc, t * dh), strict=True)
            dz = np.concatenate([slope * d for slope, d in gates], axis=-1)
            dp, dh, dx = self.affine_pullback(p, x, state[0], dz)
            return dp, (dh, f * dc), dx

        return (o * t, c), pullback

    def factors(self, p: Parameters, parts: tuple[Array, ...], x: Array) -> Factors:
        (i, f, g, o), slopes = self._gate_values(p, parts, x)
        c = f * parts[1] + i * g
        t, (si, sf, sg, so) = np.tanh(c), slopes()
        through = o * sech2(c)  # ∂h/∂c
        dc = np.concatenate([si * g, sf * parts[1], sg * i], axis=-1)
        dh = [np.concatenate([through] * 3, axis=-1) * dc, so * t]
        gains = np.stack([np.concatenate(dh, axis=-1), np.concatenate([dc, np.zeros_like(c)], axis=-1)], axis=1)
        none = np.zeros_like(c)
        keep = np.stack([np.stack([none, through * f], axis=1), np.stack([none, f], axis=1)], axis=1)
        return Factors((o * t, c), [(self.beside(x, parts[0]), gains)], gains, gains, None, keep)
