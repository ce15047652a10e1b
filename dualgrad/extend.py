"""Rules of one's own, by the declarers that dualgrad's own tables use: one line a function.

========== ==================================================== ===========================================
declarer   meaning                                              a line
========== ==================================================== ===========================================
linear     the function itself acts on the tangent              ``linear(second_difference)``
elementwise partial derivatives, given the output ``y``         ``elementwise(gamma, lambda y, x: ...)``
bilinear   Leibniz: f(dx, y) + f(x, dy)                         ``bilinear(convolution)``
composite  defined by other NumPy functions                     ``composite(energy, lambda x, w: ...)``
explicit   a written rule: ``(x, dx, lead, ...) -> y, dy``      ``@explicit(rounded)``
constant   zero tangent: returns a plain array                  ``constant(label)``
========== ==================================================== ===========================================

The function is a ufunc (NumPy's, SciPy's, Numba's), a function of NumPy, or one of your own under `dispatched`, which
lets it answer Duals by its rule. One rule serves one direction, K of them at once, every order (nested `jvp`,
`hessian`) and `taylor`, since slopes, definitions and rules are written with ``np.*`` and operators: what they are
given may be a Dual of a lower level.

A rule is declared once, for the whole process and all its threads. `rules_restored` takes declarations back, and lets a
rule be replaced; `defjvp` replaces one for good.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import overload

import numpy as np

from . import tables
from .cures import qualified_name
from .dispatch import F, dispatched, in_precision, require_dispatching
from .dual import LIVE, Dual
from .errors import ShapeError, TangentLossError
from .rules import declare
from .tree import Function, is_container, map_leaves

__all__ = ["bilinear", "composite", "constant", "dispatched", "elementwise", "explicit", "linear", "rules_restored"]

_TABLES = [table for name, table in vars(tables).items() if name.isupper()]
_NUMBERS = (float, complex, int)
_blocks = []  # one for each rules_restored() that is open


@contextlib.contextmanager
def rules_restored() -> Iterator[None]:
    """A block at whose end the rule tables are as they were before: what was declared, replaced or deleted, by the
    declarers here, by `defjvp` or by hand, is taken back, also where an error ends the block.

    Blocks may be nested. Within one, a function that has a rule may be given another.

    Notes
    -----
    The tables belong to the process: what another thread declares meanwhile is taken back too. So are the rules of a
    module of yours that is imported for the first time inside a block; those of ``dualgrad.scipy`` stay, behind those
    of your own for the same functions.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import extend
    >>> with extend.rules_restored():
    ...     extend.elementwise(np.tanh, lambda y, x: 1.0)                  # straight through
    ...     print(dg.derivative(np.tanh)(3.0))
    1.0
    >>> dg.derivative(np.tanh)(3.0)
    np.float64(0.009866037165440192)
    """
    saved = [(table, table.copy()) for table in _TABLES]
    _blocks.append(saved)
    try:
        yield
    finally:
        _blocks.remove(saved)
        for table, before in saved:
            for added in set(table) - set(before):
                table.discard(added) if isinstance(table, set) else table.pop(added)
            table.update(before)


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Declarations that no open block takes back: those of a module, which is imported once. Where a function had a
    rule before, that one stays, and the module's is the one behind it: the rule once a block takes the other back."""
    before, rules = [table.copy() for table in _TABLES], tables.RULES.copy()
    yield
    declared = {f for f, rule in tables.RULES.items() if rules.get(f) is not rule}
    for k, (table, known) in enumerate(zip(_TABLES, before, strict=True)):
        if isinstance(table, set):
            for saved in _blocks:
                saved[k][1].update(table - known)
            continue
        fresh = {entry: value for entry, value in table.items() if entry in declared or entry not in known}
        for saved in _blocks:
            for entry, value in fresh.items():
                saved[k][1].setdefault(entry, value)
        table.update({entry: known[entry] for entry in declared & known.keys()})


# ---------------------------------------------------------------------- the six kinds


