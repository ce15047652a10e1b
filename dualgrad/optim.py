"""Optimizers: ``step(params, gradient)`` in place, a few vector operations over blocks that stay in cache.

The rate ``lr`` is a positive number or a schedule, a function from the step number t = 1, 2, ... to a rate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np

from .backend import is_host, to_numpy
from .backend import like as on_device
from .dual import Dual
from .errors import LayoutError, NonFiniteError
from .params import Params
from .scratch import empty, empty_like
from .tree import flatten, leaves_like, paths

__all__ = [
    "SGD", "Adam", "AdamW", "KalmanQDOP", "RMSprop", "StableAdamW", "constant", "cosine", "exponential", "inverse_sqrt",
    "warmup",
]  # fmt: skip

_BLOCK = 1 << 16  # entries of a vector worked on at a time


@dataclass(kw_only=True, eq=False, repr=False)
class _Optimizer:
    """What optimizers share: checks before anything changes, the rate, clipping, state by name, and work in blocks.

    State is a dict from names to one vector per leaf of the parameters (a single one for Params), made at the first
    step; ``steps`` counts the steps taken.
    """

    clip_norm: float | None = None
    clip_value: float | None = None

    state_names = ()
    _by_tensor = False  # whether the update of an entry depends on its whole tensor

    def __post_init__(self):
        _check(self, schedule="lr")
        if self.clip_norm is not None and self.clip_value is not None:
            raise ValueError(f"got {self!r}; expected clip_norm or clip_value, not both")
        self.reset()

    def __repr__(self):
        names = [f.name for f in sorted(fields(self), key=lambda f: f.kw_only)]
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in names if getattr(self, name) is not None)
        return f"{type(self).__name__}({given})"

    def step(self, params, gradient):
        """Move ``params`` against ``gradient``, in place.

        Parameters
        ----------
        params : Params, array, or tree of arrays
        gradient : the same structure, shapes and dtype

        Raises
        ------
        LayoutError
            When names or shapes differ from those of ``params``, or ``params`` from those of earlier steps.
        NonFiniteError
            When the gradient has a NaN or an infinity.
        TypeError
            When ``params`` are read-only or no floating numbers, or the gradient's dtype does not fit theirs.
        ValueError
            When the schedule gives a negative number, or none. In each case nothing has changed.
        """
        leaves, gradients, names, tensors = _matched(params, gradient)
        gradients = [_steppable(w, g, name) for w, g, name in zip(leaves, gradients, names, strict=True)]
        shapes = [leaf.shape for leaf in leaves]
        if self._shapes is not None and shapes != self._shapes:
            raise LayoutError(f"{self!r} was stepping arrays of shapes {self._shapes}; got {shapes}: reset() it first")
        if self._tensors is not None and tensors != self._tensors:
            raise LayoutError(f"{self!r} was stepping parameters of another layout: reset() it first")
        rate = _rate(self.lr, self.steps + 1)
        norms = [_norm(g) for g in gradients]
        for norm, name in zip(norms, names, strict=True):
            if not math.isfinite(norm):
                raise NonFiniteError(
                    f"step {self.steps + 1} of {self!r}: gradient{name} is not finite; parameters and optimizer are "
                    "unchanged"
                )
        if self._state is None:
            self._state = {name: [np.zeros_like(leaf) for leaf in leaves] for name in self.state_names}
            self._shapes = shapes
        self._tensors = tensors
        for name in self.state_names:  # a loaded state follows the parameters to their device
            self._state[name] = [on_device(v, w) for v, w in zip(self._state[name], leaves, strict=True)]
        self.steps += 1
        clip = self._clipping(norms)
        for k, (w, g) in enumerate(zip(leaves, gradients, strict=True)):
            arrays = w, g, *(self._state[name][k] for name in self.state_names)
            for tensor in tensors if self._by_tensor else [...]:
                self._sweep(rate, clip, *(a[tensor] for a in arrays))

    def _clipping(self, norms):
        """What clips a block of the gradient, into scratch: as torch's clip_grad_value_ and clip_grad_norm_."""
        if self.clip_value is not None:
            return lambda g: np.clip(g, -self.clip_value, self.clip_value, out=_scratch(g))
        factor = 1 if self.clip_norm is None else min(1, self.clip_norm / (math.hypot(*norms) + 1e-6))
        return (lambda g: g) if factor == 1 else lambda g: np.multiply(factor, g, out=_scratch(g))

    def _sweep(self, rate, clip, *arrays):
        for w, g, *state in _blocks(*arrays):
            self._update(rate, w, clip(g), **dict(zip(self.state_names, state, strict=True)))

    def reset(self):
        """Forget all state, as after construction."""
        self.steps, self._state, self._shapes, self._tensors = 0, None, None, None

    def state_dict(self):
        """The state as plain data for `dualgrad.save`: the rate, the step count and one entry per named vector.

        The rate is None for a schedule, which goes on by the step count.
        """
        arrays = {} if self._state is None else {k: [v.copy() for v in vs] for k, vs in self._state.items()}
        lr = None if callable(self.lr) else self.lr
        return {"kind": type(self).__name__, "lr": lr, "steps": self.steps, "shapes": self._shapes, **arrays}

    def load_state_dict(self, state):
        """Continue from a saved state; its rate replaces a number, while a schedule stays.

        Raises
        ------
        LayoutError
            When names are missing or unknown; the optimizer is unchanged.
        """
        if not isinstance(state, dict):
            raise LayoutError(f"got a {type(state).__name__} as the state of {self!r}; expected a dict of state_dict()")
        expected = {"kind", "lr", "steps", "shapes", *(self.state_names if state.get("shapes") is not None else ())}
        if set(state) != expected or state["kind"] != type(self).__name__:
            raise LayoutError(
                f"got the state of {state.get('kind', 'no optimizer')!r} with {sorted(state)}; {self!r} expects "
                f"{sorted(expected)}"
            )
        if not isinstance(state["steps"], (int, np.integer)) or state["steps"] < 0:
            raise LayoutError(f"the saved state has steps={state['steps']!r}; expected how many were taken")
        if state["lr"] is not None:
            _number("lr", state["lr"])
        shapes = arrays = None
        if state["shapes"] is not None:
            shapes = [tuple(shape) for shape in state["shapes"]]
            arrays = {name: [np.array(to_numpy(v)) for v in state[name]] for name in self.state_names}
            if any([v.shape for v in vs] != shapes for vs in arrays.values()):
                raise LayoutError(f"the saved state's arrays do not have the shapes {shapes} that it names")
            if not all(np.all(np.isfinite(v)) for vs in arrays.values() for v in vs):
                raise LayoutError("the saved state has a NaN or an infinity")
        if state["lr"] is not None and not callable(self.lr):
            self.lr = state["lr"]
        self.steps, self._shapes, self._state, self._tensors = state["steps"], shapes, arrays, None


