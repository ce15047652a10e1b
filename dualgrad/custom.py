"""Tangent rules of one's own: for a function that one writes, and for one of NumPy's."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from .backend import is_array
from .dispatch import F, in_precision, require_dispatching
from .dual import Dual, lift
from .errors import LevelError, ShapeError
from .rules.absorb import parts
from .rules.declare import duals_in, nested_as, top_level
from .rules.lead import direction
from .tables import KINDS, OWN, RULES
from .tree import Function, flatten, map_leaves, rebuild, unflatten

_In = ParamSpec("_In")
_Out = TypeVar("_Out")


def defjvp(function: Function, rule: Function) -> None:
    """Give a tangent rule to a NumPy function, or any ufunc, that has none (or replace the one it has).

    Parameters
    ----------
    function : ufunc or NumPy function that dispatches on its arguments
    rule : callable
        ``rule(primals, tangents, **keywords) -> (y, dy)``, with tuples of the positional arguments; the tangent of a
        constant is zero. It is called once for each direction, so it needs to know nothing of K, and it must be linear
        in the tangents. Written with ``np.*``, it nests.

    Raises
    ------
    TypeError
        When the function does not dispatch, so that no rule could be reached: wrap it with `custom_jvp`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> with dg.extend.rules_restored():
    ...     dg.defjvp(np.i0, lambda primals, tangents: (np.i0(primals[0]), tangents[0] * primals[0] / 2))  # near 0 only
    ...     print(dg.derivative(np.i0)(0.001))
    0.0005
    """
    if not callable(rule):
        raise TypeError(f"got a rule of type {type(rule).__name__}; expected a function (primals, tangents) -> (y, dy)")
    require_dispatching(function)

    @functools.wraps(function)
    def push(*args, **kwargs):
        return _apply_rule(rule, args, kwargs, getattr(function, "__name__", "function"))

    RULES[function], KINDS[function] = push, "explicit"


class custom_jvp(Generic[_In, _Out]):  # noqa: N801  (a decorator)
    """A function with a tangent rule of its own, as in JAX.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> @dg.custom_jvp
    ... def log1pexp(x):
    ...     return np.log1p(np.exp(x))
    >>> @log1pexp.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (dx,) = primals, tangents
    ...     return log1pexp(x), dx / (1 + np.exp(-x))
    >>> dg.derivative(log1pexp)(0.0)
    np.float64(0.5)
    """

    def __init__(self, function: Callable[_In, _Out]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.rule: Function | None = None
        self.__name__: str = getattr(function, "__name__", repr(function))
        self.signature: inspect.Signature = inspect.signature(function)

    def __repr__(self) -> str:
        return f"custom_jvp({self.__name__})" + (", without a rule yet" if self.rule is None else "")

    def defjvp(self, rule: F) -> F:
        """Set the rule: ``rule(primals, tangents) -> (y, dy)``, called once for each direction."""
        self.rule = rule
        return rule

    def __call__(self, *args: _In.args, **kwargs: _In.kwargs) -> _Out:
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        args, kwargs = map_leaves(lift, bound.args), bound.kwargs
        top = max(duals_in(flatten(args)[0]), key=lambda a: a.level, default=None)
        if top is None:
            return self.function(*args, **kwargs)
        if type(top) is not Dual:  # a series, or traced
            return top.__array_function__(self, (), args, kwargs)
        if self.rule is None:
            raise NotImplementedError(f"{self.__name__} has no rule yet: decorate one with @{self.__name__}.defjvp")
        return _apply_rule(self.rule, args, kwargs, self.__name__)


def _apply_rule(rule, args, kwargs, name):
    """Call a user's rule at the highest level among the arguments, once per direction."""
    leaves, structure = flatten(tuple(args))
    level, lead = top_level(leaves)
    primals = rebuild(structure, [parts(a, level)[0] for a in leaves])

    def tangents(k):
        found = []
        for a in leaves:
            if isinstance(a, Dual) and a.level == level:
                found.append(a.tangent if k is None else direction(a.tangent, k))
            else:
                found.append(np.zeros_like(a) if is_array(a) else 0.0 if isinstance(a, (int, float)) else None)
        return unflatten(structure, found)

    def once(k):
        pair = rule(primals, tangents(k), **kwargs)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"the rule of {name} returned a {type(pair).__name__}; expected a pair (y, dy)")
        (ys, y_structure), (ds, d_structure) = flatten(pair[0]), flatten(pair[1])
        if any(isinstance(a, Dual) and a.level >= level for a in (*ys, *ds)):
            raise LevelError(f"the rule of {name} depends on a Dual beside its arguments: pass it as one of them")
        shapes = [np.shape(y) for y in ys], [np.shape(d) for d in ds]
        if y_structure != d_structure or shapes[0] != shapes[1]:
            raise ShapeError(f"the rule of {name} returned y of shape {shapes[0]} and dy of shape {shapes[1]}")
        ys = [y if hasattr(y, "dtype") else in_precision(y, leaves) for y in ys]
        ds = [d if hasattr(d, "dtype") else np.asarray(d, y.dtype)[()] for y, d in zip(ys, ds, strict=True)]
        return ys, ds, y_structure

    if not lead:
        ys, ds, structure = once(None)
    else:
        results = [once(k) for k in range(max(lead[0], 1))]
        ys, structure = results[0][0], results[0][2]
        ds = [np.stack(pieces)[: lead[0]] for pieces in zip(*(d for _, d, _ in results), strict=True)]
    return unflatten(structure, [Dual(y + 0, nested_as(y, d + 0), level) for y, d in zip(ys, ds, strict=True)])


def supported() -> dict[Any, str]:
    """Every NumPy function with a tangent rule, and the kind of its rule.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.supported()[np.tanh], dg.supported()[np.sum]
    ('elementwise', 'linear')
    """
    return {function: kind for function, kind in KINDS.items() if function not in OWN}
