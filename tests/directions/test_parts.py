"""Parts of n directions: every class draws those very rows that it has among all n."""

import itertools
import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions
from dualgrad.directions.base import as_direction, drawn
from dualgrad.tree import leaves, map_leaves
from tests.support.strict import device

N = 5
SIGNS, NORMALS = directions.Rademacher(), directions.Gaussian()
TAKE_MORE = {"Along", "Blocks", "Scaled"}  # to be made of
WHOLE = {"Along", "Orthogonal"}  # have no parts
OTHERS = {"Direction", "Rows"}
PLAIN = [getattr(directions, name)() for name in sorted(set(directions.__all__) - TAKE_MORE - WHOLE - OTHERS)]
FIXED = [*PLAIN, directions.Hadamard(low_rank=True), *map(directions.Blocks, (SIGNS, NORMALS, directions.Uniform()))]
LAYOUTS = {
    "vector": lambda dtype: np.zeros(97, dtype),
    "matrix": lambda dtype: np.zeros((5, 7), dtype),
    "tree": lambda dtype: {"w": np.zeros((9, 7), dtype), "b": [np.zeros(3, dtype), np.zeros((2, 2, 3), dtype)]},
    "Params": lambda dtype: dg.Params({"w": np.zeros((9, 7), dtype), "b": np.zeros(7, dtype)}),
    "empty leaves": lambda dtype: {"e": np.zeros((3, 0), dtype), "w": np.zeros((3, 2), dtype), "f": np.zeros(0, dtype)},
    "several dtypes": lambda dtype: {"w": np.zeros((9, 7), dtype), "b": np.zeros(7, np.float32), "s": np.float64(0.0)},
}
PARTS = [slice(0, 2), slice(1, 4), slice(-1, None), slice(2, 3), slice(None), slice(3, 99, 1)]


class Own(directions.Direction):
    """Known by its matrix."""

    def matrix(self, rng, n, p):
        return rng.normal((n, p))


class Turned(directions.Rademacher):
    """Draws other entries than the class that knows its parts."""

    def draw(self, rng, shape, dtype, like):
        return rng.signs(shape, dtype=dtype, like=like) * rng.signs(shape, dtype=dtype, like=like)


class Later(directions.Hadamard):
    """Draws other rows than the class that knows its parts."""

    def matrix(self, rng, n, p):
        return super().matrix(rng, n, p)[::-1]


class Sampler:
    """Known by its sample alone."""

    cost, apart = 3.0, True

    def sample(self, params, *, rng, n=None):
        return map_leaves(lambda x: rng.normal((*(() if n is None else (n,)), *np.shape(x))).astype(x.dtype), params)


def of_every_kind(params):
    """Directions of every class that has parts, of one's own too, for these parameters."""
    scale = map_leaves(lambda x: np.full(np.shape(x), 2.0), params)
    scaled = [directions.Scaled(base, scale) for base in (SIGNS, directions.LowRank(), Sampler(), Own())]
    return [*FIXED, *scaled, Own(), Turned(), Later()]