@dataclass(eq=False, repr=False)
class SGD(_Optimizer):
    """w ← w - lr m, with m ← momentum m + g (torch's convention); plain w ← w - lr g without momentum.

    Nesterov's momentum looks one step ahead: w ← w - lr (g + momentum m) (Sutskever et al. 2013, as in torch).

    Parameters
    ----------
    lr : positive float or schedule
    momentum : float, in [0, 1)
    nesterov : bool
    clip_norm, clip_value : positive float, optional
        One of them: the largest norm of the gradient over all leaves, or the largest size of its entries.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.SGD(lr=0.1).step(w, np.array([1.0, -1.0]))
    >>> w
    array([0.9, 2.1])
    """

    lr: float | Callable
    momentum: float = 0
    nesterov: bool = False

    def __post_init__(self):
        super().__post_init__()
        self.state_names = ("momentum",) if self.momentum else ()
        if self.nesterov and not self.momentum:
            raise ValueError(f"got {self!r}; expected a momentum above 0 for nesterov=True")

    def _update(self, rate, w, g, momentum=None):
        a = _scratch(w)
        if momentum is not None:
            momentum *= self.momentum
            momentum += g
            g = np.add(g, np.multiply(self.momentum, momentum, out=a), out=a) if self.nesterov else momentum
        w -= np.multiply(rate, g, out=a)


