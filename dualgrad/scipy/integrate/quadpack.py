"""``scipy.integrate.quad`` on Duals."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate as si

from ...dual import LIVE, Dual, as_array, primal
from ...tree import returned
from .components import Components, at_all_levels, duals_by_level, refuse_settings
from .instants import carried, infinitesimal


def quad(
    func: Callable[..., Any],
    a: Any,
    b: Any,
    args: Any = (),
    full_output: bool = False,
    epsabs: float = 1.49e-8,
    epsrel: float = 1.49e-8,
    limit: int = 50,
    points: ArrayLike | None = None,
    weight: str | None = None,
    wvar: Any = None,
    wopts: Any = None,
    maxp1: int = 50,
    limlst: int = 50,
    complex_func: bool = False,
) -> Any:
    """SciPy's integral of func(x) from a to b, with tangents.

    d ∫ f dx = ∫ df dx + f(b) db - f(a) da (Leibniz), each integral by SciPy with the same options.

    Parameters
    ----------
    func, a, b, args
        As in SciPy. ``func`` is written with ``np.*`` and operators.
    full_output, epsabs, epsrel, limit, points, weight, wvar, wopts, maxp1, limlst, complex_func
        As in SciPy, in plain numbers. ``points`` say where ``func`` is not smooth; where it jumps at a place that
        moves, split the integral there, for what moves with the place is in no integral of a derivative.

    Returns
    -------
    y, abserr and what SciPy gives with them, of which y has tangents. abserr is that of the value.

    Raises
    ------
    NotImplementedError
        For a Dual among the settings; for a limit that is a Dual beside a ``weight``.
    ValueError
        For an infinite limit that is a Dual.

    Notes
    -----
    The value is that of SciPy. Each tangent is integrated to the tolerances by itself; ``func`` is evaluated once at a
    point for all of them.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import integrate
    >>> dg.derivative(lambda s: integrate.quad(lambda x: np.exp(-s * x), 0, np.inf)[0])(2.0).round(12)
    np.float64(-0.25)
    >>> dg.derivative(lambda b: integrate.quad(np.sin, 0, b)[0])(1.0) == np.sin(1.0)
    np.True_
    """
    options = {
        "full_output": full_output, "epsabs": epsabs, "epsrel": epsrel, "limit": limit, "points": points,
        "weight": weight, "wvar": wvar, "wopts": wopts, "maxp1": maxp1, "limlst": limlst, "complex_func": complex_func,
    }  # fmt: skip
    if not LIVE:
        return si.quad(func, a, b, args, **options)
    limits = movable_limits("quad", a, b, options)
    args = args if isinstance(args, tuple) else (args,)
    one = lambda x: as_array(returned(func(x, *args)))  # noqa: E731
    y, *others = at_all_levels(lambda duals: _integrated(one, limits, duals, options), [args])
    return (at_limits(y, one, limits), *others)


def movable_limits(name, a, b, options):
    """Both limits; a named error for a Dual where none can be."""
    refuse_settings(name, options)
    limits = as_array(a), as_array(b)
    for limit in limits:
        if duals_by_level(limit) and options.get("weight") is not None:
            raise NotImplementedError(
                f"scipy.integrate.{name} has no rule for a limit that is a Dual beside weight=: write the weight into "
                "func, or pass dg.primal(...) if the limit is a constant"
            )
        if isinstance(limit, Dual) and not np.isfinite(primal(limit)):
            raise ValueError(f"an infinite limit of {name} has no tangent: pass dg.primal(...) of it")
    return limits


def at_limits(y, f, limits):
    """The integral y at the plain values of the limits, at the limits."""
    for sign, limit in zip((-1, 1), limits, strict=True):
        if isinstance(limit, Dual):
            y = y + sign * carried(lambda x, _: f(x), float(primal(limit)), 0.0, infinitesimal(limit))
    return y


def _integrated(f, limits, duals, options):
    """The integral of each component by itself, at the plain limits."""
    components, seen = Components(duals, 1), {}
    dtype = complex if options["complex_func"] else float

    def part(k):
        def component(x, *_):
            if x not in seen:
                seen[x] = components.vector(np.reshape(f(x), (1,)), dtype)
            return seen[x][k]

        return component

    a, b = map(primal, limits)
    y, *others = si.quad(part(0), a, b, **options)
    if not duals:
        return y, *others
    tangents = [si.quad(part(k), a, b, **options)[0] for k in range(1, components.size)]
    return components.dual(np.array([y, *tangents]))[0], *others