@overload
def linear(function: F, /, *, lead: Function | None = None, alone: bool = False) -> F: ...
@overload
def linear(*, lead: Function | None = None, alone: bool = False) -> Callable[[F], F]: ...
@overload
def linear(*functions: Function, lead: Function | None = None, alone: bool = False) -> tuple[Function, ...]: ...
def linear(*functions: Function, lead: Function | None = None, alone: bool = False) -> object:
    """Declare functions linear in their first argument: the tangent goes through the function itself.

    Parameters
    ----------
    *functions : callable
        Of one operand; what comes behind it are settings, which may not be Duals.
    lead : callable, optional
        ``lead(dx, ndim, *args, **kwargs)``, the same function of K tangents ``dx`` of shape ``(K, *x.shape)`` in one
        call, ``ndim`` being that of x. Without it the K directions go one by one.
    alone : bool
        The function works under a lead axis as it stands, for it acts entry by entry, or on last axes.

    Returns
    -------
    The function, so that the declarer decorates; of several a tuple; of none the decorator with these options.

    Raises
    ------
    TypeError
        For what cannot have such a rule: no function, one that does not dispatch, a ufunc of two operands; for a lead
        of another number of arguments.
    ValueError
        For a function that has a rule, outside of `rules_restored`; for ``lead`` and ``alone`` together.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import extend
    >>> @extend.linear(alone=True)
    ... @extend.dispatched
    ... def second_difference(x):
    ...     return x[..., 2:] - 2 * x[..., 1:-1] + x[..., :-2]
    >>> dg.jvp(lambda x: second_difference(x * x), (np.arange(4.0),), (np.ones(4),))
    (array([2., 2.]), array([0., 0.]))
    """
    _require_callable("lead", lead)
    if lead is not None and alone:
        raise ValueError("got lead= and alone=True; expected one of them: alone says that the function needs no lead")
    if not functions:
        return functools.partial(linear, lead=lead, alone=alone)
    for function in functions:
        _require(function, "linear", least=1, ufunc=1)
        _require_fits("lead", lead, function, "dx, ndim", first=1)
    for function in functions:
        declare.linear(function, lead=lead, alone=alone, around=_checked(function, 1, views=True))
    return _decorated(functions)


def elementwise(function: Function, *slopes: Function, over: Function | None = None, finite: bool = False) -> None:
    """Declare the partial derivatives of a function that acts entry by entry, one for each of its arguments.

    Parameters
    ----------
    function : callable
        Of as many arguments as there are slopes, which broadcast.
    *slopes : callable
        ``slope(y, *args)``: the derivative along one argument, given the value y of the function there.
    over : callable, optional
        ``over(y, x)``, the reciprocal of the derivative, where that is the simpler formula, of a function of one
        argument: dy = dx / over.
    finite : bool
        The derivative of a function of one argument is infinite nowhere, so that nobody need look for 0 · inf, which
        counts as 0.

    Raises
    ------
    TypeError
        For what cannot have such a rule: no function, one that does not dispatch, another number of arguments, of the
        function or of a slope.
    ValueError
        For a function that has a rule, outside of `rules_restored`.

    Notes
    -----
    At a call: `ShapeError` for slopes that are not of the value's shape, nor of one that broadcasts to it,
    `TangentLossError` for complex slopes of a real function. The tangent has the precision of the value.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import extend
    >>> @extend.dispatched
    ... def softsign(x):
    ...     return x / (1 + np.abs(x))
    >>> extend.elementwise(softsign, lambda y, x: np.square(1 - np.abs(y)))
    >>> dg.derivative(softsign)(1.0)
    np.float64(0.25)
    """
    if bool(slopes) == (over is not None):
        raise TypeError("expected slopes, one for each argument, or over=, the reciprocal of the one")
    for slope in (*slopes, over):
        _require_callable("a slope" if slopes else "over", slope, optional=not slopes or slope is over)
    count = len(slopes) or 1
    if finite and count > 1:
        raise TypeError("finite= is for functions of one argument")
    _require(function, "elementwise", least=count, most=count, ufunc=count)
    for slope in (*slopes, over):
        _require_fits("over" if slope is over else "a slope", slope, function, "y", count=count)
    slopes, over = tuple(_fitting(slope, function) for slope in slopes), over and _fitting(over, function)
    declare.elementwise(function, *slopes, over=over, finite=finite, around=_checked(function, count))


