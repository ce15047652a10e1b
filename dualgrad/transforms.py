"""Derivatives by `jvp`: gradients, Jacobians, Hessians. All leave their inputs untouched and take trees of arrays."""

import functools

import numpy as np

from .backend import is_array
from .chunks import in_chunks
from .coloring import Pattern, compressed
from .dual import primal
from .errors import ShapeError
from .hints import hinted
from .pushforward import as_primal, jvp
from .tree import flatten, rebuild, returned, unflatten


def _named(transform, f):
    """`functools.wraps(f)`, with a repr that says what became of f: ``<function grad(sum) at ...>``."""
    if not callable(f):
        raise TypeError(f"dg.{transform} got a {type(f).__name__}; expected a function: dg.{transform}(f)(x)")

    def rename(g):
        g = functools.wraps(f)(g)
        name = getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or repr(f)
        g.__qualname__ = f"{transform}({name})"
        return g

    return rename


def derivative(f):
    """The derivative of a function of one real or complex number.

    Returns
    -------
    A function of x; it composes: ``derivative(derivative(f))``. More arguments reach f as constants. For complex x, f
    is taken to be holomorphic, and the Cauchy-Riemann equations are checked.

    Raises
    ------
    ShapeError
        When x is not a scalar: use `jacfwd` or `grad`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.derivative(dg.derivative(np.sin))(1.0)
    np.float64(-0.8414709848078965)
    """

    @_named("derivative", f)
    def df(*args, **kwargs):
        if np.shape(x := _argument(args, 0, kwargs)) != ():
            raise ShapeError(f"derivative takes a scalar; got shape {np.shape(x)}: use jacfwd or grad")
        return jacfwd(f)(*args, **kwargs)

    return df


@hinted
def grad(f, argnum=0, chunk=None):
    """The gradient of a scalar function with respect to one argument, in the argument's own structure.

    Parameters
    ----------
    f : callable
    argnum : int
        Which positional argument to differentiate.
    chunk : int or "auto", optional
        How many directions to push in one pass (128 by default); memory grows with it. For "auto" see `jacfwd`.

    Returns
    -------
    A function of the arguments of f; the others, and keywords, are constants. It costs p / chunk passes for p entries
    of x: exact, and meant for small p or as a yardstick. At a complex entry z = a + ib it is ∂f/∂a + i ∂f/∂b, the
    direction of steepest ascent.

    Raises
    ------
    ShapeError
        When f does not return a scalar: use `jacfwd`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.grad(lambda p: np.sum(p["w"] ** 2) * p["b"])({"w": np.array([1.0, 2.0]), "b": 3.0})
    {'w': array([ 6., 12.]), 'b': np.float64(5.0)}
    """
    named = _named("grad", f)
    both = value_and_grad(f, argnum, chunk)
    return named(lambda *args, **kwargs: both(*args, **kwargs)[1])


