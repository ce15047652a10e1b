"""Rng: the one source of randomness, reproducible, resumable, and the same on every device."""

import numpy as np
import pytest

import dualgrad as dg
from tests.support.strict import DeviceArray, device

DRAWS = {
    "signs": lambda r, **kw: r.signs((3, 4), **kw),
    "normal": lambda r, **kw: r.normal((3, 4), **kw),
    "uniform": lambda r, **kw: r.uniform(-1, 2, (3, 4), **kw),
    "unit": lambda r, **kw: r.unit((3, 4), **kw),
    "bernoulli": lambda r, **kw: r.bernoulli(0.3, (3, 4), **kw),
    "integers": lambda r, **kw: r.integers(2, 5, (3, 4), **kw),
    "permutation": lambda r, **kw: r.permutation(6, **kw),
}
each = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


@each
def test_an_int_is_a_stream(draw):
    np.testing.assert_array_equal(draw(dg.Rng(3)), draw(dg.Rng(3)))
    assert not np.array_equal(draw(dg.Rng(3)), draw(dg.Rng(4)))


@each
def test_a_stream_goes_on(draw):
    rng = dg.Rng(0)
    first, second = draw(rng), draw(rng)
    assert not np.array_equal(first, second)


@each
def test_state_dict_resumes(draw):
    rng = dg.Rng(0)
    rng.signs(17)
    state = rng.state_dict()
    expected = [draw(rng) for _ in range(3)]
    other = dg.Rng(99)
    other.load_state_dict(state)
    for e in expected:
        np.testing.assert_array_equal(draw(other), e)


@each
def test_the_same_numbers_on_a_device(draw):
    x = draw(dg.Rng(0), like=device(np.zeros(2)))
    assert isinstance(x, DeviceArray)
    np.testing.assert_array_equal(x.get(), draw(dg.Rng(0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.complex128])
def test_dtype(dtype):
    rng = dg.Rng(0)
    for name in ("signs", "normal", "bernoulli", "unit", "uniform"):
        if dtype is not np.complex128 or name in ("signs", "bernoulli"):
            assert DRAWS[name](rng, dtype=dtype).dtype == dtype


@pytest.mark.parametrize("shape", [(), 5, (0,), (1,), (63,), (64,), (65,), (3, 100), (2, 0, 3)])
def test_signs_are_plus_and_minus_one(shape):
    signs = dg.Rng(0).signs(shape)
    assert signs.shape == (shape if isinstance(shape, tuple) else (shape,))
    assert np.all(np.abs(signs) == 1)
    assert signs.flags.writeable


def test_signs_are_balanced_and_independent():
    """Within 5 standard deviations: the mean, every lag up to 70, and every column of a table."""
    n = 1 << 18
    signs = dg.Rng(1).signs(n)
    bound = 5 / np.sqrt(n)
    assert abs(signs.mean()) < bound
    for lag in range(1, 71):
        assert abs(np.mean(signs[lag:] * signs[:-lag])) < bound * 1.01
    table = dg.Rng(2).signs((1 << 14, 64))
    assert np.max(np.abs(table.mean(0))) < 5 / np.sqrt(1 << 14)


def test_signs_do_not_depend_on_the_dtype():
    np.testing.assert_array_equal(dg.Rng(0).signs(100, dtype=np.float32), dg.Rng(0).signs(100))


def test_large_draws_are_independent_arrays():
    """Memory is handed out again only when nobody holds it."""
    rng = dg.Rng(0)
    first = rng.signs((300, 300))
    kept = first.copy()
    view = first[::2]
    del first
    rng.signs((300, 300))
    np.testing.assert_array_equal(view, kept[::2])


def test_moments():
    n = 200_000
    rng = dg.Rng(0)
    x = rng.normal(n)
    assert abs(x.mean()) < 5 / np.sqrt(n)
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / n)
    u = rng.uniform(-1, 2, n)
    assert abs(u.mean() - 0.5) < 5 * np.sqrt(0.75 / n)
    assert u.min() >= -1
    assert u.max() < 2
    assert abs(rng.bernoulli(0.3, n).mean() - 0.3) < 5 * np.sqrt(0.21 / n)
    np.testing.assert_allclose(np.linalg.norm(rng.unit((50, 7)), axis=-1), 1, rtol=1e-12)
    assert set(rng.integers(2, 5, 1000)) == {2, 3, 4}
    assert sorted(rng.permutation(10)) == list(range(10))


