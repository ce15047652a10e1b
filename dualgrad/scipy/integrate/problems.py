"""An initial value problem, its functions as dualgrad calls them: with their arguments filled in, one y at a time."""

from types import NoneType

import numpy as np
from scipy.sparse import issparse

from ...dual import Dual, as_array, primal
from ...transforms import jacfwd
from .components import duals_by_level
from .instants import carried, infinitesimal


class Problem:
    """y' = f(t, y) from a beginning to an end, with what is asked about it."""

    def __init__(self, fun, t_span, y0, t_eval, events, vectorized, args):
        self.fun, self.args, self.vectorized = fun, _in_a_tuple(args), vectorized
        y0 = as_array(y0)
        self.y0 = y0 if isinstance(y0, Dual) else np.asarray(y0)
        if self.y0.ndim != 1:
            raise ValueError(f"got y0 of shape {self.y0.shape}; expected one axis")
        self.start, self.end = t_span
        self.t_eval = None if t_eval is None else as_array(t_eval)
        self.events = [] if events is None else [events] if callable(events) else list(events)
        for moment in (self.start, self.end, self.t_eval):
            duals_by_level(moment)

    def f(self, t, y):
        """What ``fun`` returns at one y."""
        if not self.vectorized:
            return self.fun(t, y, *self.args)
        return np.ravel(as_array(self.fun(t, y[:, None], *self.args)))

    def slope(self, t, y):
        """The same, as an array like y."""
        return np.broadcast_to(as_array(self.f(t, y)), np.shape(y))

    def begun(self):
        """The y at the plain t0 of the curve through y0 at t0."""
        if not isinstance(self.start, Dual):
            return self.y0
        return carried(self.slope, self.start, self.y0, -infinitesimal(self.start))

    def event(self, k):
        """The function of an event."""
        return lambda t, y: self.events[k](t, y, *self.args)

    def watched(self, k):
        """The function of an event in plain numbers, of the augmented system, with what SciPy reads off it."""
        n, given, constants = len(self.y0), self.events[k], primal(self.args)

        def event(t, z):
            return float(np.reshape(primal(as_array(given(t, z[:n], *constants))), ()))

        for name in ("terminal", "direction"):
            if hasattr(given, name):
                setattr(event, name, getattr(given, name))
        return event

    def jacobian(self, given, sparsity=None):
        """∂f/∂y in plain numbers: what is given, or by `jacfwd`."""
        constants = primal(self.args)
        if callable(given):
            return lambda t, y: primal(as_array(given(t, y, *constants)))
        if given is not None:
            J = given if issparse(given) else np.asarray(primal(given))
            return lambda t, y: J
        alone = Problem(self.fun, (0.0, 0.0), self.y0, None, None, self.vectorized, constants)
        return lambda t, y: jacfwd(lambda y: _alone_along(y, alone.slope(t, y)), sparsity=sparsity)(y)


def _in_a_tuple(args):
    if not isinstance(args, (tuple, list, NoneType)) and np.ndim(args) == 0:
        raise TypeError("got args that cannot be unpacked; expected a tuple, args=(p,) for one parameter")
    return () if args is None else tuple(args)


def _alone_along(y, r):
    """r without its tangents of other levels than that of y."""
    if isinstance(y, Dual) and isinstance(r, Dual) and r.level == y.level:
        return r.renewed(primal(r.primal), primal(r.tangent))
    return primal(r)
