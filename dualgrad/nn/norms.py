"""Normalisation and noise.

All norms are one map, x̂ = (x - mean x) / √(mean (x - mean x)² + ε), over different axes. Its derivative,

    T(d) = (d - mean d - x̂ mean(x̂ d)) / √(...),

is a symmetric matrix: the tangent rule and its transpose are the same formula.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array, is_host
from ..dual import primal
from ..errors import ShapeError
from ..random import Rng, RngLike, as_rng
from ..rules.absorb import quietly
from ..zero import ZERO
from .affine import add_row_tangent, row_tangent
from .layer import Layer
from .patches import PerAxis
from .running import note
from .setting_checks import checked
from .tangents import leading
from .types import Parameters, Pulled, Pushed, Shape, Shapes, Tangent, Tangents

Normalised: TypeAlias = tuple[Array, Callable[[Tangent], Tangent]]  # x̂, and T


def normalise(x, axes, eps, centred=True):
    """x̂, and T."""
    c = x - np.mean(x, axis=axes, keepdims=True) if centred else x
    square = quietly(_mean_square, c, axes)
    if is_host(primal(square)) and not np.all(np.isfinite(primal(square))):
        s = 2.0 ** np.floor(np.log2(np.max(np.abs(primal(c)), axis=axes, keepdims=True, initial=1)))
        unit = (c / s).astype(primal(c).dtype)
        r = (1 / np.sqrt(_mean_square(unit, axes) + eps / s / s)).astype(unit.dtype)
        x_hat, r = unit * r, (r / s).astype(unit.dtype)
    else:
        r = 1 / np.sqrt(square + eps)
        x_hat = c * r

    def tangent(d):
        if centred:
            d = d - np.mean(d, axis=axes, keepdims=True)
        return r * (d - x_hat * np.mean(x_hat * d, axis=axes, keepdims=True))

    return x_hat, tangent


def _mean_square(c, axes):
    return np.mean(c * c, axis=axes, keepdims=True)


class _Norm(Layer):
    """What the norms share: y = γ x̂ + β ;  dy = γ T(dx) + x̂ dγ + dβ ;  (dγ, dβ, dx) = (Σ x̂ ȳ, Σ ȳ, T(γ ȳ))."""

    feature_shape: Shape
    affine: bool
    bias: bool = True
    centred: bool = True
    lead = True

    def shapes(self) -> Shapes:
        if not self.affine:
            return {}
        return {"weight": self.feature_shape} | ({"bias": self.feature_shape} if self.bias else {})

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        return (np.ones if name == "weight" else np.zeros)(shape, dtype)

    def normalised(self, x: Array, p: Parameters, **kwargs: Any) -> Normalised:
        """x̂ and T for this layer's axes."""
        raise NotImplementedError

    def _check(self, x):
        n = len(self.feature_shape)
        if np.ndim(x) < n + 1 or x.shape[-n:] != self.feature_shape:
            features = ", ".join(map(str, self.feature_shape))
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (B, ..., {features})")

    def _scaled(self, p, x_hat):
        y = x_hat * p["weight"] if self.affine else x_hat
        return y + p["bias"] if self.affine and self.bias else y

    def forward(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        self._check(x)
        return self._scaled(p, self.normalised(x, p, **kwargs)[0])

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, **kwargs: Any) -> Pushed:
        self._check(x)
        x_hat, tangent = self.normalised(x, p, **kwargs)
        dy = ZERO if dx is ZERO else tangent(dx)
        if self.affine:
            n = len(self.feature_shape)
            dy = p["weight"] * dy + x_hat * row_tangent(dp["weight"], x.ndim, n)
            dy = add_row_tangent(dy, dp.get("bias", ZERO), leading(x, n), n)
        return self._scaled(p, x_hat), dy

    def vjp(self, p: Parameters, x: Array, **kwargs: Any) -> Pulled:
        self._check(x)
        x_hat, tangent = self.normalised(x, p, **kwargs)

        def pullback(dy):
            if not self.affine:
                return {}, tangent(dy)
            axes = tuple(range(x.ndim - len(self.feature_shape)))
            dp = {"weight": np.sum(x_hat * dy, axis=axes)} | ({"bias": np.sum(dy, axis=axes)} if self.bias else {})
            return dp, tangent(p["weight"] * dy)

        return self._scaled(p, x_hat), pullback


