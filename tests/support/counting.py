"""How many multiplications the products with weights take, counted on the pretend device."""

from contextlib import contextmanager

import numpy as np

from tests.support.strict import DeviceArray


@contextmanager
def products(width):
    """A list with the number of multiplications in products where a matrix ``(width, width)`` goes in or comes out; for
    None in all of them."""
    counted, original = [0], DeviceArray.__array_ufunc__

    def counting(self, ufunc, method, *inputs, **kwargs):
        found = original(self, ufunc, method, *inputs, **kwargs)
        if ufunc is np.matmul and found is not NotImplemented:
            shapes = [np.shape(a)[-2:] for a in (*inputs, found)]
            counted[0] += found.size * shapes[0][-1] * (width is None or (width, width) in shapes)
        return found

    DeviceArray.__array_ufunc__ = counting
    try:
        yield counted
    finally:
        DeviceArray.__array_ufunc__ = original
