"""What a check tries besides the point it is given: other layouts in memory, shapes and points, split tangents.

Each is a pair of a name, for the report, and a list of arrays.
"""

import numpy as np

MEETS = 16  # K is tried equal to any axis of so many entries, where a wrong broadcast goes through in silence
FEW = 4  # leaves that are cut one by one


def layouts(arrays):
    """The same numbers in other places: what is right for one is right for all."""
    for name, lay in LAYOUTS.items():
        yield name, [lay(a) if a.ndim else a for a in arrays]


def _strided(a):
    """Every second entry, along each axis, of a larger array."""
    view = np.zeros([2 * n for n in a.shape], a.dtype)[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def _backwards(a):
    """A view with negative strides."""
    back = (slice(None, None, -1),) * a.ndim
    return a[back].copy()[back]


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "strided": _strided,
    "Fortran-ordered": lambda a: np.array(a, order="F"),
    "backwards": _backwards,
    "read-only": _read_only,
}


def fewer(arrays):
    """One example, none, and one number: of all arrays, and of one of a few."""
    yield "0-d", [a.ravel()[0].reshape(()) if a.size else a for a in arrays]
    for count, name in ((1, "one example"), (0, "no examples")):
        yield name, [a[:count] if a.ndim else a for a in arrays]
        for k in range(len(arrays) if 1 < len(arrays) <= FEW else 0):
            yield f"{name} in primal {k}", [a[:count] if a.ndim and i == k else a for i, a in enumerate(arrays)]


def points(rng, arrays):
    """Points of the same shapes: a random one nearby, and those where branches turn: signs, limits, zeros and ties."""
    yield "a point nearby", [a * rng.uniform(0.9, 1.1, a.shape) for a in arrays]
    yield "the opposite point", [-a for a in arrays]
    yield "a point further out", [4 * a * rng.uniform(0.8, 1.2, a.shape) for a in arrays]
    yield "one zero", [np.where(np.arange(a.size).reshape(a.shape) == a.size // 2, 0, a) for a in arrays]
    yield (
        "zeros in every second entry",
        [np.where(half, 0, a) for a, half in zip(arrays, every_second(arrays), strict=True)],
    )
    yield "ties", [_with_ties(a, half) for a, half in zip(arrays, every_second(arrays), strict=True)]


def _with_ties(a, half):
    """The largest entry in every second place."""
    return np.where(half, np.max(a, initial=-np.inf) if a.dtype.kind == "f" else a.ravel()[:1], a) if a.size else a


def complex_point(rng, arrays):
    """The point moved off the real line."""
    return [a + 0.3j * rng.uniform(0.5, 1, a.shape) * rng.signs(a.shape) for a in arrays]


def _middle(a):
    """The mask of one entry."""
    return np.arange(a.size).reshape(a.shape) == a.size // 2


def every_second(arrays):
    """Masks of every second entry; in every second array those that are not masked in the others."""
    return [(np.arange(a.size).reshape(a.shape) + k) % 2 == 0 for k, a in enumerate(arrays)]


def splits(tangents):
    """Tangents with zeros in them whose sum is the tangent given."""
    masks = every_second(tangents)
    yield "every second entry", _masked_parts(tangents, masks)
    if max(v.size for v in tangents) > 2:
        yield (
            "one entry",
            _masked_parts(tangents, list(map(_middle, tangents))),
        )
    if len(tangents) > 1:
        middle = len(tangents) // 2
        for name, some in (("the first leaf", lambda k: k == 0), ("half of the leaves", lambda k: k < middle)):
            yield name, _masked_parts(tangents, [np.full(v.shape, some(k)) for k, v in enumerate(tangents)])


def _masked_parts(tangents, masks):
    """What is masked, and the rest."""
    pairs = list(zip(tangents, masks, strict=True))
    return [np.where(m, v, 0) for v, m in pairs], [np.where(m, 0, v) for v, m in pairs]
