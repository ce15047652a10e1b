"""``scipy.fft``: the transforms of Fourier and those of cosines and sines, all linear: the tangent is transformed too.

Signatures and values are SciPy's; ``overwrite_x`` is a permission, of which no use is made. Other names are SciPy's.

Examples
--------
>>> import dualgrad as dg, numpy as np
>>> from dualgrad.scipy import fft
>>> dg.derivative(lambda t: fft.dct(t * np.ones(3), norm="ortho"))(1.0).round(3)
array([1.732, 0.   , 0.   ])
"""

from typing import Any

import numpy as np
from scipy import fft as sf

from ..backend import Array
from ..dispatch import dispatched
from ..rules.declare import linear
from ..rules.lead import trailing
from ..tree import Function
from .shared import others

__all__ = [
    "dct", "dctn", "dst", "dstn", "fft", "fft2", "fftn", "hfft", "hfft2", "hfftn", "idct", "idctn", "idst", "idstn",
    "ifft", "ifft2", "ifftn", "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftn",
]  # fmt: skip
__getattr__ = others(sf)


def _dispatching(transform: Function, function: Function, lead: Function) -> Function:
    """A transform of SciPy under its own name, with its rule for all directions at once."""
    transform.__name__ = transform.__qualname__ = function.__name__
    transform.__doc__ = f"``scipy.fft.{function.__name__}``, which takes Duals."
    found = dispatched(transform)
    linear(found, lead=lead)
    return found


def _of_one_axis(function):
    def transform(
        x: Any, n: Any = None, axis: Any = -1, norm: Any = None, overwrite_x: Any = False, workers: Any = None,
        *, plan: Any = None,
    ) -> Array:  # fmt: skip
        return function(x, n, axis, norm, workers=workers, plan=plan)

    def lead(dx, ndim, n, axis, *settings, **plan):
        return found(dx, n, trailing(axis, ndim), *settings, **plan)

    found = _dispatching(transform, function, lead)
    return found


def _axes(axes, s, ndim):
    """The axes that a transform of several takes, counted from the end."""
    if axes is None:
        return tuple(range(-ndim if s is None else -np.size(s), 0))
    return trailing(tuple(np.atleast_1d(axes)), ndim)


def _of_axes(function, default):
    def transform(
        x: Any, s: Any = None, axes: Any = default, norm: Any = None, overwrite_x: Any = False, workers: Any = None,
        *, plan: Any = None,
    ) -> Array:  # fmt: skip
        return function(x, s, axes, norm, workers=workers, plan=plan)

    def lead(dx, ndim, s, axes, *settings, **plan):
        return found(dx, s, _axes(axes, s, ndim), *settings, **plan)

    found = _dispatching(transform, function, lead)
    return found


def _of_cosines(function):
    def transform(
        x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None, overwrite_x: Any = False,
        workers: Any = None, orthogonalize: Any = None,
    ) -> Array:  # fmt: skip
        return function(x, type, n, axis, norm, workers=workers, orthogonalize=orthogonalize)

    def lead(dx, ndim, type, n, axis, *settings):
        return found(dx, type, n, trailing(axis, ndim), *settings)

    found = _dispatching(transform, function, lead)
    return found


def _of_cosines_along_axes(function):
    def transform(
        x: Any, type: Any = 2, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: Any = False,
        workers: Any = None, *, orthogonalize: Any = None,
    ) -> Array:  # fmt: skip
        return function(x, type, s, axes, norm, workers=workers, orthogonalize=orthogonalize)

    def lead(dx, ndim, type, s, axes, *settings, **orthogonalize):
        return found(dx, type, s, _axes(axes, s, ndim), *settings, **orthogonalize)

    found = _dispatching(transform, function, lead)
    return found


fft, ifft, hfft = _of_one_axis(sf.fft), _of_one_axis(sf.ifft), _of_one_axis(sf.hfft)
rfft, irfft, ihfft = _of_one_axis(sf.rfft), _of_one_axis(sf.irfft), _of_one_axis(sf.ihfft)
fft2, ifft2, hfft2 = _of_axes(sf.fft2, (-2, -1)), _of_axes(sf.ifft2, (-2, -1)), _of_axes(sf.hfft2, (-2, -1))
rfft2, irfft2, ihfft2 = _of_axes(sf.rfft2, (-2, -1)), _of_axes(sf.irfft2, (-2, -1)), _of_axes(sf.ihfft2, (-2, -1))
fftn, ifftn, hfftn = _of_axes(sf.fftn, None), _of_axes(sf.ifftn, None), _of_axes(sf.hfftn, None)
rfftn, irfftn, ihfftn = _of_axes(sf.rfftn, None), _of_axes(sf.irfftn, None), _of_axes(sf.ihfftn, None)
dct, idct, dst, idst = map(_of_cosines, (sf.dct, sf.idct, sf.dst, sf.idst))
dctn, idctn, dstn, idstn = map(_of_cosines_along_axes, (sf.dctn, sf.idctn, sf.dstn, sf.idstn))