@overload
def bilinear(function: F, /, *, lead: Function | None = None) -> F: ...
@overload
def bilinear(*, lead: Function | None = None) -> Callable[[F], F]: ...
@overload
def bilinear(*functions: Function, lead: Function | None = None) -> tuple[Function, ...]: ...
def bilinear(*functions: Function, lead: Function | None = None) -> object:
    """Declare functions linear in each of their first two arguments: f(dx, y) + f(x, dy).

    Parameters
    ----------
    *functions : callable
        Of two operands; what comes behind them are settings, which may not be Duals.
    lead : callable, optional
        ``lead(f, a, b, which)``, the value of f(a, b) where operand number ``which`` (0 or 1) has K directions in
        front, in one call. Without it they go one by one.

    Returns
    -------
    The function, so that the declarer decorates; of several a tuple; of none the decorator with these options.

    Raises
    ------
    TypeError
        For what cannot have such a rule: no function, one that does not dispatch, one of fewer arguments; for a lead
        of another number of arguments.
    ValueError
        For a function that has a rule, outside of `rules_restored`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import extend
    >>> @extend.bilinear
    ... @extend.dispatched
    ... def bracket(a, b):
    ...     return a @ b - b @ a
    >>> a = np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> print(dg.derivative(lambda t: bracket(a, t * a.T))(1.0))
    [[ 1.  0.]
     [ 0. -1.]]
    """
    _require_callable("lead", lead)
    if not functions:
        return functools.partial(bilinear, lead=lead)
    for function in functions:
        _require(function, "bilinear", least=2, ufunc=2)
        _require_fits("lead", lead, function, "f, a, b, which", first=10)
    for function in functions:
        declare.bilinear(function, lead=lead, around=_checked(function, 2))
    return _decorated(functions)


def composite(function: Function, definition: Function, as_given: bool = False) -> None:
    """Declare a function by other functions that have rules; its value is still its own, bit for bit.

    Parameters
    ----------
    function : callable
        Of any arguments, each of which may be a Dual.
    definition : callable
        Of the same arguments: the function again, written with ``np.*`` and operators. One that returns a tree of
        arrays (a tuple, a NamedTuple, a dict, ...) has such a tree in its definition.
    as_given : bool
        The definition sees its operands as they are given. Otherwise they come in the precision of the result, where
        that is higher, but for arguments that are named as settings of NumPy's are (axis, where, dtype, n, k, p, ...).

    Raises
    ------
    TypeError
        For what cannot have such a rule: no function, or one that does not dispatch; for a definition of another
        number of arguments.
    ValueError
        For a function that has a rule, outside of `rules_restored`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np, math
    >>> from dualgrad import extend
    >>> @extend.dispatched
    ... def length(x):                                    # by a program that takes no Dual
    ...     return math.hypot(*x)
    >>> extend.composite(length, lambda x: np.linalg.norm(x))
    >>> print(dg.hessian(length)(np.array([3.0, 4.0])).round(3))
    [[ 0.128 -0.096]
     [-0.096  0.072]]
    """
    _require_callable("the definition", definition, optional=False)
    _require(function, "composite")
    _require_fits("the definition", definition, function, "")
    declare.composite(function, definition, as_given=as_given, around=_checked(function))


def explicit(*functions: Function) -> Callable[[F], F]:
    """Declare a written rule: ``rule(x, dx, lead, *args, **kwargs) -> y, dy``.

    Parameters
    ----------
    *functions : callable
        Of one operand, with one array as result; what comes behind the operand are settings, which may not be Duals.
        For several operands or results take `composite`, or `defjvp`.

    Returns
    -------
    A decorator of the rule. ``lead`` is ``()`` for one direction and ``(K,)`` for K of them: ``dx`` has the shape
    ``lead + x.shape``, and ``dy`` shall have ``lead + y.shape``. The rule must be linear in ``dx``; ``y`` is the value.

    Raises
    ------
    TypeError
        For what cannot have such a rule: no function, or one that does not dispatch; for a rule of another number of
        arguments.
    ValueError
        For a function that has a rule, outside of `rules_restored`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import extend
    >>> @extend.dispatched
    ... def rounded(x):
    ...     return np.rint(x)
    >>> @extend.explicit(rounded)
    ... def straight_through(x, dx, lead):
    ...     return rounded(x), dx
    >>> dg.jvp(rounded, (np.array([0.2, 1.7]),), (np.ones(2),))
    (array([0., 2.]), array([1., 1.]))
    """
    for function in functions:
        _require(function, "explicit", least=1)

    def declared(rule):
        _require_callable("the rule", rule, optional=False)
        for function in functions:
            _require(function, "explicit", least=1)
            _require_fits("the rule", rule, function, "x, dx, lead", first=1)
        for function in functions:
            declare.explicit(function, around=_checked(function, 1))(_pair(rule, function))
        return rule

    return declared


