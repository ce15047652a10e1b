"""The dual tensor: a value and its tangent, travelling together through NumPy.

A `Dual` carries ``primal + ε tangent`` with ε² = 0, so f(x + ε v) = f(x) + ε f'(x) v. It stands in for an array in any
NumPy program; what each function does to the tangent is the business of `dualgrad.rules`, which fills `RULES`.

Every `jvp` has a level of its own, higher than all before it. An operation works at the highest level among its
operands and treats the rest as constants, which is all that nesting needs (no perturbation confusion). `LIVE` maps the
levels in progress to their lead axes: ``()`` for one direction, ``(K,)`` for K pushed in one pass.
"""

import dis
import itertools
import sys
from collections.abc import Mapping

import numpy as np

from .errors import LevelError, ShapeError, TangentLossError

RULES = {}  # NumPy function -> pushforward taking the function's own arguments
KINDS = {}  # NumPy function -> one of linear, elementwise, bilinear, composite, explicit, constant
METHODS = {}  # ufunc method name, or __call__ with keywords -> pushforward taking (ufunc, *arguments)
REFUSED = {}  # NumPy function -> what to write instead
LIVE = {}  # level -> lead
_levels = itertools.count(1)


class Dual:
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
    __hash__ = None

    def __init__(self, primal, tangent, level, frozen=False):
        self.primal = primal
        self.tangent = tangent
        self.level = level
        self.frozen = frozen

    # ------------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        rule = RULES.get(ufunc)
        if rule is None:
            raise NotImplementedError(no_rule(ufunc))
        if method == "__call__" and not kwargs:
            return rule(*inputs)
        return METHODS[method](ufunc, *inputs, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        rule = RULES.get(function)
        if rule is None:
            raise NotImplementedError(no_rule(function))
        return rule(*args, **kwargs)

    # ------------------------------------------------------------------ shape, dtype, views

    shape = property(lambda self: self.primal.shape)
    ndim = property(lambda self: self.primal.ndim)
    size = property(lambda self: self.primal.size)
    dtype = property(lambda self: self.primal.dtype)

    def __len__(self):
        return len(self.primal)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        lead = LIVE.get(self.level)
        directions = ", ended" if lead is None else f", {lead[0]} direction{'s'[: lead[0] != 1]}" if lead else ""
        return f"Dual({self.dtype}[{', '.join(map(str, self.shape))}], level {self.level}{directions})"

    def __str__(self):
        return f"{self.primal} + ε {self.tangent}"

    def __getitem__(self, index):
        lead = lead_of(self)
        refuse_dual_index(index)
        primal = self.primal[index]
        frozen = self.frozen and is_basic(index)
        if not lead:
            return Dual(primal, self.tangent[index], self.level, frozen)
        if is_basic(index):
            index = index if isinstance(index, tuple) else (index,)
            return Dual(primal, self.tangent[(slice(None), *index)], self.level, frozen)
        # NumPy may move the axes of advanced indices to the front, so the lead axis waits at the back.
        return Dual(primal, np.moveaxis(np.moveaxis(self.tangent, 0, -1)[before_lead(index)], -1, 0), self.level)

    def __setitem__(self, index, value):
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

    def __array__(self, dtype=None, copy=None):
        if _caller_stores_item():
            raise TangentLossError(_STORE)
        raise TangentLossError(
            "a plain array was asked of a Dual, which would drop its tangent. For np.array, np.r_, np.c_ or a list of "
            "Duals write np.stack or np.concatenate; leave np.asarray(x) out, x is an array already; for np.full write "
            "np.full_like; wrap a function that is not NumPy's with @dg.custom_jvp; dg.primal(x) leaves on purpose"
        )

    def __float__(self):
        if _caller_stores_item():
            raise TangentLossError(_STORE)
        raise TangentLossError(
            "float(), int() and the math module take plain numbers and would drop the tangent of a Dual: use NumPy's "
            "function (np.sin for math.sin), or float(dg.primal(x)) to leave on purpose"
        )

    __int__ = __complex__ = __float__

    def item(self, *args):
        """Refused: it would drop the tangent."""
        raise TangentLossError("item() and tolist() would drop the tangent of a Dual: use x[i], or dg.primal(x).item()")

    tolist = item

    def __format__(self, spec):
        if spec:
            raise TangentLossError(f"a Dual has no format {spec!r}: format its value, dg.primal(x)")
        return repr(self)

    def __index__(self):
        raise TangentLossError("a Dual cannot be an index or a size: use int(dg.primal(x)) if its value is meant")

    def __bool__(self):
        lead_of(self)
        return bool(self.primal)

    def __reduce__(self):
        raise TangentLossError("a Dual cannot be pickled: it lives only inside its jvp; save dg.primal(x)")


_STORE = (
    "a plain array cannot hold a Dual (plain[i] = dual would drop the tangent): make the buffer from the Dual, "
    "np.zeros_like(dual) or np.zeros_like(dual, shape=...), or build the result with np.stack or np.concatenate"
)


def _caller_stores_item():
    frame = sys._getframe(2)
    return dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith(("STORE_SUBSCR", "STORE_SLICE"))


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
    lead = LIVE.get(x.level)
    if lead is None:
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
    if not isinstance(value, Dual):
        return value, None
    lead_of(value)
    if value.level > buffer.level:
        raise LevelError(
            f"the buffer belongs to an outer jvp (level {buffer.level}) and cannot hold a Dual of an inner one (level "
            f"{value.level}): make the buffer inside the inner function, np.zeros_like(x) of its own argument x"
        )
    same = value.level == buffer.level
    primal, tangent = (value.primal, value.tangent) if same else (value, None)
    for part, into in ((primal, buffer.primal), (tangent, buffer.tangent)):
        if isinstance(part, Dual) and (not isinstance(into, Dual) or into.level < part.level):
            raise LevelError(
                f"the buffer does not carry the tangent of the outer jvp (level {part.level}) that the value depends "
                "on: make the buffer from a Dual that depends on both, np.zeros_like(x + y), or build the result with "
                "np.stack or np.where"
            )
    return primal, tangent


def primal(x):
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
    if isinstance(x, (dict, list, tuple, Mapping)):
        from .tree import map_leaves

        return map_leaves(primal, x)
    return x


# ---------------------------------------------------------------------- indexing under a lead axis


def before_lead(index):
    """``index`` as a tuple that leaves alone a lead axis at the back."""
    index = index if isinstance(index, tuple) else (index,)
    return (*index, slice(None)) if any(i is Ellipsis for i in index) else index


def is_basic(index):
    """Whether every entry is a slice, an integer or None, so that NumPy returns a view."""
    entries = index if isinstance(index, tuple) else (index,)
    return all(
        isinstance(i, (slice, int, np.integer)) and not isinstance(i, bool) or i is None or i is Ellipsis
        for i in entries
    )


def require_writable(x):
    """Raise for an argument, and for a view whose two parts do not alias alike."""
    if x.frozen:
        raise TangentLossError(
            "an argument of a differentiated function (or a view of it) is read-only: x = x.copy() first, "
            "then write to the copy"
        )


def refuse_dual_index(index):
    """Raise when a Dual is used as an index."""
    if isinstance(index, Dual) or (isinstance(index, tuple) and any(isinstance(i, Dual) for i in index)):
        raise TangentLossError("a Dual cannot be an index: use dg.primal(x).astype(int) if its value is meant")


def pad_lead(tangent, ndim):
    """A tangent ``(K, *shape)`` with axes of size 1 behind K, so that ``shape`` broadcasts against ``ndim`` axes."""
    missing = ndim + 1 - tangent.ndim
    return tangent.reshape(tangent.shape[:1] + (1,) * missing + tangent.shape[1:]) if missing > 0 else tangent


# ---------------------------------------------------------------------- out=


def store(out, result):
    """Write ``result`` into the Dual ``out`` and return it, as ``out=`` does; a plain ``out`` is refused."""
    if not isinstance(out, Dual):
        raise TangentLossError(
            "out= is a plain array, which cannot hold a Dual: make the buffer with np.zeros_like(dual, shape=...)"
        )
    if np.shape(result) != out.shape:
        raise ShapeError(f"out= has shape {out.shape}; the result has shape {np.shape(result)}")
    if not np.can_cast(result.dtype, out.dtype, "same_kind"):
        raise TypeError(f"out= has dtype {out.dtype}; the result has dtype {result.dtype}, which does not fit in it")
    out[...] = result
    return out


def no_rule(function):
    """The message for a function without a rule: its name, the fix, and the nearest supported ones."""
    name = _dotted(function)
    if function in REFUSED:
        return f"{name} cannot take a Dual: {REFUSED[function]}"
    return (
        f"{name} has no tangent rule: add one with dg.defjvp({name}, rule), where rule(primals, tangents) returns "
        f"(y, dy), or write it with functions that have one; the nearest supported: {_nearest(function)}"
    )


def _dotted(function):
    """The name by which a user reaches a function."""
    name = getattr(function, "__name__", str(function))
    for short, module in (("np", "numpy"), ("np.linalg", "numpy.linalg"), ("np.fft", "numpy.fft")):
        if getattr(sys.modules.get(module), name, None) is function:
            return f"{short}.{name}"
    for module in [m for m in sys.modules if m.startswith(("scipy.", "cupyx.")) and "._" not in m]:
        if vars(sys.modules[module]).get(name) is function:
            return f"{module}.{name}"
    return f"{getattr(function, '__module__', None) or 'np'}.{name}"


def _nearest(function):
    """What is spelled alike, or else what stands in the same module."""
    import difflib

    name = getattr(function, "__name__", str(function))
    names = {f.__name__: f for f in KINDS if KINDS[f] != "constant"}
    near = [_dotted(names[n]) for n in difflib.get_close_matches(name, names, n=2, cutoff=0.7)]
    module = _dotted(function).rpartition(".")[0] + "."
    near = near or [n for n in map(_dotted, names.values()) if n.startswith(module) and module != "np."]
    return ", ".join(near) or "none is close; dg.supported() lists them all"
