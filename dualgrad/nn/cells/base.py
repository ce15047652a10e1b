"""Cell: what all cells share."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ...backend import Array
from ...dual import LIVE, Dual, ended, primal
from ...errors import ShapeError
from ...inputs import as_input
from ...random import Rng
from ...rules.declare import nested_as
from ...tree import flatten, unflatten
from ...zero import ZERO
from ..affine import add_row_tangent, outer_sum, row_sum
from ..initial import uniform_fan_in
from ..layer import INPUT, Layer, at_level, by_engine, with_buffers
from ..setting_checks import checked
from ..types import Input, Parameters, PulledState, PushedState, Shape, Shapes, State, Tangent, Tangents
from ..user_rules import by_direction, drop_inherited_rules, is_builtin, takes_lead, tangent_rule


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

    state: tuple[Array, ...]
    blocks: list[tuple[Array, Array]]
    gains: Array
    gains_x: Array
    slope: Array | None
    keep: Array


class ByOutput:
    """The rules of an `output` of one's own: a tangent by the engine, and no transpose."""

    def output_jvp(self, state: State, dstate: State, /) -> Tangent:
        """The tangent of the output, by the engine."""
        leaves, structure = flatten(state)
        output = lambda both: self.output(unflatten(structure, [both[k] for k in range(len(leaves))]))  # noqa: E731
        return by_engine(output, dict(enumerate(leaves)), dict(enumerate(flatten(dstate)[0])))[1]

    def output_vjp(self, state: State, dy: Tangent, /) -> State:
        """Refused."""
        raise NotImplementedError(f"{self!r} has no transpose of its output: define output_vjp(state, dy) -> dstate")


