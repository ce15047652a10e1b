"""The Jacobian of a function, column by column, and with fewer directions where its sparsity is known."""

from typing import Any

import numpy as np

from ..backend import is_array
from ..chunks import in_chunks
from ..coloring import Pattern, compressed
from ..dual import primal
from ..hints import hinted
from ..patterns import sparsity as detected
from ..pushforward import jvp
from ..tree import Function, flatten, returned, unflatten
from .basis import Chunk, argument, halves, is_complex, named, push_basis


@hinted
def jacfwd(f: Function, argnum: int = 0, chunk: Chunk = None, sparsity: Any = None) -> Function:
    """The Jacobian of f with respect to one argument, column by column.

    Parameters
    ----------
    f : callable
    argnum : int
        Which positional argument to differentiate.
    chunk : int or "auto", optional
        How many columns to push in one pass (128 by default); memory grows with it. "auto" measures two small passes
        and keeps the rest within 256 MiB (`dualgrad.chunks.BUDGET`) beside the result.
    sparsity : "auto", SparsityPattern, boolean array, SciPy sparse array, or pair (rows, columns), optional
        Where the Jacobian of one real array with respect to another may have entries: "auto" finds out, at each x, by
        `sparsity`. Columns that share no row are pushed together; a random direction more checks the pattern.

    Returns
    -------
    A function of the arguments of f, whose result has shape ``y.shape + x.shape``; trees nest as in JAX, the output's
    structure outside and the argument's inside. At complex x, f is taken to be holomorphic. With ``sparsity`` the
    result is as the pattern: dense, of SciPy's kind, or the entries at (rows, columns) alone; for "auto", and what
    `sparsity` returns, a ``csr_array`` of SciPy where that is installed, and dense where not.

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

    @named("jacfwd", f)
    def jacobian(*args, **kwargs):
        def of_one(x):
            return f(*args[:argnum], x, *args[argnum + 1 :], **kwargs)

        x = argument(args, argnum, kwargs)
        if sparsity is not None:
            return _sparse_jacobian(of_one, x, chunk, sparsity)
        y, slopes, structure, xs = push_basis(of_one, x, chunk)
        outputs, out_structure = flatten(y)
        blocks = []
        for k, out in enumerate(outputs):
            row = []
            for x, d in zip(xs, slopes, strict=True):
                column = flatten(d)[0][k]
                column = _holomorphic(column) if is_complex(x) else column
                column = np.moveaxis(column, 0, -1)
                row.append(column.reshape(np.shape(out) + x.shape) if column.ndim > 1 or x.shape else column[0])
            blocks.append(unflatten(structure, row))
        return unflatten(out_structure, blocks)

    return jacobian


def _sparse_jacobian(f, x, chunk, sparsity):
    """The Jacobian of one real array with respect to another, by directions that stand for several columns."""
    if not is_array(x) or is_complex(x) or not is_array(y := returned(f(x))):
        raise TypeError("jacfwd(sparsity=...) takes a function of one real array that returns one array")
    push = lambda v: jvp(f, (x,), (np.reshape(v, (len(v), *x.shape)),))[1].reshape(len(v), np.size(y))  # noqa: E731
    pattern = Pattern(detected(f, x) if is_auto(sparsity) else sparsity, y.shape, x.shape)
    return compressed(push, x, pattern, lambda along, count: in_chunks(along, count, chunk))


def is_auto(sparsity):
    """Whether a pattern is to be found out."""
    return isinstance(sparsity, str) and sparsity == "auto"


def _holomorphic(d):
    """The complex derivative, once f(x + ih) agrees with i f(x + h): the Cauchy-Riemann equations."""
    along_real, along_imaginary = halves(d)
    a, b = primal(along_imaginary), 1j * primal(along_real)
    scale = np.maximum(np.abs(a), np.abs(b))
    if not np.all((np.abs(a - b) <= 1e3 * np.finfo(scale.dtype).eps * np.max(scale, initial=0)) | ~np.isfinite(scale)):
        raise ValueError(
            "f is not holomorphic at this complex x (the Cauchy-Riemann equations fail), so it has no complex "
            "Jacobian: use jvp, or differentiate with respect to the real and imaginary parts"
        )
    return along_real
