"""Dropout of whole channels."""

from ..dual import primal
from .norms import Dropout
from .pooling import require_places


class Dropout2d(Dropout):
    """y = m x, m = 0 with probability p, else 1/(1 - p), one m for a channel of an image ;  dy = m dx ;  dx = m ȳ.

    Parameters
    ----------
    p : float
        The probability of dropping a channel, from 0 to 1.

    Notes
    -----
    Images are ``(B, H, W, C)``. All else as in `Dropout` (Tompson et al. 2015).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Dropout2d(0.5)({}, np.ones((1, 2, 2, 3)), train=True, rng=0)[0, :, :, 0]
    array([[0., 0.],
           [0., 0.]])
    """

    _places = 2

    def _mask(self, x, train, rng):
        require_places(self, x, self._places)
        v = primal(x)
        one = v[(slice(None), *(slice(0, 1),) * self._places)] if v.size else v
        return super()._mask(one, train, rng)


class Dropout1d(Dropout2d):
    """y = m x, m = 0 with probability p, else 1/(1 - p), one m for a channel of a signal ;  dy = m dx ;  dx = m ȳ.

    Parameters
    ----------
    p : float
        The probability of dropping a channel, from 0 to 1.

    Notes
    -----
    Signals are ``(B, L, C)``. All else as in `Dropout`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.Dropout1d(0.5)({}, np.ones((1, 2, 3)), train=True, rng=0)[0]
    array([[0., 2., 2.],
           [0., 2., 2.]])
    """

    _places = 1
