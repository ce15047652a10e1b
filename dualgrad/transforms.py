"""The transforms: jvp and everything built on it. All leave their inputs untouched and take trees of arrays."""

import functools
import inspect

import numpy as np

from . import rules  # noqa: F401  (fills the rule tables)
from .backend import is_array, is_host
from .chunks import in_chunks
from .coloring import Pattern, compressed
from .dual import KINDS, LIVE, RULES, Dual, new_level, primal
from .errors import LevelError, ShapeError, StructureError
from .lowrank import LowRank
from .rules.declare import duals_in, nested_as, top_level
from .rules.lead import direction
from .tree import flatten, leaves_like, map_leaves, paths, unflatten
from .zero import ZERO

# ---------------------------------------------------------------------- jvp


def jvp(f, primals, tangents, has_aux=False):
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
    if all(map(_plain_pair, primals, tangents)):
        xs, vs, structure, lead = primals, tangents, None, ()
    else:
        xs, vs, structure, lead = match_tangents(primals, tangents)
    level = new_level(lead)
    try:
        duals = [Dual(x, v, level, frozen=True) for x, v in zip(xs, vs, strict=True)]
        result = f(*(duals if structure is None else unflatten(structure, duals)))
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise TypeError("has_aux=True: the function must return a pair (y, aux)")
            return *_split_tree(result[0], level, lead), map_leaves(lambda a: _aux(a, level), result[1])
        return _split(result, level, lead) if result.__class__ is Dual else _split_tree(result, level, lead)
    finally:
        LIVE.pop(level, None)


def _plain_pair(x, v):
    """Whether a primal and its tangent are NumPy arrays that need no further look: the common case, kept fast."""
    if not x.__class__ is v.__class__ is np.ndarray:
        return False
    return x.shape == v.shape and x.dtype is v.dtype and x.dtype.kind in "fc"


def match_tangents(primals, tangents):
    """The leaves of both trees, checked against each other, with their structure and lead axes."""
    xs, structure = flatten(tuple(primals))
    vs = leaves_like(tuple(tangents), structure, "tangents")
    xs = [as_primal(x, structure, k) for k, x in enumerate(xs)]
    lead = _lead(xs, vs, structure)
    vs = [_as_tangent(v, x, lead, structure, k) for k, (x, v) in enumerate(zip(xs, vs, strict=True))]
    return xs, [nested_as(x, v) for x, v in zip(xs, vs, strict=True)], structure, lead


def _split_tree(result, level, lead):
    """The primals and the tangents of a tree of outputs."""
    outputs, structure = flatten(result)
    pairs = [_split(out, level, lead) for out in outputs]
    return unflatten(structure, [p for p, _ in pairs]), unflatten(structure, [t for _, t in pairs])


def as_primal(x, structure, k):
    """An array or array scalar of a floating or complex dtype."""
    if x.__class__ is np.ndarray and x.dtype.kind in "fc":
        return x
    if isinstance(x, (np.ma.MaskedArray, np.matrix)):
        raise TypeError(f"primals{paths(structure)[k]} is a {type(x).__name__}; expected a plain array: np.asarray(x)")
    if isinstance(x, Dual) and x.level not in LIVE:
        raise LevelError("a primal is a Dual whose jvp has ended: return it from the differentiated function instead")
    if isinstance(x, float):
        return np.float64(x)
    if isinstance(x, complex):
        return np.complex128(x)
    if is_array(x) and hasattr(x, "dtype") and np.issubdtype(x.dtype, np.inexact):
        return x.view(np.ndarray) if isinstance(x, np.ndarray) else x  # np.memmap and other subclasses
    kind = f"dtype {x.dtype}" if hasattr(x, "dtype") else f"type {type(x).__name__}"
    where = paths(structure)[k]
    raise TypeError(
        f"primals{where} has {kind}; expected floating or complex numbers, which alone have derivatives: "
        "write 3.0 for 3, x.astype(float) for integers"
    )


def _lead(xs, vs, structure):
    """() if every tangent has its primal's shape, (K,) if every one has K in front of it."""
    found = {}
    for k, (x, v) in enumerate(zip(xs, vs, strict=True)):
        shape = v.shape if is_array(v) else np.shape(v)
        if shape == x.shape:
            found.setdefault((), k)
        elif shape[1:] == x.shape and len(shape) == len(x.shape) + 1:
            found.setdefault(shape[:1], k)
        else:
            raise ShapeError(
                f"tangents{paths(structure)[k]} has shape {shape}; expected {tuple(x.shape)}, the shape of its primal, "
                f"or (K, {', '.join(map(str, x.shape))}) for K directions; a tangent never broadcasts"
            )
    if len(found) > 1:
        names = paths(structure)
        counts = ", ".join(f"tangents{names[k]} has {lead[0] if lead else 'no K'}" for lead, k in found.items())
        raise ShapeError(f"all tangents of one call carry the same number of directions; {counts}")
    return next(iter(found), ())


