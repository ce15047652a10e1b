"""jvp, on which every transform is built: it opens a level, calls the function on Duals and takes the results apart."""

from typing import Any, Literal, TypeAlias, overload

import numpy as np

from . import rules  # noqa: F401  (fills the rule tables)
from .arguments import match_tangents
from .cures import of_object_array
from .dual import ASKED, LIVE, OBJECT, Dual, lift, new_level, primal
from .errors import LevelError, StructureError, TangentLossError
from .rules.absorb import parts
from .tree import Function, flatten, map_leaves, rebuild, returned, unflatten

Arguments: TypeAlias = tuple[Any, ...] | list[Any]


@overload
def jvp(f: Function, primals: Arguments, tangents: Arguments, has_aux: Literal[False] = False) -> tuple[Any, Any]: ...
@overload
def jvp(f: Function, primals: Arguments, tangents: Arguments, has_aux: Literal[True]) -> tuple[Any, Any, Any]: ...
@overload
def jvp(f: Function, primals: Arguments, tangents: Arguments, has_aux: bool) -> tuple[Any, ...]: ...
def jvp(f: Function, primals: Arguments, tangents: Arguments, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of f at the primals and its derivative along the tangents: f(x), ∂f(x) v.

    Parameters
    ----------
    f : callable
        A function of the primals, written with ``np.*`` and operators.
    primals : tuple
        The arguments: floating or complex arrays or numbers, or trees of them (dict, list, tuple, Params).
    tangents : tuple
        One per primal, of the primal's shape; or ``(K, *shape)`` throughout, to push K directions in one pass. A
        tangent takes the dtype of its primal.
    has_aux : bool
        f returns ``(y, aux)``; aux is passed on with its tangents dropped.

    Returns
    -------
    y, dy : the value, and its tangent of shape ``y.shape`` or ``(K, *y.shape)``; then aux with ``has_aux``.

    Raises
    ------
    ShapeError
        For a tangent of another shape (it never broadcasts), and for different K.
    StructureError
        For a wrong number of tangents, or trees that differ.
    TypeError
        For integer, boolean or object primals, which have no derivative.

    Notes
    -----
    One pass costs two to three evaluations of f, and memory for the values in use only: nothing is taped.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> x, v = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    >>> y, dy = dg.jvp(np.exp, (x,), (v,))
    >>> dy
    array([1., 0.])
    >>> dg.jvp(np.exp, (x,), (np.eye(2),))[1]           # both basis directions in one pass
    array([[1.        , 0.        ],
           [0.        , 2.71828183]])
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("jvp takes a tuple of primals and a tuple of tangents: jvp(f, (x,), (v,))")
    if len(primals) != len(tangents):
        raise StructureError(f"got {len(primals)} primals and {len(tangents)} tangents; expected one tangent a primal")
    plain = all(map(is_plain_pair, primals, tangents))
    xs, vs, structure, lead = (primals, tangents, None, ()) if plain else match_tangents(primals, tangents)
    level = new_level(lead)
    try:
        pairs = zip(xs, vs, strict=True)
        duals = [x.over(v, level) if isinstance(x, Dual) else Dual(x, v, level, frozen=True) for x, v in pairs]
        result = evaluated(f, duals if structure is None else rebuild(structure, duals))
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise TypeError("has_aux=True: the function must return a pair (y, aux)")
            return *_split_tree(result[0], level, lead), map_leaves(lambda a: _aux(a, level), result[1])
        return _split(result, level, lead) if result.__class__ is Dual else _split_tree(result, level, lead)
    finally:
        LIVE.pop(level, None)


def evaluated(f, args):
    """``f(*args)``; where NumPy wraps what a Dual said, or fails on an object array of Duals, the error says what to
    write."""
    try:
        return f(*args)
    except Exception as error:
        if told := _in_user_terms(error):
            raise told from error
        raise


def _in_user_terms(error):
    if isinstance(error.__cause__, TangentLossError) and not isinstance(error, TangentLossError):
        return TangentLossError(*error.__cause__.args)
    asked = [told for level, told in ASKED.items() if level in LIVE]
    return of_object_array(error, next(filter(None, asked), None)) if asked else None


def is_plain_pair(x, v):
    """Whether a primal and its tangent are NumPy arrays that need no further look: the common case, kept fast."""
    if not x.__class__ is v.__class__ is np.ndarray:
        return False
    return x.shape == v.shape and x.dtype is v.dtype and x.dtype.kind in "fc"


def _split_tree(result, level, lead):
    """The primals and the tangents of a tree of outputs."""
    outputs, structure = flatten(returned(result))
    pairs = [_split(lift(out), level, lead) for out in outputs]
    return rebuild(structure, [p for p, _ in pairs]), unflatten(structure, [t for _, t in pairs])


def _split(out, level, lead):
    """The primal and tangent of an output; a constant has a zero tangent."""
    if isinstance(out, Dual):
        if out.level == level:
            p, t = out.primal, out.tangent
            if p.dtype is OBJECT:
                raise TypeError(
                    "an output is a Dual of Python objects, in which a tangent may be lost; expected numbers"
                )
            if out.frozen:
                p, t = p.copy(), t.copy()
            return p, t
        if out.level not in LIVE:
            raise LevelError("an output is a Dual whose own jvp has ended: return it from that inner function instead")
    dtype = out.dtype if hasattr(out, "dtype") else np.result_type(type(out))
    if getattr(dtype, "kind", "?") not in "biufc":
        raise TypeError(
            f"the function returned a {type(out).__name__}; expected arrays or numbers, or trees of them (has_aux=True "
            "for anything else)"
        )
    zero = np.zeros_like(
        primal(out),
        shape=lead + np.shape(out),
        dtype=np.result_type(dtype, np.float16 if dtype.kind in "fc" else np.float64),
    )
    return out, zero if zero.shape else zero[()]


def _aux(a, level):
    """An extra output without its tangent; a view of an argument is copied, as it is among the outputs."""
    a = lift(a)
    return a.primal.copy() if isinstance(a, Dual) and a.level == level and a.frozen else parts(a, level)[0]
