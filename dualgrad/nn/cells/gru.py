"""GRUCell: h ← (1 - z) n + z h."""

import numpy as np

from ...backend import Array
from ...slopes import logistic, logistic_slope, sech2
from ...zero import ZERO
from ..affine import add_row_tangent, outer_sum, row_sum
from ..types import Parameters, PulledState, PushedState, Shapes, State, Tangent, Tangents
from .base import Cell, Factors


class GRUCell(Cell):
    """h ← (1 - z) n + z h ;  r, z = σ(x Wx + bx + h Wh + bh), n = tanh(x Wn + bn + r (h Un + cn)).

    dh ← dz (h - n) + (1 - z) dn + z dh, dn = tanh' (dx Wn + ... + dr (h Un + cn) + r (dh Un + h dUn + dcn)); and the
    transpose backwards (Cho et al. 2014; gates in torch's order r, z, n).

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool

    Notes
    -----
    ``weight_x`` is ``(in, 3n)``, ``weight_h`` ``(n, 3n)``, ``bias_x`` and ``bias_h`` ``(3n,)``: the candidate's
    ``bias_h`` sits inside the reset gate.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> list(dg.nn.GRUCell(3, 2).init(rng=0))
    ['weight_x', 'weight_h', 'bias_x', 'bias_h']
    """

    gates = 3
    lead = particles = True

    def shapes(self) -> Shapes:
        n = self.hidden_size
        weights = {"weight_x": (self.input_size, 3 * n), "weight_h": (n, 3 * n)}
        return weights | {"bias_x": (3 * n,), "bias_h": (3 * n,)} if self.bias else weights

    def _gate_values(self, p, state, x):
        n = self.hidden_size
        u, v = np.matmul(x, p["weight_x"]), np.matmul(state, p["weight_h"])
        if self.bias:
            u, v = u + p["bias_x"], v + p["bias_h"]
        gates, inner = u[..., : 2 * n] + v[..., : 2 * n], v[..., 2 * n :]
        both = logistic(gates)
        r, z = both[..., :n], both[..., n:]
        candidate = u[..., 2 * n :] + r * inner
        c = np.tanh(candidate)

        def slopes():
            """σ' of both gates, 1 - z, and tanh' of the candidate."""
            slope = logistic_slope(gates)
            return slope[..., :n], slope[..., n:], logistic(-gates[..., n:]), sech2(candidate)

        return r, z, c, inner, slopes

    def step(self, p: Parameters, state: State, x: Array) -> State:
        _, z, c, _, _ = self._gate_values(p, state, x)
        return c + z * (state - c)

    def step_jvp(self, p: Parameters, state: State, x: Array, dp: Tangents, dstate: State, dx: Tangent) -> PushedState:
        n, (r, z, c, inner, slopes) = self.hidden_size, self._gate_values(p, state, x)
        slope_r, slope_z, rest, slope_c = slopes()
        du = add_row_tangent(dx @ p["weight_x"] + x @ dp["weight_x"], dp.get("bias_x", ZERO), x.shape[:-1])
        dv = add_row_tangent(dstate @ p["weight_h"] + state @ dp["weight_h"], dp.get("bias_h", ZERO), x.shape[:-1])
        dr = slope_r * (du[..., :n] + dv[..., :n])
        dz = slope_z * (du[..., n : 2 * n] + dv[..., n : 2 * n])
        dc = slope_c * (du[..., 2 * n :] + dr * inner + r * dv[..., 2 * n :])
        return c + z * (state - c), dz * (state - c) + rest * dc + z * dstate

    def step_vjp(self, p: Parameters, state: State, x: Array) -> PulledState:
        r, z, c, inner, slopes = self._gate_values(p, state, x)

        def pullback(dy):
            slope_r, slope_z, rest, slope_c = slopes()
            dc = slope_c * rest * dy
            dr, dz = slope_r * (inner * dc), slope_z * ((state - c) * dy)
            du, dv = np.concatenate([dr, dz, dc], axis=-1), np.concatenate([dr, dz, r * dc], axis=-1)
            dp = {"weight_x": outer_sum(x, du), "weight_h": outer_sum(state, dv)}
            if self.bias:
                dp |= {"bias_x": row_sum(du), "bias_h": row_sum(dv)}
            dstate = z * dy + np.matmul(dv, np.transpose(p["weight_h"]))
            return dp, dstate, np.matmul(du, np.transpose(p["weight_x"]))

        return c + z * (state - c), pullback

    def blocks(self) -> list[tuple[int, int, bool]]:
        width = 3 * self.hidden_size
        weights = [(self.input_size, width, True), (self.hidden_size, width, True)]
        return weights + 2 * self.bias * [(1, width, False)]

    def factors(self, p: Parameters, parts: tuple[Array, ...], x: Array) -> Factors:
        (h,), (r, z, c, inner, slopes) = parts, self._gate_values(p, parts[0], x)
        slope_r, slope_z, rest, slope_c = slopes()
        dc = slope_c * rest
        dr, dz = slope_r * (inner * dc), slope_z * (h - c)
        gains_x = np.concatenate([dr, dz, dc], axis=-1)[:, None]
        gains = np.concatenate([dr, dz, r * dc], axis=-1)[:, None]
        one = np.ones_like(h[:, :1])
        blocks = [(x, gains_x), (h, gains)] + [(one, gains_x), (one, gains)] * self.bias
        return Factors((c + z * (h - c),), blocks, gains, gains_x, None, z[:, None, None])
