"""Random calls: a row of the catalogue with its shapes, dtypes, memory layouts and keywords drawn anew.

NumPy is asked first, so a draw need not be legal: what NumPy refuses dualgrad has to refuse too.
"""

import inspect
import os
import warnings
from typing import NamedTuple

import numpy as np
from hypothesis import settings

import dualgrad as dg
from tests.support.cases import Case, Draw, fill, name_of, positive, real
from tests.support.catalogue import CATALOGUE, CONSTANT_CALLS
from tests.support.of_numpy import KINDS_OF_NUMPY

SUPPORTED = KINDS_OF_NUMPY

# ---------------------------------------------------------------------- what is drawn from

DUAL_DTYPES = [np.float64] * 14 + [np.float32] * 3 + [np.float16, np.longdouble, np.complex128, np.complex64]
CONSTANT_DTYPES = [np.float64] * 8 + [
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.float16, np.float32, np.longdouble, np.complex64, np.complex128, "python", "python int", "list",
]  # fmt: skip


def _strided(x):
    """Every other entry of a larger array."""
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def _backwards(x):
    """Negative strides along every axis."""
    turned = (slice(None, None, -1),) * x.ndim
    return x[turned].copy()[turned]


def _first_repeated(x):
    """A view with stride 0 along the first axis."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim and x.shape[0] else x


LAYOUTS = {
    "C": lambda x: x, "F": np.asfortranarray, "strided": _strided, "backwards": _backwards,
    "swapped": lambda x: np.swapaxes(np.swapaxes(x, 0, -1).copy(), 0, -1) if x.ndim else x,
    "repeated": _first_repeated,
}  # fmt: skip

AXES = [None, 0, 1, -1, -2, 2, (0, 1), (0, -1), (-1,), ()]
KEYWORDS = {  # parameter -> values, legal for some function that has it
    "a_max": [0.9, None], "a_min": [0.1, None], "append": [0.5], "axis": AXES, "axis1": [1, 0, -1],
    "axis2": [0, 1, -2], "axisa": [0, -1], "axisb": [0, -1], "axisc": [0, -1],
    "axes": [None, (0, 1), (1, 0), (-1, 0), 0, 1, 2, ([0], [1])], "bias": [True], "compute_uv": [False],
    "copy": [True, None], "correction": [0, 1], "ddof": [0, 1, 2], "decimals": [0, 1], "default": [0.5],
    "deg": [True], "device": [None, "cpu"], "dtype": [np.float64, np.float32, np.complex128, np.longdouble, "f8"],
    "edge_order": [1, 2], "endpoint": [True, False], "full_matrices": [True, False], "hermitian": [False],
    "include_initial": [True, False], "increasing": [True, False], "indexing": ["xy", "ij"],
    "initial": [0.5, 2, -1.0, None], "k": [-1, 0, 1], "keepdims": [True, False], "kind": ["stable", "quicksort"],
    "left": [0.5, None], "max": [0.9, None], "min": [0.1, None],
    "mode": ["raise", "wrap", "clip", "full", "same", "valid", "reduced", "r", "complete", "edge", "reflect"],
    "n": [None, 0, 1, 2, 5], "nan": [0.5], "norm": [None, "ortho", "forward", "backward"], "num": [0, 1, 3],
    "offset": [-1, 0, 1], "ord": [None, 1, 2, -1, np.inf, "fro", 3], "order": ["C", "F", "A", "K", None],
    "overwrite_input": [False], "period": [2.5], "posinf": [1.0], "prepend": [0.5],
    "method": ["linear", "nearest", "lower", "hazen", "weibull", "closest_observation"],
    "optimize": [True, False, "greedy"], "rcond": [None, 1e-12], "returned": [True, False], "retstep": [True],
    "right": [0.5], "rowvar": [True, False], "s": [None, (2,), (3, 2)], "shape": [(2,), (), (0, 3), 2],
    "sparse": [True, False], "stable": [True], "subok": [True, False], "to_begin": [0.5], "to_end": [0.5, [1.0, 2.0]],
    "tol": [100], "UPLO": ["L", "U"], "upper": [False, True], "casting": ["same_kind", "unsafe", "safe"],
    "signature": ["f->f", "ff->f", "d->d", "dd->d", "DD->D"], "wrap": [True, False],
}  # fmt: skip
UFUNC_KEYWORDS = ("where", "out", "dtype", "order", "casting", "subok", "signature")
GUFUNC_KEYWORDS = ("out", "dtype", "order", "casting", "subok", "axis", "keepdims", "axes")
METHOD_KEYWORDS = {
    "reduce": ("axis", "dtype", "out", "keepdims", "initial", "where"), "accumulate": ("axis", "dtype", "out"),
    "reduceat": ("axis", "dtype", "out"), "outer": ("dtype", "order", "out", "casting"),
}  # fmt: skip
GUFUNC_AXES = {
    np.matmul: [[(0, 1), (0, 1), (0, 1)], [(-1, -2), (0, 1), (-2, -1)], [(1, 0), (-2, -1), (1, 0)]],
    np.vecdot: [[(0,), (-1,)], [0, 0], [(-1,), (0,), ()]],
}
if hasattr(np, "matvec"):
    GUFUNC_AXES[np.matvec] = [[(1, 0), (0,), (0,)], [(-1, -2), (-1,), (-1,)]]
    GUFUNC_AXES[np.vecmat] = [[(0,), (1, 0), (0,)], [(-1,), (-1, -2), (-1,)]]


# Keywords with which NumPy's own result is wrong.
BROKEN = {("vecmat", "order"), *((f"fft.{name}fft{n}", "out") for name in ("", "i", "r", "ir") for n in "2n")}


class Out(NamedTuple):
    """A place for ``out=``: as many buffers as the call has results, alone or in a tuple."""

    in_tuple: bool


# ---------------------------------------------------------------------- the rows


def method_rows():
    """The methods of the ufuncs of two operands."""
    for f, kind in SUPPORTED.items():
        if isinstance(f, np.ufunc) and (f.nin, f.nout, f.signature) == (2, 1, None) and kind != "constant":
            if f is np.ldexp:  # its second operand is of integers
                continue
            yield Case(f, f.reduce, (positive(2, 3),), {})
            yield Case(f, f.accumulate, (positive(2, 3),), {})
            yield Case(f, f.outer, (positive(2), positive(3)), {})
            yield Case(f, f.reduceat, (positive(5), [0, 3, 1, 4]), {})


def constant_rows():
    """The functions with zero tangent."""
    for f, kind in SUPPORTED.items():
        if kind == "constant":
            call = CONSTANT_CALLS.get(f)
            yield Case(f, call, (real(2, 3),) * (1 if call else getattr(f, "nin", 1)), {})


ROWS = {}
for row in [*CATALOGUE, *method_rows(), *constant_rows()]:
    name = name_of(row.function)
    varies = row.kwargs.get("mode") == "empty" or (name == "full_like" and row.call)  # from one call to the next
    varies = varies or name == "arange"  # its length, with the last digit of an end
    if row.draws and not varies:
        ROWS.setdefault(name, []).append(row)


# ---------------------------------------------------------------------- a call drawn


class Call(NamedTuple):
    """A call with its arrays; ``vs`` holds a tangent for each array that moves and None for the others."""

    case: Case
    xs: list
    vs: list

    def __str__(self):
        def shown(x):
            if not isinstance(x, np.ndarray):
                return repr(x)
            return f"{x.dtype}{x.tolist() if x.size < 7 else list(x.shape)} strides {x.strides}"

        moves = ["moves" if v is not None else "constant" for v in self.vs]
        lines = [f"  {m}: {shown(x)}" for m, x in zip(moves, self.xs, strict=True)]
        return "\n".join([f"{self.case} by {self.case.call or self.case.function}", *lines])


def examples(factor):
    """How many examples a fuzzer draws: so many times those of the profile, ten times as many with ``--full``."""
    return settings().max_examples * factor * (10 if os.environ.get("DUALGRAD_FULL") else 1)


def choice(rng, options):
    """One of the options, whatever they are."""
    return options[rng.integers(len(options))]


def chance(rng, p):
    return rng.random() < p


def draw_call(rng, rows):
    """A call of one of the rows."""
    case = reshaped(rng, choice(rng, rows))
    if chance(rng, 0.6):
        case = case._replace(kwargs={**case.kwargs, **draw_keywords(rng, case)})
    xs = case.sample(rng)
    moves = rng.random(len(xs)) < 0.6
    moves[rng.integers(len(xs))] = True
    dtype = choice(rng, DUAL_DTYPES)
    xs = [
        draw_moving(rng, x, dtype if chance(rng, 0.8) else choice(rng, DUAL_DTYPES)) if m else draw_constant(rng, x)
        for x, m in zip(xs, moves, strict=True)
    ]
    return Call(case, xs, [draw_tangent(rng, x) if m else None for x, m in zip(xs, moves, strict=True)])


def reshaped(rng, case):
    """Other side lengths, each the same wherever it stands; axes of size 1; an axis more or fewer."""
    if chance(rng, 0.5):
        sides = {n: choice(rng, [n, n, 0, 1, 4]) for n in range(7)}
        loose = 0.1 if chance(rng, 0.5) else 0
    else:
        sides, loose = {n: n for n in range(7)}, 0.2 if isinstance(case.function, np.ufunc) else 0

    def other(shape):
        shape = tuple(1 if chance(rng, loose) else sides.get(n, n) for n in shape)
        if chance(rng, loose):
            shape = shape[1:]
        return (choice(rng, [1, 2, 0]), *shape) if chance(rng, loose) else shape

    resized = lambda a: np.resize(a, other(a.shape)) if a.dtype.kind in "bf" and a.size else a  # noqa: E731
    args, kwargs = fill((case.args, case.kwargs), lambda d: Draw(other(d.shape), d.domain), resized)
    return case._replace(args=args, kwargs=kwargs)


def keywords_of(case):
    """The names of the keywords that the call may take besides those that it has."""
    f = case.function
    if case.call is not None:
        return METHOD_KEYWORDS.get(getattr(case.call, "__name__", ""), ())
    if isinstance(f, np.ufunc):
        return GUFUNC_KEYWORDS if f.signature else UFUNC_KEYWORDS
    try:
        parameters = inspect.signature(f).parameters.values()
    except ValueError:  # functions written in C say nothing before NumPy 2.4
        return ()
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    taken = {*positional[: len(case.args)], *case.kwargs}
    return [p.name for p in parameters if p.name not in taken and p.kind is not p.VAR_POSITIONAL]


def values_of(rng, case, name):
    """What a keyword of the call may be."""
    if (name_of(case.function), name) in BROKEN:
        return []
    if name == "out":
        return [Out(False), Out(True)] if isinstance(case.function, np.ufunc) else [Out(False)]
    if name == "where":
        return [draw_mask(rng, case)]
    return GUFUNC_AXES.get(case.function, KEYWORDS["axes"]) if name == "axes" else KEYWORDS.get(name, [])


def draw_keywords(rng, case):
    """One or two keywords more."""
    names, found = keywords_of(case), {}
    for name in rng.permutation(names)[: 1 + chance(rng, 0.4)].tolist() if len(names) else ():
        if values := values_of(rng, case, name):
            found[name] = choice(rng, values)
    if "where" in found and isinstance(case.function, np.ufunc) and case.call is None:
        found.setdefault("out", Out(False))  # or NumPy leaves what happened to be in memory
    return found


def draw_mask(rng, case):
    """A mask that broadcasts against the first array, or one of Python's."""
    if chance(rng, 0.2):
        return chance(rng, 0.5)
    return rng.random([1 if chance(rng, 0.2) else n for n in case.draws[0].shape]) < 0.6