class Cell(Layer):
    """One step of a recurrent network.

    ``step(p, state, x) -> state``, ``step_jvp(p, state, x, dp, dstate, dx) -> state, dstate`` and
    ``step_vjp(p, state, x) -> state, pullback``, with ``pullback(dstate) -> dp, dstate, dx``; and for learning online
    ``factors(p, parts, x)``, the same derivatives unit by unit. A cell is called as
    ``cell(p, state, x)``, on plain arrays or Duals; ``start(x)`` is the state of zeros for inputs like x, and
    ``output(state)`` what the network sees of a state, with ``output_jvp(state, dstate)``. As in every `Layer`, the
    rules of tangents are called for one direction at a time unless the class that defines them says ``lead = True``,
    and a class that overrides ``step`` or ``output`` inherits no rule of another.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> cell = dg.nn.GRUCell(3, 2)
    >>> x = np.ones((4, 3), np.float32)
    >>> cell(cell.init(rng=0), cell.start(x), x).shape
    (4, 2)
    """

    gates: int = 1
    parts: int = 1
    bias: bool = True
    lead = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        drop_inherited_rules(cls, Cell, "step", "affine", names=("step_jvp", "step_vjp", "factors"))
        base = Cell if cls.output is Cell.output else ByOutput
        drop_inherited_rules(cls, base, "output", names=("output_jvp", "output_vjp"))
        cls._of_arrays = is_builtin(cls, "step")  # and states no trees that a cell of one's own may take

    @checked
    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.input_size}, {self.hidden_size}{'' if self.bias else ', bias=False'})"

    def shapes(self) -> Shapes:
        n, width = self.hidden_size, self.gates * self.hidden_size
        weights = {"weight_x": (self.input_size, width), "weight_h": (n, width)}
        return weights | {"bias": (width,)} if self.bias else weights

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return uniform_fan_in(rng, shape, dtype, self.hidden_size)

    def start(self, x: Input, /) -> State:
        """The state before the first input: zeros."""
        x = as_input(x, self)
        return np.zeros_like(primal(x), shape=(*x.shape[:-1], self.hidden_size))

    def output(self, state: State, /) -> Array:
        """The part of the state that the next layer sees."""
        return state

    def output_jvp(self, state: State, dstate: State, /) -> Tangent:
        """The same of a tangent."""
        return dstate

    def output_tangent(self, state: State, dstate: State) -> Tangent:
        """`output_jvp` along one direction or K."""
        if dstate is ZERO:
            return ZERO
        if takes_lead(self, "output_jvp"):
            return self.output_jvp(state, dstate)
        return by_direction(lambda s, ds: (self.output(s), self.output_jvp(s, ds)), self)(state, dstate)[1]

    def output_vjp(self, state: State, dy: Tangent, /) -> State:
        """The cotangent of the state of a cotangent of the output."""
        return dy

    def __call__(self, p: Parameters, state: State, x: Input) -> State:
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
        if state.ndim not in (1, 2) or state.shape[-1] != self.hidden_size:
            raise ShapeError(f"{self!r} got a state of shape {state.shape}; expected (B, {self.hidden_size})")
        return state

    def _check(self, x):
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(f"{self!r} got an input of shape {x.shape}; expected (B, {self.input_size})")

    def step(self, p: Parameters, state: State, x: Array, /) -> State:
        """The state after the input x."""
        raise NotImplementedError(f"{self!r} does not say how a step changes its state: define step(p, state, x)")

    def step_jvp(
        self, p: Parameters, state: State, x: Array, dp: Tangents, dstate: State, dx: Tangent, /
    ) -> PushedState:
        """The state after the input and its tangent, by the engine from `step`."""
        leaves, structure = flatten(state)
        ds = [ZERO] * len(leaves) if dstate is ZERO else flatten(dstate)[0]

        def step(both):
            state = unflatten(structure, [both[k,] for k in range(len(leaves))])
            return self.step({name: both[name] for name in p}, state, both[INPUT])

        primals = {**p, **{(k,): s for k, s in enumerate(leaves)}, INPUT: x}
        return by_engine(step, primals, {**dp, **{(k,): d for k, d in enumerate(ds)}, INPUT: dx})

    def step_vjp(self, p: Parameters, state: State, x: Array, /) -> PulledState:
        """The state after the input, and its pullback, which only Backprop needs."""
        raise NotImplementedError(
            f"{self!r} has no transposed rule: define step_vjp(p, state, x) -> state, pullback, where pullback(dstate) "
            "-> dp, dstate, dx"
        )

    def factors(self, p: Parameters, parts: tuple[Array, ...], x: Array, /) -> Factors:
        """The `Factors` of a step from the parts of a state, each ``(B, n)``."""
        raise NotImplementedError(
            f"{self!r} does not say how its step factors by units: define factors(p, parts, x), or make it a System"
        )

    def blocks(self) -> list[tuple[int, int, bool]]:
        """(m, gates n, whether its input varies) of every block of `factors`: here one, of all weights and the bias."""
        return [(self.input_size + self.hidden_size + self.bias, self.gates * self.hidden_size, True)]

    def beside(self, x: Array, h: Array) -> Array:
        """x and h side by side, and a 1 for the bias: what the one block of `factors` multiplies."""
        m = self.input_size
        beside = np.empty_like(x, shape=(len(x), m + self.hidden_size + self.bias))
        beside[:, :m] = x
        beside[:, m : m + self.hidden_size] = h
        if self.bias:
            beside[:, -1] = 1
        return beside

    def affine(self, p: Parameters, x: Array, h: Array) -> Array:
        """x Wx + h Wh + b."""
        z = np.matmul(x, p["weight_x"]) + np.matmul(h, p["weight_h"])
        return z + p["bias"] if self.bias else z

    def affine_tangent(
        self, p: Parameters, x: Array, h: Array, dp: Tangents, dx: Tangent, dh: Tangent
    ) -> Tangent:  # fmt: skip
        """dx Wx + x dWx + dh Wh + h dWh + db."""
        dz = dx @ p["weight_x"] + x @ dp["weight_x"] + dh @ p["weight_h"] + h @ dp["weight_h"]
        return add_row_tangent(dz, dp.get("bias", ZERO), x.shape[:-1])

    def affine_pullback(self, p: Parameters, x: Array, h: Array, dz: Array) -> tuple[dict[str, Array], Array, Array]:
        """The transpose: cotangents of the parameters, of h and of x."""
        dp = {"weight_x": outer_sum(x, dz), "weight_h": outer_sum(h, dz)}
        if self.bias:
            dp["bias"] = row_sum(dz)
        return dp, np.matmul(dz, np.transpose(p["weight_h"])), np.matmul(dz, np.transpose(p["weight_x"]))
