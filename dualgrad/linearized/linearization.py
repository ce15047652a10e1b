"""Linearization: the value of f at x, and its tangents without the values being computed again."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import match_tangents
from ..backend import is_array, is_host, to_numpy
from ..dual import LIVE, Dual, lift, new_level, primal
from ..pushforward import is_plain_pair, jvp
from ..random import Rng
from ..rules.absorb import has_nan, quietly
from ..tree import Function, Tree, flatten, map_leaves, rebuild
from .recording import LinearRecord, Recorded


def linearize(f: Function, *primals: Tree) -> tuple[Any, Callable[..., Any]]:
    """The value of f at the primals, and the function v ↦ ∂f(x) v, which costs one pass of the linear part of f.

    Parameters
    ----------
    f : callable
        A function of the primals, written with ``np.*`` and operators, and deterministic.
    primals : array, number, or tree of them (dict, list, tuple, Params)
        As in `jvp`; they are copied.

    Returns
    -------
    y, push : the value of f; and a function of tangents, one a primal, or K directions in each, as in `jvp`, whose
    second result it returns.

    Raises
    ------
    ShapeError, StructureError, TypeError
        As `jvp`.
    ValueError
        From ``push``, where f runs again and has another value: it is random, or an array it uses has been written to.

    Notes
    -----
    f runs once. What its rules do to tangents is written down, with copies of the coefficients, which is as much memory
    as all tangents of one pass; ``push`` does the same again, without f. K directions are written down
    when they are first asked for, in one more run of f.

    Where a rule does to a tangent what is not a linear operation of NumPy, or f works with inner derivatives that write
    into buffers, or solves differential equations, or x carries tangents itself, or a result is NaN (an infinite slope
    meets a zero), ``push`` is a `jvp`: as right, and no faster. ``repr(push)`` says which.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> y, push = dg.linearize(lambda x: np.sin(x) * x[0], np.array([2.0, 0.0]))
    >>> push(np.array([0.0, 1.0]))
    array([0., 2.])
    >>> push(np.eye(2))                                            # K directions
    array([[0.07700375, 0.        ],
           [0.        , 2.        ]])
    """
    if not callable(f):
        raise TypeError(f"dg.linearize got a {type(f).__name__}; expected a function: dg.linearize(f, x)")
    primals = map_leaves(_kept, primals)
    y, record = _recorded(f, primals, ())
    return y, Pushforward(f, primals, y, record)


def _kept(x):
    return x.copy() if is_array(x := lift(x)) and x.ndim else x


class Pushforward:
    """The tangents of f at x: by a record for each number of directions, or by `jvp`."""

    def __init__(self, f, primals, y, record):
        self.f, self.primals, self.records = f, primals, {(): record}
        self.values = [np.array(to_numpy(a)) for a in flatten(primal(y))[0]]

    def __call__(self, *tangents: Tree) -> Any:
        """∂f(x) v."""
        lead = _plain_lead(self.primals, tangents)
        vs = tangents
        if lead is None:
            vs, lead = match_tangents(self.primals, tangents)[1::2]
        if lead not in self.records:
            y, record = _recorded(self.f, self.primals, lead)
            self._require_same(y)
            self.records[lead] = record
        record = self.records[lead]
        if record is not None:
            found = quietly(record.replay, vs)
            if not any(map(has_nan, flatten(found)[0])):
                return found
        y, d = jvp(self.f, self.primals, tangents)
        self._require_same(y)
        return d

    def _require_same(self, y):
        """Raise where f has another value than at first, up to rounding: also along the directions that it had then, by
        which the steps of a solver may have been chosen."""
        if not self._is_known(y) and not self._is_known(_recorded(self.f, self.primals, ())[0]):
            raise ValueError(
                "f did not do the same when it was called again: linearize takes a deterministic f, whose constants "
                "stay as they are: give it the same random numbers, and copies of the arrays it uses"
            )

    def _is_known(self, y):
        values = [to_numpy(a) for a in flatten(primal(y))[0]]
        return len(values) == len(self.values) and all(map(_alike, self.values, values))

    def __repr__(self):
        record = self.records[()]
        by = f"{len(record.steps)} operations" if record else "by jvp"
        return f"<the tangents of {getattr(self.f, '__name__', self.f)}: {by}>"


def _alike(a, b):
    """Whether two values are one up to rounding."""
    if np.shape(a) != np.shape(b) or a.dtype.kind not in "fc":
        return np.shape(a) == np.shape(b) and bool(np.all(a == b))
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= 1e3 * np.finfo(a.dtype).eps * np.max(np.abs(a), initial=0, where=np.isfinite(a))
    return bool(np.all(near | (a == b) | (a != a) & (b != b)))


def _plain_lead(primals, tangents):
    """The lead axes of one array for another, where nothing has to be looked up; else None."""
    if len(primals) != 1 or len(tangents) != 1:
        return None
    (x,), (v,) = primals, tangents
    if is_plain_pair(x, v):
        return ()
    alike = x.__class__ is v.__class__ is np.ndarray and v.shape[1:] == x.shape and v.dtype is x.dtype
    return v.shape[:1] if alike and v.ndim == x.ndim + 1 and x.dtype.kind in "fc" else None


def _recorded(f, primals, lead):
    """The value of f, and the record of what becomes of tangents with lead axes, None where they cannot be recorded."""
    xs, structure = flatten(primals)
    if any(isinstance(x, Dual) or not is_host(x) for x in xs):
        return jvp(f, primals, primals)[0], None
    examples = _examples(xs, lead)
    level = new_level(())
    try:
        record = LinearRecord(level)
        y, d = jvp(f, primals, rebuild(structure, [Recorded(v, record) for v in examples]))
        record.finish(d)
        return y, record if _repeats(record, examples, d) else None
    except Exception:  # of any kind: it may be of the record alone; where it is of f, the jvp says so
        return jvp(f, primals, primals)[0], None
    finally:
        LIVE.pop(level)


def _examples(xs, lead):
    rng = Rng(0)
    return [rng.normal((*lead, *np.shape(x))).astype(np.result_type(x, np.float16))[()] for x in xs]


def _repeats(record, examples, expected):
    """Whether the record gives for the examples, halved and turned round, exactly what was found for them."""
    found = flatten(quietly(record.replay, [v * v.dtype.type(-0.5) for v in examples]))[0]
    return all(
        np.array_equal(primal(d) * -0.5, a, equal_nan=True) for d, a in zip(flatten(expected)[0], found, strict=True)
    )
