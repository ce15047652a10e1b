"""Recurrent layers: a cell is one step, ``state, x -> state``, with its rules; a layer runs it over a sequence.

The tangent of a sequence is carried along with the state, so its memory does not grow with time; only the pullback
keeps every step.
"""

from typing import NamedTuple

import numpy as np

from ..dual import LIVE, Dual, ended, primal
from ..errors import ShapeError
from ..inputs import as_input
from ..lowrank import LowRank
from ..rules.absorb import quietly
from ..rules.declare import nested_as
from ..slopes import logistic, logistic_slope, sech2
from ..tree import flatten, map_leaves, unflatten
from ..zero import ZERO
from .initial import uniform_fan_in
from .joint import plain
from .layer import Layer, at_level, with_buffers
from .lead import by_direction, is_ours, takes_lead, tangent_rule
from .linear import row_tangent
from .lstm_fast import lstm_jvp
from .settings import checked


class Factors(NamedTuple):
    """One step, unit by unit: s' = φ(z, s) with z = x Wx + a(s) Wh + b, where φ and a act on each unit alone.

    For ``gates`` pre-activations a unit and ``parts`` numbers of state (an LSTM's h and c), at inputs ``(B, in)``.

    Attributes
    ----------
    state : the parts of s', each ``(B, n)``
    blocks : pairs (v, ∂φ/∂z), in the order of the parameters
        A block of parameters ``(m, gates n)`` multiplies the input v ``(B, m)``; ∂φ/∂z is ``(B, parts, gates n)``.
    gains : ``(B, parts, gates n)``, ∂φ/∂(a Wh); ``gains_x`` the same for x Wx
    slope : ``(B, n)``, a'(s) of the first part, or None for a = s
    keep : ``(B, parts, parts, n)``, ∂φ/∂s at fixed z
    """

    state: tuple
    blocks: list
    gains: np.ndarray
    gains_x: np.ndarray
    slope: np.ndarray | None
    keep: np.ndarray


def _with_one(*inputs):
    """The inputs side by side, and a 1 for the bias."""
    return np.concatenate([*inputs, np.ones_like(inputs[0], shape=(len(inputs[0]), 1))], axis=-1)


