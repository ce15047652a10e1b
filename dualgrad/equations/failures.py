"""What can be wrong with the solution of an equation: it is none, or it does not determine a derivative."""

import numpy as np

from ..errors import DualgradError


class ConvergenceError(DualgradError, ArithmeticError):
    """An iteration has not arrived: what it gives as a solution does not solve the equation.

    Examples
    --------
    >>> import dualgrad as dg
    >>> root = dg.implicit(lambda x, p: x * x - p, lambda p: 1.4)
    >>> try:
    ...     dg.derivative(root)(2.0)
    ... except dg.ConvergenceError as error:
    ...     print(str(error)[:62])
    solve's answer is no root: the residual is -0.04; expected at
    """


class SingularError(DualgradError, np.linalg.LinAlgError):
    """A matrix has no inverse in its precision, so that a solution does not determine its derivative.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> root = dg.implicit(lambda x, p: x**3 - p, np.cbrt)
    >>> try:
    ...     dg.derivative(root)(0.0)
    ... except dg.SingularError as error:
    ...     print(str(error)[:60])
    the Jacobian of the residual is singular: entry 0 of the res
    """