@dataclass(eq=False, repr=False)
class Adam(_Optimizer):
    """Adam (Kingma and Ba 2015): m̂ and v̂ are bias-corrected averages of g and g²; w ← w - lr m̂ / (√v̂ + eps).

    Parameters
    ----------
    lr : positive float or schedule
    betas : pair of float, in [0, 1)
    eps : positive float
    clip_norm, clip_value : as in `SGD`

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.Adam(lr=0.1).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.9, 2.1])
    """

    lr: float | Callable = 1e-3
    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8

    state_names = ("m", "v")

    def __post_init__(self):
        super().__post_init__()
        if np.shape(self.betas) != (2,) or not all(0 <= b < 1 for b in self.betas):
            raise ValueError(f"got betas={self.betas!r}; expected two numbers in [0, 1)")
        self.betas = tuple(map(float, self.betas))

    def _update(self, rate, w, g, m, v):
        self._average(g, m, v)
        self._move(rate, w, m, v)

    def _average(self, g, m, v):
        (b1, b2), a = self.betas, _scratch(m)
        _mix(m, b1, g, a)
        _mix(v, b2, np.square(g, out=a), a)

    def _move(self, rate, w, m, v):
        (b1, b2), t, a = self.betas, self.steps, _scratch(w)
        np.sqrt(np.multiply(v, 1 / (1 - b2**t), out=a), out=a)
        a += self.eps
        np.divide(m, a, out=a)
        w -= np.multiply(rate / (1 - b1**t), a, out=a)


