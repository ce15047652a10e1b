"""The LSTM's jvp on plain arrays: the equations of `LSTMCell`, with everything side by side in buffers made once.

The rows [x, h, 1] and their tangents [dx, dh, 0] meet the one matrix [Wx; Wh; b] in one product a step. The slopes of
all gates come from one cosh, σ'(z) = sech²(z/2) / 4, whose halves are put into the matrix beforehand.
"""

import numpy as np

from ...outer_product import OuterProduct
from ...zero import ZERO
from ..joint import empty_joint
from ..tangents import shared_lead, with_zeros


def lstm_jvp(n, p, x, dp, dx, start, last_only):
    """The outputs and their tangents; ``n`` hidden units, ``x`` of shape ``(T, B, in)``, from the state ``start``,
    which does not move. To be called quietly: cosh overflows where the slopes underflow."""
    steps, batch, width = x.shape
    lead = shared_lead((dx, 3), *((dp[name], p[name].ndim) for name in p))
    kind = np.result_type(x, *start, *p.values())
    half = np.full(4 * n, 0.5, kind)
    half[2 * n : 3 * n] = 1
    bias = p["bias"] if "bias" in p else np.zeros(4 * n, kind)
    matrix = np.concatenate([p["weight_x"], p["weight_h"], bias[None]]) * half
    parameter_term = _parameter_term(p, dp, half)

    joint, rows, drows = empty_joint(lead, (batch, width + n + 1), kind)  # [x, h, 1] and [dx, dh, 0]
    joint[...] = 0
    rows[:, -1] = 1
    h, dh = rows[:, width:-1], drows[..., width:-1]
    h[...] = start[0]
    c, dc = start[1].astype(kind), np.zeros((*lead, batch, n), kind)
    z, gates, dz = empty_joint(lead, (batch, 4 * n), kind)
    s, cosh2 = np.empty_like(gates), np.empty_like(gates)
    t, part, term = np.empty_like(c), np.empty_like(c), np.empty_like(dc)
    i, f, g, o = s[:, :n], s[:, n : 2 * n], gates[:, 2 * n : 3 * n], s[:, 3 * n :]
    di, df, dg, do = (dz[..., m * n : (m + 1) * n] for m in range(4))
    outputs = None if last_only else empty_joint(lead, (steps, batch, n), kind)
    for step in range(steps):
        rows[:, :width] = x[step]
        if dx is not ZERO:
            drows[..., :width] = dx[..., step, :, :]
        np.matmul(joint.reshape(-1, width + n + 1), matrix, out=z.reshape(-1, 4 * n))
        if parameter_term is not None:
            dz += parameter_term(rows, width)
        np.cosh(gates, out=cosh2)  # with z the halves: dσ = dz / 2 cosh² z, dg = dz / cosh² z
        np.multiply(cosh2, cosh2, out=cosh2)
        np.divide(half, cosh2, out=cosh2)
        np.multiply(dz, cosh2, out=dz)
        np.multiply(gates, -2, out=s)  # σ = 1 / (1 + exp(-2z))
        np.exp(s, out=s)
        np.add(s, 1, out=s)
        np.reciprocal(s, out=s)
        np.tanh(g, out=g)
        np.multiply(dc, f, out=dc)  # dc ← f dc + df c + di g + i dg
        for d, v in ((df, c), (di, g), (dg, i)):
            np.add(dc, np.multiply(d, v, out=term), out=dc)
        np.multiply(c, f, out=c)  # c ← f c + i g
        np.add(c, np.multiply(i, g, out=part), out=c)
        np.tanh(c, out=t)
        np.multiply(o, t, out=h)
        np.multiply(do, t, out=dh)  # dh ← do t + o sech² c dc
        np.cosh(c, out=part)
        np.multiply(part, part, out=part)
        np.divide(o, part, out=part)
        np.add(dh, np.multiply(part, dc, out=term), out=dh)
        if outputs is not None:
            outputs[1][step] = h
            outputs[2][..., step, :, :] = dh
    return (h.copy(), dh.copy()) if last_only else outputs[1:]


def _parameter_term(p, dp, half):
    """The function from the rows [x, h, 1] to their product with [dWx; dWh; db], or None where no parameter moves."""
    dwx, dwh, db = (dp.get(name, ZERO) for name in ("weight_x", "weight_h", "bias"))
    if all(d is ZERO for d in (dwx, dwh, db)):
        return None
    if isinstance(dwx, OuterProduct) and isinstance(dwh, OuterProduct):
        db = np.zeros_like(dwx.b) if db is ZERO else db
        across = np.stack([dwx.b, dwh.b, db], -2) * half  # [x·a, h·a, 1] times three rows

        def thin(rows, width):
            left = np.ones((*across.shape[:-2], len(rows), 3), across.dtype)
            left[..., 0] = np.matmul(rows[:, :width], dwx.a.T).T
            left[..., 1] = np.matmul(rows[:, width:-1], dwh.a.T).T
            return np.matmul(left, across)

        return thin
    dwx, dwh, db = with_zeros((dwx, dwh, db), (p["weight_x"], p["weight_h"], p.get("bias", half)))
    dense = np.concatenate([np.asarray(dwx), np.asarray(dwh), db[..., None, :]], -2) * half
    return lambda rows, width: np.matmul(rows, dense)