@overload
def constant(function: F, /) -> F: ...
@overload
def constant(*functions: Function) -> tuple[Function, ...]: ...
def constant(*functions: Function) -> object:
    """Declare functions of which the derivative is zero: they see plain values and return what they do.

    Parameters
    ----------
    *functions : callable
        Of any arguments, each of which may be a Dual.

    Returns
    -------
    The function, so that the declarer decorates; of several a tuple.

    Raises
    ------
    TypeError
        For what cannot have such a rule: no function, or one that does not dispatch.
    ValueError
        For a function that has a rule, outside of `rules_restored`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> from dualgrad import extend
    >>> @extend.constant
    ... @extend.dispatched
    ... def label(x):
    ...     return int(np.argmax(x))
    >>> dg.grad(lambda x: x[label(x)] * 2)(np.array([1.0, 3.0]))
    array([0., 2.])
    """
    for function in functions:
        _require(function, "constant")
    for function in functions:
        declare.constant(function, around=_checked(function))
    return _decorated(functions)


def _decorated(functions):
    return functions[0] if len(functions) == 1 else functions


# ---------------------------------------------------------------------- what is refused when it is declared


def _require(function, kind, least=0, most=None, ufunc=None):
    """Raise unless a function can have a rule: of at least, and at most, so many arguments."""
    if not callable(function):
        raise TypeError(
            f"got a {type(function).__name__} as the function; expected a ufunc, or a function that dispatches"
        )
    require_dispatching(function)
    name = qualified_name(function)
    if not _blocks and (function in tables.RULES or function in tables.KINDS):
        raise ValueError(
            f"{name} has a rule, of the kind {tables.KINDS.get(function)}: replace it within "
            "dualgrad.extend.rules_restored(), or for good by dg.defjvp"
        )
    if isinstance(function, np.ufunc):
        if set("".join(function.types)) <= set("O->"):
            raise TypeError(
                f"{name} is a ufunc over Python objects, which loops over Duals by itself and needs no rule"
            )
        if ufunc is not None and (function.nin, function.nout) != (ufunc, 1):
            raise TypeError(
                f"a rule of the kind {kind} got {name}, which has {function.nin} operands and {function.nout} results; "
                f"expected {ufunc} and 1{', a slope for each operand' * (kind == 'elementwise')}"
            )
        return
    with contextlib.suppress(ValueError):  # of C, without a signature
        parameters = inspect.signature(function).parameters.values()
        found = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(found) < least and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            raise TypeError(f"a rule of the kind {kind} got {name}, which has {len(found)} arguments; expected {least}")
        if most is not None and len(parameters) != most:
            raise TypeError(
                f"a rule of the kind {kind} got {name}, which has {len(parameters)} arguments; expected {most}, a "
                "slope for each: settings are for composite and explicit"
            )


def _require_callable(what, given, optional=True):
    if not callable(given) and not (optional and given is None):
        raise TypeError(f"got {what} of type {type(given).__name__}; expected a function")


def _require_fits(what, given, function, before, first=0, count=None):
    """Raise unless what was given takes the arguments it will be called with: those named in ``before``, and those of
    the function from number ``first`` on, ``count`` in all, as far as Python knows the two signatures."""
    arguments, keywords = _called_with(function, count)
    if given is None or arguments is None:
        return
    names = [*before.split(", "), *arguments[first:]] if before else arguments
    try:
        if isinstance(given, np.ufunc):  # one more would be out=
            if given.nin != len(names):
                raise TypeError(f"it has {given.nin} operands")
        else:
            inspect.signature(given).bind(*names, **dict.fromkeys(keywords))
    except ValueError:  # of C, without a signature
        return
    except TypeError as error:
        said = ", ".join([*names, *(f"{name}=" for name in keywords)])
        raise TypeError(
            f"{what} of {qualified_name(function)} is called with ({said}), which it does not take: {error}"
        ) from None


