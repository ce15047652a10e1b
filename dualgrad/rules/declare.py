"""The six kinds of rule, declared: what makes a table line a pushforward.

========== ==================================================== ===========================================
kind       meaning                                              a line of a table
========== ==================================================== ===========================================
linear     the function itself acts on the tangent              ``linear(np.negative)``
elementwise partial derivatives, given the output ``y``         ``elementwise(np.tanh, lambda y, x: ...)``
bilinear   Leibniz: f(dx, y) + f(x, dy)                         ``bilinear(np.multiply)``
composite  defined by other NumPy functions                     ``composite(np.var, lambda x, ...: ...)``
explicit   a written rule: ``(x, dx, ...) -> y, dy``            ``@explicit(np.sort)``
constant   zero tangent: returns a plain array                  ``constant(np.sign)``
========== ==================================================== ===========================================

Rules are written with ``np.*`` and operators, so that primals and tangents may be Duals of a lower level.
"""

import functools
import inspect
from itertools import zip_longest

import numpy as np

from ..backend import is_host
from ..cures import COMPLEX, qualified_name, require_arrays, sparse_operand
from ..dual import ASKED, LIVE, OBJECT, Dual, as_arrays, ended, lead_of, lift, pad_lead, primal, store
from ..errors import ShapeError, TangentLossError
from ..tables import KINDS, RULES, SEQUENCES
from ..tree import flatten, is_container, leaves, leaves_like, map_leaves, rebuild
from .absorb import absorb, absorbing_bilinear, has_nan, nan_entries, parts, product, quietly
from .lead import broadcast, each_direction

# ---------------------------------------------------------------------- the operands of a call


def duals_in(args):
    """The Duals among the arguments, also inside trees."""
    for a in args:
        if isinstance(a, Dual):
            yield a
        elif is_container(a):
            yield from duals_in(leaves(a))


def _holds_dual(a):
    return a.__class__ is Dual or a.__class__ is not int and is_container(a) and any(map(_holds_dual, leaves(a)))


def top_level(args):
    """The highest level among the arguments and its lead axes; an ended jvp raises."""
    top = max(duals_in(args), key=lambda d: d.level)
    return top.level, lead_of(top)


_EVERYDAY = {int, float, bool, *np.sctypeDict.values()}  # the usual constants


def is_unusual(constant):
    """Whether a constant operand needs `_constant_operand`."""
    kind = constant.__class__
    return constant.dtype is OBJECT if kind is np.ndarray else kind not in _EVERYDAY


def _constant_operand(dual, constant):
    """A constant operand, an object array lifted; complex numbers do not go with entries of an object array, whose
    ``.imag`` is 0 without asking."""
    if constant.__class__ is complex and dual.ndim == 0 and dual.level in ASKED and dual.dtype.kind != "c":
        raise TangentLossError(COMPLEX)
    require_arrays([constant.__class__])
    constant = RULES[np.ndarray](constant) if constant.__class__ in (list, tuple) else lift(constant)
    if constant.__class__.__module__.startswith("scipy.sparse"):
        return sparse_operand(constant)
    if constant.__class__ is np.ndarray and constant.dtype.kind == "O":
        raise TypeError("got an array of Python objects beside a Dual; expected numbers")
    return constant


def operands(x, y):
    """The level of a call of two operands, its lead axes, their primals and their tangents (None for a constant)."""
    xl = x.level if x.__class__ is Dual else 0
    yl = y.level if y.__class__ is Dual else 0
    if xl == 0 and x.__class__ is not float and is_unusual(x) and (lifted := _constant_operand(y, x)) is not x:
        return operands(lifted, y)
    if yl == 0 and y.__class__ is not float and is_unusual(y) and (lifted := _constant_operand(x, y)) is not y:
        return operands(x, lifted)
    level = xl if xl > yl else yl
    if (lead := LIVE.get(level)) is None:
        raise ended()
    dx = dy = None
    if xl == level:
        dx, x = x.tangent, x.primal
    if yl == level:
        dy, y = y.tangent, y.primal
    return level, lead, x, y, dx, dy


# ---------------------------------------------------------------------- precisions

