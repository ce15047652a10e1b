"""A system as online estimators see it: its state a vector s of N numbers, its parameters a vector θ of p.

``advance`` makes one step and the `Transition` that says how it carries tangents, J = ∂s'/∂s and D = ∂s'/∂θ; ``loss``
gives ℓ, its cotangent H = ∂ℓ/∂s and what θ does to it directly. Everything here works by forward directions, for any
system; `Network` has the same in closed form. Vectors may have leading axes.
"""

import contextlib
from typing import Any

import numpy as np

from ..backend import is_host
from ..dual import Dual
from ..errors import LayoutError, NonFiniteError, ShapeError, TangentLossError
from ..estimators.point import as_params, is_real
from ..inputs import as_data
from ..layout import Layout
from ..params import with_entries
from ..patterns import sparsity
from ..pushforward import jvp
from ..settings import layout_of, plain_data
from ..transforms import grad
from ..tree import Tree, flatten, leaves, map_leaves, rebuild, unflatten
from ..vectors import all_finite, identity


def layout_of_numbers(tree, what):
    """The layout of a tree of real numbers; of none, or of others, it raises."""
    layout = Layout.of(tree)
    if not layout.shapes:
        raise LayoutError(f"got no {what}: expected an array, or a tree of them")
    require_real_leaves(f"got {what} of", leaves(tree))
    return layout


def matched_state(after, layout, lead=(), hint="", kept=None):
    """A state with its leaves in the order of those before; another structure or other shapes raise.

    ``kept`` makes of each leaf what is kept of it.
    """
    leaves = layout.leaves(after, "state", lead=None)
    leaves = leaves if kept is None else list(map(kept, leaves))
    require_real_leaves("the step returned a state of", leaves)
    shapes, expected = list(map(np.shape, leaves)), [lead + shape for shape in layout.shapes.values()]
    if shapes != expected:
        raise ShapeError(
            f"the step returned a state of shapes {shapes}; expected those it began with, {expected}{hint}"
        )
    return layout.with_leaves(leaves)


class Arrays:
    """Fresh arrays in the precision of the parameters, where they live."""

    def set_like(self, array):
        self.like, self.dtype, self.on_host = array, array.dtype, is_host(array)

    def zeros(self, shape):
        return np.zeros(shape, self.dtype) if self.on_host else np.zeros_like(self.like, shape=shape)

    def eye(self, n):
        return identity(n, self.like)


class SystemDynamics(Arrays):
    """Any `System`, by forward directions."""

    def __init__(self, system: Any, params: Tree) -> None:
        self.system, _ = system, as_params(params)
        self.states, self.thetas = layout_of_numbers(system.init_state, "state"), layout_of_numbers(params, "params")
        self.set_like(self.thetas.vector(params))
        self.names = layout_of(params)
        self.reach = None  # where J and D can be other than zero at any step, once that is known
        self.recurrent = slice(0, self.thetas.size)  # the parameters that move the state
        self.owners = np.arange(self.thetas.size)  # parameters of one owner are kept together when they are split

    @property
    def size(self):
        """N, the entries of the state."""
        return self.states.size

    @property
    def params_size(self):
        """p, the entries of all parameters."""
        return self.thetas.size

    def start(self):
        """The state at the beginning of an episode."""
        return map_leaves(lambda s: self.zeros(np.shape(s)) + s, self.system.init_state)

    def given(self, learner, data, what):
        """An input or a target as the system takes it: any tree, in NumPy's arrays or a device's."""
        return as_data(data, learner, what)

    def advance(self, params, state, x):
        """The next state, and the transitions that lead to it, one after another (here one)."""
        if self.system.vjp is None:
            after, pullback = self.system.step(state, x, params), None
        else:
            after, pullback = self.system.vjp(state, x, params)
        after = copied(matched_state(after, self.states))  # not the live parameters
        return after, [Transition(self, params, state, x, pullback)]

    def loss(self, params, state, y):
        """ℓ, and its `Cotangent`."""
        value = self.system.loss(state, y, params)
        require_scalar_loss(value)
        return value, ForwardCotangent(self, params, state, y)

    def cotangents(self, params, state, y):
        """H = ∂ℓ/∂s as a vector of N, and ∂ℓ/∂θ at fixed s as a vector of p."""
        moves = []

        def of_params(p):
            value = self.system.loss(state, y, p)
            moves.append(isinstance(value, Dual))
            return value

        jvp(of_params, (params,), (_ones(params),))  # a loss that sees no parameter needs p directions less
        if moves == [True]:
            H, direct = grad(lambda pair: self.system.loss(pair[0], y, pair[1]))((state, params))
            return self.states.vector(H), self.thetas.vector(direct)
        return self.states.vector(grad(lambda s: self.system.loss(s, y, params))(state)), self.zeros(self.thetas.size)

    def gradient(self, vector, params):
        """A vector of p, or several along leading axes, in the kind of the parameters."""
        return self.thetas.tree(vector)

    def at(self, vector, params):
        """Parameters whose entries are a vector of p, or several along leading axes; buffers stay."""
        return with_entries(params, vector, self.thetas)

    def entries(self, params):
        """The parameters as a vector of p."""
        return self.thetas.vector(params)

    def leaves(self, params):
        """The arrays of the parameters, in the order of their entries."""
        return flatten(params)[0]

    def with_leaves(self, leaves, params):
        """Parameters of other arrays, or of what stands for them; buffers stay."""
        return rebuild(flatten(params)[1], leaves)

    def rows(self, tree, n):
        """n directions, a tree with a leading axis, as rows ``(n, p)``."""
        return self.thetas.rows(tree, n)

    def signature(self):
        """What a saved state must fit."""
        return {
            "kind": "System", "batched": bool(self.system.batched), "init_state": plain_data(self.system.init_state),
            "states": layout_of(self.system.init_state), "params": dict(self.names), "dtype": str(self.dtype),
        }  # fmt: skip