def test_spawned_streams_differ_and_repeat():
    a, b = (r.signs(64) for r in dg.Rng(0).spawn(2))
    again, _ = (r.signs(64) for r in dg.Rng(0).spawn(2))
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(a, again)


BITS = {
    "PCG64": lambda: 3,
    "PCG64DXSM": lambda: np.random.Generator(np.random.PCG64DXSM(3)),
    "Philox": lambda: np.random.Generator(np.random.Philox(3)),
    "SFC64": lambda: np.random.Generator(np.random.SFC64(3)),
    "MT19937": lambda: np.random.Generator(np.random.MT19937(3)),
    "a spawned one": lambda: np.random.SeedSequence([7, 2**80], spawn_key=(2, 5), n_children_spawned=4),
    "from the system": lambda: None,
}


@pytest.mark.parametrize("make", BITS.values(), ids=BITS)
def test_a_resumed_stream_spawns_what_the_other_would_have(make, tmp_path):
    """Through a file: draws, children, their children, and streams by name."""

    def after(rng):
        children = [*rng.spawn(2), rng.named("masks", 4)]
        return [r.normal(3).tolist() for c in (*children, rng) for r in (*c.spawn(2), c)]

    rng = dg.Rng(make())
    rng.spawn(3)
    rng.signs(17)
    dg.save(tmp_path / "rng.npz", rng.state_dict())
    kind = type(rng.generator.bit_generator)
    held = np.random.Generator(kind(99))
    other = dg.Rng(held)
    other.load_state_dict(dg.load(tmp_path / "rng.npz"))
    assert after(other) == after(rng)
    assert other.generator is held  # a generator that is shared goes on as the stream does
    assert held.standard_normal() == rng.normal()


def test_a_state_without_its_seed_loads_with_a_warning():
    rng, other, old = dg.Rng(3), dg.Rng(5), dg.Rng(3).generator.bit_generator.state
    other.spawn(1)
    with pytest.warns(UserWarning, match="saved without its seed"):
        other.load_state_dict(old)
    assert np.array_equal(other.normal(3), rng.normal(3))
    assert np.array_equal(other.spawn(1)[0].normal(3), dg.Rng(5).spawn(2)[1].normal(3))


def test_a_damaged_state_changes_nothing():
    good = dg.Rng(3).state_dict()
    bad = [{k: v for k, v in good.items() if k != name} for name in good if name not in ("seed", "bit_generator")]
    bad += [good | {"seed": {k: v for k, v in good["seed"].items() if k != name}} for name in good["seed"]]
    bad += [good | {"state": 1.5}, good | {"state": np.ones(2)}]
    bad += [
        good | {"seed": good["seed"] | {name: value}} for name in good["seed"] for value in (None, 1.5, -1, True, "a")
    ]
    bad += [good | {"state": {"state": 1}}, good | {"seed": 7}, good | {"state": {"state": -1, "inc": "a"}}]
    for state in bad:
        rng = dg.Rng(5)
        with pytest.raises(ValueError, match="saved state of a PCG64 is damaged"):
            rng.load_state_dict(state)
        assert np.array_equal(rng.normal(2), dg.Rng(5).normal(2))
        assert np.array_equal(rng.spawn(1)[0].normal(2), dg.Rng(5).spawn(1)[0].normal(2))