@dataclass(eq=False, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): w ← (1 - lr weight_decay) w, then Adam's step.

    Parameters
    ----------
    lr, betas, eps, clip_norm, clip_value : as in `Adam`
    weight_decay : float, not negative

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.AdamW(lr=0.1, weight_decay=0.5).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.85, 2.  ])
    """

    weight_decay: float = 1e-2

    def _move(self, rate, w, m, v):
        w *= 1 - rate * self.weight_decay
        super()._move(rate, w, m, v)


@dataclass(eq=False, repr=False)
class StableAdamW(AdamW):
    """AdamW at the rate lr / max(1, RMS), RMS = √mean(g² / max(v̂, eps²)) over each tensor (each named leaf).

    The rate drops where a gradient is larger than v̂ has yet learnt (Wortsman et al. 2023, "Stable and low-precision
    training for large-scale vision-language models", Algorithm 2).

    Parameters
    ----------
    lr, betas, eps, clip_norm, clip_value : as in `Adam`
    weight_decay : float, not negative

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w, optimizer = np.zeros(1), dg.optim.StableAdamW(lr=0.1)
    >>> for g in (1.0, 1.0, 100.0):  # the last step is far shorter than lr
    ...     optimizer.step(w, np.array([g]))
    ...     print(w.round(3))
    [-0.1]
    [-0.2]
    [-0.237]
    """

    betas: tuple = (0.9, 0.99)
    eps: float = 1e-6

    _by_tensor = True

    def _sweep(self, rate, clip, w, g, m, v):
        total = count = 0
        for g_block, *moments in _blocks(g, m, v):
            total += self._surprise(clip(g_block), *moments)
            count += g_block.size
        rms = math.sqrt(total / max(count, 1))
        for block in _blocks(w, m, v):
            self._move(rate / max(1, rms), *block)

    def _surprise(self, g, m, v):
        """Bring m and v up to date; the sum of g² / max(v̂, eps²)."""
        self._average(g, m, v)
        a = np.multiply(v, 1 / (1 - self.betas[1] ** self.steps), out=_scratch(v))
        np.divide(g, np.maximum(a, self.eps**2, out=a), out=a)
        a *= g
        return float(to_numpy(np.sum(a)))


@dataclass(eq=False, repr=False)
class RMSprop(_Optimizer):
    """w ← w - lr g / (√v + eps), with v an average of g² (Tieleman and Hinton 2012, as in torch).

    Centred, v less the square of an average of g stands for v; with momentum, m ← momentum m + g / (√v + eps) and
    w ← w - lr m.

    Parameters
    ----------
    lr : positive float or schedule
    alpha : float, in [0, 1)
        The weight of the past in the averages.
    eps : positive float
    momentum : float, in [0, 1)
    centered : bool
    clip_norm, clip_value : as in `SGD`

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.RMSprop(lr=0.1, alpha=0.75).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.8, 2.2])
    """

    lr: float | Callable = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0
    centered: bool = False

    def __post_init__(self):
        super().__post_init__()
        self.state_names = ("v",) + ("mean",) * bool(self.centered) + ("momentum",) * bool(self.momentum)

    def _update(self, rate, w, g, v, mean=None, momentum=None):
        a = _scratch(w)
        _mix(v, self.alpha, np.square(g, out=a), a)
        if mean is None:
            np.sqrt(v, out=a)
        else:
            _mix(mean, self.alpha, g, a)
            np.subtract(v, np.square(mean, out=a), out=a)
            np.sqrt(np.maximum(a, 0, out=a), out=a)  # rounding can make this variance negative
        a += self.eps
        update = np.divide(g, a, out=a)
        if momentum is not None:
            momentum *= self.momentum
            momentum += update
            update = momentum
        w -= np.multiply(rate, update, out=a)


@dataclass(eq=False, repr=False)
class KalmanQDOP(_Optimizer):
    """J ← (1 - γ_t) J + g gᵀ, w ← w - lr (J + Λ)⁻¹ g: an extended Kalman filter on the parameters, with J kept
    block-wise quasi-diagonal (Ollivier et al. 2015, NoBackTrack, Algorithm 2; Ollivier 2015, "Riemannian metrics I").

    Of each unit, its bias 0 and its weights i, J has A_00, A_0i and A_ii. Then, with Λ added to A_00 and A_ii,
    d_i = (g_i A_00 - g_0 A_0i)/(A_ii A_00 - A_0i²) and d_0 = g_0/A_00 - Σ_i (A_0i/A_00) d_i: the exact inverse of the
    positive matrix whose missing entries are A_0i A_0j/A_00.

    Parameters
    ----------
    prior : positive float
        Λ. One gradient alone has no inverse; the paper takes the number of recurrent units.
    gamma : float in [0, 1], or schedule
        The decay γ_t; of the order of 1/√t in the paper.
    lr : positive float or schedule
        1 in the paper: J sets the size of a step.
    clip_norm, clip_value : as in `SGD`

    Notes
    -----
    A unit of Params (or of a dict) of a network is an entry of ``bias`` with those of the weights beside it that end
    there (``weight``, ``weight_x``, ``weight_h``; ``bias_x`` with ``weight_x``); all else, and any other tree, has its
    diagonal alone. ``step(params, gradient, fisher=rows)`` takes rows whose outer products add up to another Fisher
    matrix, such as `dualgrad.online.RTRL.fisher`, in the place of g gᵀ.
    Memory: two vectors, and temporaries of their size.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = dg.Params({"weight": np.zeros((1, 1)), "bias": np.zeros(1)})
    >>> g = dg.Params({"weight": np.ones((1, 1)), "bias": np.ones(1)})
    >>> dg.optim.KalmanQDOP(prior=1.0).step(w, g)
    >>> w.vector  # (g gᵀ + 1)⁻¹ g = g / 3
    array([-0.33333333, -0.33333333])
    """

    prior: float
    gamma: float | Callable = field(default_factory=lambda: inverse_sqrt(1.0))
    lr: float | Callable = 1.0

    state_names = ("diagonal", "cross")

    def __post_init__(self):
        super().__post_init__()
        if not callable(self.gamma):
            self.gamma = _number("gamma", self.gamma, _DECAY)

    def step(self, params, gradient, fisher=None):
        """Move ``params`` against (J + Λ)⁻¹ ``gradient``, in place.

        Parameters
        ----------
        params : Params, array, or tree of arrays
        gradient : the same structure, shapes and dtype
        fisher : array ``(k, p)``, optional
            For Params: rows whose outer products are added to J instead of the gradient's.

        Raises
        ------
        LayoutError, NonFiniteError, TypeError, ValueError
            As `SGD`, and for a decay outside [0, 1]; nothing has changed.
        """
        if isinstance(params, dict) and all(hasattr(w, "flags") for w in params.values()):
            return self._step_dict(params, gradient, fisher)
        t = self.steps + 1
        decay = _number(f"{self.gamma!r}({t})", self.gamma(t), _DECAY) if callable(self.gamma) else self.gamma
        self._keep, self._units = 1 - decay, _units_of(params)
        self._rows = None if fisher is None else self._checked(fisher, params)
        self._require_squares(gradient if fisher is None else fisher)
        super().step(params, gradient)

    def _require_squares(self, tree):
        """J holds squares, which must not overflow."""
        for g in flatten(tree.vector if isinstance(tree, Params) else tree)[0]:
            peak = float(to_numpy(np.max(np.abs(g)))) if np.size(g) else 0.0
            if math.isfinite(peak) and peak > _largest(g):
                raise NonFiniteError(
                    f"step {self.steps + 1} of {self!r}: the square of {peak:.3g} in the gradient is not finite; "
                    "parameters and optimizer are unchanged"
                )

    def _step_dict(self, params, gradient, fisher):
        """The same for a dict of arrays."""
        leaves, gradients, names, _ = _matched(params, gradient)
        for w, g, name in zip(leaves, gradients, names, strict=True):
            _steppable(w, g, name)
        if fisher is not None:
            raise LayoutError("fisher's rows are in the order of Params: give Params, not a dict")
        packed = Params(params)
        self.step(packed, Params({name: gradient[name] for name in params}))
        for name, w in params.items():
            w[...] = packed[name]

    def _checked(self, fisher, params):
        fisher = fisher if hasattr(fisher, "dtype") else np.asarray(fisher)
        if not isinstance(params, Params) or fisher.ndim != 2 or fisher.shape[1] != params.size:
            raise LayoutError(f"got fisher of shape {np.shape(fisher)}; expected rows as long as the vector of Params")
        if not np.all(np.isfinite(to_numpy(fisher))):
            raise NonFiniteError(f"step {self.steps + 1} of {self!r}: fisher is not finite; nothing was changed")
        return fisher

    def _clipping(self, norms):
        if self.clip_value is not None:
            return lambda g: np.clip(g, -self.clip_value, self.clip_value)
        factor = 1 if self.clip_norm is None else min(1, self.clip_norm / (math.hypot(*norms) + 1e-6))
        return lambda g: factor * g

    def _sweep(self, rate, clip, w, g, diagonal, cross):
        parts = (np.real, np.imag) if w.dtype.kind == "c" else (lambda a: a,)
        for part in parts:
            self._move(rate, part(w), clip(part(g)), part(diagonal), part(cross))

    def _move(self, rate, w, g, diagonal, cross):
        diagonal *= self._keep
        cross *= self._keep
        for row in [g] if self._rows is None else self._rows:
            diagonal += row * row
            for weights, bias in self._units:
                cross[weights] += (_by_unit(row, weights, bias) * row[bias]).reshape(-1)
        w -= rate * self._solve(g, diagonal, cross)

    def _solve(self, g, diagonal, cross):
        """(J + Λ)⁻¹ g, for one vector or several along leading axes.

        With c_i = A_0i/A_00: d_i = (g_i - c_i g_0)/(A_ii - c_i A_0i) and d_0 = g_0/A_00 - Σ_i c_i d_i.
        """
        A = diagonal + self.prior
        d = g / A
        for weights, bias in self._units:
            g_i, A_ii, A_0i = (_by_unit(a, weights, bias) for a in (g, A, cross))
            c_i = A_0i / A[bias]
            conditional = np.maximum(A_ii - c_i * A_0i, self.prior)  # which it is at least, but for rounding
            d_i = (g_i - c_i * g[..., None, bias]) / conditional
            d[..., weights] = d_i.reshape((*g.shape[:-1], -1))
            d[..., bias] -= (c_i * d_i).sum(axis=-2)
        return d

    def norms(self, rows, params):
        """√(wᵀ (J + Λ)⁻¹ w) for rows w ``(..., p)``, directions of the Params that are stepped."""
        if not isinstance(params, Params) or rows.shape[-1] != params.size:
            raise LayoutError(f"got rows of shape {np.shape(rows)}; expected ones as long as the vector of Params")
        if self._state is None:
            return np.sqrt(np.sum(rows * rows, axis=-1) / self.prior)
        self._units = _units_of(params)
        solved = self._solve(rows, *(self._state[name][0] for name in self.state_names))
        return np.sqrt(np.maximum(np.sum(rows * solved, axis=-1), 0))


def _units_of(params):
    """Which weights go with which bias; nothing is known of other trees than Params."""
    if not isinstance(params, Params):
        return []
    if not hasattr(params.layout, "units"):
        params.layout.units = _units(params.layout)
    return params.layout.units


def _largest(g):
    """Beyond this a sum of squares may overflow."""
    return math.sqrt(float(np.finfo(getattr(g, "dtype", float)).max)) / 1e3


def _units(layout):
    """Which weights go with which bias, as pairs of slices of the vector: the last axis of both is the units."""
    found = []
    for name, place in layout.slices.items():
        scope, dot, last = name.rpartition(".")
        if last.startswith("weight"):
            own = f"{scope}{dot}bias{last.removeprefix('weight')}"
            bias = next((n for n in (own, f"{scope}{dot}bias") if n in layout.slices), None)
            if bias is not None and layout.shapes[bias] == layout.shapes[name][-1:]:
                beside = found and found[-1] == (slice(found[-1][0].start, place.start), layout.slices[bias])
                start = found.pop()[0].start if beside else place.start
                found.append((slice(start, place.stop), layout.slices[bias]))
    return found


def _by_unit(a, weights, bias):
    """The weights' part of a vector as ``(..., inputs, units)``."""
    return a[..., weights].reshape((*a.shape[:-1], -1, bias.stop - bias.start))


