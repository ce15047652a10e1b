"""A function's derivative where the user did not look: in other layouts, precisions and shapes, at other points."""

import numpy as np

from ..report import Check, compare, row
from .elsewhere import REFUSALS, against_differences, defined, pushed, raised, random_direction, tangent_at
from .pointwise import largest_finite, worst
from .variations import complex_point, fewer, layouts, points

SHOWN = 8  # a point of so few entries is written out


def around(at, v, rng):
    """The checks of whatever can be derived from the point; one for each kind, of its worst case."""
    yield worst(_tangent_in_layout(at, *case) for case in zip(layouts(at.xs), layouts(v), strict=True))
    yield from _in_precision(at, v)
    yield worst(_in_shape(at, xs, rng, name) for name, xs in fewer(at.xs))
    yield worst(_elsewhere(at.f, rng, at.xs))


def widened(x):
    """In double precision, unless it has more."""
    if x.dtype.itemsize >= 8 and x.dtype != np.complex64:
        return x
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


# ---------------------------------------------------------------------- layouts, precisions


def _tangent_in_layout(at, case, tangents):
    """The same numbers elsewhere in memory have the same value and tangent."""
    (note, xs), (_, vs) = case, tangents
    if not any(np.ndim(x) > (note == "Fortran-ordered") for x in xs):
        return None
    there, name, oracle = defined(at.f, xs), "layouts", "contiguous arrays"
    if there is None or at.compare(name, oracle, there.value, at.value, 1e-9).status == "failed":
        return None  # f itself looks at the layout
    pair = pushed(there, vs)
    if pair is None or isinstance(pair, Exception):
        return pair and raised(name, oracle, note, pair)
    checks = [
        at.compare(name, oracle, row(pair[0]), at.value, 1e-9, note=f"{note}, the value"),
        at.compare(name, oracle, row(pair[1]), at.along(vs), 1e-9, note=note),
    ]
    return worst(checks)


def _in_precision(at, v):
    """The tangent has the dtype of the value; in single precision both are near those in double."""
    kinds = {x.dtype.kind for x in at.xs}
    cases = [_lowered(at, v, dtype) for dtype in (np.float32, np.float16 if kinds == {"f"} else None) if dtype]
    yield worst(_of_one_dtype(*case) for case in cases if case)
    if cases[0] and not isinstance(cases[0][2], Exception):
        yield worst([_as_in_double(*cases[0])])


def _lowered(at, v, dtype):
    """The point and direction in lower precision, with what the engine says there; None where that is nothing."""
    kinds = {"f": np.dtype(dtype), "c": np.dtype(np.complex64)}
    with np.errstate(all="ignore"):
        xs, vs = ([a.astype(kinds[a.dtype.kind]) for a in arrays] for arrays in (at.xs, v))
    there = defined(at.f, xs)
    if there is None or there.value.shape != at.value.shape or dtype is np.float16 != there.value.dtype:
        return None
    pair = pushed(there, vs)
    return pair and (there, vs, pair)


def _of_one_dtype(there, vs, pair):
    name, oracle, note = "precision", "dtype of the value", str(vs[0].dtype)
    if isinstance(pair, Exception):
        return raised(name, oracle, note, pair)
    kinds = [(y.dtype, d.dtype) for y, d in zip(*pair, strict=True) if hasattr(y, "dtype") and hasattr(d, "dtype")]
    others = ((y, d) for y, d in kinds if np.finfo(y).eps != np.finfo(d).eps)
    changed = next((f"{note}: a tangent of {d} for a value of {y}" for y, d in others), "")
    return Check(name, oracle, "failed" if changed else "passed", note=changed)


def _as_in_double(there, vs, pair):
    """None where f is not a function of single precision: its value or derivative is beyond what rounding x may do."""
    eps, found, xs = np.finfo(np.float32).eps, row(pair[1]), list(map(widened, there.xs))
    wide, moved = defined(there.f, xs), defined(there.f, list(map(_rounded_otherwise, xs)))
    if wide is None or moved is None or not there.value.shape == wide.value.shape == moved.value.shape:
        return None
    with np.errstate(all="ignore"):
        expected, nearby = (at.along(list(map(widened, vs))) for at in (wide, moved))
        size = max(wide.size, largest_finite(expected), 1e-3)
        if np.any(np.abs(there.value - wide.value) > 1e3 * eps * (np.abs(wide.value) + 1e-2 * size)):
            return None
        budget = 1e4 * eps * (np.abs(expected) + 0.1 * size) + 100 * np.abs(nearby - expected)
    if found.shape == expected.shape and not np.all(np.isfinite(expected) & np.isfinite(found)):
        return None
    sure = _resolved(wide, list(map(widened, vs)), expected)
    return compare("precision", "double precision", wide.elements, found, expected, budget, sure, "float32")