_COMPLEX = {np.dtype(r): np.dtype(c) for r, c in zip("efdg", "FFDG", strict=True)}
_REAL = {np.dtype(c): np.dtype(r) for c, r in zip("FDG", "fdg", strict=True)}


def as_result(x, dtype):
    """An operand in the precision of the result, or its own higher one, in which derivatives are computed: integers
    would wrap, and small floats would lose what the result keeps. Python numbers are weak already."""
    if is_container(x):
        return map_leaves(lambda a: as_result(a, dtype), x)
    own = getattr(x, "dtype", None)
    if own is None or own is dtype or own.kind not in "biufc":
        return x
    real = _REAL.get(dtype, dtype)
    if own.kind in "fc" and _REAL.get(own, own).itemsize >= real.itemsize:
        return x
    return x.astype(_COMPLEX[real] if own.kind == "c" else real)


def as_tangent(d, y):
    """A tangent in the dtype of its value."""
    if d.dtype is y.dtype or d.dtype == y.dtype:
        return d
    require_room(y.dtype, d)
    return d.astype(y.dtype)


def require_room(dtype, *operands):
    """Raise for a dtype that has no room for the tangents of the operands."""
    if not np.issubdtype(dtype, np.inexact):
        name = np.dtype(dtype).name
        raise TangentLossError(f"astype({name}), dtype={name} would drop the tangent: use dg.primal(x).astype({name})")
    if not np.issubdtype(dtype, np.complexfloating) and any(x.dtype.kind == "c" for x in operands):
        raise TangentLossError("astype or dtype= from complex to real would drop the imaginary part: use np.real(x)")


def register_rule(functions, kind, push, around=None, operands=None, sequence=False):
    """Enter a pushforward into the tables: whole, since no line of a table is changed after it is declared.

    ``around(push)`` is the pushforward where the function does more than its tangent rule. ``operands`` says that it is
    an array function of so many operands that may come by name, and takes ``out=``; ``sequence`` that its first
    argument is a sequence of arrays.
    """
    push = push if around is None else around(push)
    for function in functions:
        writes = operands is not None and not isinstance(function, np.ufunc)
        RULES[function], KINDS[function] = takes_out(function, push, operands) if writes else push, kind
        if sequence:
            SEQUENCES.add(function)


def refuse_others(function, args, kwargs, first=1):
    """Raise when an argument that the rule holds constant, of which ``first`` is the first, is a Dual."""
    if not any(map(_holds_dual, args)) and not any(map(_holds_dual, kwargs.values())):
        return
    for name, a in [*zip_longest(_parameters(function)[first:], args), *kwargs.items()]:
        if _holds_dual(a):
            cure = "pass dg.primal(...) if it is a constant"
            raise NotImplementedError(
                f"{qualified_name(function)} has no rule for a Dual as {name or 'a setting'}: {cure}"
            )


def takes_out(function, push, operands):
    """``out=`` for array functions: compute, then write into the Dual that was given. Operands may come by name, and
    what NumPy puts at or behind ``dtype`` and ``out`` by position."""
    names = _parameters(function)
    named = min((k for k, name in enumerate(names) if name in ("dtype", "out")), default=0)

    @functools.wraps(push)
    def with_out(*args, **kwargs):
        while len(args) < operands:
            args = (*args, kwargs.pop(names[len(args)]))
        if len(args) > named > 0:
            kwargs.update(zip(names[named:], args[named:], strict=False))
            args = args[:named]
        out = kwargs.pop("out", None) if kwargs else None
        if kwargs and kwargs.get("dtype") is not None:
            require_room(kwargs["dtype"], *duals_in((*args, *kwargs.values())))
        if out is None:
            return push(*args, **kwargs)
        any_dual = any(map(_holds_dual, (*args, *kwargs.values())))
        return store(out, (push if any_dual else function)(*args, **kwargs))

    return with_out


