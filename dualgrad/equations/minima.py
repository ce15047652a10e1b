"""Minima: where the gradient of a loss is zero, as a function of what else the loss depends on."""

from ..transforms import grad
from ..tree import Function, Tree
from .inverses import LinearSolve
from .roots import Root


def argmin(loss: Function, solve: Function, linear_solve: LinearSolve = None, scale: Tree = None) -> Function:
    """The x at which loss(x, \\*params) is least as a function of the parameters, with its derivatives of every order.

    Parameters
    ----------
    loss : callable
        ``loss(x, *params)``, a real number, written with ``np.*`` and operators.
    solve : callable
        ``solve(*params)`` gives x, by any program. It gets plain arrays alone.
    linear_solve, scale
        As in `implicit`: J is the Hessian of the loss here.

    Returns
    -------
    A function of the parameters, by position, as `implicit` has it for the gradient of the loss. Every x will do where
    that is zero and its Jacobian is not singular: a maximum or a saddle too.

    Notes
    -----
    Minimizers often stop early: `ConvergenceError` says so. Give them a smaller tolerance, such as ``gtol=1e-9``, or
    let a step of Newton's method end: ``x - np.linalg.solve(dg.hessian(loss)(x, *params), dg.grad(loss)(x, *params))``.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> A, b = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0, 4.0])
    >>> loss = lambda x, ridge: np.sum((A @ x - b) ** 2) + ridge * np.sum(x**2)
    >>> fitted = dg.argmin(loss, lambda ridge: np.linalg.solve(A.T @ A + ridge * np.eye(2), A.T @ b))
    >>> print(dg.derivative(fitted)(0.5).round(4))
    [-0.0452 -0.2237]
    """
    return Root("argmin", loss, lambda x, *params: grad(loss)(x, *params), solve, linear_solve, scale)