def _as_tangent(v, x, lead, structure, k):
    if v.__class__ is x.__class__ is np.ndarray and v.dtype is x.dtype:
        return v
    if v is None or v is ZERO:
        raise TypeError(f"tangents{paths(structure)[k]} is {v}; expected an array: np.zeros_like(x) for no motion")
    if not is_array(v) or isinstance(v, np.generic):
        v = np.asarray(v) if isinstance(x, np.ndarray) else np.asarray(v)[()]  # one can be written into, as its primal
    if is_host(primal(v)) != is_host(primal(x)) and not isinstance(v, LowRank):
        raise TypeError(
            f"tangents{paths(structure)[k]} is a {type(v).__name__} and its primal a {type(x).__name__}; expected both "
            "on one device"
        )
    if v.dtype == x.dtype:
        return v
    if not np.can_cast(v.dtype, x.dtype, "same_kind"):
        raise TypeError(
            f"tangents{paths(structure)[k]} has dtype {v.dtype}, which does not fit the primal's {x.dtype}; "
            "differentiate at a complex primal for complex directions"
        )
    return v.astype(x.dtype)


def _split(out, level, lead):
    """The primal and tangent of an output; a constant has a zero tangent."""
    if isinstance(out, Dual):
        if out.level == level:
            p, t = out.primal, out.tangent
            if out.frozen:
                p, t = p.copy(), t.copy()
            return p, t
        if out.level not in LIVE:
            raise LevelError("an output is a Dual whose own jvp has ended: return it from that inner function instead")
    dtype = out.dtype if hasattr(out, "dtype") else np.result_type(type(out))
    if dtype.kind not in "biufc":
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
    return a.primal.copy() if isinstance(a, Dual) and a.level == level and a.frozen else _strip(a, level)


def _strip(a, level):
    return a.primal if isinstance(a, Dual) and a.level == level else a


# ---------------------------------------------------------------------- derivatives


