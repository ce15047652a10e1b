"""The dual tensor: a value and its tangent, travelling together through NumPy.

A `Dual` carries ``primal + ε tangent`` with ε² = 0, so f(x + ε v) = f(x) + ε f'(x) v. It stands in for an array in any
NumPy program; what each function does to the tangent is the business of `dualgrad.rules`, which fills `RULES`.

Every `jvp` has a level of its own, higher than all before it. An operation works at the highest level among its
operands and treats the rest as constants, which is all that nesting needs (no perturbation confusion). `LIVE` maps the
levels in progress to their lead axes: ``()`` for one direction, ``(K,)`` for K pushed in one pass.
"""

import itertools
import numbers
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import cures
from .backend import Array
from .errors import LevelError, ShapeError, TangentLossError
from .frames import OURS, SPARSE
from .operators import operators
from .tables import MAKERS, METHODS, RULES, SEQUENCES
from .tree import Tree, is_container, leaf, leaves, map_leaves

if TYPE_CHECKING:
    from .operators import Operators
else:
    Operators = operators(RULES)

LIVE = {}  # level -> lead
ASKED = {}  # level of which NumPy or Python asked for plain arrays or numbers -> what it was last told, or None
OBJECT = np.dtype(object)
_NUMBERS_AT_THE_END = {"_mean", "_var", "_std", "_divide_by_count"}
_levels = itertools.count(1)