def arrays(tree):
    return [np.asarray(leaf) for leaf in leaves(tree)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_part_is_those_rows_of_the_whole(layout, dtype):
    params = LAYOUTS[layout](dtype)
    for distribution, part in itertools.product(of_every_kind(params), PARTS):
        whole = arrays(distribution.sample(params, rng=3, n=N))
        found = arrays(distribution.sample(params, rng=3, n=N, part=part))
        assert [a.dtype for a in found] == [a.dtype for a in whole]
        for some, every in zip(found, whole, strict=True):
            assert some.shape == every[part].shape
            assert some.tobytes() == every[part].tobytes(), (distribution, part)


@pytest.mark.parametrize("distribution", [directions.Orthogonal(), directions.Along(np.ones(4)), *FIXED], ids=repr)
def test_all_of_them_are_a_part(distribution):
    n = 1 if isinstance(distribution, directions.Along) else 3
    whole = np.asarray(distribution.sample(np.zeros(4), rng=0, n=n))
    assert np.array_equal(distribution.sample(np.zeros(4), rng=0, n=n, part=slice(-n, None)), whole)


def test_what_is_drawn_in_the_middle_of_a_stream_is_too():
    """Normals of single precision leave half a word behind, signs the rest of one."""
    w, rng = {"a": np.zeros(5, np.float32), "b": np.zeros(4, np.float32)}, dg.Rng(1)
    for distribution in of_every_kind(w):
        rng.normal(3, dtype=np.float32)
        rng.signs(3)
        place = rng.place()
        whole = arrays(distribution.sample(w, rng=rng, n=3))
        rng.rewind(place)
        part = arrays(distribution.sample(w, rng=rng, n=3, part=slice(1, 2)))
        assert [a[1:2].tolist() for a in whole] == [a.tolist() for a in part], distribution


@pytest.mark.parametrize("part", [None, slice(1, 3)])
def test_parts_live_where_the_parameters_do(part):
    here = dg.Params({"w": np.zeros((9, 7), np.float32), "b": np.zeros(7, np.float32)})
    layout, w = here.layout, here.vector
    for distribution in of_every_kind(here):
        if isinstance(distribution, directions.Scaled) and isinstance(distribution.base, Sampler):
            continue  # which would have to know of devices
        ours, theirs = (drawn(distribution, dg.Rng(3), N, layout, x, part) for x in (w, device(w)))
        assert np.array_equal(ours.dense(), theirs.dense().get())
        c, total = np.arange(len(ours), dtype=np.float32) / 7, device(w.copy())
        for exact in (False, True):
            assert theirs.add_to(total, device(c), exact) is total
        twice = ours.add_to(ours.add_to(w.copy(), c), c, exact=True)
        np.testing.assert_allclose(total.get(), twice, rtol=1e-5, atol=1e-6)


def test_a_sampler_of_ones_own_has_parts():
    w, layout = np.zeros(4), dg.Layout.of(np.zeros(4))
    whole = drawn(Sampler(), dg.Rng(0), 3, layout, w)
    part = drawn(Sampler(), dg.Rng(0), 3, layout, w, slice(1, 3))
    assert np.array_equal(part.dense(), whole.dense()[1:])


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        (slice(1, 1), ValueError, "none of them; expected one or more"),
        (slice(3, None), ValueError, r"part=slice\(3, None, None\) of n=3 .* none of them"),
        (slice(2, -2), ValueError, "none of them"),
        (slice(0, 2, 2), ValueError, "without a step"),
        (slice(None, None, -1), ValueError, "without a step"),
        (slice(0.0, 2), TypeError, "expected whole numbers or None as its ends"),
        ((0, 2), TypeError, r"part=\(0, 2\); expected a slice of the n directions"),
        (1, TypeError, "part=1; expected a slice"),
        (range(2), TypeError, "expected a slice"),
    ],
)
def test_other_parts_are_refused_and_nothing_is_drawn(part, error, message):
    rng = dg.Rng(0)
    place = rng.place()
    for distribution in (*FIXED, directions.Orthogonal(), Own()):
        with pytest.raises(error, match=message):
            distribution.sample(np.zeros(4), rng=rng, n=3, part=part)
    assert rng.place() == place


def test_a_part_of_no_number_is_refused():
    with pytest.raises(ValueError, match=r"part=slice\(0, 1, None\) of no number of directions; .*: n=4"):
        SIGNS.sample(np.zeros(4), rng=0, part=slice(0, 1))


def test_orthogonal_directions_have_no_parts():
    with pytest.raises(ValueError, match=r"all at once, .* take Hadamard or Blocks"):
        directions.Orthogonal().sample(np.zeros(4), rng=0, n=3, part=slice(0, 2))


@pytest.mark.parametrize("distribution", [d for d in FIXED if not isinstance(d, directions.Hadamard)], ids=repr)
def test_a_part_takes_the_memory_of_its_rows(distribution):
    """Twice the float64 of one direction beside them, and the blocks that are dropped."""
    p, n = 1 << 17, 32
    tracemalloc.start()
    try:
        distribution.sample(dg.Params({"w": np.zeros(p)}), rng=0, n=n, part=slice(n - 2, None))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * p * 8


def test_what_is_dropped_is_not_kept():
    part = drawn(Own(), dg.Rng(0), 3, dg.Layout.of(np.zeros(4)), np.zeros(4), slice(1, 2))
    assert part.matrix.base is None


def test_which_draws_are_apart_and_portable():
    scale = np.ones(4)
    every = [*FIXED, directions.Orthogonal(), directions.Along(scale), Own()]
    said = {repr(d): (d.apart, d.portable) for d in every}
    for both in ("Coordinate()", "LowRank()", "Rademacher()", "Uniform()"):
        assert said[both] == (True, True)
    for apart in ("Gaussian()", "Sphere()"):
        assert said[apart] == (True, False)
    for portable in ("Blocks(Rademacher())", "Blocks(Uniform())", "Hadamard()", "Hadamard(low_rank=True)"):
        assert said[portable] == (False, True)
    for neither in ("Along(...)", "Blocks(Gaussian())", "Orthogonal()", "Own()"):
        assert said[neither] == (False, False)
    scaled = [directions.Scaled(base, scale) for base in (*every, Sampler())]
    assert [d.apart for d in scaled] == [d.base.apart for d in scaled]
    assert not any(d.portable for d in scaled)
    assert as_direction(Sampler()).apart
