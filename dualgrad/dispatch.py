"""What NumPy's dispatch does for its own functions, for others: dualgrad's, SciPy's and one's own."""

import functools
import inspect
from typing import TypeVar

import numpy as np

from .dual import OBJECT, Dual, as_array
from .outer_product import OuterProduct
from .rules.declare import duals_in
from .tables import KINDS, OWN
from .tree import Function, flatten, is_container, leaves, rebuild
from .zero import ZERO

_KEEP_INTS = None, "composite", "constant"  # kinds of functions whose ints may be an index or a count
F = TypeVar("F", bound=Function)  # a function that is given back as what it was


def dispatched(function: F) -> F:
    """A function of arrays that answers Duals by the rule declared for it, as NumPy's functions do.

    Parameters
    ----------
    function : callable
        A function of plain arrays or numbers, whatever it is made of. It is called with these alone.

    Returns
    -------
    A function that can be given to the declarers of `dualgrad.extend` and to `defjvp`. It calls ``function`` where no
    argument is a Dual, and its rule where one is, also in a tree (dict, list, tuple, Params or a registered class) or
    an object array; a list or tuple of numbers alone comes as one array then. The rule receives the arguments by
    position, with their defaults filled in. A Python float or complex that ``function`` returns, also in a tree,
    becomes one of NumPy, of the precision of the arguments; so does an int of a function whose rule gives it a tangent.

    Raises
    ------
    TypeError
        For what has no signature.

    Examples
    --------
    >>> import dualgrad as dg, math
    >>> from dualgrad import extend
    >>> @extend.dispatched
    ... def gamma(x):                                     # of a number, by a program that takes no Dual
    ...     return math.gamma(x)
    >>> with extend.rules_restored():
    ...     extend.elementwise(gamma, lambda y, x: -0.5772156649 * y)      # at 1
    ...     print(dg.derivative(gamma)(1.0))
    -0.5772156649
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise TypeError(f"got {function!r}, which has no signature; expected a function made by def") from None
    kinds = [p.kind for p in signature.parameters.values()]
    several = inspect.Parameter.VAR_POSITIONAL in kinds
    count = None if several else sum(k in (0, 1) for k in kinds)  # by position, so that nothing is left to fill in

    @functools.wraps(function)
    def dispatch(*args, **kwargs):
        if len(args) == 1 == count and not kwargs and args[0].__class__ is np.ndarray and args[0].dtype is not OBJECT:
            y = function(args[0])
            return y if y.__class__ is np.ndarray else _of_numpy(y, args, dispatch)
        if kwargs or len(args) != count:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, {name: as_array(a) for name, a in bound.kwargs.items()}
        trees = bool(kwargs) or not all(map(_is_one, args))
        if trees:
            args = tuple(map(as_array, args))
            duals = list(duals_in((*args, *kwargs.values())))
        else:
            duals = [a for a in args if isinstance(a, Dual)]
        if duals:
            top = duals[0] if len(duals) == 1 else max(duals, key=precedence)
            return top.__array_function__(dispatch, (), args, kwargs)
        for a in args:
            if a is ZERO or isinstance(a, OuterProduct):  # a tangent that a linear function is given
                return a.__array_function__(dispatch, (), args, kwargs)
        y = function(*args, **kwargs)
        return y if y.__class__ is np.ndarray else _of_numpy(y, leaves(args) if trees else args, dispatch)

    for name in ("__name__", "__qualname__", "__module__"):
        setattr(dispatch, name, getattr(_name_bearer(function), name, getattr(dispatch, name)))
    dispatch._implementation, dispatch._count = function, count  # the first as NumPy's have
    return dispatch


def _is_one(x):
    """Whether x is one array or number, not a list of them, nor an object array that may hold Duals."""
    kind = x.__class__
    if kind is np.ndarray:
        return x.dtype is not OBJECT
    return kind is Dual or kind is float or kind is int or issubclass(kind, np.generic)


def precedence(x):
    """A series, or what is traced, before a Dual of its level."""
    return x.level, type(x) is not Dual


def _name_bearer(function):
    """What has the name of a function: that itself, what a functools.partial is of, or the class of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if hasattr(function, "__name__") else type(function)


def _of_numpy(y, args, function):
    """Python numbers in the precision of the arrays among the arguments: floats, and ints and bools where a rule gives
    them a tangent, for they are the same function's floats elsewhere."""
    kind = y.__class__
    if kind is float or kind is complex or (kind is int or kind is bool) and KINDS.get(function) not in _KEEP_INTS:
        return in_precision(y, args)
    if not is_container(y):
        return y
    found, structure = flatten(y)
    numbers = any(v.__class__ in (float, complex, int, bool) for v in found)
    return rebuild(structure, [_of_numpy(v, args, function) for v in found]) if numbers else y


def in_precision(y, arrays):
    """A Python number as one of NumPy, in the precision of arrays, if there are any."""
    dtypes = [a.dtype for a in arrays if isinstance(a, (np.ndarray, np.generic, Dual))]
    return np.asarray(y, np.result_type(y, *dtypes))[()] if dtypes else y


def own(function):
    """`dispatched`, for a function of dualgrad's own, which stands behind the rules of others."""
    dispatch = dispatched(function)
    OWN.add(dispatch)
    return dispatch


def require_dispatching(function):
    """Raise for a function of which no rule would ever be reached."""
    if not isinstance(function, np.ufunc) and not hasattr(function, "_implementation"):
        raise TypeError(
            f"{getattr(function, '__name__', function)} does not dispatch on its arguments, so a rule for it would "
            "never be reached: wrap it with @dg.custom_jvp, or with @dualgrad.extend.dispatched"
        )