@leaf
class Dual(Operators):
    """A value and its tangent: ``primal + ε tangent``, ε² = 0.

    Programs receive Duals inside `jvp` and need not make any. ``tangent.shape == lead + primal.shape`` with lead ``()``
    or ``(K,)``; either part may be a Dual of a lower level, which is how higher order works. A frozen Dual (an
    argument, or a view whose two parts do not alias alike) refuses writes.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> y, dy = dg.jvp(lambda x: print(x) or x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    [1. 2.] + ε [1. 0.]
    >>> dy
    array([2., 0.])
    """

    __slots__ = ("frozen", "level", "primal", "tangent")

    def __init__(self, primal: Any, tangent: Any, level: int, frozen: bool = False) -> None:
        self.primal: Any = primal
        self.tangent: Any = tangent
        self.level: int = level
        self.frozen: bool = frozen

    def renewed(self, primal: Any, tangent: Any) -> "Dual":
        """Another Dual of the same level, and of the same trace."""
        return Dual(primal, tangent, self.level)

    def over(self, tangent: Any, level: int) -> "Dual":
        """The argument of an inner jvp."""
        return Dual(self, tangent, level, frozen=True)

    def revalued(self, primal: Any) -> "Dual":
        """The same with another value."""
        return self.renewed(primal, self.tangent)

    def assigned(self, result: Any) -> Any:
        """The result of an operator in place: written into the Dual itself; a scalar is replaced, as in NumPy."""
        return result if isinstance(primal(self), np.generic) else store(self, result)

    # ------------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if (rule := RULES.get(ufunc)) is None:
            return without_rule(ufunc, method, inputs, kwargs)
        if method == "__call__" and not kwargs:
            return rule(*inputs)
        cures.require_arrays(map(type, inputs))
        return METHODS[method](ufunc, *map(as_array, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if (rule := RULES.get(func)) is None:
            return make(self, func, args, kwargs)
        if len(args) == 1 and not kwargs and args[0].__class__ is Dual:
            return rule(args[0])
        cures.require_arrays(types)
        if not as_they_are(func, args) or kwargs and not as_they_are(None, kwargs.values()):
            args, kwargs = as_arrays(func, args), {name: as_array(a) for name, a in kwargs.items()}
        return rule(*args, **kwargs)

    # ------------------------------------------------------------------ dtype, length, views

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the value. NumPy's means of an object array end in ``y.dtype.type(y)``, a plain number, but for
        a y without a dtype: there a Dual has none."""
        if ASKED and self.primal.__class__ is not np.ndarray:
            asking = sys._getframe(1).f_code
            if asking.co_name in _NUMBERS_AT_THE_END and asking.co_filename.startswith(OURS[1]):
                raise AttributeError("dtype")
        return self.primal.dtype

    def __repr__(self) -> str:
        lead = LIVE.get(self.level)
        directions = ", ended" if lead is None else f", {lead[0]} direction{'s'[: lead[0] != 1]}" if lead else ""
        return f"Dual({self.dtype}[{', '.join(map(str, self.shape))}], level {self.level}{directions})"

    def __str__(self) -> str:
        return f"{self.primal} + ε {self.tangent}"

    def __getitem__(self, index: Any) -> "Dual":
        lead, basic = lead_of(self), index.__class__ is int or is_basic(index)
        refuse_dual_index(index)
        primal, frozen = self.primal[index], self.frozen and basic
        if not lead:
            return Dual(primal, self.tangent[index], self.level, frozen)
        if basic:
            index = index if isinstance(index, tuple) else (index,)
            tangent = self.tangent[(slice(None), *index)]
            a_number = not primal.ndim and Ellipsis not in index  # which NumPy copies
            return Dual(primal, tangent.copy() if a_number else tangent, self.level, frozen)
        # NumPy may move the axes of advanced indices to the front, so the lead axis waits at the back.
        return Dual(primal, np.moveaxis(np.moveaxis(self.tangent, 0, -1)[before_lead(index)], -1, 0), self.level)

    def __setitem__(self, index: Any, value: Any) -> None:
        lead = lead_of(self)
        refuse_dual_index(index)
        require_writable(self)
        primal, tangent = match_level(self, value)
        if tangent is not None and lead:
            target = np.shape(self.primal[index])
            tangent = np.moveaxis(pad_lead(tangent, len(target)), 0, -1)
            self.primal[index] = primal
            np.moveaxis(self.tangent, 0, -1)[before_lead(index)] = tangent
        elif lead:
            self.primal[index] = primal
            np.moveaxis(self.tangent, 0, -1)[before_lead(index)] = 0
        else:
            self.primal[index] = primal
            self.tangent[index] = 0 if tangent is None else tangent

    # ------------------------------------------------------------------ exits: a tangent is never dropped silently

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """The object array of the entries, of which NumPy makes np.array([x, y]), np.r_, np.full and np.vectorize."""
        note_asked(self)
        asking = sys._getframe(1).f_code
        if asking.co_name in ("_matmul_dispatch", "dot") and asking.co_filename.startswith(SPARSE):
            return np.broadcast_to(alone(self), self.shape if asking.co_name == "dot" else ())  # our turn, says SciPy
        if copy is False:
            raise ValueError("a Dual cannot be a plain array without a copy: leave copy=False out")
        if dtype is not None and dtype != OBJECT:
            error = cures.refusal(cures.ARRAY)
            ASKED[self.level] = str(error)
            raise error
        primal = self.primal
        objection = cures.COMPLEX if primal.dtype.kind == "c" else cures.objection()
        if objection:
            raise TangentLossError(objection)
        if primal.size > cures.LIMIT:
            raise TangentLossError(cures.LARGE)
        array = entries(self)
        if copy is not True:  # np.asarray(x) is x itself in NumPy: writes to neither may be missed by the other
            array.flags.writeable = False
            self.frozen = self.frozen or primal.ndim > 0 and cures.asks_for_alias(self)
        return array

    def __float__(self) -> NoReturn:
        note_asked(self)
        error = cures.refusal(cures.FLOAT)
        ASKED[self.level] = str(error)
        raise error

    __int__ = __float__
    __complex__ = __float__

    def item(self, *args: Any) -> NoReturn:
        """Refused: it would drop the tangent."""
        raise TangentLossError("item() and tolist() would drop the tangent of a Dual: use x[i], or dg.primal(x).item()")

    tolist = item

    def __format__(self, spec: str) -> str:
        if spec:
            raise TangentLossError(f"a Dual has no format {spec!r}: format its value, dg.primal(x)")
        return repr(self)

    def __index__(self) -> NoReturn:
        raise TangentLossError(cures.INDEX)

    def __bool__(self) -> bool:
        lead_of(self)
        return bool(self.primal)

    def __hash__(self) -> NoReturn:
        raise TypeError(
            "unhashable type: 'Dual': leave it out of keys, sets and the arguments of functools.lru_cache, or take "
            "dg.primal(x), whose tangent is lost"
        )

    def __reduce__(self) -> NoReturn:
        raise TangentLossError("a Dual cannot be pickled: it lives only inside its jvp; save dg.primal(x)")


# ---------------------------------------------------------------------- levels


def new_level(lead):
    """Open a level with the lead axes ``lead``; close it with ``LIVE.pop``."""
    level = next(_levels)
    LIVE[level] = lead
    return level


def lead_of(x):
    """The lead axes of the jvp that a Dual belongs to.

    Raises
    ------
    LevelError
        When that jvp has ended.
    """
    if (lead := LIVE.get(x.level)) is None:
        raise ended()
    return lead


def ended():
    """The error for a Dual that outlived its jvp."""
    return LevelError(
        "this Dual was kept after its jvp had ended (in a list, a global or a closure): return what you need from the "
        "differentiated function (has_aux=True for extras), or keep dg.primal(x)"
    )


def match_level(buffer, value):
    """The primal and tangent (None for a constant) that ``value`` has at the level of ``buffer``, or a named error."""
    value = as_array(value)
    if not isinstance(value, Dual):
        return value, None
    lead_of(value)
    if value.level > buffer.level:
        raise LevelError(
            f"the buffer belongs to an outer jvp (level {buffer.level}) and cannot hold a Dual of an inner one (level "
            f"{value.level}): make the buffer inside the inner function, np.zeros_like(x) of its own argument x"
        )
    primal, tangent = (value.primal, value.tangent) if value.level == buffer.level else (value, None)
    for part, into in ((primal, buffer.primal), (tangent, buffer.tangent)):
        if isinstance(part, Dual) and (not isinstance(into, Dual) or into.level < part.level):
            raise LevelError(
                f"the buffer does not carry the tangent of the outer jvp (level {part.level}) that the value depends "
                "on: make the buffer from a Dual that depends on both, np.zeros_like(x + y), or build the result with "
                "np.stack or np.where"
            )
    return primal, tangent


def primal(x: Tree) -> Any:
    """The plain value of ``x``, all levels stripped: the one deliberate exit from differentiation.

    Parameters
    ----------
    x : Dual, array, number, or a tree of them (dict, list, tuple, Params)

    Returns
    -------
    The same structure with plain values; anything that is not a Dual is returned as it is.

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.derivative(lambda x: x * dg.primal(x))(3.0)      # the second factor counts as a constant
    np.float64(3.0)
    """
    while isinstance(x, Dual):
        x = x.primal
    if x.__class__ is np.ndarray:
        return x if x.dtype is not OBJECT or (lifted := lift(x)) is x else primal(lifted)
    return map_leaves(primal, x) if is_container(x) else x


_NUMERIC = (numbers.Number, np.generic, np.ndarray, Dual)

# ---------------------------------------------------------------------- object arrays, which NumPy makes of Duals


def note_asked(x):
    """Enter the level of a Dual in `ASKED`, and forget those that have ended."""
    if x.level not in ASKED or x.level not in LIVE:
        lead_of(x)
        for level in ASKED.keys() - LIVE.keys():
            ASKED.pop(level, None)
        ASKED[x.level] = None


def alone(x):
    """The object array without axes that has a Dual in it."""
    array = np.empty((), object)
    array[()] = x
    return array


def entries(x):
    """The object array of the entries of a Dual; `lift` is its inverse."""
    if isinstance(x.primal, np.generic):
        return alone(x)
    flat = np.ravel(x) if x.ndim else np.copy(x)[None]
    return np.fromiter((flat[k] for k in range(x.size)), object, x.size).reshape(x.shape)


def as_objects(x):
    """The entries of a Dual for a loop over Python objects; anything else as it is."""
    return entries(x) if isinstance(x, Dual) else x


def lift(x):
    """The one Dual that an object array of Duals stands for; anything else as it is."""
    if x.__class__ is not np.ndarray or x.dtype is not OBJECT:
        return x
    if any(isinstance(entry, Dual) for entry in x.flat):
        return RULES[np.ndarray](x.tolist())
    if not all(isinstance(entry, numbers.Number) for entry in x.flat):
        return x
    plain = np.array(x.tolist(), dtype=None if x.size else float).reshape(x.shape)
    return plain if plain.dtype.kind in "biufc" else x


def as_array(x):
    """The one Dual that an object array or nested lists of numbers and Duals stand for; a tree of Duals with each
    object array in it lifted; anything else as it is."""
    if not is_container(x):
        return lift(x)
    if not any(isinstance(lift(a), Dual) for a in leaves(x)):
        return x
    numbers_alone = type(x) in (list, tuple) and all(map(_is_number, _lifted_leaves(x)))
    return RULES[np.ndarray](x) if numbers_alone else map_leaves(lift, x)


def _is_number(a):
    return isinstance(a, _NUMERIC) and not getattr(a, "ndim", 0)


def _lifted_leaves(tree):
    for branch in tree:
        yield from _lifted_leaves(branch) if isinstance(branch, (list, tuple)) else (lift(branch),)


def as_they_are(function, args):
    """Whether no argument needs `as_arrays`: none is an object array, or a list that may hold Duals or one of them."""
    for a in args:
        kind = a.__class__
        if kind is np.ndarray and a.dtype is OBJECT:
            return False
        if kind is list or kind is tuple:
            sequence = function in SEQUENCES and a is args[0]
            if not all(e.__class__ is int or sequence and e.__class__ is Dual for e in a):
                return False
    return True


def as_arrays(function, args):
    """The arguments of a function of NumPy with their lists and object arrays of Duals as Duals."""
    if function in SEQUENCES and args and isinstance(args[0], (list, tuple)):
        return [as_array(a) for a in args[0]], *map(as_array, args[1:])
    return tuple(map(as_array, args))


def without_rule(ufunc, method, inputs, kwargs):
    """A ufunc of np.frompyfunc, which loops over Python objects; an error for all others."""
    if set("".join(ufunc.types)) <= set("O->"):
        return getattr(ufunc, method)(*map(as_objects, inputs), **kwargs)
    raise NotImplementedError(cures.no_rule(ufunc))


def make(like, function, args, kwargs):
    """A function called with ``like=`` a Dual, which makes an array that can hold Duals."""
    if (maker := MAKERS.get(function)) is None:
        raise NotImplementedError(cures.no_rule(function))
    return maker(like, *args, **kwargs)


# ---------------------------------------------------------------------- indexing under a lead axis


def before_lead(index):
    """``index`` as a tuple that leaves alone a lead axis at the back."""
    index = index if isinstance(index, tuple) else (index,)
    return (*index, slice(None)) if any(i is Ellipsis for i in index) else index


_BASIC = slice, int, np.integer, type(None), type(Ellipsis)


def is_basic(index):
    """Whether every entry is a slice, an integer or None, so that NumPy returns a view."""
    entries = index if isinstance(index, tuple) else (index,)
    return all(isinstance(i, _BASIC) and not isinstance(i, bool) for i in entries)


def require_writable(x):
    """Raise for an argument, for a view whose two parts do not alias alike, and where ``np.asarray(x)`` was taken."""
    if x.frozen:
        raise TangentLossError(
            "an argument of a differentiated function (or a view of it), and an x of which np.asarray(x) was taken, is "
            "read-only: x = x.copy() first, then write to the copy"
        )


def refuse_dual_index(index):
    """Raise when a Dual is used as an index."""
    if isinstance(index, Dual) or (isinstance(index, tuple) and any(isinstance(i, Dual) for i in index)):
        raise TangentLossError(cures.INDEX)


def pad_lead(tangent, ndim):
    """A tangent ``(K, *shape)`` with axes of size 1 behind K, so that ``shape`` broadcasts against ``ndim`` axes."""
    missing = ndim + 1 - tangent.ndim
    return tangent.reshape(tangent.shape[:1] + (1,) * missing + tangent.shape[1:]) if missing > 0 else tangent


# ---------------------------------------------------------------------- out=


def holds_duals(out):
    """Whether an array that is to be written into has room for Duals."""
    return isinstance(out, Dual) or isinstance(out, np.ndarray) and out.dtype is OBJECT


def store(out, result):
    """Write ``result`` into the Dual ``out`` and return it, as ``out=`` does; a plain ``out`` is refused."""
    if not holds_duals(out):
        raise TangentLossError(
            "out= is a plain array, which cannot hold a Dual: make the buffer with np.zeros_like(dual, shape=...)"
        )
    if np.shape(result) != out.shape:
        raise ShapeError(f"out= has shape {out.shape}; the result has shape {np.shape(result)}")
    if not np.can_cast(result.dtype, out.dtype, "same_kind"):
        raise TypeError(f"out= has dtype {out.dtype}; the result has dtype {result.dtype}, which does not fit in it")
    out[...] = result
    return out