class LayerNorm(_Norm):
    """y = γ x̂ + β, x̂ over the last axes ;  dy = γ T(dx) + x̂ dγ + dβ ;  (dγ, dβ, dx) = (Σ x̂ ȳ, Σ ȳ, T(γ ȳ)).

    Parameters
    ----------
    normalized_shape : int or tuple
        The last axes, over which each example is normalised.
    eps : float
    elementwise_affine, bias : bool
        Whether there are γ (``weight``) and β (``bias``).

    Notes
    -----
    T(d) = (d - mean d - x̂ mean(x̂ d)) / √(var + ε), its own transpose (Ba et al. 2016).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.LayerNorm(4)
    >>> layer(layer.init(rng=0, dtype=np.float64), np.array([[1.0, 2.0, 3.0, 4.0]])).round(3)
    array([[-1.342, -0.447,  0.447,  1.342]])
    """

    particles = True

    @checked
    def __init__(
        self, normalized_shape: PerAxis, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
    ):
        self.feature_shape: Shape = normalized_shape
        self.eps: float | None = eps
        self.affine = elementwise_affine
        self.bias = bias

    def __repr__(self) -> str:
        shape = self.feature_shape[0] if len(self.feature_shape) == 1 else self.feature_shape
        return f"{type(self).__name__}({shape})"

    def normalised(self, x: Array, p: Parameters) -> Normalised:
        return normalise(x, tuple(range(-len(self.feature_shape), 0)), self.eps, self.centred)


class RMSNorm(LayerNorm):
    """y = γ x̂, x̂ = x / √(mean x² + ε) ;  dy = γ T(dx) + x̂ dγ ;  (dγ, dx) = (Σ x̂ ȳ, T(γ ȳ)) (Zhang and Sennrich 2019).

    Parameters
    ----------
    normalized_shape : int or tuple
    eps : float, optional
        By default the spacing of numbers at 1 in the input's precision, as in torch.
    elementwise_affine : bool

    Notes
    -----
    T(d) = (d - x̂ mean(x̂ d)) / √(mean x² + ε).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.RMSNorm(2)
    >>> layer(layer.init(rng=0, dtype=np.float64), np.array([[3.0, 4.0]])).round(3)
    array([[0.849, 1.131]])
    """

    centred = False

    @checked
    def __init__(self, normalized_shape: PerAxis, eps: float | None = None, elementwise_affine: bool = True):
        self.feature_shape: Shape = normalized_shape
        self.eps: float | None = eps
        self.affine = elementwise_affine
        self.bias = False

    def normalised(self, x: Array, p: Parameters) -> Normalised:
        eps = float(np.finfo(primal(x).dtype).eps) if self.eps is None else self.eps
        return normalise(x, tuple(range(-len(self.feature_shape), 0)), eps, centred=False)