def derivative(f):
    """The derivative of a function of one real or complex number.

    Returns
    -------
    A function of x; it composes: ``derivative(derivative(f))``. For complex x, f is taken to be holomorphic, and the
    Cauchy-Riemann equations are checked.

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

    @functools.wraps(f)
    def df(x):
        if np.shape(x) != ():
            raise ShapeError(f"derivative takes a scalar; got shape {np.shape(x)}: use jacfwd or grad")
        return jacfwd(f)(x)

    return df


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
    A function of the arguments of f. It costs p / chunk passes for p entries of x: exact, and meant for small p or as
    a yardstick. At a complex entry z = a + ib it is ∂f/∂a + i ∂f/∂b, the direction of steepest ascent.

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
    both = value_and_grad(f, argnum, chunk)
    return functools.wraps(f)(lambda *args: both(*args)[1])


def value_and_grad(f, argnum=0, chunk=None):
    """The value and the gradient of a scalar function; see `grad`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.value_and_grad(lambda x: x @ x)(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    @functools.wraps(f)
    def both(*args):
        def scalar(x):
            y = f(*args[:argnum], x, *args[argnum + 1 :])
            if y is None or isinstance(y, (tuple, list, dict)):
                raise ShapeError(f"grad takes a scalar function; f returned a {type(y).__name__}: use jacfwd")
            if np.shape(y) != ():
                raise ShapeError(f"grad takes a scalar function; f returned shape {np.shape(y)}: use jacfwd")
            return y

        y, slopes, structure, xs = _push_basis(scalar, _argument(args, argnum), chunk)
        if np.iscomplexobj(y):
            raise TypeError("grad takes a real function; f returned a complex number: use jacfwd or derivative")
        columns = [_real_and_imaginary(d, k) for d, k in zip(slopes, map(_is_complex, xs), strict=True)]
        return y, unflatten(structure, [_shaped(c, x.shape, x.dtype) for c, x in zip(columns, xs, strict=True)])

    return both


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

    @functools.wraps(f)
    def jacobian(*args):
        def of_one(x):
            return f(*args[:argnum], x, *args[argnum + 1 :])

        if sparsity is not None:
            return _sparse_jacobian(of_one, _argument(args, argnum), chunk, sparsity)
        y, slopes, structure, xs = _push_basis(of_one, _argument(args, argnum), chunk)
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
    if not is_array(x) or _is_complex(x) or not is_array(y := f(x)):
        raise TypeError("jacfwd(sparsity=...) takes a function of one real array that returns one array")
    push = lambda v: jvp(f, (x,), (np.reshape(v, (len(v), *x.shape)),))[1].reshape(len(v), np.size(y))  # noqa: E731
    pattern = Pattern(sparsity, y.shape, x.shape)
    return compressed(push, x, pattern, lambda along, count: in_chunks(along, count, chunk))


def _argument(args, argnum):
    if not isinstance(argnum, (int, np.integer)) or not 0 <= argnum < len(args):
        raise ValueError(f"got argnum={argnum!r} and {len(args)} positional arguments; expected a place among them")
    return args[argnum]


def _is_complex(x):
    return np.issubdtype(x.dtype, np.complexfloating)


def _push_basis(f, x, chunk):
    """The value of f and, for each leaf of x, its tangents along that leaf's basis (then i times it, if complex)."""
    xs, structure = flatten(x)
    xs = [as_primal(x, structure, k) for k, x in enumerate(xs)]
    x = unflatten(structure, xs)
    y, slopes = (None, []) if xs else (f(x), [])

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


def hessian(f, argnum=0, chunk=None):
    """The matrix of second derivatives, forward over forward: ``y.shape + x.shape + x.shape``; trees nest as in JAX.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacfwd(jacfwd(f, argnum, chunk), argnum, chunk)


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


# ---------------------------------------------------------------------- rules of one's own


def defjvp(function, rule):
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
    >>> dg.defjvp(np.i0, lambda primals, tangents: (np.i0(primals[0]), tangents[0] * primals[0] / 2))  # near 0 only
    >>> dg.derivative(np.i0)(0.001)
    np.float64(0.0005)
    >>> del dg.dual.RULES[np.i0], dg.dual.KINDS[np.i0]
    """
    if not callable(rule):
        raise TypeError(f"got a rule of type {type(rule).__name__}; expected a function (primals, tangents) -> (y, dy)")
    if not isinstance(function, np.ufunc) and not hasattr(function, "_implementation"):
        raise TypeError(
            f"{getattr(function, '__name__', function)} does not dispatch on its arguments, so a rule for it would "
            "never be reached: wrap it with @dg.custom_jvp"
        )

    @functools.wraps(function)
    def push(*args, **kwargs):
        return _apply_rule(rule, args, kwargs, getattr(function, "__name__", "function"))

    RULES[function], KINDS[function] = push, "explicit"


class custom_jvp:  # noqa: N801  (a decorator)
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

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function, self.rule = function, None
        self.signature = inspect.signature(function)

    def defjvp(self, rule):
        """Set the rule: ``rule(primals, tangents) -> (y, dy)``, called once for each direction."""
        self.rule = rule
        return rule

    def __call__(self, *args, **kwargs):
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        args, kwargs = bound.args, bound.kwargs
        top = max(duals_in(flatten(args)[0]), key=lambda a: a.level, default=None)
        if top is None:
            return self.function(*args, **kwargs)
        if top.__class__ is not Dual:  # a series
            return top.__array_function__(self, (), args, kwargs)
        if self.rule is None:
            raise NotImplementedError(f"{self.__name__} has no rule yet: decorate one with @{self.__name__}.defjvp")
        return _apply_rule(self.rule, args, kwargs, self.__name__)


def _apply_rule(rule, args, kwargs, name):
    """Call a user's rule at the highest level among the arguments, once per direction."""
    leaves, structure = flatten(tuple(args))
    level, lead = top_level(leaves)
    primals = unflatten(structure, [_strip(a, level) for a in leaves])

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
        shapes = [np.shape(y) for y in ys], [np.shape(d) for d in ds]
        if y_structure != d_structure or shapes[0] != shapes[1]:
            raise ShapeError(f"the rule of {name} returned y of shape {shapes[0]} and dy of shape {shapes[1]}")
        return ys, ds, y_structure

    if not lead:
        ys, ds, structure = once(None)
    else:
        results = [once(k) for k in range(max(lead[0], 1))]
        ys, structure = results[0][0], results[0][2]
        ds = [np.stack(pieces)[: lead[0]] for pieces in zip(*(d for _, d, _ in results), strict=True)]
    return unflatten(structure, [Dual(y + 0, nested_as(y, d + 0), level) for y, d in zip(ys, ds, strict=True)])


def supported():
    """Every NumPy function with a tangent rule, and the kind of its rule.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.supported()[np.tanh], dg.supported()[np.sum]
    ('elementwise', 'linear')
    """
    return dict(KINDS)
