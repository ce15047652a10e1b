"""Fixed points: the x that f does not change, as a function of the parameters of f."""

import numpy as np

from ..backend import to_numpy
from ..dual import primal
from ..layout import Layout
from ..params import with_entries
from ..tree import Function, Tree
from ..vectors import all_finite
from .failures import ConvergenceError
from .inverses import LinearSolve
from .roots import Root, as_real_as, entries_like, with_floating
from .smallness import sizes

MOST_STEPS = 10_000
CURE = "begin nearer to it, or give a solve= of your own (damped steps, Anderson's or Newton's method)"


def fixed_point(
    f: Function,
    x0: Tree = None,
    solve: Function | None = None,
    linear_solve: LinearSolve = None,
    scale: Tree = None,
) -> Function:
    """The x = f(x, \\*params) as a function of the parameters, with its derivatives of every order.

    Parameters
    ----------
    f : callable
        ``f(x, *params)``, written with ``np.*`` and operators; a tree like x.
    x0 : array, number, or tree of them (dict, list, tuple, Params), optional
        Where the iteration x ← f(x) begins. It has no part in the derivative.
    solve : callable, optional
        In place of x0: ``solve(*params)`` gives x, by a method of one's own.
    linear_solve, scale
        As in `implicit`: J is 1 - ∂f/∂x here.

    Returns
    -------
    A function of the parameters, by position, as `implicit` has it for the residual x - f(x, \\*params).

    Raises
    ------
    ConvergenceError
        When the iteration has not arrived after 10,000 steps, or has left the finite numbers; and as `implicit`.

    Notes
    -----
    The iteration ends when its steps, below a part ε^(3/4) of the size of x (1.8e-12 in float64, 6.4e-6 in float32),
    get no smaller: where rounding says so.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> point = dg.fixed_point(lambda x, p: np.cos(p * x), 1.0)
    >>> x, dx = dg.jvp(point, (1.0,), (1.0,))
    >>> print(f"{x:.6f} {dx:.6f} {-x * np.sin(x) / (1 + np.sin(x)):.6f}")
    0.739085 -0.297474 -0.297474
    """
    if (x0 is None) == (solve is None):
        raise TypeError("fixed_point takes x0=, where x = f(x) begins, or solve=, which finds x: one of the two")

    def residual(x, *params):
        layout = Layout.of(x)
        return layout.views(layout.vector(x) - entries_like(layout, f(x, *params), "what f returned"))

    solve = (lambda *params: _iterated(f, x0, params, scale)) if solve is None else solve
    return Root("fixed_point", f, residual, solve, linear_solve, scale)


def _iterated(f, x0, params, scale):
    """x ← f(x), until rounding says that there is no more to be had."""
    x = with_floating(params, primal(x0), "x0")
    layout, nearest = Layout.of(x), np.inf
    v = layout.vector(x)
    part = np.finfo(v.dtype).eps ** 0.75
    for step in range(MOST_STEPS):
        y = primal(entries_like(layout, f(with_entries(x, v, layout), *params), "what f returned"))
        y = as_real_as(v, y, "what f returned").astype(v.dtype)
        if not all_finite(y):
            raise ConvergenceError(f"x = f(x) has left the finite numbers at step {step + 1}: {CURE}")
        moved = to_numpy(np.abs(y - v))
        with np.errstate(all="ignore"):
            distance = np.max(moved / sizes(y, layout, scale), where=moved != 0, initial=0)
        v = y
        if distance <= part and distance >= nearest or distance == 0:
            return with_entries(x, v, layout)
        nearest = distance
    raise ConvergenceError(
        f"x = f(x) has not arrived after {MOST_STEPS:,} steps: the last changed x by {distance:.1e} of its size; "
        f"expected at most {part:.1e}: {CURE}. At a fixed point of 0 give scale=, the usual size of x"
    )