class GroupNorm(_Norm):
    """y = γ x̂ + β, x̂ over a group of channels and all places ;  dy = γ T(dx) + x̂ dγ + dβ ;  and back as `LayerNorm`.

    Parameters
    ----------
    num_groups, num_channels : int
    eps : float
    affine : bool

    Raises
    ------
    ValueError
        When the groups do not divide the channels.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.GroupNorm(2, 4)
    >>> layer(layer.init(rng=0), np.ones((1, 5, 5, 4), np.float32)).shape
    (1, 5, 5, 4)
    """

    @checked
    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True):
        if num_channels % num_groups:
            raise ValueError(
                f"got num_groups={num_groups} and num_channels={num_channels}; the groups must divide them"
            )
        self.num_groups = num_groups
        self.feature_shape: Shape = (num_channels,)
        self.eps = eps
        self.affine = affine

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_groups}, {self.feature_shape[0]})"

    def normalised(self, x: Array, p: Parameters) -> Normalised:
        places = math.prod(x.shape[1:-1])
        if not places:
            raise ShapeError(f"{self!r} got an input of shape {x.shape}, which has no places")
        split = (x.shape[0], places, self.num_groups, x.shape[-1] // self.num_groups)
        x_hat, tangent = normalise(np.reshape(x, split), (-3, -1), self.eps)

        def grouped(d):
            return np.reshape(tangent(np.reshape(d, leading(d, x.ndim) + x_hat.shape)), d.shape)

        return np.reshape(x_hat, x.shape), grouped


class BatchNorm(_Norm):
    """y = γ x̂ + β, x̂ over examples and places ;  dy = γ T(dx) + x̂ dγ + dβ ;  (dγ, dβ, dx) = (Σ x̂ ȳ, Σ ȳ, T(γ ȳ)).

    Parameters
    ----------
    num_features : int
        Entries of the last axis, for inputs of any rank.
    eps : float
    momentum : float
        The share of a batch in the running statistics.
    affine : bool

    Notes
    -----
    With ``train=True`` the statistics are those of the batch and T(d) = (d - mean d - x̂ mean(x̂ d)) / √(var + ε);
    otherwise they are the running ones, ``params.buffers``, and T(d) = d / √(running_var + ε). Calls change nothing:
    ``model.update_buffers(params, x)`` advances the running statistics, once a step, as `dualgrad.fit` does without a
    pass of its own (Ioffe and Szegedy 2015).

    Raises
    ------
    ShapeError
        In training mode on one example, which has no variance.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.BatchNorm(1)
    >>> params = layer.init(rng=0, dtype=np.float64)
    >>> layer(params, np.array([[0.0], [2.0]]), train=True).round(3)
    array([[-1.],
           [ 1.]])
    >>> layer.update_buffers(params, np.array([[0.0], [2.0]]))
    >>> params.buffers
    {'running_mean': array([0.1]), 'running_var': array([1.1])}
    """

    particles = True
    takes: frozenset[str] = frozenset({"train"})

    @checked
    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True):
        self.feature_shape: Shape = (num_features,)
        self.momentum = momentum
        self.eps = eps
        self.affine = affine

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.feature_shape[0]})"

    def buffers(self) -> dict[str, tuple[Shape, Any]]:
        return {"running_mean": (self.feature_shape, 0.0), "running_var": (self.feature_shape, 1.0)}

    def normalised(self, x: Array, p: Parameters, train: bool = False) -> Normalised:
        if train:
            self._require_examples(x)
            self._note(p, primal(x))
            return normalise(x, tuple(range(-x.ndim, -1)), self.eps)
        r = 1 / np.sqrt(p["running_var"] + self.eps)
        return (x - p["running_mean"]) * r, lambda d: r * d

    def _note(self, p, x):
        """The running statistics as a batch makes them."""
        axes, n, m = tuple(range(x.ndim - 1)), x.size // x.shape[-1], self.momentum
        note(
            p,
            running_mean=lambda mean: mean + m * (np.mean(x, axes) - mean),
            running_var=lambda var: var + m * (np.var(x, axes) * (n / (n - 1)) - var),
        )

    def _require_examples(self, x):
        if x.size <= x.shape[-1]:
            raise ShapeError(
                f"{self!r} got an input of shape {x.shape} in training mode; one example has no variance: give two or "
                "more (drop_last=True leaves out a last batch of one)"
            )


class Dropout(Layer):
    """y = m x, m = 0 with probability p, else 1/(1 - p) ;  dy = m dx ;  dx = m ȳ.

    Parameters
    ----------
    p : float
        The probability of dropping an entry, from 0 to 1; at 1, y = 0.

    Notes
    -----
    With ``train=True`` and ``rng=`` only; otherwise y = x. A mask is drawn at every call; a bound objective draws the
    same one every time (Srivastava et al. 2014).

    Raises
    ------
    ValueError
        In training mode without an ``rng``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Dropout(0.5)({}, np.ones(4), train=True, rng=0)
    array([0., 2., 2., 2.])
    """

    takes: frozenset[str] = frozenset({"train", "rng"})
    lead = particles = True

    @checked
    def __init__(self, p: float = 0.5):
        self.p = p

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.p})"

    def _mask(self, x, train, rng):
        if not train or self.p == 0:
            return None
        if rng is None:
            raise ValueError(f"{self!r} in training mode needs randomness: pass rng=")
        v = primal(x)
        kept = as_rng(rng).bernoulli(1 - self.p, x.shape, dtype=v.dtype, like=v)
        return kept / (v.dtype.type(1 - self.p) or 1)

    def forward(self, p: Parameters, x: Array, train: bool = False, rng: RngLike = None) -> Array:
        mask = self._mask(x, train, rng)
        return x if mask is None else x * mask

    def jvp(
        self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, train: bool = False, rng: RngLike = None
    ) -> Pushed:
        mask = self._mask(x, train, rng)
        return (x, dx) if mask is None else (x * mask, dx * mask)

    def vjp(self, p: Parameters, x: Array, train: bool = False, rng: RngLike = None) -> Pulled:
        mask = self._mask(x, train, rng)
        return (x, lambda dy: ({}, dy)) if mask is None else (x * mask, lambda dy: ({}, dy * mask))