# ---------------------------------------------------------------------- schedules


class _Schedule:
    """A function of the step number that prints, compares and pickles; its classes bear the names of functions."""

    def __post_init__(self):
        _check(self, schedule="then")


@dataclass(frozen=True)
class constant(_Schedule):  # noqa: N801
    """The rate lr, as the number itself.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.optim.constant(0.1)(7)
    0.1
    """

    lr: float

    def __call__(self, t):
        return self.lr


@dataclass(frozen=True)
class inverse_sqrt(_Schedule):  # noqa: N801
    """The rate lr / √t.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.optim.inverse_sqrt(0.1)(4)
    0.05
    """

    lr: float

    def __call__(self, t):
        return self.lr / math.sqrt(t)


@dataclass(frozen=True)
class exponential(_Schedule):  # noqa: N801
    """The rate lr exp(-decay (t - 1)), which begins at lr.

    Examples
    --------
    >>> import dualgrad as dg
    >>> [round(dg.optim.exponential(0.1, decay=0.5)(t), 4) for t in (1, 2, 3)]
    [0.1, 0.0607, 0.0368]
    """

    lr: float
    decay: float

    def __call__(self, t):
        return self.lr * math.exp(-self.decay * (t - 1))


@dataclass(frozen=True)
class cosine(_Schedule):  # noqa: N801
    """The rate final + (lr - final) (1 + cos(π (t - 1) / steps)) / 2 (Loshchilov and Hutter 2017).

    It begins at lr and stays at ``final`` once ``steps`` steps are taken.

    Examples
    --------
    >>> import dualgrad as dg
    >>> [round(dg.optim.cosine(0.1, steps=4, final=0.02)(t), 4) for t in (1, 3, 5, 6)]
    [0.1, 0.06, 0.02, 0.02]
    """

    lr: float
    steps: int
    final: float = 0.0

    def __call__(self, t):
        done = min(1, (t - 1) / self.steps)
        return self.final + (self.lr - self.final) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class warmup(_Schedule):  # noqa: N801
    """The rate lr t / steps for t ≤ steps, where lr is the first rate of ``then``; after that, ``then`` from its start.

    ``then`` is a number, or a schedule that is given t - steps.

    Examples
    --------
    >>> import dualgrad as dg
    >>> schedule = dg.optim.warmup(2, dg.optim.inverse_sqrt(0.1))
    >>> [schedule(t) for t in (1, 2, 3, 6)]
    [0.05, 0.1, 0.1, 0.05]
    """

    steps: int
    then: float | Callable

    def __call__(self, t):
        return _rate(self.then, 1) * t / self.steps if t <= self.steps else _rate(self.then, t - self.steps)