def as_dtype(x, dtype):
    x = x if x.dtype.kind == "c" or np.dtype(dtype).kind != "c" else x * (1 + 0.25j)
    return (x if np.dtype(dtype).kind == "c" else x.real).astype(dtype)


def draw_moving(rng, x, dtype):
    """An input to differentiate: an array of any layout; a scalar as an array, a NumPy number or a Python number."""
    x = as_dtype(x, np.result_type(dtype, np.complex64) if x.dtype.kind == "c" else dtype)
    if x.ndim == 0:
        return choice(rng, [x, x[()], x.item() if x.dtype in (np.float64, np.complex128) else x])
    return LAYOUTS[choice(rng, [*LAYOUTS, "C", "C", "C"])](x)


def draw_constant(rng, x):
    """A constant of any dtype and layout, as an array, a number or a list."""
    dtype = choice(rng, CONSTANT_DTYPES)
    if dtype == "list":
        return x.tolist()
    if isinstance(dtype, str):
        return x if x.ndim else round(x.item().real) if "int" in dtype else x.item()
    x = as_dtype(np.abs(3 * x) if np.dtype(dtype).kind == "u" else 3 * x if np.dtype(dtype).kind == "i" else x, dtype)
    return LAYOUTS[choice(rng, [*LAYOUTS, "C"])](x) if x.ndim else choice(rng, [x, x[()]])


