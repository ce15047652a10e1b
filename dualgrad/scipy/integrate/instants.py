"""Solutions at times that are Duals, and the times of events: what moves with the moment, not with the curve.

A time t + δ with a plain t lies a nilpotent step from t: products of more than m tangents of m levels vanish. A method
of Runge and Kutta of order m over such a step is therefore exact.
"""

import numpy as np

from ...dual import Dual, as_array, primal
from ...equations.failures import SingularError
from ...equations.lifting import lifted, total_degree
from ...pushforward import jvp
from .components import duals_by_level

EXACT_TO = 4  # the order of the method


def carried(f, t, y, delta):
    """y(t + δ) for y' = f(t, y) and y(t) = y."""
    degree = total_degree(delta)
    slope = f(t, y)
    if degree < 2:
        return y + delta * slope
    if degree > EXACT_TO:
        raise NotImplementedError(
            f"an end time with {degree} levels of derivatives: expected at most {EXACT_TO}; map the interval of "
            "integration to (0, 1) for more, y' = (t1 - t0) f(t0 + s (t1 - t0), y)"
        )
    half = delta / 2
    second = f(t + half, y + half * slope)
    third = f(t + half, y + half * second)
    last = f(t + delta, y + delta * third)
    return y + delta / 6 * (slope + 2 * second + 2 * third + last)


def infinitesimal(t):
    """δ of t = primal(t) + δ."""
    return t - primal(t) if isinstance(t, Dual) else 0.0


def at_times(f, t, y):
    """The columns of y, which belong to the plain values of the times t, at these times."""
    if not isinstance(t, Dual):
        return y
    start = primal(t).tolist()
    return np.stack([carried(f, start[k], y[:, k], infinitesimal(t[k])) for k in range(len(start))], axis=-1)


def of_event(event, f, t, y):
    """The time near a plain t where the event is zero on the curve through y at t, and y there."""
    slope = primal(f(t, primal(y)))
    level = jvp(lambda s: as_array(event(t + s, primal(y) + s * slope)), (0.0,), (1.0,))[1]
    rate = float(np.reshape(primal(level), ()))

    def residual(moment):
        return np.reshape(as_array(event(moment[0], carried(f, t, y, moment[0] - t))), (1,))

    start = np.array([t])
    r = residual(start)
    if not duals_by_level(r):
        return t, y
    if rate == 0 or not np.isfinite(rate):
        raise SingularError(
            f"an event at t = {t:.6g} does not determine the derivative of its time: its function has the slope {rate} "
            "there, so that the curve touches it, or it has none"
        )
    moment = lifted(residual, start, r, lambda b: b / rate)[0]
    return moment, carried(f, t, y, moment - t)