# ---------------------------------------------------------------------- helpers

_POSITIVE = "a positive number", lambda x: 0 < x < math.inf
_NOT_NEGATIVE = "a number that is not negative", lambda x: 0 <= x < math.inf
_FRACTION = "a number in [0, 1)", lambda x: 0 <= x < 1
_DECAY = "a number in [0, 1]", lambda x: 0 <= x <= 1
_EXPECTED = {
    "lr": _POSITIVE, "then": _POSITIVE, "eps": _POSITIVE, "clip_norm": _POSITIVE, "clip_value": _POSITIVE,
    "prior": _POSITIVE, "weight_decay": _NOT_NEGATIVE, "decay": _NOT_NEGATIVE, "final": _NOT_NEGATIVE,
    "momentum": _FRACTION, "alpha": _FRACTION,
    "steps": ("a positive whole number", lambda x: x > 0 and isinstance(x, (int, np.integer))),
}  # fmt: skip


def _check(thing, schedule):
    """Refuse constants that do not fit their names; the one named ``schedule`` may also be a function."""
    for f in fields(thing):
        value = getattr(thing, f.name)
        optional = value is None and f.default is None or f.name == schedule and callable(value)
        if f.name in _EXPECTED and not optional:
            object.__setattr__(thing, f.name, _number(f.name, value, _EXPECTED[f.name]))


