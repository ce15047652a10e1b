"""Fourier transforms: all linear, along axes counted from the end."""

import numpy as np

from .declare import linear
from .lead import trailing


def _one(transform):
    return lambda dx, ndim, n=None, axis=-1, norm=None: transform(dx, n, trailing(axis, ndim), norm)


def _many(transform, default):
    def lead(dx, ndim, s=None, axes=default, norm=None):
        axes = range(-ndim if s is None else -len(s), 0) if axes is None else axes
        return transform(dx, s, trailing(tuple(axes), ndim), norm)

    return lead


for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    linear(getattr(np.fft, name), lead=_one(getattr(np.fft, name)))
for name in ("fft2", "ifft2", "rfft2", "irfft2"):
    linear(getattr(np.fft, name), lead=_many(getattr(np.fft, name), (-2, -1)))
for name in ("fftn", "ifftn", "rfftn", "irfftn"):
    linear(getattr(np.fft, name), lead=_many(getattr(np.fft, name), None))
for shift in (np.fft.fftshift, np.fft.ifftshift):
    linear(shift, lead=lambda dx, n, axes=None, shift=shift: shift(dx, trailing(axes, n)))