class Cotangent:
    """∂ℓ/∂s and ∂ℓ/∂θ at fixed s of a loss, as ``vectors()``; and its slopes along tangents of both."""

    forward = False  # whether a slope costs less than a vector

    def __init__(self, H, direct):
        self._vectors = H, direct

    def vectors(self):
        """H ``(N,)`` and the direct part ``(p,)``."""
        return self._vectors

    def along(self, ds, u):
        """∂ℓ/∂s ṡ + ∂ℓ/∂θ u for rows ṡ ``(n, N)`` and u ``(n, p)``."""
        H, direct = self._vectors
        return ds @ H + u @ direct


class ForwardCotangent(Cotangent):
    """That of any loss: vectors by N + p forward directions, slopes by one each."""

    forward = True

    def __init__(self, dynamics, params, state, y):
        self._dynamics, self._params, self._state, self._y = dynamics, params, state, y

    def vectors(self):
        return self._dynamics.cotangents(self._params, self._state, self._y)

    def along(self, ds, u):
        dynamics, y = self._dynamics, self._y
        tangents = dynamics.states.views(ds), dynamics.gradient(u, self._params)
        return jvp(lambda s, p: dynamics.system.loss(s, y, p), (self._state, self._params), tangents)[1]


class Transition:
    """J = ∂s'/∂s and D = ∂s'/∂θ of one step, by forward directions, or by the system's vjp."""

    rows = own = slice(None)  # the entries of the state that it changes, and the parameters it depends on

    def __init__(self, dynamics, params, state, x, pullback):
        self._dynamics, self._params, self._state, self._x = dynamics, params, state, x
        self._pullback, self._influence = pullback, None

    def _jvp(self, v, w):
        """J v + D w, either of which may be None."""
        s, theta = self._dynamics.states, self._dynamics.thetas
        step, state, params = self._dynamics.system.step, self._state, self._params
        moving = [(state, s, v)] * (v is not None) + [(params, theta, w)] * (w is not None)
        lead = moving[0][2].shape[:-1]
        tangents = tuple(kind.views(d.reshape(-1, kind.size)) for _, kind, d in moving)

        def after(*some):
            some = list(some)
            return step(some.pop(0) if v is not None else state, self._x, some.pop(0) if w is not None else params)

        _, d = jvp(after, tuple(like for like, _, _ in moving), tangents)
        return s.rows(d, int(np.prod(lead))).reshape((*lead, s.size))

    def push(self, v):
        """J v."""
        return self._jvp(v, None)

    def tangent(self, v, w):
        """J v + D w."""
        return self._jvp(v, w)

    def pull(self, u):
        """u J."""
        if self._pullback is not None:
            return self._pulled(u)[0]
        return u @ self.jacobian()

    def pull_params(self, u):
        """u D."""
        if self._pullback is None or self._influence is not None:
            return u @ self.influence()
        rows = [self._pulled(row)[1] for row in u.reshape(-1, u.shape[-1])]
        return np.stack(rows).reshape((*u.shape[:-1], -1))

    def _pulled(self, u):
        dstate, dparams = self._pullback(self._dynamics.states.views(u))
        return self._dynamics.states.vector(dstate), self._dynamics.thetas.vector(dparams)

    def jacobian(self):
        """J, ``(N, N)``."""
        return self.push(self._dynamics.eye(self._dynamics.size)).T

    def influence(self):
        """D, ``(N, p)``."""
        if self._influence is None:
            eye, n, p = self._dynamics.eye, self._dynamics.size, self._dynamics.thetas.size
            if self._pullback is None:
                self._influence = self._jvp(None, eye(p)).T
            else:
                self._influence = np.stack([self._pulled(e)[1] for e in eye(n)])
        return self._influence

    def propagate(self, G):
        """J G + D for an influence matrix G ``(N, p)``, by one direction a parameter or, if fewer, an entry."""
        if self._pullback is None or G.shape[1] <= G.shape[0]:
            return self.tangent(G.T, self._dynamics.eye(G.shape[1])).T
        return self.jacobian() @ G + self.influence()

    @property
    def reach_is_known(self):
        """Whether `structure` is that of every step."""
        return self._dynamics.reach is not None

    def structure(self):
        """Where J and D can be other than zero: for all values, or at these where the step asks for some."""
        dynamics, x = self._dynamics, self._x
        if dynamics.reach is not None:
            return dynamics.reach

        def after(state, params, x):
            return dynamics.states.leaves(dynamics.system.step(state, x, params), "state", lead=None)

        inputs, structure = flatten(x)
        moving = [] if x is None else [a for a in inputs if getattr(a, "dtype", np.dtype(object)).kind == "f"]
        at = self._state, self._params
        if x is None or len(moving) == len(inputs):  # others may be an index
            of_all = lambda given: after(given[0], given[1], rebuild(structure, given[2]) if moving else x)  # noqa: E731
            with contextlib.suppress(NotImplementedError, TangentLossError):
                found = sparsity(of_all, (*at, moving), at=None)
                dynamics.reach = Reach(found.toarray(), dynamics)
                return dynamics.reach
        return Reach(sparsity(lambda pair: after(*pair, x), at).toarray(), dynamics)

    def norms(self, blocks=None):
        """‖D_i‖ for every entry i of the state, ``(N,)``; over each block of parameters ``(K, p)``, ``(K, N)``."""
        squares = np.square(self.influence(), dtype=np.float64)
        return np.sqrt(squares.sum(-1) if blocks is None else blocks @ squares.T).astype(self._dynamics.dtype)