def test_named_streams_are_the_same_whenever_they_are_asked_for():
    rng = dg.Rng(3)
    first = rng.named("step", 7).normal(4)
    rng.normal(5)
    rng.spawn(2)
    assert np.array_equal(rng.named("step", np.int64(7)).normal(4), first)
    assert np.array_equal(dg.Rng(3).named("step", 7).normal(4), first)
    assert dg.Rng(3).normal() == dg.Rng(3).normal()  # and asking draws nothing
    before, after = dg.Rng(3), dg.Rng(3)
    after.named("a")
    assert before.normal() == after.normal()
    assert before.spawn(1)[0].normal() == after.spawn(1)[0].normal()


def test_every_name_is_another_stream():
    rng = dg.Rng(3)
    child, named = rng.spawn(1)[0], rng.named("a")
    names = [
        (), (0,), (1,), (-1,), (2**32,), (0, 1), (1, 0), ("0",), ("1",), ("a",), ("a", "b"), ("ab",), ("a,b",), ("é",),
        ("a", 1), (1, "a"), (2**70,), ("[1]",), (10,), (1, 0, 0),
    ]  # fmt: skip
    streams = [rng, child, dg.Rng(4), dg.Rng(4).named(1), child.named(1), named.named("b"), named.spawn(1)[0]]
    streams += [rng.named(*name) for name in names[1:]]
    firsts = {stream.normal(2).tobytes() for stream in streams}
    assert len(firsts) == len(streams)


@pytest.mark.parametrize("n", [-1, 1.5, True, None, "a"])
def test_as_many_streams_as_a_whole_number(n):
    with pytest.raises(ValueError, match=r"got n=.*; expected how many streams"):
        dg.Rng(0).spawn(n)
    assert dg.Rng(0).spawn(0) == []
    assert len(dg.Rng(0).spawn(np.int64(2))) == 2


@pytest.mark.parametrize("name", [(), (1.5,), (True,), (None,), ((1, 2),), (b"a",)])
def test_other_names_are_refused(name):
    with pytest.raises(TypeError, match="expected whole numbers and strings"):
        dg.Rng(0).named(*name)


def test_a_stream_without_a_seed_sequence_has_no_names():
    legacy = np.random.Generator(np.random.RandomState(0)._bit_generator)
    with pytest.raises(ValueError, match="no named streams"):
        dg.Rng(legacy).named(1)
    other = dg.Rng(np.random.Generator(np.random.MT19937(1)))
    with pytest.warns(UserWarning, match="without its seed"):
        other.load_state_dict(dg.Rng(legacy).state_dict())
    assert other.normal() == dg.Rng(legacy).normal()
    dg.Rng(legacy).load_state_dict(dg.Rng(legacy).state_dict())  # which has no streams to lose


def test_a_generator_and_an_rng_are_continued():
    generator = np.random.default_rng(0)
    dg.Rng(generator).normal(3)
    assert generator.standard_normal() != np.random.default_rng(0).standard_normal()
    rng = dg.Rng(0)
    first = dg.Rng(rng).normal()
    assert rng.normal() != first
    np.testing.assert_array_equal(dg.Rng(np.random.SeedSequence(5)).signs(9), dg.Rng(5).signs(9))


@pytest.mark.parametrize("seed", [1.5, "0", True])
def test_other_seeds_are_refused(seed):
    with pytest.raises(TypeError, match="expected an int, a numpy Generator or a dualgrad Rng"):
        dg.Rng(seed)


def test_a_foreign_state_is_refused():
    philox = np.random.Generator(np.random.Philox(0)).bit_generator.state
    for state, name in ((philox, "Philox"), ("text", "str"), ({}, "None")):
        with pytest.raises(ValueError, match=f"got the state of a {name}; this stream is a PCG64"):
            dg.Rng(0).load_state_dict(state)


def test_any_bit_generator_gives_signs():
    for bits in (np.random.Philox, np.random.SFC64, np.random.PCG64DXSM):
        assert abs(dg.Rng(np.random.Generator(bits(0))).signs(10_000).mean()) < 0.05
