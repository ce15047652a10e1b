"""What all transforms share: the name of the result, the argument, and f pushed along a basis of its space."""

import functools
from typing import Literal, TypeAlias

import numpy as np

from ..arguments import as_primal
from ..chunks import in_chunks
from ..dual import primal
from ..pushforward import jvp
from ..tree import flatten, rebuild, unflatten

Chunk: TypeAlias = int | Literal["auto"] | None


def named(transform, f):
    """`functools.wraps(f)`, with a repr that says what became of f: ``<function grad(sum) at ...>``."""
    if not callable(f):
        raise TypeError(f"dg.{transform} got a {type(f).__name__}; expected a function: dg.{transform}(f)(x)")

    def rename(g):
        g = functools.wraps(f)(g)
        name = getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or repr(f)
        g.__qualname__ = f"{transform}({name})"
        return g

    return rename


def argument(args, argnum, kwargs):
    """The argument to differentiate, or an error."""
    if isinstance(argnum, (int, np.integer)) and 0 <= argnum < len(args):
        return args[argnum]
    if kwargs:
        given = f"got {len(args)} positional arguments and the keywords {', '.join(sorted(kwargs))}"
        raise TypeError(f"{given}; keywords are constants: give what to differentiate (argnum={argnum}) by position")
    raise ValueError(f"got argnum={argnum!r} and {len(args)} positional arguments; expected one place among them")


def of_argument(f, args, argnum, kwargs):
    """f as a function of the argument to differentiate alone."""
    return lambda x: f(*args[:argnum], x, *args[argnum + 1 :], **kwargs)


def is_complex(x):
    """Whether the entries are complex."""
    return np.issubdtype(x.dtype, np.complexfloating)


def push_basis(f, x, chunk):
    """The value of f and, for each leaf of x, its tangents along that leaf's basis (then i times it, if complex)."""
    xs, structure = flatten(x)
    xs = [as_primal(x, structure, k) for k, x in enumerate(xs)]
    x = rebuild(structure, xs)
    y, slopes = (None, []) if xs else (jvp(f, (x,), (x,))[0], [])

    def push(k, unit, start, stop):
        """The tangents of f along basis directions of leaf k, the other leaves at rest."""
        nonlocal y
        rest = [np.zeros_like(primal(o), shape=(stop - start, *o.shape)) for o in xs]
        rest[k] = _basis(primal(xs[k]), start, stop, unit)
        y, d = jvp(f, (x,), (unflatten(structure, rest),))
        return d

    for k, leaf in enumerate(xs):
        units = (1, 1j) if is_complex(leaf) else (1,)
        columns = [d for unit in units for d in in_chunks(functools.partial(push, k, unit), leaf.size, chunk)]
        slopes.append(columns[0] if len(columns) == 1 else _join(columns))
    return y, slopes, structure, xs


def _basis(x, start, stop, unit):
    """Basis directions start, ..., stop - 1 of an array, shape ``(stop - start, *x.shape)``."""
    basis = np.zeros_like(x, shape=(stop - start, x.size))
    for row in range(stop - start):
        basis[row, start + row] = unit
    return basis.reshape(stop - start, *x.shape)


def _join(columns):
    """Chunks of directions, put together leaf by leaf."""
    leaves, structures = zip(*map(flatten, columns), strict=True)
    return unflatten(structures[0], [np.concatenate(pieces) for pieces in zip(*leaves, strict=True)])


def halves(d):
    """The directions along the real basis, and those along the imaginary one."""
    return d[: len(d) // 2], d[len(d) // 2 :]
