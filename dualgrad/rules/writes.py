"""Functions that write into an array they are given: it must be a Dual, which alone can hold one."""

import numpy as np

from ..backend import is_host
from ..backend import like as on_device
from ..dual import Dual, before_lead, lead_of, match_level, refuse_dual_index, require_writable
from ..errors import TangentLossError
from ..tables import METHODS
from .declare import refuse_others, register_rule
from .makers import prototype

# ---------------------------------------------------------------------- ufunc.at


def ufunc_at(ufunc, a, indices, *b):
    """``ufunc.at``: repeated indices count as often as they stand there."""
    _require_dual(f"np.{ufunc.__name__}.at", a)
    refuse_dual_index(indices)
    shape = np.shape(prototype(a)[indices])
    b = [np.broadcast_to(x, shape) if np.ndim(x) else x for x in b]  # NumPy's own forgets it for some indices
    if ufunc in (np.add, np.subtract) and a.__class__ is Dual:
        _add_at(ufunc, a, indices, *b)
        return
    b = [np.copy(x) if isinstance(x, Dual) else x for x in b]  # they may be entries of a itself
    value = np.copy(a.primal)
    ufunc.at(value, indices, *(x.primal if isinstance(x, Dual) and x.level == a.level else x for x in b))
    places = np.arange(a.size).reshape(a.shape)[indices]
    flat = places.ravel()
    order = np.argsort(flat, kind="stable")
    ranked = flat[order]
    repeat = np.empty_like(flat)
    repeat[order] = np.arange(flat.size) - np.searchsorted(ranked, ranked)
    operands = [np.ravel(np.broadcast_to(x, shape)) for x in b]
    a = a if a.ndim else a[None]
    for k in range(repeat.max(initial=-1) + 1):
        now = np.flatnonzero(repeat == k).tolist()
        place = _unravelled(flat[now], a.shape)
        a[place] = ufunc(a[place], *(x[now] for x in operands))
    a.primal[...] = value  # to the last bit


def _unravelled(flat, shape):
    """The index of places counted in C order; of the host's as lists, which every device takes."""
    return tuple(i.tolist() if is_host(i) else i for i in np.unravel_index(flat, shape))


def _add_at(ufunc, a, indices, b):
    require_writable(a)
    lead, (value, tangent) = lead_of(a), match_level(a, b)
    ufunc.at(a.primal, indices, value)
    if tangent is not None and lead:
        ufunc.at(np.moveaxis(a.tangent, 0, -1), before_lead(indices), np.moveaxis(tangent, 0, -1))
    elif tangent is not None:
        ufunc.at(a.tangent, indices, tangent)


def _require_dual(name, a):
    if not isinstance(a, Dual):
        raise TangentLossError(
            f"{name} cannot write a Dual into a plain array, which would drop its tangent: make the array from the "
            "Dual, np.zeros_like(dual, shape=...)"
        )


METHODS["at"] = ufunc_at

# ---------------------------------------------------------------------- array functions

OPERANDS = {
    np.copyto: "dst src", np.put: "a ind v", np.putmask: "a mask values", np.place: "arr mask vals",
    np.put_along_axis: "arr indices values", np.fill_diagonal: "a val",
}  # fmt: skip


def _writing(function, names):
    """Declare a function that writes its last operand into its first, which must be a Dual: where each entry goes is
    read off NumPy's own answer for the numbers 0, 1, 2, ... in the place of the entries."""

    def push(*args, **kw):
        given = dict(zip(names, args, strict=False)) | {k: kw.pop(k) for k in names if k in kw}
        a, *settings, v = (given[k] for k in names)
        _require_dual(f"np.{function.__name__}", a)
        require_writable(a)
        settings, rest, target = tuple(settings), args[len(names) :], prototype(a)
        refuse_others(function, settings + rest, kw)
        write = lambda into, values: function(into, *settings, values, *rest, **kw)  # noqa: E731
        write(np.copy(target), prototype(v))  # it may refuse
        if function is np.copyto and a.ndim and not rest and "where" not in kw:
            a[...] = v
            return
        source = np.full_like(target, -1, dtype=int)
        write(source, on_device(np.arange(np.size(v)).reshape(np.shape(v)), target))
        flat = np.flatnonzero(source >= 0)
        if flat.size:
            place = _unravelled(flat, a.shape) if a.ndim else ()
            a[place] = v if np.ndim(v) == 0 else np.ravel(v)[source[place]]

    register_rule([function], "linear", push)


for function, names in OPERANDS.items():
    _writing(function, names.split())
WRITES = frozenset(OPERANDS)
