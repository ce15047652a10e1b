"""Hypothesis strategies: arrays, tangents, programs, networks and dynamical systems. Needs hypothesis.

``from dualgrad.testing import strategies``: the one module of dualgrad that imports it (``pip install
'dualgrad[verify]'``).
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from hypothesis import strategies as st

from .. import nn
from ..backend import Array, DTypeLike
from ..online import System
from ..random import Rng
from ..tree import Tree, flatten, unflatten
from .programs import STEPS, Program

__all__ = ["Dynamics", "Network", "arrays", "networks", "programs", "shapes", "systems", "tangents"]


def shapes(max_dims: int = 2, max_side: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of few entries, the empty shape first.

    Examples
    --------
    >>> from hypothesis import given
    >>> from dualgrad.testing import strategies
    >>> @given(strategies.shapes(max_dims=1, max_side=4))
    ... def test(shape):
    ...     assert shape == () or 1 <= shape[0] <= 4
    >>> test()
    """
    return st.lists(st.integers(1, max_side), max_size=max_dims).map(tuple)


@st.composite
def arrays(
    draw: st.DrawFn,
    dtype: DTypeLike = np.float64,
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] | None = None,
    *,
    magnitude: float = 1.0,
    kinks: Literal["away", "on"] = "away",
) -> Array:
    """Arrays that make good primals.

    Parameters
    ----------
    dtype : floating or complex dtype
    shape : tuple, or a strategy of tuples; by default `shapes`
    magnitude : float
        The size of the largest entries.
    kinks : "away" or "on"
        Away from kinks no entry is zero and no two have the same absolute value, so that abs, max, sort and median
        have derivatives; on them there are zeros and ties.

    Examples
    --------
    >>> from hypothesis import given
    >>> from dualgrad.testing import strategies
    >>> @given(strategies.arrays(shape=(2,)))
    ... def test(x):
    ...     assert abs(x[0]) != abs(x[1])
    >>> test()
    """
    if kinks not in ("away", "on"):
        raise ValueError(f"got kinks={kinks!r}; expected 'away' or 'on'")
    shape = draw(shapes()) if shape is None else draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    dtype, count = np.dtype(dtype), int(np.prod(shape))
    count *= 1 + (dtype.kind == "c")
    if kinks == "on":
        entries = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, -1.0]), min_size=count, max_size=count)), float)
    else:
        ranks = draw(st.lists(st.integers(0, 4 * count), min_size=count, max_size=count, unique=True))
        signs = draw(st.lists(st.sampled_from([1.0, -1.0]), min_size=count, max_size=count))
        entries = np.array(signs) * (np.array(ranks, float) + 0.5) / (4 * count + 0.5 if count else 1)
    entries = magnitude * entries
    if dtype.kind == "c":
        entries = entries[: count // 2] + 1j * entries[count // 2 :]
    return entries.astype(dtype).reshape(shape)


@st.composite
def tangents(draw: st.DrawFn, primals: Tree, lead: tuple[int, ...] = ()) -> Tree:
    """Tangents for primals, in their structure, shapes and dtypes; ``lead=(K,)`` for K directions.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from hypothesis import given
    >>> from dualgrad.testing import strategies
    >>> x = {"a": np.ones(2), "b": 1.0}
    >>> @given(strategies.tangents(x))
    ... def test(v):
    ...     dg.jvp(lambda p: p["a"] * p["b"], (x,), (v,))
    >>> test()
    """
    leaves, structure = flatten(primals)

    def one(x):
        x = np.asarray(x)
        shape = (*lead, *x.shape)
        count = int(np.prod(shape))
        entries = st.lists(st.sampled_from([1.0, -1.0, 0.5, -0.75, 0.0]), min_size=count, max_size=count)
        v = np.array(draw(entries), float)
        return (v * (1 - 0.5j) if x.dtype.kind == "c" else v).astype(x.dtype).reshape(shape)

    return unflatten(structure, [one(x) for x in leaves])


def programs(max_steps: int = 6, x: st.SearchStrategy[Array] | None = None) -> st.SearchStrategy[Program]:
    """Random compositions of supported NumPy functions, as a `dualgrad.testing.programs.Program`.

    ``program(program.x)`` runs; shapes fit, values stay below 1e3, and no step is near a kink at ``program.x``. Steps
    that do not fit are left out, so a failing program shrinks to the one step that matters.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from hypothesis import given
    >>> from dualgrad import testing
    >>> from dualgrad.testing import strategies
    >>> @given(strategies.programs())
    ... def test(program):
    ...     testing.check_jvp(program, (program.x,), orders=(1,))
    >>> test()
    """
    step = st.tuples(st.sampled_from(STEPS), st.integers(0, max_steps), st.sampled_from([0.5, -0.75, 1.25]))
    steps = st.lists(step, min_size=1, max_size=max_steps)
    return st.builds(Program, arrays(magnitude=1.5) if x is None else x, steps)


class Network(NamedTuple):
    """A layer, parameters and an input for it.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad import nn
    >>> from dualgrad.testing import strategies
    >>> layer, params, x = strategies.Network(nn.Tanh(), {}, np.zeros((1, 2)))
    >>> layer(params, x)
    array([[0., 0.]])
    """

    layer: nn.Layer
    params: Tree
    x: Array


_ACTIVATIONS = st.sampled_from(
    [nn.Tanh, nn.ReLU, nn.Sigmoid, nn.Softplus, nn.SiLU, nn.GELU, nn.ELU, nn.Softmax, nn.LogSoftmax]
)


@st.composite
def networks(draw: st.DrawFn, dtype: DTypeLike = np.float64, max_layers: int = 3) -> Network:
    """Random networks from the layer catalogue: a `Network` of layer, parameters and input.

    Examples
    --------
    >>> from hypothesis import given
    >>> from dualgrad import testing
    >>> from dualgrad.testing import strategies
    >>> @given(strategies.networks(max_layers=2))
    ... def test(network):
    ...     assert not testing.check_vjp(*network, raises=False).failures
    >>> test()
    """
    width = draw(st.integers(1, 4))
    first, layers = width, []
    for _ in range(draw(st.integers(1, max_layers))):
        if draw(st.booleans()):
            layers.append(draw(_ACTIVATIONS)())
        else:
            after = draw(st.integers(1, 4))
            layers.append(nn.Linear(width, after, bias=draw(st.booleans())))
            width = after
    layer, rng = nn.Sequential(*layers), Rng(draw(st.integers(0, 2**16)))
    x = rng.uniform(0.1, 1, (draw(st.integers(1, 3)), first)) * rng.signs((1, first))
    return Network(layer, layer.init(rng=rng, dtype=dtype), x.astype(dtype))


class Dynamics(NamedTuple):
    """A system, parameters, and an episode for it: inputs xs ``(T, n_in)`` and targets ys ``(T, n)``.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.online import System
    >>> from dualgrad.testing import strategies
    >>> leak = System(lambda s, x, p: p * s + x, lambda s, y, p: np.sum((s - y) ** 2), np.zeros(1))
    >>> float(strategies.Dynamics(leak, 0.5, np.ones((2, 1)), np.ones((2, 1))).total_loss(0.5))
    0.25
    """

    system: System
    params: Tree
    xs: Array
    ys: Array

    def total_loss(self, params: Tree) -> Any:
        """Σ_t ℓ(s_t, y_t, θ) over the episode."""
        state, total = self.system.init_state, 0.0
        for x, y in zip(self.xs, self.ys, strict=True):
            state = self.system.step(state, x, params)
            total = total + self.system.loss(state, y, params)
        return total


@st.composite
def systems(draw: st.DrawFn, max_states: int = 3, max_steps: int = 4) -> Dynamics:
    """Random dynamical systems that forget: s ← tanh(A s + B x + b), with A of norm below 1, and a quadratic loss.

    Examples
    --------
    >>> import dualgrad as dg
    >>> from hypothesis import given
    >>> from dualgrad.testing import strategies
    >>> @given(strategies.systems(max_steps=2))
    ... def test(dynamics):
    ...     dg.grad(dynamics.total_loss)(dynamics.params)
    >>> test()
    """
    n, n_in, steps = draw(st.integers(1, max_states)), draw(st.integers(1, 2)), draw(st.integers(1, max_steps))
    rng = Rng(draw(st.integers(0, 2**16)))
    A = rng.normal((n, n))
    params = {
        "A": 0.8 * A / max(np.linalg.norm(A, 2), 1e-3),
        "B": rng.normal((n_in, n)),
        "b": 0.1 * rng.normal(n),
    }

    def step(state, x, p):
        return np.tanh(state @ p["A"] + x @ p["B"] + p["b"])

    def loss(state, y, p):
        return 0.5 * np.sum((state - y) ** 2)

    return Dynamics(System(step, loss, np.zeros(n)), params, rng.normal((steps, n_in)), rng.normal((steps, n)))
