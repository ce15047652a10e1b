"""Upsampling: every output is an entry of the input, or lies between two of them along each axis.

The axes are taken one after the other. Along one, y_i = Σ_k w_ik x_j(i, k) with one or two terms: a matrix with one or
two entries in a row, which tangents are multiplied by, and cotangents by its transpose.
"""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from ..backend import Array, like
from ..checks import flag, positive_count
from ..dual import primal
from ..errors import ShapeError
from ..zero import ZERO
from .layer import Layer
from .pooling import AXES
from .setting_checks import POSITIVE_NUMBER
from .types import Parameters, Pulled, Pushed, Tangent, Tangents

Interpolation: TypeAlias = Literal["nearest", "linear", "bilinear"]

_MODES = {"nearest": (1, 2), "linear": (1,), "bilinear": (2,)}  # the numbers of spatial axes that a mode is for


class Upsample(Layer):
    """y = A x along every spatial axis ;  dy = A dx ;  dx = Aᵀ ȳ.

    Parameters
    ----------
    size : int or pair of int, optional
        That of the output.
    scale_factor : float or pair of float, optional
        Or how many times that of the input, rounded down.
    mode : "nearest", "linear" or "bilinear"
        Entry ⌊i / scale⌋ of the input, or what lies on the line between two; "linear" for signals ``(B, L, C)``,
        "bilinear" for images ``(B, H, W, C)``.
    align_corners : bool, optional
        Of the linear ones: whether the outermost entries of input and output stand above each other, and not their
        outer edges.

    Notes
    -----
    As in torch, along an axis whose size stays what it was, whatever the factor, every entry stays where it is, and of
    an image that "nearest" doubles each stands twice; only "nearest" of signals goes by the factor there, too.
    torch's "nearest-exact", "bicubic" and "trilinear" are not here. Places are computed in float64; torch computes
    those of "nearest" in float32, and takes the entry before where i / scale comes out just below a whole number.

    Raises
    ------
    ShapeError
        For another rank, and an output or input without entries.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Upsample(scale_factor=2, mode="linear")({}, np.array([[[0.0], [4.0]]]))[0, :, 0]
    array([0., 1., 3., 4.])
    """

    lead = True

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None,
        mode: Interpolation = "nearest", align_corners: bool | None = None,
    ):  # fmt: skip
        if not isinstance(mode, str) or mode not in _MODES:
            raise ValueError(f"got mode={mode!r}; expected {' or '.join(map(repr, _MODES))}")
        if (size is None) == (scale_factor is None):
            raise ValueError(f"got size={size!r} and scale_factor={scale_factor!r}; expected one of them")
        if align_corners is not None:
            flag("align_corners", align_corners)
            if mode == "nearest":
                raise ValueError(f"got align_corners={align_corners!r} with mode='nearest'; expected a linear mode")
        self.size: int | tuple[int, ...] | None = _one_or_several("size", size, positive_count)
        self.scale_factor: float | tuple[float, ...] | None = _one_or_several(
            "scale_factor", scale_factor, POSITIVE_NUMBER
        )
        self.mode = mode
        self.align_corners = align_corners
        given = self.size if size is not None else self.scale_factor
        if isinstance(given, tuple) and len(given) not in _MODES[mode]:
            name, value = ("size", size) if size is not None else ("scale_factor", scale_factor)
            raise ValueError(f"got {name}={value!r} with mode={mode!r}; expected one number or one for every axis")

    def __repr__(self) -> str:
        defaults = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": None}
        given = (f"{name}={getattr(self, name)!r}" for name, value in defaults.items() if getattr(self, name) != value)
        return f"Upsample({', '.join(given)})"

    def _geometry(self, x):
        """For every spatial axis: the sizes of input and output, and how many entries of the one are how many there."""
        n = np.ndim(x) - 2
        each = self.size or self.scale_factor
        if n not in _MODES[self.mode] or isinstance(each, tuple) and len(each) != n:
            expected = " or ".join(AXES[n] for n in _MODES[self.mode] if not isinstance(each, tuple) or len(each) == n)
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected {expected}")
        each = each if isinstance(each, tuple) else (each,) * n
        spatial = x.shape[1:-1]
        sizes = each if self.size else tuple(math.floor(h * s) for h, s in zip(spatial, each, strict=True))
        if 0 in (*spatial, *sizes):
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}: its output would be of size {sizes}")
        whole = {1: n == 2 or self.mode != "nearest", 2: n == 2 and self.mode == "nearest"}
        ratios = [
            (h, o) if self.size or whole.get(o / h) else (1, s) for h, o, s in zip(spatial, sizes, each, strict=True)
        ]
        if self.align_corners:
            ratios = [(h - 1, max(o - 1, 1)) for h, o in zip(spatial, sizes, strict=True)]
        return list(zip(spatial, sizes, ratios, strict=True))

    def _terms(self, size, count, ratio):
        """The terms of all outputs along an axis: where they stand in the input, and their weights."""
        i, (ours, theirs) = np.arange(count), ratio
        if self.mode == "nearest":
            return [(np.minimum((i * ours / theirs).astype(int), size - 1), None)]
        at = i * ours / theirs if self.align_corners else np.maximum((i + 0.5) * ours / theirs - 0.5, 0)
        low = np.minimum(at.astype(int), size - 1)
        share = np.minimum(at - low, 1)
        return [(low, 1 - share), (np.minimum(low + 1, size - 1), share)]

    def _resampled(self, d, geometry):
        """A along every spatial axis of d, whatever stands in front of them."""
        for axis, sizes in enumerate(geometry, -1 - len(geometry)):
            parts = []
            for places, weights in self._terms(*sizes):
                part = np.take(d, like(places, primal(d)), axis=axis)
                parts.append(part if weights is None else part * _column(weights, axis, part))
            d = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return d

    def forward(self, p: Parameters, x: Array) -> Array:
        return self._resampled(x, self._geometry(x))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        return Upsample.forward(self, p, x), ZERO if dx is ZERO else self._resampled(dx, self._geometry(x))

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        geometry = self._geometry(x)

        def pullback(dy):
            for axis, (size, count, ratio) in enumerate(geometry, -1 - len(geometry)):
                matrix = np.zeros((count, size), primal(dy).dtype)
                for places, weights in self._terms(size, count, ratio):
                    matrix[np.arange(count), places] += 1 if weights is None else weights
                rows = np.moveaxis(dy, axis, -1)
                dy = np.moveaxis(np.matmul(rows, like(matrix, primal(dy))), -1, axis)
            return {}, dy

        return Upsample.forward(self, p, x), pullback


def _one_or_several(name, value, check):
    """A setting that is one number, or several as a tuple; None where it is not given."""
    if value is None:
        return None
    try:
        if isinstance(value, (list, tuple)):
            return tuple(check(name, v) for v in value) or check(name, value)
        return check(name, value)
    except (TypeError, ValueError):
        raise ValueError(f"got {name}={value!r}; expected a positive number, or one for every axis") from None


def _column(weights, axis, x):
    """Weights along one axis of x, counted from the end."""
    weights = weights.astype(primal(x).dtype)
    return like(np.reshape(weights, (-1, *(1,) * (-1 - axis))), primal(x))
