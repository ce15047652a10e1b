"""``scipy.signal``: convolutions, correlations and recursive filters, in each of their arguments.

It is imported by name, ``from dualgrad.scipy import signal``, for ``scipy.signal`` takes long to import. Signatures and
values are SciPy's; every other name is SciPy's own.

Examples
--------
>>> import dualgrad as dg, numpy as np
>>> from dualgrad.scipy import signal
>>> smooth = lambda a: signal.lfilter([1 - a], np.array([1.0, -a], like=a), np.ones(4))
>>> dg.derivative(smooth)(0.5)                     # of 1 - aⁿ
array([-1.  , -1.  , -0.75, -0.5 ])
"""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import signal as ss

from ..backend import Array
from ..dispatch import dispatched
from ..dual import Dual, primal
from ..extend import lasting
from ..rules.absorb import parts, quietly
from ..rules.declare import as_result, bilinear, composite, nested_as, refuse_others, register_rule, top_level
from ..rules.lead import each_direction, trailing
from .shared import others

__all__ = ["convolve", "correlate", "fftconvolve", "lfilter", "oaconvolve"]
__getattr__ = others(ss)

Mode: TypeAlias = Literal["full", "valid", "same"]
Method: TypeAlias = Literal["auto", "direct", "fft"]

# ---------------------------------------------------------------------- convolutions: f(dx, h) + f(x, dh)


@dispatched
def convolve(in1: ArrayLike, in2: ArrayLike, mode: Mode = "full", method: Method = "auto") -> Array:
    """Σ in1[k] in2[n - k], along every axis.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import signal
    >>> dg.jacfwd(lambda h: signal.convolve(np.array([1.0, 2.0]), h))(np.ones(2))
    array([[1., 0.],
           [2., 1.],
           [0., 2.]])
    """
    return ss.convolve(in1, in2, mode, method)


@dispatched
def fftconvolve(in1: ArrayLike, in2: ArrayLike, mode: Mode = "full", axes: Any = None) -> Array:
    """The same along some axes, by fast Fourier transforms; along the others the arrays broadcast.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import signal
    >>> dg.derivative(lambda t: signal.fftconvolve(t * np.eye(2), np.ones((1, 2)), axes=1))(1.0).round(9)
    array([[1., 1., 0.],
           [0., 1., 1.]])
    """
    return ss.fftconvolve(in1, in2, mode, axes)


@dispatched
def oaconvolve(in1: ArrayLike, in2: ArrayLike, mode: Mode = "full", axes: Any = None) -> Array:
    """The same piece by piece (overlap-add), for arrays of very different lengths.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import signal
    >>> dg.derivative(lambda t: signal.oaconvolve(np.ones(3), t * np.ones(2), "valid"))(1.0)
    array([2., 2.])
    """
    return ss.oaconvolve(in1, in2, mode, axes)


@dispatched
def correlate(in1: ArrayLike, in2: ArrayLike, mode: Mode = "full", method: Method = "auto") -> Array:
    """Σ in1[k + n] conj(in2[k]), along every axis.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import signal
    >>> dg.derivative(lambda t: signal.correlate(t * np.arange(3.0), np.array([1.0, 10.0]), "valid"))(1.0)
    array([10., 21.])
    """
    return ss.correlate(in1, in2, mode, method)


def _correlate(in1, in2, mode, method):
    return convolve(in1, np.conj(in2)[(slice(None, None, -1),) * np.ndim(in2)], mode, method)


with lasting():
    bilinear(convolve, fftconvolve, oaconvolve)
    composite(correlate, _correlate)

# ---------------------------------------------------------------------- recursive filters


@dispatched
def lfilter(b: ArrayLike, a: ArrayLike, x: ArrayLike, axis: int = -1, zi: ArrayLike | None = None) -> Any:
    """Σ aₖ yₙ₋ₖ = Σ bₖ xₙ₋ₖ along an axis, from rest, or from the state ``zi``: then y and the last state.

    Raises
    ------
    NotImplementedError
        For a Dual as ``axis``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import signal
    >>> dg.jacfwd(lambda b: signal.lfilter(b, [1.0, -0.5], np.array([1.0, 0.0, 0.0])))(np.array([1.0, 2.0]))
    array([[1.  , 0.  ],
           [0.5 , 1.  ],
           [0.25, 0.5 ]])
    """
    return ss.lfilter(b, a, x, axis, zi)


def _lfilter(b, a, x, axis, zi):
    """dy = F(b, a) dx + F(db, a) x - F(da, a) y, each F a filter, with b and a divided by a₀ and dzi at the first."""
    refuse_others(lfilter, (axis,), {}, 3)
    level, lead = top_level((b, a, x, zi))
    result = lfilter(*(parts(v, level)[0] for v in (b, a, x)), axis, parts(zi, level)[0])
    outputs = result if isinstance(result, tuple) else (result,)
    precise = lambda v: as_result(v if isinstance(v, Dual) else np.asarray(v), outputs[0].dtype)  # noqa: E731
    b, a = np.atleast_1d(precise(b)), np.atleast_1d(precise(a))
    x, zi = precise(x), zi if zi is None else precise(zi)
    b, a = _of_one_length(*quietly(lambda: (b / a[0], a / a[0])))
    split = [parts(v, level) for v in (b, a, x, zi)]
    tangents = quietly(_filter_tangents, split, trailing(axis, np.ndim(x)), outputs, lead)
    duals = [Dual(y, nested_as(y, dy.astype(y.dtype)), level) for y, dy in zip(outputs, tangents, strict=True)]
    return tuple(duals) if isinstance(result, tuple) else duals[0]


def _of_one_length(b, a):
    """Both with as many coefficients as the longer one, so that their filters have states of one size."""
    pad = lambda c, n: c if n == 0 else np.concatenate([c, np.zeros(n, primal(c).dtype)])  # noqa: E731
    missing = np.shape(a)[0] - np.shape(b)[0]
    return pad(b, max(missing, 0)), pad(a, max(-missing, 0))


def _filter_tangents(split, axis, outputs, lead):
    (b, db), (a, da), (x, dx), (zi, dzi) = split
    y, rest = outputs[0], None if zi is None else np.zeros_like(primal(zi))
    found = []
    if dx is not None or dzi is not None:
        moved = np.zeros_like(primal(x), shape=lead + np.shape(x)) if dx is None else dx
        state = np.zeros_like(primal(zi), shape=lead + np.shape(zi)) if dzi is None and zi is not None else dzi
        found.append(_each_output(lfilter(b, a, moved, axis, state)))
    for sign, d, driven in ((1, db, x), (-1, da, y)):
        if d is not None:
            along = lambda c, sign=sign, driven=driven: _each_output(lfilter(sign * c, a, driven, axis, rest))  # noqa: E731
            found.append(each_direction(along, d) if lead else along(d))
    return [sum(pieces[1:], pieces[0]) for pieces in zip(*found, strict=True)]


def _each_output(result):
    return list(result) if isinstance(result, tuple) else [result]


with lasting():
    register_rule([lfilter], "explicit", _lfilter)
