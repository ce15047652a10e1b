"""``scipy.integrate.odeint`` on Duals."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate as si

from ...dual import LIVE, as_array, primal
from .augmented import Augmented
from .components import at_all_levels, refuse_settings
from .instants import at_times
from .problems import Problem
from .ways import ErrorControl, banded, is_full, tolerances

USUAL = 1.49012e-8  # the tolerances of SciPy's odeint


def odeint(
    func: Callable[..., Any],
    y0: ArrayLike,
    t: ArrayLike,
    args: tuple[Any, ...] = (),
    Dfun: Callable[..., Any] | None = None,
    col_deriv: bool = False,
    full_output: bool = False,
    ml: int | None = None,
    mu: int | None = None,
    rtol: ArrayLike | None = None,
    atol: ArrayLike | None = None,
    tcrit: ArrayLike | None = None,
    h0: float = 0.0,
    hmax: float = 0.0,
    hmin: float = 0.0,
    ixpr: bool = False,
    mxstep: int = 0,
    mxhnil: int = 0,
    mxordn: int = 12,
    mxords: int = 5,
    printmessg: bool = False,
    tfirst: bool = False,
    error_control: ErrorControl = "full",
) -> Any:
    """SciPy's solution of y' = func(y, t), y(t[0]) = y0, at the times t, with tangents.

    It is differentiated along y0, t, ``args`` and what ``func`` knows by itself, as `solve_ivp` is.

    Parameters
    ----------
    func, y0, t, args, ..., tfirst
        As in SciPy. Without ``Dfun`` the Jacobian is that of `jacfwd` where there are tangents.
    error_control : {"full", "partial"}
        As in `solve_ivp`.

    Returns
    -------
    y, of shape ``(len(t), n)``; with ``full_output`` SciPy's account of the integration too.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import integrate
    >>> def decayed(rate):
    ...     return integrate.odeint(lambda y, t: -rate * y, 1.0, [0.0, 1.0, 2.0], rtol=1e-10, atol=1e-12)[:, 0]
    >>> slope = dg.derivative(decayed)(0.5)
    >>> np.allclose(slope, [0.0, -np.exp(-0.5), -2 * np.exp(-1)], rtol=1e-8)
    True
    """
    full = is_full(error_control)
    options = {
        "full_output": full_output, "ml": ml, "mu": mu, "rtol": rtol, "atol": atol, "tcrit": tcrit, "h0": h0,
        "hmax": hmax, "hmin": hmin, "ixpr": ixpr, "mxstep": mxstep, "mxhnil": mxhnil, "mxordn": mxordn,
        "mxords": mxords, "printmessg": printmessg,
    }  # fmt: skip
    if not LIVE:
        return si.odeint(func, y0, t, args, Dfun, col_deriv, tfirst=tfirst, **options)
    refuse_settings("odeint", options)
    times = as_array(t)
    if not np.size(times):
        raise ValueError("got no times t; expected at least that of y0")
    f, dfun = (g if tfirst or g is None else _time_first(g) for g in (func, Dfun))
    y0 = np.reshape(as_array(y0), (-1,))
    problem = Problem(f, (times[0], times[-1]), y0, times, None, False, args if isinstance(args, tuple) else (args,))

    def solved(duals):
        system = Augmented(problem.f, problem.begun(), duals)
        given = options | _for_components(problem, system.components, dfun, col_deriv, options, full)
        found = si.odeint(system.rhs, system.z0, primal(times), tfirst=True, **given)
        z, *account = found if full_output else (found,)
        y = at_times(problem.slope, times, system.components.dual(z.T)).T
        return (y, *account) if full_output else y

    return at_all_levels(solved, [y0, problem.args])


def _time_first(function):
    return lambda t, y, *args: function(y, t, *args)


def _for_components(problem, components, dfun, col_deriv, given, full):
    """Tolerances and Jacobian of SciPy for the augmented system."""
    n, copies = components.n, components.copies
    if not components.levels:
        jac = None if dfun is None else problem.jacobian(dfun)
        return {"Dfun": jac, "col_deriv": col_deriv}
    rtol, atol = (USUAL if given[name] is None else given[name] for name in ("rtol", "atol"))
    rtol, atol = tolerances(rtol, atol, n, copies, full, maximum=True)
    J = problem.jacobian(dfun)
    oriented = (lambda t, y: J(t, y).T) if col_deriv and dfun is not None else J
    of_band = banded(oriented, dfun is not None, given["ml"], given["mu"], n, copies)
    return {"rtol": rtol, "atol": atol, **dict(zip(("Dfun", "ml", "mu"), of_band, strict=True))}
