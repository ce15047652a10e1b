"""Implicit functions: the root of an equation as a function of its parameters, whatever program finds it."""

import numpy as np

from ..arguments import as_primal
from ..dispatch import in_precision, precedence
from ..dual import Dual, lift, primal
from ..errors import TangentLossError
from ..layout import Layout
from ..params import with_entries
from ..rules.declare import duals_in
from ..tree import Function, Tree, flatten, leaves, map_leaves, rebuild, returned
from .inverses import LinearSolve, chosen
from .lifting import lifted
from .smallness import require_root


def implicit(residual: Function, solve: Function, linear_solve: LinearSolve = None, scale: Tree = None) -> Function:
    """The root x of residual(x, \\*params) = 0 as a function of the parameters, with its derivatives of every order.

    Parameters
    ----------
    residual : callable
        ``residual(x, *params)``, written with ``np.*`` and operators: a tree like x, whose leaves have the shapes of
        those of x. It is what is differentiated, and the whole definition of x: what it depends on beside its
        arguments counts as a parameter too.
    solve : callable
        ``solve(*params)`` gives x: an array or number, or a tree of them (dict, list, tuple, Params), floating or
        complex. Any program; it gets plain arrays alone, and nothing of it is differentiated.
    linear_solve : {None, "gmres"} or callable, optional
        How J y = b is solved, J = ∂residual/∂x at the root. None forms J by `jacfwd` and inverts it, once for all
        directions and orders. "gmres" is SciPy's, on products with J alone, once for each direction. One's own is
        called as ``linear_solve(matvec, b)``, as in JAX and jaxopt, once for each direction: b, the result, and what
        ``matvec`` takes and gives are like x. In one call of the root all share one ``matvec``.
    scale : number, or tree like x of numbers or arrays, optional
        The usual size of x, by which it is judged whether x is a root. By default it is, of each array, its largest
        absolute value, which says nothing at a root of 0.

    Returns
    -------
    A function of the parameters, by position: ``root(*params)``. A parameter is a tree, of which what are no Duals are
    constants. Each call calls ``solve`` once, whatever the number of directions and levels.

    Raises
    ------
    ConvergenceError
        When x is no root: an entry of the residual is larger than what a change of x by a part √ε of its size (1.5e-8
        in float64, 3.5e-4 in float32) makes of it; and when a linear solve does not arrive.
    SingularError, NonFiniteError
        When the dense J has no inverse in its precision, or is not finite.
    ShapeError, StructureError
        When the residual is not like x.
    TangentLossError
        When ``solve`` returns a Dual: it depends on one beside its parameters.

    Notes
    -----
    x is differentiated by Newton's method with the plain J: x - J⁻¹ residual(x) has right tangents of degree d + 1
    where x has those of degree d. So order m takes m evaluations of the residual and one Jacobian, and `taylor` works
    too. See *Iterations*.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> root = dg.implicit(lambda x, a: x * x - a, np.sqrt)
    >>> dg.derivative(root)(4.0), dg.derivative(dg.derivative(root))(4.0)
    (np.float64(0.25), np.float64(-0.03125))
    >>> def newton(M, e):                                          # Kepler's equation
    ...     E = M + e
    ...     for _ in range(20):
    ...         E = E - (E - e * np.sin(E) - M) / (1 - e * np.cos(E))
    ...     return E
    >>> anomaly = dg.implicit(lambda E, M, e: E - e * np.sin(E) - M, newton)
    >>> E, slope = dg.jvp(anomaly, (1.0, 0.5), (1.0, 0.0))
    >>> print(f"{slope:.6f} {1 / (1 - 0.5 * np.cos(E)):.6f}")
    1.037362 1.037362
    """
    return Root("implicit", residual, residual, solve, linear_solve, scale)


class Root:
    """What `implicit` and its kin make: ``maker`` of ``given``, the function that says which x it is."""

    one_operation = True  # to sparsity: each entry of the root depends on every parameter

    def __init__(self, maker, given, residual, solve, linear_solve, scale):
        for function in (given, solve):
            if not callable(function):
                raise TypeError(f"dg.{maker} got a {type(function).__name__}; expected a function")
        self.residual, self.solve, self.inverse, self.scale = residual, solve, chosen(linear_solve), scale
        self.__name__ = f"{maker}({getattr(given, '__name__', None) or repr(given)})"

    def __repr__(self):
        return self.__name__

    def __call__(self, *params, **keywords):
        if keywords:
            given = f"got the keywords {', '.join(sorted(keywords))}; a root takes its parameters by position"
            raise TypeError(f"{given}: what is no parameter goes into residual and solve by functools.partial")
        params = map_leaves(lift, params)
        top = max(duals_in(params), key=precedence, default=None)
        if top is None or type(top) is Dual:
            return self.pushed(*params)
        return top.through(self, self.pushed, *params)

    def pushed(self, *params):
        """The root, with the tangents that the residual has at it."""
        constants = primal(params)
        x = self._answer(constants)
        layout = Layout.of(x)

        def equation(v, params=constants):
            return entries_like(layout, self.residual(with_entries(x, v, layout), *params), "the residual")

        v = layout.vector(x)
        r = as_real_as(v, equation(v, params), "the residual")
        require_root(equation, v, r, layout, self.scale)
        if not isinstance(r, Dual):
            return x
        inverse = self.inverse(equation, v, layout)
        return with_entries(x, lifted(lambda v: equation(v, params), v, r, inverse), layout)

    def _answer(self, constants):
        """What ``solve`` gives, where it is a tree of plain floating arrays."""
        x = self.solve(*constants)
        if x is None:
            raise TypeError("solve returned None: did you forget return?")
        if hasattr(x, "x") and hasattr(x, "success"):
            raise TypeError(f"solve returned a {type(x).__name__} of SciPy; expected the solution alone: return its .x")
        x = map_leaves(lift, x)
        if any(isinstance(a, Dual) for a in leaves(x)):
            raise TangentLossError(
                "solve returned a Dual: it depends on one beside its parameters, of which it gets plain arrays alone. "
                "Pass that as a parameter, or take dg.primal(...) of it where it only helps to find the root"
            )
        return with_floating(constants, x, "solve's answer")


def with_floating(params, x, what):
    """A tree of floating arrays; Python's numbers in it have the precision of the parameters."""
    arrays, (found, structure) = leaves(params), flatten(x)
    found = [in_precision(a, arrays) if a.__class__ in (float, complex) else a for a in found]
    return rebuild(structure, [as_primal(a, structure, k, what) for k, a in enumerate(found)])


def entries_like(layout, y, what):
    """The entries of what a function returned, which is to be a tree of this layout."""
    return layout.vector(map_leaves(lift, returned(y)), f"{what}, which is to be like x,")


def as_real_as(x, y, what):
    """What a function returned at x, where it is not complex at a real x."""
    if np.iscomplexobj(y) and not np.iscomplexobj(x):
        raise TypeError(f"{what} is complex, and x is real; expected both real or both complex: begin with x + 0j")
    return y