def _resolved(wide, v, expected):
    """Where differences over a few digits of x are near the derivative; at a tie in single precision they are not."""
    h = 1e-3 * (max(map(largest_finite, wide.xs)) or 1.0)
    ends = [defined(wide.f, [x + t * d for x, d in zip(wide.xs, v, strict=True)]) for t in (h, -h)]
    if any(end is None or end.value.shape != expected.shape for end in ends):
        return True
    apart = np.abs((ends[0].value - ends[1].value) / (2 * h) - expected)
    return apart <= 1e-2 * (np.abs(expected) + max(wide.size, largest_finite(expected)))


def _rounded_otherwise(x):
    """x, each entry off by the last bit of single precision."""
    return x * (1 + np.finfo(np.float32).eps * (-1.0) ** np.arange(x.size).reshape(x.shape))


# ---------------------------------------------------------------------- shapes, points


def _in_shape(at, xs, rng, note):
    same = all(np.shape(x) == np.shape(y) for x, y in zip(xs, at.xs, strict=True))
    refusals = REFUSALS if note.startswith("one example") else Exception  # NumPy takes axis=0 of a number
    return None if same else tangent_at(defined(at.f, xs), rng, "other shapes", note, refusals)


def _elsewhere(f, rng, xs):
    """Order 1 at points nearby and at ties, where it must be linear whatever it is; and off the real line."""
    for note, ys in points(rng, xs):
        there = defined(f, ys)
        yield tangent_at(there, rng, "other points", _point_in_words(note, ys))
    yield _linear_at_ties(there, rng, _point_in_words(note, ys))
    if not any(map(np.iscomplexobj, xs)):
        ys = complex_point(rng, xs)
        yield _off_the_real_line(defined(f, ys), rng, _point_in_words("a complex point", ys))


def _point_in_words(note, xs):
    """The name of a point, and the point if it is short."""
    if sum(x.size for x in xs) > SHOWN:
        return note
    return f"{note}, primals ({', '.join(np.array2string(np.asarray(x), precision=4, separator=', ') for x in xs)})"


def _linear_at_ties(at, rng, note):
    if at is None:
        return None
    v = [random_direction(rng, x) for x in at.xs]
    pairs = [pushed(at, [c * d for d in v]) for c in (1, -0.6, 0.4)]
    if any(pair is None or isinstance(pair, Exception) for pair in pairs):
        return None
    first, second, both = (row(dy) for _, dy in pairs)
    if not first.shape == both.shape == second.shape or not np.all(np.isfinite([first, second, both])):
        return None
    budget = at.budget(np.abs(first) + np.abs(second), 1e-9)
    return compare("other points", "sums of tangents", at.elements, both, first + second, budget, note=note)


def _off_the_real_line(at, rng, note):
    """A rule that takes iv for i times v where f does not is one for real numbers alone, and not accused; nor are
    complex arrays looked at, as of eigenvectors, whose phase is a convention."""
    if at is None or np.iscomplexobj(at.value) and any(at.elements.shapes):
        return None
    v = [random_direction(rng, x) for x in at.xs]
    ahead, across = pushed(at, v, Exception), pushed(at, [1j * d for d in v], Exception)
    if ahead is None or across is None or np.shape(row(ahead[1])) != at.value.shape:
        return None
    found, turned = row(ahead[1]), row(across[1])
    of_one_kind = all(np.iscomplexobj(y) == np.iscomplexobj(d) for y, d in zip(*ahead, strict=True))
    if not of_one_kind or np.all(np.abs(turned - 1j * found) <= at.budget(found, 1e-9)):
        return None
    return against_differences(at, v, found, "other points", note, rng)
