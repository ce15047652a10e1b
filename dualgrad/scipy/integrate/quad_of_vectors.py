"""``scipy.integrate.quad_vec`` on Duals."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate as si

from ...dual import LIVE, as_array, primal
from ...tree import returned
from .components import Components, at_all_levels
from .quadpack import at_limits, movable_limits


def quad_vec(
    f: Callable[..., Any],
    a: Any,
    b: Any,
    epsabs: float = 1e-200,
    epsrel: float = 1e-08,
    norm: str = "2",
    cache_size: float = 100e6,
    limit: float = 10000,
    workers: Any = 1,
    points: ArrayLike | None = None,
    quadrature: str | None = None,
    full_output: bool = False,
    *,
    args: tuple[Any, ...] = (),
) -> Any:
    """SciPy's integral of an array f(x) from a to b, with tangents: those of all entries are integrated as one array.

    Parameters
    ----------
    f, a, b, args
        As in SciPy. ``f`` is written with ``np.*`` and operators.
    epsabs, epsrel, norm, limit, cache_size, workers, points, quadrature, full_output
        As in SciPy, in plain numbers, for the value, and once more for the tangents. ``workers`` must be 1 where there
        are tangents.

    Returns
    -------
    y, err and what SciPy gives with them, of which y has tangents. err is that of the value, which is SciPy's.

    Raises
    ------
    NotImplementedError
        For several workers.
    ValueError
        For an infinite limit that is a Dual.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import integrate
    >>> powers = np.arange(3.0)
    >>> dg.derivative(lambda b: integrate.quad_vec(lambda x: x**powers, 0, b)[0])(2.0)
    array([1., 2., 4.])
    """
    options = {
        "epsabs": epsabs, "epsrel": epsrel, "norm": norm, "cache_size": cache_size, "limit": limit,
        "workers": workers, "points": points, "quadrature": quadrature, "full_output": full_output,
    }  # fmt: skip
    if not LIVE:
        return si.quad_vec(f, a, b, args=args, **options)
    if workers != 1:
        raise NotImplementedError("quad_vec takes tangents with workers=1 alone: they live in one process")
    limits = movable_limits("quad_vec", a, b, options)
    args = args if isinstance(args, tuple) else (args,)
    one = lambda x: as_array(returned(f(x, *args)))  # noqa: E731
    y, *account = at_all_levels(lambda duals: _all_entries(one, limits, duals, options), [args])
    return (at_limits(y, one, limits), *account)


def _all_entries(f, limits, duals, options):
    """The integral of the value, and that of all tangents."""
    a, b = map(primal, limits)
    found, seen = None, {}

    def entries(x):
        nonlocal found
        if x not in seen:
            y = f(x)
            found = found or (Components(duals, np.size(y)), np.shape(y), complex if np.iscomplexobj(y) else float)
            components, _, dtype = found
            seen[x] = components.vector(np.reshape(y, (-1,)), dtype)
        return seen[x]

    def value(x):
        z = entries(x)
        return z[: found[0].n].reshape(found[1])[()]

    y, *account = si.quad_vec(value, a, b, **options)
    if not duals:
        return y, *account
    components, shape, _ = found
    tangents = si.quad_vec(lambda x: entries(x)[components.n :], a, b, **options)[0]
    return np.reshape(components.dual(np.concatenate([np.ravel(y), tangents])), shape), *account