def draw_tangent(rng, x, lead=()):
    """A tangent of any layout, of its primal's dtype; for a scalar also a Python number."""
    a = np.asarray(x)
    v = rng.uniform(0.2, 1, lead + a.shape) * rng.choice([-1, 1], lead + a.shape)
    v = np.asarray(v * (1 - 0.5j) if a.dtype.kind == "c" else v).astype(a.dtype)
    if v.ndim == 0:
        return choice(rng, [v, v[()], v.item()])
    return LAYOUTS[choice(rng, [*LAYOUTS, "C", "C"])](v)


# ---------------------------------------------------------------------- a call made


def program(case, xs):
    """The call as a function of its arrays, which makes its own buffers: they take Duals where there are any."""
    if not any(isinstance(v, Out) for v in case.kwargs.values()):
        return case
    place = case.kwargs["out"]
    rest = case._replace(kwargs={k: v for k, v in case.kwargs.items() if k not in ("out", "where")})
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        y = rest(*xs)
    shapes = [(np.shape(a), a.dtype) for a in (y if isinstance(y, tuple) else (y,))]

    def call(*arrays):
        like = next((a for a in arrays if isinstance(a, dg.dual.Dual)), np.zeros(()))
        like = np.zeros(()) if SUPPORTED[case.function] == "constant" else like
        buffers = tuple(np.full_like(like, 0.25, shape=s, dtype=d) for s, d in shapes)
        out = buffers if place.in_tuple or len(buffers) > 1 else buffers[0]
        return case._replace(kwargs={**case.kwargs, "out": out})(*arrays)

    return call


def outputs(y):
    """The results of a call as a list of arrays and numbers."""
    if isinstance(y, (list, tuple)):
        return [b for a in y for b in outputs(a)]
    return [y]


def recorded(f, *args):
    """The result of a call or the exception it raised, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = f(*args)
        except Exception as error:  # NumPy's own refusals are of any class
            result = error
    return result, [(w.category, str(w.message)) for w in caught]


def keyword_calls(rng, rows):
    """The first plain call of a function once for each value of each keyword that it may have."""
    case = next((row for row in rows if row.call is None), rows[0])
    for name in keywords_of(case):
        for value in values_of(rng, case, name):
            kwargs = {**case.kwargs, name: value}
            if name == "where" and isinstance(case.function, np.ufunc) and case.call is None:
                kwargs["out"] = Out(False)
            xs = case.sample(rng)
            yield Call(case._replace(kwargs=kwargs), xs, [draw_tangent(rng, x) for x in xs])