class Cell(Layer):
    """One step of a recurrent network.

    ``step(p, state, x) -> state``, ``step_jvp(p, state, x, dp, dstate, dx) -> state, dstate`` and
    ``step_vjp(p, state, x) -> state, pullback``, with ``pullback(dstate) -> dp, dstate, dx``; and for learning online
    ``factors(p, parts, x)``, the same derivatives unit by unit. A cell is called as
    ``cell(p, state, x)``, on plain arrays or Duals; ``start(x)`` is the state of zeros for inputs like x, and
    ``output(state)`` what the network sees of a state, with ``output_jvp(state, dstate)``. As in every `Layer`, the
    rules of tangents are called for one direction at a time unless the class that defines them says ``lead = True``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> cell = dg.nn.GRUCell(3, 2)
    >>> x = np.ones((4, 3), np.float32)
    >>> cell(cell.init(rng=0), cell.start(x), x).shape
    (4, 2)
    """

    gates = parts = 1
    lead = True

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._of_arrays = is_ours(cls, "step")  # and states no trees that a cell of one's own may take

    @checked
    def __init__(self, input_size, hidden_size):
        self.input_size, self.hidden_size = input_size, hidden_size

    def __repr__(self):
        return f"{type(self).__name__}({self.input_size}, {self.hidden_size})"

    def shapes(self):
        n, width = self.hidden_size, self.gates * self.hidden_size
        return {"weight_x": (self.input_size, width), "weight_h": (n, width), "bias": (width,)}

    def initial(self, name, shape, rng, dtype):
        return uniform_fan_in(rng, shape, dtype, self.hidden_size)

    def start(self, x):
        """The state before the first input: zeros."""
        return np.zeros_like(primal(x), shape=(*x.shape[:-1], self.hidden_size))

    def output(self, state):
        """The part of the state that the next layer sees."""
        return state

    def output_jvp(self, state, dstate):
        """The same of a tangent."""
        return dstate

    def output_tangent(self, state, dstate):
        """`output_jvp` along one direction or K."""
        if dstate is ZERO:
            return ZERO
        if takes_lead(self, "output_jvp"):
            return self.output_jvp(state, dstate)
        return by_direction(lambda s, ds: (self.output(s), self.output_jvp(s, ds)), self)(state, dstate)[1]

    def output_vjp(self, state, dy):
        """The cotangent of the state of a cotangent of the output."""
        return dy

    def __call__(self, p, state, x):
        """One step; on Duals by `step_jvp`."""
        p, x = with_buffers(p), as_input(x, self)
        self.require(p)
        self._check(x)
        state = self._arrays(state) if self._of_arrays else state
        leaves, structure = flatten(state)
        moving = [v for v in (*p.values(), *leaves, x) if isinstance(v, Dual)]
        top = max(moving, key=lambda v: v.level, default=None)
        if type(top) is not Dual:
            return self.step(p, state, x) if top is None else top.through(self, self.step, p, state, x)
        if top.level not in LIVE:
            raise ended()
        pairs = {name: at_level(v, top.level) for name, v in p.items()}
        states = [at_level(v, top.level) for v in leaves]
        x, dx = at_level(x, top.level)
        ds = [d for _, d in states]
        value, tangent = tangent_rule(self, "step_jvp")(
            {n: v for n, (v, _) in pairs.items()},
            unflatten(structure, [v for v, _ in states]),
            x,
            {n: d for n, (_, d) in pairs.items()},
            ZERO if all(d is ZERO for d in ds) else unflatten(structure, ds),
            dx,
        )
        if tangent is ZERO:
            return value
        values, structure = flatten(value)
        both = zip(values, flatten(tangent)[0], strict=True)
        return unflatten(structure, [v if d is ZERO else Dual(v, nested_as(v, d), top.level) for v, d in both])

    def _arrays(self, state):
        """The state as an array, or as the tuple of its parts."""
        if self.parts == 1:
            return self._part(state)
        if not isinstance(state, (tuple, list)) or len(state) != self.parts:
            raise TypeError(f"{self!r} got a state of another kind; expected {self.parts} arrays, as start(x) gives")
        return tuple([self._part(part) for part in state])  # of known length, which takes no room beyond it

    def _part(self, state):
        state = as_input(state, self, "a state")
        if state.shape[-1:] != (self.hidden_size,):
            raise ShapeError(f"{self!r} got a state of shape {state.shape}; expected (B, {self.hidden_size})")
        return state

    def _check(self, x):
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(f"{self!r} got an input of shape {x.shape}; expected (B, {self.input_size})")

    def step(self, p, state, x):
        """The state after the input x."""
        raise NotImplementedError

    def factors(self, p, parts, x):
        """The `Factors` of a step from the parts of a state, each ``(B, n)``."""
        raise NotImplementedError(
            f"{self!r} does not say how its step factors by units: define factors(p, parts, x), or make it a System"
        )

    def blocks(self):
        """(m, gates n, whether its input varies) of every block of `factors`: here one, of all weights and the bias."""
        return [(self.input_size + self.hidden_size + 1, self.gates * self.hidden_size, True)]

    def _affine(self, p, x, h):
        return np.matmul(x, p["weight_x"]) + np.matmul(h, p["weight_h"]) + p["bias"]

    def _affine_tangent(self, p, x, h, dp, dx, dh):
        """dx Wx + x dWx + dh Wh + h dWh + db."""
        dz = dx @ p["weight_x"] + x @ dp["weight_x"] + dh @ p["weight_h"] + h @ dp["weight_h"]
        return _plus_row(dz, dp["bias"], x)

    def _affine_pullback(self, p, x, h, dz):
        """The transpose: cotangents of the parameters, of h and of x."""
        dp = {"weight_x": _outer(x, dz), "weight_h": _outer(h, dz), "bias": _total(dz)}
        return dp, np.matmul(dz, np.transpose(p["weight_h"])), np.matmul(dz, np.transpose(p["weight_x"]))