def _parameters(function):
    """The names of the parameters that may be given by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
        return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except ValueError:  # a C function without a signature takes its operands by position
        return ()


def nested_as(y, dy):
    """``dy`` nested as deeply as ``y``, so that a buffer of such values takes tangents of every outer level."""
    if y.__class__ is not Dual:
        return y.as_deep(dy) if hasattr(y, "as_deep") else dy
    p, d = parts(dy, y.level)
    like = y if d is None or type(dy) is not type(y) else dy
    if d is None:
        d = np.zeros_like(primal(y), shape=LIVE[y.level] + dy.shape, dtype=dy.dtype)
    return like.renewed(nested_as(y.primal, p), nested_as(y.primal, d))


# ---------------------------------------------------------------------- elementwise


def elementwise(function, *partials, over=None, finite=False, quotient=None, around=None):
    """Declare partial derivatives, one per argument, each a function of the output and the arguments.

    ``over(y, x)`` is the reciprocal of the derivative, where that is the simpler formula: dy = dx / over. ``finite``
    says that the derivative is infinite nowhere, so that 0 · inf cannot arise.
    ``quotient(y, *args, *tangents)`` is the whole tangent at once, where that is one expression shorter: of two
    arguments always, of one on plain arrays.
    """
    if over is not None or len(partials) == 1:
        push = _unary(function, *partials, over=over, finite=finite, quotient=quotient)
    elif len(partials) == 2:
        push = _binary(function, _chain_rule(partials, quotient))
    else:
        push = _several(function, partials)
    register_rule([function], "elementwise", push, around)


def _unary(function, partial=None, over=None, finite=False, quotient=None):
    def multiplied(y, x, dx):
        g = partial(y, x)
        d = g * dx
        return d if finite or not has_nan(d) else absorb(g, dx)

    def divided(y, x, dx):
        g = over(y, x)
        d = dx / g
        return d if finite or not has_nan(d) else absorb(1 / g, dx)

    tangent = multiplied if over is None else divided

    def push(x):
        if x.level not in LIVE:
            raise ended()
        p = x.primal
        y = function(p)
        rule = tangent if quotient is None or p.__class__ is not np.ndarray else quotient
        return Dual(y, quietly(rule, y, p, x.tangent), x.level)

    return push


def _several(function, partials):
    def push(*args):
        level, lead = top_level(args)
        args, tangents = zip(*(parts(_constant_operand(next(duals_in(args)), a), level) for a in args), strict=True)
        y = function(*args)
        moving = [(f, d) for f, d in zip(partials, tangents, strict=True) if d is not None]
        d = quietly(lambda: sum(product(f(y, *args), pad_lead(d, np.ndim(y)) if lead else d) for f, d in moving))
        return Dual(y, nested_as(y, broadcast(as_tangent(d, y), lead, y.shape, y.dtype)), level)

    return push


def _chain_rule(partials, quotient):
    """d = ∂f/∂x dx + ∂f/∂y dy, the inactive term left out."""

    def tangent(out, x, y, dx, dy, lead):
        whole = None
        if quotient is not None and dx is not None:
            whole = quotient(out, x, y, dx, dy)
            if not has_nan(whole):
                return whole
        dtype = out.dtype
        x = x if getattr(x, "dtype", None) is dtype else as_result(x, dtype)
        y = y if getattr(y, "dtype", None) is dtype else as_result(y, dtype)
        if dy is None:
            d = product(partials[0](out, x, y), dx)
        elif dx is None:
            d = product(partials[1](out, x, y), dy)
        else:
            d = product(partials[0](out, x, y), dx) + product(partials[1](out, x, y), dy)
        d = d if whole is None else np.where(nan_entries(whole), d, whole)
        return d if d.shape == lead + out.shape else broadcast(d, lead, out.shape, out.dtype)

    return tangent


def _binary(function, tangent, quiet=True, square=None):
    """The pushforward of a function of two broadcasting operands, from ``tangent(out, x, y, dx, dy, lead)``.

    ``quiet=False`` says that the tangent sees to its own warnings; ``square`` is the function of one operand that
    ``function(x, x)`` is.
    """

    def push(x, y):
        if x is y and square is not None:
            return RULES[square](x)
        level, lead, x, y, dx, dy = operands(x, y)
        out = function(x, y)
        if out is x and dx is None or out is y and dy is None:  # a constant that absorbs the other, as ZERO does
            return out
        if lead:
            dx = dx if dx is None else pad_lead(dx, out.ndim)
            dy = dy if dy is None else pad_lead(dy, out.ndim)
        d = quietly(tangent, out, x, y, dx, dy, lead) if quiet else tangent(out, x, y, dx, dy, lead)
        return Dual(out, d if out.__class__ is not Dual else nested_as(out, d), level)

    return push


# ---------------------------------------------------------------------- linear


def linear(*functions, lead=None, alone=False, exact=False, around=None):
    """Declare functions linear in their first argument: the tangent goes through the function itself.

    ``lead(dx, ndim, *args, **kwargs)`` does the same under a lead axis; without it the directions go one by one.
    ``alone`` says that the call works under any lead as it stands (elementwise functions, the last axes), ``exact``
    that a ufunc has nothing to warn of.
    """
    for function in functions:
        push = _linear_ufunc(function, exact) if isinstance(function, np.ufunc) else _linear(function, lead, alone)
        register_rule([function], "linear", push, around, operands=1)


def _linear_ufunc(function, exact):
    def push(x):
        if x.level not in LIVE:
            raise ended()
        dy = function(x.tangent) if exact else quietly(function, x.tangent)
        return Dual(function(x.primal), dy, x.level)

    return push


def _linear(function, under, alone):
    def push(x, *args, **kwargs):
        if args or kwargs:
            refuse_others(function, args, kwargs)
        lead = lead_of(x)
        p, dx = x.primal, x.tangent
        y = function(p, *args, **kwargs)
        if not lead or alone:
            dy = quietly(lambda: function(dx, *args, **kwargs))
        elif under is not None:
            dy = quietly(lambda: under(dx, p.ndim, *args, **kwargs))
        else:
            dy = quietly(each_direction, lambda d: function(d, *args, **kwargs), dx)
        if is_container(y):
            ys, structure = flatten(y)
            return rebuild(structure, [aliased(a, d, x) for a, d in zip(ys, leaves(dy), strict=True)])
        return aliased(y, dy, x)

    return push


def aliased(y, dy, x):
    """The Dual of two results, of which either may be a view of ``x``: both views, or neither, or frozen."""
    shares_primal, shares_tangent = shares_memory(y, x.primal), shares_memory(dy, x.tangent)
    if shares_tangent and not shares_primal:
        dy = dy.copy()
    return Dual(y, as_tangent(dy, y), x.level, shares_primal and (x.frozen or not shares_tangent))


def shares_memory(a, b):
    if a.__class__ is np.ndarray and a.base is None and a is not b:
        return False
    if isinstance(a, Dual):
        return shares_memory(a.primal, b.primal) if isinstance(b, Dual) else shares_memory(a.primal, b)
    if isinstance(b, Dual):
        return shares_memory(a, b.primal)
    return bool(np.may_share_memory(a, b)) if not isinstance(a, np.generic) else False


def linear_sum(function, negative=False):
    """Declare a ufunc linear in both operands together: ``f(x, y)' = f(dx, dy)``, a constant counting as zero.

    ``negative`` says that it takes the second away.
    """

    def tangent(out, x, y, dx, dy, lead):
        if dy is None:
            return broadcast(dx, lead, out.shape, out.dtype)
        if dx is None:
            return broadcast(function(0, dy) if negative else dy, lead, out.shape, out.dtype)
        return quietly(function, dx, dy)

    register_rule([function], "linear", _binary(function, tangent, quiet=False))


def linear_pieces(function, axis_under_lead, flattens=False):
    """Declare a function linear in a sequence; ``axis_under_lead(axis, ndim)`` counts its axis from the end, and
    ``flattens`` says that the axis None stands for all of them."""

    def push(arrays, axis=0, **kwargs):
        level, lead = top_level(arrays)
        if axis is None and flattens:
            arrays, axis = [np.ravel(a) for a in arrays], 0
        split = [parts(a, level) for a in arrays]
        out = function([p for p, _ in split], axis=axis, **kwargs)
        pieces = [np.zeros_like(primal(out), shape=lead + np.shape(p)) if d is None else d for p, d in split]
        if lead:
            axis = axis_under_lead(axis, np.ndim(split[0][0]))
        d = function(pieces, axis=axis, **kwargs)
        return Dual(out, nested_as(out, as_tangent(d, out)), level)

    register_rule([function], "linear", push, operands=1, sequence=True)


# ---------------------------------------------------------------------- bilinear


def bilinear(*functions, lead=None, around=None):
    """Declare functions linear in each of two arguments: f(dx, y) + f(x, dy).

    ``lead(f, a, b, which)`` does one term under a lead axis; without it the directions go one by one.
    """
    for function in functions:
        register_rule([function], "bilinear", _bilinear(function, lead), around, operands=2)


def _bilinear(function, under):
    def push(x, y, *args, **kwargs):
        f = function
        if args or kwargs:
            refuse_others(function, args, kwargs, 2)
            f = lambda a, b: function(a, b, *args, **kwargs)  # noqa: E731
        level, lead, x, y, dx, dy = operands(x, y)
        out = f(x, y)
        if out is x and dx is None or out is y and dy is None:  # a constant that absorbs the other, as ZERO does
            return out
        first, second = _under_lead(f, under) if lead else (f, f)
        d = as_tangent(quietly(leibniz, first, second, x, y, dx, dy, lead), out)
        return Dual(out, d if out.__class__ is not Dual else nested_as(out, d), level)

    return push


def leibniz(first, second, x, y, dx, dy, lead=()):
    """f(dx, y) + f(x, dy), the inactive term left out; infinite entries count only where the tangent is nonzero."""
    if dy is None:
        d = first(dx, y)
    elif dx is None:
        d = second(x, dy)
    else:
        d = plus(first(dx, y), second(x, dy), lead)
    if has_nan(d) and is_host(d):
        terms = [] if dx is None else [absorbing_bilinear(first, dx, np.asarray(y))]
        terms += [] if dy is None else [absorbing_bilinear(lambda b, a: second(a, b), dy, np.asarray(x))]
        d = sum(terms[1:], terms[0])
    return d


def _under_lead(f, under):
    """f with a lead axis on its first operand, and with one on its second."""
    if under is not None:
        return lambda a, b: under(f, a, b, 0), lambda a, b: under(f, a, b, 1)
    return (
        lambda a, b: each_direction(lambda d: f(d, b), a),
        lambda a, b: each_direction(lambda d: f(a, d), b),
    )


def plus(d, e, lead=()):
    """d + e, into d where it is a plain array (a fresh temporary costs more than the sum)."""
    if lead and d.shape != e.shape:
        raise ShapeError(f"the terms of a bilinear rule have the shapes {d.shape} and {e.shape}; expected equal ones")
    if d.__class__ is np.ndarray and e.__class__ is np.ndarray:
        d += e
        return d
    return d + e


def product_rule(function, square):
    """Declare the product of two broadcasting operands, kept apart from `bilinear` because it is the hot path;
    ``square`` is the function of one operand that ``function(x, x)`` is."""

    def tangent(out, x, y, dx, dy, lead):
        if dy is None:
            d = dx * y
        elif dx is None:
            d = x * dy
        else:
            d, e = dx * y, x * dy
            if d.__class__ is np.ndarray and e.__class__ is np.ndarray:
                d += e
            else:
                d = d + e
        if has_nan(d):
            terms = [] if dx is None else [product(y, dx)]
            terms += [] if dy is None else [product(x, dy)]
            d = sum(terms[1:], terms[0])
        return d

    register_rule([function], "bilinear", _binary(function, tangent, square=square))


# ---------------------------------------------------------------------- composite, explicit, constant


_SETTINGS = frozenset("axis axes dtype where condition num N n k deg ord p new_shape ind".split())


def composite(function, definition, as_given=False, wraps=False, around=None, sequence=False):
    """Declare a function by other NumPy functions; its value is still the function's own, bit for bit.

    The definition sees its operands in the precision of the result; ``as_given`` says that NumPy's own does not, and
    ``wraps`` that its integers wrap before they meet a float.
    """
    names, is_ufunc = _parameters(function), isinstance(function, np.ufunc)

    def operand(name, a, dtype):
        left = dtype is None or name in _SETTINGS or wraps and getattr(a, "dtype", dtype).kind in "biu"
        return a if left else as_result(a, dtype)

    def push(*args, **kwargs):
        args = as_arrays(function, args) if is_ufunc else args
        level, _ = top_level((*args, *kwargs.values()))
        value = lambda: function(*[_strip(a, level) for a in args], **{k: _strip(a, level) for k, a in kwargs.items()})  # noqa: E731
        define = lambda args, kwargs: quietly(lambda: definition(*args, **kwargs))  # noqa: E731
        if as_given:  # and first: np.cov writes into its weights
            result, y = define(args, kwargs), value()
        else:
            dtype = _inexact(y := value())
            positional = [operand(name, a, dtype) for name, a in zip_longest(names[: len(args)], args)]
            result = define(positional, {name: operand(name, a, dtype) for name, a in kwargs.items()})
        return result if any(result is a for a in args) else with_value(result, y, level)

    push.definition = definition  # for modes that have no values
    register_rule([function], "composite", push, around, operands=0, sequence=sequence)


def _inexact(y):
    """The widest dtype among results that has room for a tangent."""
    if hasattr(y, "dtype"):
        return y.dtype if y.dtype.kind in "fc" else None
    found = [v.dtype for v in leaves(y) if hasattr(v, "dtype") and v.dtype.kind in "fc"]
    return np.result_type(*found) if found else None


def _strip(x, level):
    """The arguments with the Duals of one level replaced by their primals."""
    if is_container(x):
        return map_leaves(lambda a: _strip(a, level), x)
    return x.primal if isinstance(x, Dual) and x.level == level else x


def with_value(result, y, level):
    if is_container(y):
        ys, structure = flatten(y)
        both = zip(leaves_like(result, structure, "the definition's result"), ys, strict=True)
        return rebuild(structure, [with_value(r, v, level) for r, v in both])
    if result.__class__ is not Dual or result.level != level:
        return result if isinstance(result, Dual) and result.level == level else y  # a series has its own
    y, d = y if hasattr(y, "dtype") else np.asarray(y, result.dtype)[()], result.tangent
    if not d.ndim and isinstance(primal(d), np.generic) != isinstance(primal(y), np.generic):  # a number, or an array
        d = np.reshape(d, ()) if isinstance(primal(d), np.generic) else d[()]
    return result.renewed(y, nested_as(y, as_tangent(d, y)))


def explicit(*functions, around=None):
    """Declare a written rule of the first argument: ``rule(x, dx, lead, *args, **kwargs) -> y, dy``."""

    def declare(rule):
        for function in functions:
            register_rule([function], "explicit", _explicit(function, rule), around, operands=1)
        return rule

    return declare


def _explicit(function, rule):
    def push(x, *args, **kwargs):
        if args or kwargs:
            refuse_others(function, args, kwargs)
        lead = lead_of(x)
        y, dy = quietly(lambda: rule(x.primal, x.tangent, lead, *args, **kwargs))
        dy = as_tangent(dy, y)
        return Dual(y, dy if y.__class__ is not Dual else nested_as(y, dy), x.level)

    return push


def explicit_binary(function):
    """Declare a written rule of two broadcasting operands: ``rule(out, x, y, dx, dy, lead) -> d``; None is inactive."""

    def declare(rule):
        register_rule([function], "explicit", _binary(function, rule))
        return rule

    return declare


def constant(*functions, sequence=False, around=None):
    """Declare functions with zero tangent: they see plain values and return a plain array."""
    for function in functions:
        register_rule([function], "constant", _push_constant(function), around, sequence=sequence)


def _push_constant(function):
    def push(*args, **kwargs):
        for d in duals_in((*args, *kwargs.values())):
            lead_of(d)
        require_arrays(map(type, args))
        out = kwargs.pop("out") if isinstance(kwargs.get("out"), Dual) else None
        y = function(*map(primal, args), **{k: primal(v) for k, v in kwargs.items()})
        return y if out is None else store(out, y)

    return push