def _called_with(function, count=None):
    """The names of the arguments with which every rule of a function is called: by position (None where their number
    is not known), and by name."""
    generic = [f"x{k}" for k in range(function.nin if isinstance(function, np.ufunc) else count or 0)]
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return generic or None, []
    if isinstance(function, np.ufunc) or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return generic or None, []
    if not hasattr(function, "_count"):  # one of NumPy, whose defaults are not filled in
        parameters = [p for p in parameters if p.default is p.empty]
    by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return by_position, [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


# ---------------------------------------------------------------------- what is refused when it is called


def _pair(rule, function):
    """The rule, whose result is looked at; where one number is expected, one of Python is taken."""

    @functools.wraps(rule)
    def pair(x, dx, lead, *args, **kwargs):
        result = rule(x, dx, lead, *args, **kwargs)
        if not isinstance(result, tuple) or len(result) != 2:
            found = type(result).__name__
            raise TypeError(
                f"the rule of {qualified_name(function)} returned a {found}; expected a pair of arrays (y, dy)"
            )
        y, dy = result
        y = in_precision(y, [x]) if isinstance(y, _NUMBERS) else y
        dy = in_precision(dy, [y]) if isinstance(dy, _NUMBERS) and not lead and np.shape(y) == () else dy
        for name, part in (("y", y), ("dy", dy)):
            if not hasattr(part, "dtype"):
                raise TypeError(
                    f"the rule of {qualified_name(function)} returned {name} that is a {type(part).__name__}; expected "
                    "a pair of arrays (y, dy), dy of shape lead + y.shape"
                )
        return y, dy

    return pair


def _fitting(slope, function):
    """The slope, whose shape is looked at: along an axis more, it would go over the directions."""

    @functools.wraps(slope)
    def fitting(y, *args):
        g = slope(y, *args)
        shape = g.shape if hasattr(g, "shape") else () if g.__class__ is float else np.shape(g)
        if shape and shape != y.shape:
            excess = len(shape) > len(y.shape)
            if excess or any(m not in (1, n) for m, n in zip(shape[::-1], y.shape[::-1], strict=False)):
                raise ShapeError(
                    f"a slope of {qualified_name(function)} has shape {shape}; expected {y.shape}, that of the value, "
                    "or what broadcasts to it"
                )
        return g

    return fitting


def _checked(function, count=0, views=False):
    """Around a pushforward: ``count`` operands that are arrays, tangents of the shape and dtype of their values, and no
    memory shared with an operand, but for the ``views`` of which both parts are one."""

    def around(push):
        @functools.wraps(push)
        def checked(*args, **kwargs):
            if count and (len(args) > 1 or args[0].__class__ is not Dual):
                _require_arrays(function, args[:count])
            result = push(*args, **kwargs)
            if any(result is a for a in args):
                return result
            duals = () if views else declare.duals_in(args)
            operands = [part for a in duals for part in ((a.primal, a.tangent) if a.__class__ is Dual else (a.primal,))]
            if result.__class__ is not Dual and is_container(result):
                return map_leaves(lambda y: _whole(function, y, operands), result)
            return _whole(function, result, operands)

        return checked

    return around


def _require_arrays(function, operands):
    for a in operands:
        if is_container(a) and any(True for _ in declare.duals_in((a,))):
            raise TypeError(
                f"{qualified_name(function)} got a {type(a).__name__} with Duals as an operand; a rule of the kind "
                f"{tables.KINDS.get(function)} is of arrays: declare it composite, or give it one array each"
            )


def _whole(function, y, operands):
    if y.__class__ is not Dual:
        shares = y.__class__ is np.ndarray and any(declare.shares_memory(y, a) for a in operands)
        return y.copy() if shares else y
    expected = LIVE[y.level] + np.shape(y.primal)
    if y.tangent.shape != expected:
        raise ShapeError(
            f"the rule of {qualified_name(function)} made a tangent of shape {y.tangent.shape}; expected {expected}"
        )
    if y.primal.dtype.kind not in "fc":
        raise TangentLossError(
            f"{qualified_name(function)} returned {y.primal.dtype}, which has no room for a tangent: return floating "
            "numbers, or declare it constant, or take dg.primal(x)"
        )
    parts = y.primal, declare.as_tangent(y.tangent, y.primal)
    p, d = (v.copy() if any(declare.shares_memory(v, a) for a in operands) else v for v in parts)
    return Dual(p, d, y.level, y.frozen)