def _plus_row(dz, db, x):
    """dz + db, where db is alike for all examples."""
    if db is ZERO:
        return dz
    db = row_tangent(db, x.ndim)
    return (
        dz + db if dz is not ZERO else db + np.zeros_like(db, shape=db.shape[: -x.ndim] + x.shape[:-1] + db.shape[-1:])
    )


def _outer(x, dz):
    """xᵀ dz, summed over examples."""
    return np.matmul(np.reshape(x, (-1, x.shape[-1])).T, np.reshape(dz, (-1, dz.shape[-1])))


def _total(dz):
    return np.sum(np.reshape(dz, (-1, dz.shape[-1])), axis=0)


class RNNCell(Cell):
    """h ← f(x Wx + h Wh + b), f = tanh or relu ;  dh ← f' (dx Wx + x dWx + dh Wh + h dWh + db) ;  transposed backwards.

    Parameters
    ----------
    input_size, hidden_size : int
    nonlinearity : "tanh" or "relu"

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> cell = dg.nn.RNNCell(3, 2)
    >>> list(cell.init(rng=0))
    ['weight_x', 'weight_h', 'bias']
    """

    lead = True

    @checked
    def __init__(self, input_size, hidden_size, nonlinearity="tanh"):
        super().__init__(input_size, hidden_size)
        self.nonlinearity = nonlinearity

    def __repr__(self):
        return super().__repr__()[:-1] + (")" if self.nonlinearity == "tanh" else ", nonlinearity='relu')")

    def _curve(self, z):
        """f(z) and f'(z)."""
        if self.nonlinearity == "tanh":
            return np.tanh(z), sech2(z)
        on = primal(z) > 0
        return np.where(on, z, 0), on

    def step(self, p, state, x):
        return self._curve(self._affine(p, x, state))[0]

    def step_jvp(self, p, state, x, dp, dstate, dx):
        y, slope = self._curve(self._affine(p, x, state))
        return y, slope * self._affine_tangent(p, x, state, dp, dx, dstate)

    def step_vjp(self, p, state, x):
        y, slope = self._curve(self._affine(p, x, state))
        return y, lambda dy: self._affine_pullback(p, x, state, slope * dy)

    def factors(self, p, parts, x):
        y, slope = self._curve(self._affine(p, x, parts[0]))
        gains = slope.astype(y.dtype, copy=False)[:, None]
        return Factors((y,), [(_with_one(x, parts[0]), gains)], gains, gains, None, np.zeros_like(gains[:, None]))


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

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> list(dg.nn.LeakyRNNCell(3, 2, leak="learned").init(rng=0))
    ['weight_x', 'weight_h', 'bias', 'leak']
    """

    lead = True

    def __init__(self, input_size, hidden_size, leak=0.9):
        super().__init__(input_size, hidden_size)
        self.learned = isinstance(leak, str) and leak == "learned"
        self.leak = leak if self.learned else _leak(leak, (hidden_size,))

    def shapes(self):
        return super().shapes() | ({"leak": (self.hidden_size,)} if self.learned else {})

    def buffers(self):
        return {} if self.learned else {"leak": ((self.hidden_size,), self.leak)}

    def initial(self, name, shape, rng, dtype):
        return rng.uniform(0, 1, shape, dtype=dtype) if name == "leak" else super().initial(name, shape, rng, dtype)

    def output(self, state):
        return logistic(state)

    def output_jvp(self, state, dstate):
        return logistic_slope(state) * dstate

    def output_vjp(self, state, dy):
        return self.output_jvp(state, dy)

    def step(self, p, state, x):
        return p["leak"] * state + self._affine(p, x, logistic(state))

    def step_jvp(self, p, state, x, dp, dstate, dx):
        a = logistic(state)
        dh = self._affine_tangent(p, x, a, dp, dx, logistic_slope(state) * dstate) + p["leak"] * dstate
        dleak = dp.get("leak", ZERO)
        if dleak is not ZERO:
            dh = dh + row_tangent(dleak, x.ndim) * state
        return p["leak"] * state + self._affine(p, x, a), dh

    def step_vjp(self, p, state, x):
        a = logistic(state)

        def pullback(dy):
            dp, da, dx = self._affine_pullback(p, x, a, dy)
            if self.learned:
                dp["leak"] = _total(state * dy)
            return dp, p["leak"] * dy + logistic_slope(state) * da, dx

        return p["leak"] * state + self._affine(p, x, a), pullback

    def blocks(self):
        return super().blocks() + [(1, self.hidden_size, False)] * self.learned

    def factors(self, p, parts, x):
        (h,), a = parts, logistic(parts[0])
        ones = np.ones_like(h)[:, None]
        blocks = [(_with_one(x, a), ones)] + [(ones[:, 0, :1], h[:, None])] * self.learned
        keep = np.broadcast_to(p["leak"], h.shape)[:, None, None]
        return Factors((p["leak"] * h + self._affine(p, x, a),), blocks, ones, ones, logistic_slope(h), keep)


class GRUCell(Cell):
    """h ← (1 - z) n + z h ;  r, z = σ(x Wx + bx + h Wh + bh), n = tanh(x Wn + bn + r (h Un + cn)).

    dh ← dz (h - n) + (1 - z) dn + z dh, dn = tanh' (dx Wn + ... + dr (h Un + cn) + r (dh Un + h dUn + dcn)); and the
    transpose backwards (Cho et al. 2014; gates in torch's order r, z, n).

    Parameters
    ----------
    input_size, hidden_size : int

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
    lead = True

    def shapes(self):
        n = self.hidden_size
        return {"weight_x": (self.input_size, 3 * n), "weight_h": (n, 3 * n), "bias_x": (3 * n,), "bias_h": (3 * n,)}

    def _parts(self, p, state, x):
        n = self.hidden_size
        u = np.matmul(x, p["weight_x"]) + p["bias_x"]
        v = np.matmul(state, p["weight_h"]) + p["bias_h"]
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

    def step(self, p, state, x):
        _, z, c, _, _ = self._parts(p, state, x)
        return c + z * (state - c)

    def step_jvp(self, p, state, x, dp, dstate, dx):
        n, (r, z, c, inner, slopes) = self.hidden_size, self._parts(p, state, x)
        slope_r, slope_z, rest, slope_c = slopes()
        du = _plus_row(dx @ p["weight_x"] + x @ dp["weight_x"], dp["bias_x"], x)
        dv = _plus_row(dstate @ p["weight_h"] + state @ dp["weight_h"], dp["bias_h"], x)
        dr = slope_r * (du[..., :n] + dv[..., :n])
        dz = slope_z * (du[..., n : 2 * n] + dv[..., n : 2 * n])
        dc = slope_c * (du[..., 2 * n :] + dr * inner + r * dv[..., 2 * n :])
        return c + z * (state - c), dz * (state - c) + rest * dc + z * dstate

    def step_vjp(self, p, state, x):
        r, z, c, inner, slopes = self._parts(p, state, x)

        def pullback(dy):
            slope_r, slope_z, rest, slope_c = slopes()
            dc = slope_c * rest * dy
            dr, dz = slope_r * (inner * dc), slope_z * ((state - c) * dy)
            du, dv = np.concatenate([dr, dz, dc], axis=-1), np.concatenate([dr, dz, r * dc], axis=-1)
            dp = {"weight_x": _outer(x, du), "weight_h": _outer(state, dv), "bias_x": _total(du), "bias_h": _total(dv)}
            dstate = z * dy + np.matmul(dv, np.transpose(p["weight_h"]))
            return dp, dstate, np.matmul(du, np.transpose(p["weight_x"]))

        return c + z * (state - c), pullback

    def blocks(self):
        width = 3 * self.hidden_size
        return [(self.input_size, width, True), (self.hidden_size, width, True), (1, width, False), (1, width, False)]

    def factors(self, p, parts, x):
        (h,), (r, z, c, inner, slopes) = parts, self._parts(p, parts[0], x)
        slope_r, slope_z, rest, slope_c = slopes()
        dc = slope_c * rest
        dr, dz = slope_r * (inner * dc), slope_z * (h - c)
        gains_x = np.concatenate([dr, dz, dc], axis=-1)[:, None]
        gains = np.concatenate([dr, dz, r * dc], axis=-1)[:, None]
        one = np.ones_like(h[:, :1])
        blocks = [(x, gains_x), (h, gains), (one, gains_x), (one, gains)]
        return Factors((c + z * (h - c),), blocks, gains, gains_x, None, z[:, None, None])


class LSTMCell(Cell):
    """c ← f c + i g, h ← o tanh c ;  i, f, o = σ(...), g = tanh(...) of x Wx + h Wh + b.

    dc ← df c + f dc + di g + i dg, dh ← do tanh c + o tanh' c dc; and the transpose backwards (Hochreiter and
    Schmidhuber 1997, with forget gates).

    Parameters
    ----------
    input_size, hidden_size : int

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

    gates, parts = 4, 2
    lead = True

    def start(self, x):
        h = super().start(x)
        return h, h + 0

    def output(self, state):
        return state[0]

    def output_jvp(self, state, dstate):
        return dstate[0]

    def output_vjp(self, state, dy):
        return dy, ZERO

    def _parts(self, p, state, x):
        """The gates i, f, g, o, and their slopes."""
        n, z = self.hidden_size, self._affine(p, x, state[0])
        s, zg = logistic(z), z[..., 2 * n : 3 * n]

        def slopes():
            d = logistic_slope(z)
            return d[..., :n], d[..., n : 2 * n], sech2(zg), d[..., 3 * n :]

        return (s[..., :n], s[..., n : 2 * n], np.tanh(zg), s[..., 3 * n :]), slopes

    def step(self, p, state, x):
        (i, f, g, o), _ = self._parts(p, state, x)
        c = f * state[1] + i * g
        return o * np.tanh(c), c

    def step_jvp(self, p, state, x, dp, dstate, dx):
        dh, dc = (ZERO, ZERO) if dstate is ZERO else dstate
        (i, f, g, o), slopes = self._parts(p, state, x)
        c = f * state[1] + i * g
        t = np.tanh(c)
        dz = self._affine_tangent(p, x, state[0], dp, dx, dh)
        if dz is ZERO and dc is ZERO:
            return (o * t, c), ZERO
        n = self.hidden_size
        di, df, dg, do = (slope * dz[..., k * n : (k + 1) * n] for k, slope in enumerate(slopes()))
        dc = f * dc + df * state[1] + di * g + i * dg
        return (o * t, c), (do * t + o * sech2(c) * dc, dc)

    def step_vjp(self, p, state, x):
        (i, f, g, o), slopes = self._parts(p, state, x)
        c = f * state[1] + i * g
        t = np.tanh(c)

        def pullback(dstate):
            dh, dc = dstate
            dc = o * sech2(c) * dh + dc
            gates = zip(slopes(), (g * dc, state[1] * dc, i * dc, t * dh), strict=True)
            dz = np.concatenate([slope * d for slope, d in gates], axis=-1)
            dp, dh, dx = self._affine_pullback(p, x, state[0], dz)
            return dp, (dh, f * dc), dx

        return (o * t, c), pullback

    def factors(self, p, parts, x):
        (i, f, g, o), slopes = self._parts(p, parts, x)
        c = f * parts[1] + i * g
        t, (si, sf, sg, so) = np.tanh(c), slopes()
        through = o * sech2(c)  # ∂h/∂c
        dc = np.concatenate([si * g, sf * parts[1], sg * i], axis=-1)
        dh = [np.concatenate([through] * 3, axis=-1) * dc, so * t]
        gains = np.stack([np.concatenate(dh, axis=-1), np.concatenate([dc, np.zeros_like(c)], axis=-1)], axis=1)
        none = np.zeros_like(c)
        keep = np.stack([np.stack([none, through * f], axis=1), np.stack([none, f], axis=1)], axis=1)
        return Factors((o * t, c), [(_with_one(x, parts[0]), gains)], gains, gains, None, keep)


# ---------------------------------------------------------------------- over a sequence


class Recurrent(Layer):
    """A cell over a sequence ``(T, B, n)``, from a state of zeros: the outputs ``(T, B, hidden)``, or the last."""

    cell_class = None
    takes = frozenset({"cut"})
    lead = True

    @checked
    def __init__(self, input_size, hidden_size, *args, last_only=False, **kwargs):
        self.cell = self.cell_class(input_size, hidden_size, *args, **kwargs)
        self.last_only = last_only

    def __repr__(self):
        last = ", last_only=True" if self.last_only else ""
        return f"{type(self).__name__}({self.cell.input_size}, {self.cell.hidden_size}{last})"

    def shapes(self):
        return self.cell.shapes()

    def buffers(self):
        return self.cell.buffers()

    def initial(self, name, shape, rng, dtype):
        return self.cell.initial(name, shape, rng, dtype)

    def _check(self, x):
        if np.ndim(x) != 3 or x.shape[-1] != self.cell.input_size or not x.shape[0]:
            expected = f"(T, B, {self.cell.input_size}) with T > 0"
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected {expected}")

    def forward(self, p, x):
        self._check(x)
        state, ys = self.cell.start(x[0]), []
        for t in range(len(x)):
            state = self.cell.step(p, state, x[t])
            if not self.last_only:
                ys.append(self.cell.output(state))
        return self.cell.output(state) if self.last_only else np.stack(ys)

    def jvp(self, p, x, dp, dx):
        self._check(x)
        step, state, dstate, ys, ds = tangent_rule(self.cell, "step_jvp"), self.cell.start(x[0]), ZERO, [], []
        for t in range(len(x)):
            state, dstate = step(p, state, x[t], dp, dstate, dx[..., t, :, :])
            if not self.last_only:
                ys.append(self.cell.output(state))
                ds.append(self.cell.output_tangent(state, dstate))
        if self.last_only:
            return self.cell.output(state), self.cell.output_tangent(state, dstate)
        moving = next((d for d in ds if d is not ZERO), None)
        if moving is None:
            return np.stack(ys), ZERO
        return np.stack(ys), np.stack([np.zeros_like(moving) if d is ZERO else d for d in ds], axis=-3)

    def vjp(self, p, x, cut=None):
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

    cell_class = RNNCell


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

    cell_class = LeakyRNNCell


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

    cell_class = GRUCell


class LSTM(Recurrent):
    """`LSTMCell` over a sequence: y_t = h_t ;  dy_t = dh_t, carried along ;  cotangents summed backwards in time.

    Parameters
    ----------
    input_size, hidden_size : int
    last_only : bool

    Notes
    -----
    The outputs alone are returned, ``(T, B, hidden)``; for the states use `LSTMCell`. Cost of a jvp with dense weight
    tangents: three times the products of a step; with `LowRank` ones, a little over two.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.LSTM(7, 5)
    >>> layer(layer.init(rng=0), np.zeros((3, 2, 7), np.float32)).shape
    (3, 2, 5)
    """

    cell_class = LSTMCell
    lead = True

    def jvp(self, p, x, dp, dx):
        tangents = [v for d in (dx, *dp.values()) for v in ((d.a, d.b) if isinstance(d, LowRank) else (d,))]
        standard = self.cell.__class__ is LSTMCell
        if standard and plain(x, *p.values(), *tangents) and any(d is not ZERO for d in tangents):
            self._check(x)
            return quietly(lstm_jvp, self.cell.hidden_size, p, x, dp, dx, self.last_only)
        return super().jvp(p, x, dp, dx)