@hinted
def value_and_grad(f, argnum=0, chunk=None):
    """The value and the gradient of a scalar function; see `grad`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.value_and_grad(lambda x: x @ x)(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    @_named("value_and_grad", f)
    def both(*args, **kwargs):
        def scalar(x):
            y = f(*args[:argnum], x, *args[argnum + 1 :], **kwargs)
            if isinstance(y, (tuple, list, dict)):
                raise ShapeError(f"grad takes a scalar function; f returned a {type(y).__name__}: use jacfwd")
            if np.shape(y) != ():
                raise ShapeError(f"grad takes a scalar function; f returned shape {np.shape(y)}: use jacfwd")
            return y

        y, slopes, structure, xs = _push_basis(scalar, _argument(args, argnum, kwargs), chunk)
        if np.iscomplexobj(y):
            raise TypeError("grad takes a real function; f returned a complex number: use jacfwd or derivative")
        columns = [_real_and_imaginary(d, k) for d, k in zip(slopes, map(_is_complex, xs), strict=True)]
        return y, unflatten(structure, [_shaped(c, x.shape, x.dtype) for c, x in zip(columns, xs, strict=True)])

    return both


@hinted
def jacfwd(f, argnum=0, chunk=None, sparsity=None):
    """The Jacobian of f with respect to one argument, column by column.

    Parameters
    ----------
    f : callable
    argnum : int
        Which positional argument to differentiate.
    chunk : int or "auto", optional
        How many columns to push in one pass (128 by default); memory grows with it. "auto" measures two small passes
        and keeps the rest within 256 MiB (`dualgrad.chunks.BUDGET`) beside the result.
    sparsity : boolean array, SciPy sparse array, or pair (rows, columns) of integer arrays, optional
        Where the Jacobian of one real array with respect to another may have entries. Columns that share no row are
        pushed together; a random direction more checks the pattern.

    Returns
    -------
    A function of the arguments of f, whose result has shape ``y.shape + x.shape``; trees nest as in JAX, the output's
    structure outside and the argument's inside. At complex x, f is taken to be holomorphic. With ``sparsity`` the
    result is as the pattern: dense, of SciPy's kind, or the entries at (rows, columns) alone.

    Raises
    ------
    ValueError
        When f has entries outside the sparsity pattern.
    ValueError
        When f is not holomorphic at a complex x, where no complex Jacobian exists: use `jvp`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.jacfwd(np.cumsum)(np.ones(3))
    array([[1., 0., 0.],
           [1., 1., 0.],
           [1., 1., 1.]])
    >>> bands = np.abs(np.subtract.outer(np.arange(5), np.arange(5))) < 2
    >>> sparse = dg.jacfwd(lambda x: np.diff(x, append=0) * x, sparsity=bands)     # three directions for five columns
    >>> np.array_equal(sparse(np.ones(5)), dg.jacfwd(lambda x: np.diff(x, append=0) * x)(np.ones(5)))
    True
    """

    @_named("jacfwd", f)
    def jacobian(*args, **kwargs):
        def of_one(x):
            return f(*args[:argnum], x, *args[argnum + 1 :], **kwargs)

        x = _argument(args, argnum, kwargs)
        if sparsity is not None:
            return _sparse_jacobian(of_one, x, chunk, sparsity)
        y, slopes, structure, xs = _push_basis(of_one, x, chunk)
        outputs, out_structure = flatten(y)
        blocks = []
        for k, out in enumerate(outputs):
            row = []
            for x, d in zip(xs, slopes, strict=True):
                column = flatten(d)[0][k]
                column = _holomorphic(column) if _is_complex(x) else column
                column = np.moveaxis(column, 0, -1)
                row.append(column.reshape(np.shape(out) + x.shape) if column.ndim > 1 or x.shape else column[0])
            blocks.append(unflatten(structure, row))
        return unflatten(out_structure, blocks)

    return jacobian


def _sparse_jacobian(f, x, chunk, sparsity):
    """The Jacobian of one real array with respect to another, by directions that stand for several columns."""
    if not is_array(x) or _is_complex(x) or not is_array(y := returned(f(x))):
        raise TypeError("jacfwd(sparsity=...) takes a function of one real array that returns one array")
    push = lambda v: jvp(f, (x,), (np.reshape(v, (len(v), *x.shape)),))[1].reshape(len(v), np.size(y))  # noqa: E731
    pattern = Pattern(sparsity, y.shape, x.shape)
    return compressed(push, x, pattern, lambda along, count: in_chunks(along, count, chunk))


def _argument(args, argnum, kwargs):
    if isinstance(argnum, (int, np.integer)) and 0 <= argnum < len(args):
        return args[argnum]
    if kwargs:
        given = f"got {len(args)} positional arguments and the keywords {', '.join(sorted(kwargs))}"
        raise TypeError(f"{given}; keywords are constants: give what to differentiate (argnum={argnum}) by position")
    raise ValueError(f"got argnum={argnum!r} and {len(args)} positional arguments; expected one place among them")


def _is_complex(x):
    return np.issubdtype(x.dtype, np.complexfloating)


def _push_basis(f, x, chunk):
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
        units = (1, 1j) if _is_complex(leaf) else (1,)
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


def _halves(d):
    return d[: len(d) // 2], d[len(d) // 2 :]


def _real_and_imaginary(d, is_complex):
    if not is_complex:
        return d
    along_real, along_imaginary = _halves(d)
    return along_real + 1j * along_imaginary


def _holomorphic(d):
    """The complex derivative, once f(x + ih) agrees with i f(x + h): the Cauchy-Riemann equations."""
    along_real, along_imaginary = _halves(d)
    a, b = primal(along_imaginary), 1j * primal(along_real)
    scale = np.maximum(np.abs(a), np.abs(b))
    if not np.all((np.abs(a - b) <= 1e3 * np.finfo(scale.dtype).eps * np.max(scale, initial=0)) | ~np.isfinite(scale)):
        raise ValueError(
            "f is not holomorphic at this complex x (the Cauchy-Riemann equations fail), so it has no complex "
            "Jacobian: use jvp, or differentiate with respect to the real and imaginary parts"
        )
    return along_real


def _shaped(column, shape, dtype):
    column = column.reshape(shape) if shape else column[0]
    return column.astype(dtype) if column.dtype != dtype else column


@hinted
def hessian(f, argnum=0, chunk=None):
    """The matrix of second derivatives, forward over forward: ``y.shape + x.shape + x.shape``; trees nest as in JAX.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return _named("hessian", f)(jacfwd(jacfwd(f, argnum, chunk), argnum, chunk))


def hvp(f, x, v, chunk=None):
    """The product of the Hessian of a scalar function with a direction, H(x) v, in the structure of x.

    Costs p / chunk nested passes for p entries of x.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([0.0, 1.0]))
    array([2., 0.])
    """
    return jvp(grad(f, chunk=chunk), (x,), (v,))[1]