class Reach:
    """A transition with a 1 for every derivative that can be other than zero."""

    def __init__(self, there, dynamics):
        there = there.astype(dynamics.dtype)
        self._J, self._D, _ = np.split(there, [dynamics.size, dynamics.size + dynamics.thetas.size], axis=1)

    def push(self, v):
        """J v."""
        return v @ self._J.T

    def propagate(self, G):
        """J G + D."""
        return self._J @ G + self._D


def _ones(tree):
    leaves, structure = flatten(tree)
    return unflatten(structure, [np.ones_like(leaf) for leaf in leaves])


def require_scalar_loss(value):
    if value.__class__ is np.float64 or value.__class__ is np.float32:
        return
    if value is not None and not isinstance(value, str) and np.shape(value) != ():
        raise ShapeError(f"the system's loss returned shape {np.shape(value)}; expected a scalar, such as its sum")
    if not is_real(value):
        raise TypeError(f"the system's loss returned {value!r:.80}; expected a real number")


def require_real_leaves(what, leaves):
    """Raise unless all leaves are real floating arrays, or numbers of Python; ``what`` they are opens the error."""
    kinds = {getattr(leaf, "dtype", type(leaf)) for leaf in leaves}
    if not all(kind in (float, int) if isinstance(kind, type) else getattr(kind, "kind", "") == "f" for kind in kinds):
        names = ", ".join(sorted(kind.__name__ if isinstance(kind, type) else str(kind) for kind in kinds))
        raise TypeError(f"{what} {names}; expected real floating numbers: .astype(float)")


LOWER = "Lower the learning rate, clip the gradient, or look for what made the system run away"
DROP = "reset() drops the open window and begins a new episode; then lower the learning rate"


def require_finite_step(t, what, *arrays, advice=LOWER):
    """Raise, naming the step, where an array has a NaN or an infinity."""
    for a in arrays:
        if not all_finite(a):
            raise NonFiniteError(
                f"step {t}: {what} is not finite; parameters, state and influence are those of step {t - 1}. {advice}"
            )


def is_finite(tree):
    """Whether no number in a tree is NaN or infinite; what else is in it counts for nothing."""
    if tree.__class__ is np.ndarray and tree.dtype.kind == "f":
        return all_finite(tree)
    kinds = [(a, getattr(getattr(a, "dtype", None), "kind", "f" if isinstance(a, float) else "")) for a in leaves(tree)]
    return all(kind not in ("f", "c") or all_finite(a) for a, kind in kinds)


def copied(tree):
    """A tree in arrays of its own, whatever their first owner does with his."""
    return map_leaves(lambda a: a.copy() if hasattr(a, "dtype") else a, tree)
