"""``scipy.integrate.solve_ivp`` on Duals."""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import ArrayLike
from scipy import integrate as si

from ...dual import LIVE, primal
from .augmented import Augmented
from .components import at_all_levels, refuse_settings
from .problems import Problem
from .trajectories import lifted_solution
from .ways import ErrorControl, Way, is_full


def solve_ivp(
    fun: Callable[..., Any],
    t_span: ArrayLike,
    y0: ArrayLike,
    method: str | type[si.OdeSolver] = "RK45",
    t_eval: ArrayLike | None = None,
    dense_output: bool = False,
    events: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    vectorized: bool = False,
    args: tuple[Any, ...] | None = None,
    error_control: ErrorControl = "full",
    **options: Any,
) -> Any:
    """SciPy's solution of y' = fun(t, y), y(t0) = y0, with tangents: forward sensitivities.

    It is differentiated along y0, ``args``, what ``fun`` and ``events`` know by themselves (Duals in their closures),
    and both ends of ``t_span``. A tangent S of y obeys S' = ∂fun/∂y S + ∂fun; y and all tangents are integrated
    together, with one evaluation of ``fun`` on Duals a stage.

    Parameters
    ----------
    fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args
        As in SciPy. ``fun`` is written with ``np.*`` and operators. Where ``t_span`` or ``t_eval`` are Duals, the
        solution moves with them.
    error_control : {"full", "partial"}
        Whose errors choose the steps. "full": those of y and of the tangents, each within ``rtol`` and ``atol``.
        "partial": those of y alone. The steps, and y, are then those of SciPy without tangents, and the tangents the
        derivative of what the method computes in these steps, however large they are: where y rests and its tangents
        move, they are wrong.
    **options
        As in SciPy. ``jac`` and ``jac_sparsity`` are those of ``fun``; without ``jac`` an implicit method gets that of
        `jacfwd` where there are tangents.

    Returns
    -------
    SciPy's result, with Duals in ``y``, ``y_events`` and what ``sol(t)`` gives, and in ``t`` and ``t_events`` where
    these move: the time of an event does, dt = -(∂g/∂y S + ∂g) / (∂g/∂t + ∂g/∂y fun), and so does the end of a solution
    that an event ends. Without Duals it is SciPy's own.

    Raises
    ------
    SingularError
        For an event whose function has no slope along the curve, so that its time has no derivative.
    NotImplementedError
        Inside ``dg.trace`` and ``dg.laplacian``.

    Notes
    -----
    It nests, and it takes `taylor`: the state has all tangents of all levels. Hairer, Nørsett and Wanner 1993, section
    I.14; Maly and Petzold 1996, whose simultaneous corrector the implicit methods use: one Jacobian, factored once, for
    y and each tangent. SciPy computes in double precision whatever it is given, and the tangents too.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad.scipy import integrate
    >>> def decayed(rate):
    ...     return integrate.solve_ivp(lambda t, y: -rate * y, (0, 2), [1.0], rtol=1e-10, atol=1e-12).y[0, -1]
    >>> print(f"{dg.derivative(decayed)(0.5):.8f} {-2 * np.exp(-1):.8f}")
    -0.73575888 -0.73575888
    """
    full = is_full(error_control)
    if not LIVE and not dense_output:
        return si.solve_ivp(fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **options)
    refuse_settings("solve_ivp", {name: given for name, given in options.items() if name != "jac"})
    problem = Problem(fun, t_span, y0, t_eval, events, vectorized, args)
    way = Way(method, options, full)
    return at_all_levels(lambda duals: _with_tangents(problem, way, dense_output, duals), [y0, problem.args])


def _with_tangents(problem, way, dense_output, duals):
    """SciPy's solution of the augmented system, its components as Duals."""
    system = Augmented(problem.f, problem.begun(), duals)
    events = [problem.watched(k) for k in range(len(problem.events))]
    found = si.solve_ivp(
        system.rhs,
        (float(primal(problem.start)), float(primal(problem.end))),
        system.z0,
        t_eval=primal(problem.t_eval),
        dense_output=dense_output,
        events=events or None,
        **way.options_for(problem, system.components),
    )
    return lifted_solution(found, problem, system.components)