def _number(name, value, kind=_POSITIVE):
    """``value`` as a Python number, beside which float32 stays float32; a ValueError unless it is of the kind."""
    expected, fits = kind
    if not isinstance(value, (int, float, np.integer, np.floating)) or not fits(value):
        raise ValueError(f"got {name}={value!r}; expected {expected}")
    return value.item() if isinstance(value, np.generic) else value


def _rate(lr, t):
    """The rate of step t, from a number or a schedule."""
    return _number(f"{lr!r}({t})", lr(t), _NOT_NEGATIVE) if callable(lr) else _number("lr", lr)


def _matched(params, gradient):
    """The leaves to update, their gradients and names, and where the tensors of each leaf are.

    For two Params of one layout the only leaf is the vector.
    """
    if isinstance(params, Params) and isinstance(gradient, Params):
        if params.layout != gradient.layout or params.vector.shape != gradient.vector.shape:
            raise LayoutError(f"got a gradient {gradient!r} for parameters {params!r}")
        return [params.vector], [gradient.vector], [".vector"], [(..., s) for s in params.layout.slices.values()]
    leaves, structure = flatten(dict(params) if isinstance(params, Params) else params)
    gradients, names = leaves_like(gradient, structure, "gradient"), paths(structure)
    for w, g, name in zip(leaves, gradients, names, strict=True):
        if not hasattr(w, "flags") or isinstance(w, (Dual, np.generic)):
            raise TypeError(f"params{name} is a {type(w).__name__}; expected an array, which a step changes in place")
        if np.shape(g) != w.shape:
            raise LayoutError(f"gradient{name} has shape {np.shape(g)}; expected {w.shape}")
    return leaves, [g if hasattr(g, "dtype") else np.asarray(g) for g in gradients], names, [...]


def _steppable(w, g, name):
    """The gradient g of a leaf, in the leaf's kind; raise where the update could not be written."""
    if not getattr(w.flags, "writeable", True):
        raise TypeError(f"params{name} is read-only; a step changes it in place: give a writable array")
    if w.dtype.kind not in "fc" or not np.can_cast(g.dtype, w.dtype, "same_kind"):
        raise TypeError(f"params{name} has dtype {w.dtype} and its gradient {g.dtype}; expected floating, of one kind")
    return g if g.dtype.kind == w.dtype.kind else g.astype(w.dtype)


def _norm(g):
    """‖g‖ as a number, finite where all entries are; one pass at BLAS speed unless the squares overflow."""
    if is_host(g) and not g.flags.c_contiguous:
        copy = empty_like(g)
        copy[...] = g
        g = copy
    with np.errstate(all="ignore"):
        square = float(to_numpy(np.vdot(g, g).real))
        if math.isfinite(square):
            return math.sqrt(square)
        peak = float(np.max([to_numpy(np.max(np.abs(part))) for part in (g.real, g.imag)]))
        if not math.isfinite(peak):
            return peak
        square = float(to_numpy(np.sum(np.square(np.abs(g / peak)), dtype=np.float64)))
    return min(peak * math.sqrt(square), np.finfo(np.float64).max)


def _blocks(*arrays):
    """Views of the arrays, block by block: complex numbers as two real ones (as in torch), a device's arrays whole."""
    if all(a.flags.c_contiguous for a in arrays):
        arrays = [a.reshape(-1) for a in arrays]
    if arrays[0].dtype.kind == "c":
        for part in (np.real, np.imag):
            yield from _blocks(*map(part, arrays))
    elif arrays[0].ndim == 1 and arrays[0].size > _BLOCK and is_host(arrays[0]):
        for start in range(0, arrays[0].size, _BLOCK):
            yield [a[start : start + _BLOCK] for a in arrays]
    else:
        yield arrays


def _scratch(x):
    """An array to write intermediate results of a block to; the last, shorter block takes a part of a whole one's."""
    if x.size <= 1 << 10 or not is_host(x):
        return np.empty_like(x)
    return empty((_BLOCK,), x.dtype)[: x.size] if x.ndim == 1 else empty(x.shape, x.dtype)


def _mix(m, b, g, scratch):
    """m ← b m + (1 - b) g."""
    m *= b
    m += np.multiply(1 - b, g, out=scratch)
