"""Normalisation of every channel of every example by itself."""

import math
from typing import Any

import numpy as np

from ..backend import Array
from ..dual import primal
from ..errors import ShapeError
from .norms import Normalised, _Norm, normalise
from .running import note
from .setting_checks import checked
from .types import Parameters, Shape


class InstanceNorm(_Norm):
    """y = γ x̂ + β, x̂ over places ;  dy = γ T(dx) + x̂ dγ + dβ ;  (dγ, dβ, dx) = (Σ x̂ ȳ, Σ ȳ, T(γ ȳ)).

    Parameters
    ----------
    num_features : int
        Entries of the last axis, for inputs ``(B, L, C)``, ``(B, H, W, C)`` and of any rank from 3 on.
    eps : float
    momentum : float
        The share of a batch in the running statistics.
    affine : bool
        Whether there are γ (``weight``) and β (``bias``).
    track_running_stats : bool
        Whether there are running statistics, by which examples are normalised without ``train=True``.

    Notes
    -----
    T(d) = (d - mean d - x̂ mean(x̂ d)) / √(var + ε), its own transpose (Ulyanov et al. 2016). With running statistics and
    without ``train=True``, T(d) = d / √(running_var + ε); ``model.update_buffers(params, x)`` advances them by the mean
    over the batch of the examples' means and unbiased variances.

    Raises
    ------
    ShapeError
        For an input of one place, which has no variance.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.InstanceNorm(1)({}, np.array([[[1.0], [2.0]], [[0.0], [40.0]]])).round(3)[..., 0]
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    takes: frozenset[str] = frozenset({"train"})

    @checked
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False,
    ):  # fmt: skip
        self.feature_shape: Shape = (num_features,)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats

    def __repr__(self) -> str:
        settings = {"affine": self.affine, "track_running_stats": self.track_running_stats}
        given = "".join(f", {name}=True" for name, on in settings.items() if on)
        return f"{type(self).__name__}({self.feature_shape[0]}{given})"

    def buffers(self) -> dict[str, tuple[Shape, Any]]:
        if not self.track_running_stats:
            return {}
        return {"running_mean": (self.feature_shape, 0.0), "running_var": (self.feature_shape, 1.0)}

    def normalised(self, x: Array, p: Parameters, train: bool = False) -> Normalised:
        if train or not self.track_running_stats:
            self._require_places(x)
            if self.track_running_stats and len(x):
                self._note(p, primal(x))
            return normalise(x, tuple(range(1 - x.ndim, -1)), self.eps)
        r = 1 / np.sqrt(p["running_var"] + self.eps)
        return (x - p["running_mean"]) * r, lambda d: r * d

    def _require_places(self, x):
        if x.ndim < 3 or math.prod(x.shape[1:-1]) < 2:
            raise ShapeError(
                f"{self!r} got an input of shape {x.shape}; expected (B, ..., {x.shape[-1]}) of more than one place"
            )

    def _note(self, p, x):
        """The running statistics as a batch makes them, means over its examples."""
        places, n, m = tuple(range(1, x.ndim - 1)), math.prod(x.shape[1:-1]), self.momentum
        note(
            p,
            running_mean=lambda mean: mean + m * (np.mean(x, (0, *places)) - mean),
            running_var=lambda var: var + m * (np.mean(np.var(x, places), 0) * (n / (n - 1)) - var),
        )
