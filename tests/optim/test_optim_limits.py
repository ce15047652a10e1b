"""Optimizers at their limits: overflow, half precision, states of other models, hyper-parameters that are set later."""

import contextlib
import inspect
import itertools
import re

import mpmath
import numpy as np
import pytest

import dualgrad as dg
from dualgrad import optim
from dualgrad.optim.hyperparameters import CHOICES, CONSTRAINTS, INCREASING, OPTIONAL, PAIRS, SWITCHES
from dualgrad.optim.optimizer import LATER
from dualgrad.settings import plain_data
from tests.support.optimizers import MAKERS, every

DTYPES = [np.float16, np.float32, np.float64, np.complex64, np.complex128]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
SCHEDULED = [getattr(optim, name) for name in optim.__all__ if name.islower()]


def same(a, b):
    """Whether two states are equal, array by array."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b)


def largest(dtype):
    return float(np.finfo(dtype).max)


# ---------------------------------------------------------------------- overflow


@every
@dtypes
@pytest.mark.parametrize("clip", [{}, {"clip_value": 1.0}, {"clip_norm": 1.0}], ids=["as it is", "value", "norm"])
def test_a_step_is_finite_or_refused(make, dtype, clip):
    """Gradients of every size, before and after ordinary ones: what is kept stays finite, or nothing changes."""
    kind = np.finfo(dtype).dtype
    powers = np.linspace(0, 1, 5) if clip else np.linspace(-1, 1, 9)  # what is small is clipped nowhere
    for power, first, rate in itertools.product(powers, (True, False), (0.5, 1e25)):
        size = largest(dtype) ** power * 0.9
        optimizer, params = make(rate, **clip), dg.Params({"weight": np.ones((2, 3), dtype), "bias": np.ones(3, dtype)})
        gradients = [np.full(9, 0.5), np.full(9, size), np.zeros(9), np.full(9, -size)]
        for g in gradients[1:] if first else gradients:
            before, state = params.vector.copy(), optimizer.state_dict()
            try:
                optimizer.step(params, dg.Params.from_vector(params.layout, g.astype(kind).astype(dtype)))
            except dg.NonFiniteError:
                assert np.array_equal(params.vector, before), power
                assert same(optimizer.state_dict(), state)
                if rate < 1:
                    assert size > largest(dtype) ** 0.45, (power, "is no such size")
                    assert not clip or not isinstance(optimizer, optim.SGD)
            assert np.all(np.isfinite(params.vector)), power
            make(rate, **clip).load_state_dict(optimizer.state_dict())


def test_momentum_that_grows_beyond_the_largest_number_is_refused():
    """No gradient is too large; their sum is. Found at the step at which it happens, from a loaded state too."""
    for resumed in (False, True):
        w, optimizer, steps = np.zeros(2, np.float32), optim.SGD(1e-30, momentum=0.99), 0
        g = np.full(2, 3e37, np.float32)
        with contextlib.suppress(dg.NonFiniteError):
            while steps < 99:
                optimizer.step(w, g)
                steps += 1
                if resumed:
                    state, optimizer = optimizer.state_dict(), optim.SGD(1e-30, momentum=0.99)
                    optimizer.load_state_dict(state)
        with pytest.raises(dg.NonFiniteError, match=rf"step {steps + 1} of SGD.*too large for float32"):
            optimizer.step(w, g)
        total = itertools.accumulate(range(99), lambda m, _: 0.99 * m + 3e37, initial=0.0)
        assert steps == sum(m < largest(np.float32) for m in total) - 1
        assert optimizer.steps == steps


@pytest.mark.parametrize(("g", "dtype"), [(1e20, np.float32), (1e200, np.float64)])
def test_a_square_that_overflows_is_refused(g, dtype):
    """v of Adam would be infinite, and the entry frozen for ever."""
    for make in (optim.Adam, optim.AdamW, optim.StableAdamW, optim.RMSprop):
        w, optimizer = np.ones(2, dtype), make(1e-3)
        with pytest.raises(dg.NonFiniteError, match=f"too large for {np.dtype(dtype)}"):
            optimizer.step(w, np.array([g, 1.0], dtype))
        assert np.array_equal(w, np.ones(2))
        assert optimizer.steps == 0
        optimizer.step(w, np.ones(2, dtype))
        assert np.all(w < 1)


@every
def test_a_gradient_too_large_for_the_parameters_is_refused(make):
    w, optimizer = [np.ones(2, np.float32), np.ones(2)], make()
    with pytest.raises(dg.NonFiniteError, match=r"(is not finite in|is too large for) float32"):
        optimizer.step(w, [np.full(2, 1e300), np.ones(2)])
    assert optimizer.steps == 0
    assert np.array_equal(w[1], np.ones(2))


@every
def test_clipped_gradients_beyond_the_parameters_precision(make):
    """A gradient in float64 that float32 cannot hold is one it can, once it is clipped."""
    for clip in ({"clip_norm": 1.0}, {"clip_value": 1.0}):
        w, wide = np.zeros(2, np.float32), np.zeros(2)
        for v in (w, wide):
            make(0.1, **clip).step(v, np.array([3e39, -4e39]))
        np.testing.assert_allclose(w, wide, rtol=1e-6)


@every
def test_a_step_is_deaf_to_underflow(make):
    for dtype, g in ((np.float32, 1e-30), (np.float64, 1e-170), (np.float16, 1e-7)):
        w, same_step = np.ones(3, dtype), np.ones(3, dtype)
        make().step(same_step, np.full(3, g, dtype))
        with np.errstate(all="raise"):
            make().step(w, np.full(3, g, dtype))
        assert np.array_equal(w, same_step)


def test_a_decay_that_makes_parameters_grow_stops_before_they_overflow():
    w, optimizer = np.ones(2, np.float32), optim.AdamW(1.0, weight_decay=1e4)
    with contextlib.suppress(dg.NonFiniteError):
        for _ in range(20):
            optimizer.step(w, np.ones(2, np.float32))
    assert 5 < optimizer.steps < 12
    assert np.all(np.isfinite(w))


# ---------------------------------------------------------------------- half precision, and an eps that vanishes


@every
def test_half_precision_is_a_step_in_single_precision(make):
    """Rounded once, at its end; moments stay in float32, through a file too; a zero gradient moves nothing."""
    rng = np.random.default_rng(0)
    w, optimizer = {"weight": rng.standard_normal((3, 2)).astype(np.float16), "bias": np.ones(2, np.float16)}, make()
    wide, reference = {k: v.astype(np.float32) for k, v in w.items()}, make()
    for t in range(6):
        g = {k: (rng.standard_normal(v.shape) * 10.0 ** (-2 * t)).astype(np.float16) for k, v in w.items()}
        state, optimizer = optimizer.state_dict(), make()
        optimizer.load_state_dict(state)
        optimizer.step(w, g)
        reference.step(wide, {k: v.astype(np.float32) for k, v in g.items()})
        for name, v in wide.items():
            v[...] = v.astype(np.float16)
            np.testing.assert_array_equal(w[name], v)
            assert w[name].dtype == np.float16
    assert same(optimizer.state_dict(), reference.state_dict())
    assert all(v.dtype != np.float16 for name in optimizer.state_names for v in optimizer.state_dict()[name])


@every
@dtypes
@pytest.mark.parametrize("eps", [1e-8, 1e-30, 1e-50, 5e-324])
def test_a_zero_gradient_is_never_zero_by_zero(make, dtype, eps):
    optimizer, w = make(), np.ones(2, dtype)
    if hasattr(optimizer, "eps"):
        optimizer.eps = eps
    if hasattr(optimizer, "weight_decay"):
        optimizer.weight_decay = 0
    for _ in range(3):
        optimizer.step(w, np.zeros(2, dtype))
    assert np.array_equal(w, np.ones(2))


# ---------------------------------------------------------------------- the Kalman filter, in 60 digits


def filtered(rows, gradients, prior, gamma):
    """d of every step for one bias and one weight, from A_00, A_0i and A_ii as they are defined."""
    with mpmath.workdps(60):
        a = b = d = mpmath.mpf(0)
        keep, found = 1 - mpmath.mpf(gamma), []
        for some, (g0, gi) in zip(rows, gradients, strict=True):
            a, b, d = keep * a, keep * b, keep * d
            for u0, ui in some:
                u0, ui = mpmath.mpf(float(u0)), mpmath.mpf(float(ui))
                a, b, d = a + u0 * u0, b + u0 * ui, d + ui * ui
            slope = b / (a + prior)
            di = (mpmath.mpf(float(gi)) - slope * float(g0)) / (d + prior - slope * b)
            found.append([float(di), float(mpmath.mpf(float(g0)) / (a + prior) - slope * di)])
    return np.array(found)


@pytest.mark.parametrize("gamma", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, 1e4])
@pytest.mark.parametrize("noise", [1.0, 1e-2, 0.0])
@pytest.mark.parametrize("fisher", [False, True])
def test_the_filter_is_right_for_gradients_of_every_size(gamma, size, noise, fisher):
    """In float32 and float64, where gradients differ, nearly repeat, and repeat."""
    rng = np.random.default_rng(0)
    gradients = (size * (np.array([1, 0.7]) + noise * rng.standard_normal((12, 2)))).astype(np.float32)
    rows = size * rng.standard_normal((12, 2, 2)).astype(np.float32) if fisher else gradients[:, None]
    expected = filtered(rows, gradients, 1, gamma)
    for dtype, tolerance in ((np.float32, 3e-6), (np.float64, 3e-6 if noise == 0 else 1e-8)):
        optimizer = optim.KalmanQDOP(prior=1.0, gamma=gamma)
        for g, some, d in zip(gradients, rows, expected, strict=True):
            w = dg.Params({"weight": np.zeros((1, 1), dtype), "bias": np.zeros(1, dtype)})
            gradient = dg.Params.from_vector(w.layout, g[::-1].astype(dtype))
            optimizer.step(w, gradient, fisher=some[:, ::-1].astype(dtype) if fisher else None)
            assert np.max(np.abs(w.vector + d)) <= tolerance * np.max(np.abs(d))


# ---------------------------------------------------------------------- states, and what they are of


OTHERS = {
    "a name": {"x": (2,), "b": (2, 3)},
    "the order": {"x": (2,), "a": (2, 3)},
    "a shape": {"a": (3, 2), "x": (2,)},
    "one leaf": {"b": (8,)},
    "one leaf more": {"a": (2, 3), "x": (1,), "y": (1,)},
    "a scalar": {"a": (7,), "x": ()},
}


@every
@pytest.mark.parametrize("shapes", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("kind", ["Params", "tree"])
def test_a_state_is_of_the_parameters_it_was_saved_with(make, shapes, kind, tmp_path):
    wrap = dg.Params if kind == "Params" else dict
    if shapes is OTHERS["the order"] and kind == "tree" and not isinstance(make(), optim.KalmanQDOP):
        return  # in which moments follow the names: below
    mine, other = (wrap({k: np.ones(s) for k, s in some.items()}) for some in ({"a": (2, 3), "x": (2,)}, shapes))
    optimizer, again = make(), make()
    optimizer.step(mine, mine)
    dg.save(tmp_path / "o.npz", optimizer.state_dict())
    again.load_state_dict(dg.load(tmp_path / "o.npz"))
    for some in (optimizer, again):
        before = {k: v.copy() for k, v in other.items()}
        with pytest.raises(dg.LayoutError, match="was stepping other parameters: "):
            some.step(other, other)
        assert all(np.array_equal(v, before[k]) for k, v in other.items())
        some.step(mine, mine)
        assert some.steps == 2


@every
def test_moments_follow_the_names_of_a_tree(make):
    rng = np.random.default_rng(0)
    start, gradients = {k: rng.standard_normal(3) for k in "abc"}, rng.standard_normal((4, 3, 3))
    one, other = ({k: v.copy() for k, v in start.items()} for _ in range(2))
    straight, turned = make(), make()
    if isinstance(straight, optim.KalmanQDOP):
        return  # whose dicts are packed in their order
    for t, gs in enumerate(gradients):
        g = dict(zip("abc", gs, strict=True))
        straight.step(one, g)
        other = {k: other[k] for k in ("abc", "cab", "bca", "abc")[t]}
        turned.step(other, g)
    assert all(np.array_equal(one[k], other[k]) for k in "abc")


@every
def test_the_kind_of_the_gradient_does_not_matter(make):
    """Params are stepped alike with gradients in Params, a dict, a dict of lists, and in turn."""
    rng = np.random.default_rng(0)
    start = {"weight": rng.standard_normal((2, 3)), "bias": np.zeros(3)}
    kinds = (dg.Params, dict, lambda g: {k: np.asfortranarray(v) for k, v in reversed(g.items())})
    ways = [[kind] * 3 for kind in kinds] + [kinds]
    ends = []
    for way in ways:
        params, optimizer, stream = dg.Params(start), make(), np.random.default_rng(1)
        for kind in way:
            optimizer.step(params, kind({k: stream.standard_normal(v.shape) for k, v in start.items()}))
        ends.append(params.vector)
    assert all(np.array_equal(end, ends[0]) for end in ends)
    with pytest.raises(dg.StructureError, match="missing"):
        optimizer.step(params, {"weight": start["weight"]})


def test_the_differences_are_named():
    optimizer, w = optim.Adam(), dg.Params({"a": np.ones((2, 3)), "x": np.ones(2)})
    optimizer.step(w, w)
    for other, message in (
        ({"x": np.ones(2), "a": np.ones((2, 3))}, "their order was a, x and is x, a"),
        ({"a": np.ones((3, 2)), "x": np.ones(2)}, r"a was \(2, 3\) and is \(3, 2\)"),
        ({"b": np.ones(8)}, r"a \(2, 3\) is missing, x \(2,\) is missing, b \(8,\) is new"),
    ):
        with pytest.raises(dg.LayoutError, match=message):
            optimizer.step(dg.Params(other), dg.Params(other))
    with pytest.raises(dg.LayoutError, match="they were Params, and these are a tree"):
        optimizer.step(dict(w), dict(w))


def test_a_state_of_more_precision_is_refused_and_of_less_is_taken():
    narrow, wide = optim.Adam(), optim.Adam()
    narrow.step(np.ones(2, np.float32), np.ones(2, np.float32))
    wide.step(np.ones(2), np.ones(2))
    fresh = optim.Adam()
    fresh.load_state_dict(narrow.state_dict())
    fresh.step(np.ones(2), np.ones(2))
    assert fresh.state_dict()["m"][0].dtype == np.float64
    fresh.load_state_dict(wide.state_dict())
    with pytest.raises(dg.LayoutError, match=r"the state 'm' of Adam.* is of float64"):
        fresh.step(np.ones(2, np.float32), np.ones(2, np.float32))


def other_values(optimizer):
    """For every hyper-parameter that a state does not restore, an allowed value that is another one."""
    for name in optimizer.__dataclass_fields__:
        value = getattr(optimizer, name)
        if name in SWITCHES:
            yield name, not value
        elif name in PAIRS:
            yield name, (0.5, 0.75)
        elif name in OPTIONAL:
            yield name, 0.5
        elif name not in ("lr", "groups"):  # which have tests of their own
            yield name, 0.5 if value != 0.5 else 0.25


@every
def test_hyper_parameters_are_compared_and_named(make):
    saved = make()
    saved.step(np.ones(2), np.ones(2))
    for name, value in other_values(saved):
        other = make()
        try:
            setattr(other, name, value)
        except ValueError:
            continue
        before, theirs = other.state_dict(), getattr(saved, name)
        with pytest.raises(
            dg.LayoutError, match=re.escape(f"{name}={plain_data(theirs)!r} (here {plain_data(value)!r})")
        ):
            other.load_state_dict(saved.state_dict())
        assert same(other.state_dict(), before)


def test_whole_numbers_are_numbers():
    optim.Adam(eps=1.0, clip_norm=1).load_state_dict(optim.Adam(eps=1, clip_norm=1.0).state_dict())


def test_schedules_are_compared_too():
    saved = optim.SGD(optim.cosine(0.1, 100))
    with pytest.raises(dg.LayoutError, match=r"lr.steps=100 \(here 200\)"):
        optim.SGD(optim.cosine(0.1, 200)).load_state_dict(saved.state_dict())
    optim.SGD(lambda t: 0.1).load_state_dict(saved.state_dict())  # of a function nothing is known
    with pytest.raises(dg.LayoutError, match="gamma='a function'"):
        optim.KalmanQDOP(1.0, gamma=0.5).load_state_dict(optim.KalmanQDOP(1.0, gamma=lambda t: 0.5).state_dict())


@every
def test_damaged_states_are_refused_and_change_nothing(make):
    saved, optimizer = make(), make()
    saved.step(np.ones(2), np.ones(2))
    optimizer.step(np.ones(3), np.ones(3))
    before, good = optimizer.state_dict(), saved.state_dict()
    bad = [good | {name: value} for name in good for value in (None, "x", -1, [], 1.5) if name != "kind"]
    bad += [good | {name: [-v for v in good[name]]} for name in saved.squares if name in good]
    bad += [good | {name: {k: v for k, v in good[name].items() if k != drop}} for name in ("settings", "parameters")
            for drop in good[name]]  # fmt: skip
    for state in bad:
        if state["lr"] in (None, 1.5) or state["parameters"] is None and not saved.state_names:
            continue  # which could be
        with pytest.raises(dg.LayoutError):
            optimizer.load_state_dict(state)
        assert same(optimizer.state_dict(), before)


@pytest.mark.parametrize("steps", [-5, 1.5, True, "x", None])
def test_the_count_of_steps_is_one(steps):
    optimizer = optim.Adam()
    with pytest.raises(ValueError, match=r"got steps=.*; expected how many were taken"):
        optimizer.steps = steps
    optimizer.steps = np.int64(7)
    assert optimizer.steps == 7


def test_an_optimizer_of_ones_own_has_what_it_likes():
    class Logged(optim.Adam):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.log = []

        def step(self, params, gradient):
            super().step(params, gradient)
            self.log.append(self.steps)

    w, optimizer = np.ones(2), Logged(0.1)
    optimizer.step(w, np.ones(2))
    assert optimizer.log == [1]
    with pytest.raises(ValueError, match="got eps"):
        optimizer.eps = -1


@every
def test_a_state_of_an_earlier_version_loads_with_a_warning(make):
    w, copy = np.ones(3), np.ones(3)
    first, second = make(), make()
    first.step(w, np.ones(3))
    copy[...] = w
    state = first.state_dict()
    old = {k: v for k, v in state.items() if k not in ("settings", "parameters")} | {"shapes": [(3,)]}
    with pytest.warns(UserWarning, match="saved without names"):
        second.load_state_dict(old)
    with (
        pytest.raises(dg.LayoutError, match="does not have the shapes")
        if first.state_names
        else contextlib.nullcontext()
    ):
        second.step(np.ones(4), np.ones(4))
    first.step(w, np.ones(3))
    if first.state_names:
        second.step(copy, np.ones(3))
        assert np.array_equal(copy, w)


# ---------------------------------------------------------------------- hyper-parameters


@every
def test_a_hyper_parameter_that_is_set_takes_effect(make):
    """From then on the optimizer is the one made with the new value, which goes on with the same moments."""
    for name, value in other_values(make()):
        one, w = make(), np.array([1.0, 2.0])
        one.step(w, np.array([0.5, -2.0]))
        arrays = {k: one.state_dict()[k] for k in one.state_names}
        try:
            setattr(one, name, value)
        except ValueError:
            assert name in ("nesterov", "momentum", "dampening", "amsgrad")
            continue
        assert f"{name}={value!r}" in repr(one) or value == LATER[name]
        other, v = make(), w.copy()
        setattr(other, name, value)
        shape = other.state_dict() | {"steps": 1, "parameters": {"of": "a tree", "shapes": {"": (2,)}}}
        other.load_state_dict(shape | {k: arrays.get(k, [np.zeros(2)]) for k in other.state_names})
        for g in ([0.5, 3.0], [1.0, 1.0]):
            one.step(w, np.array(g))
            other.step(v, np.array(g))
        assert np.array_equal(w, v), name


NONSENSE = [
    -1,
    0,
    2,
    1.5,
    np.nan,
    np.inf,
    None,
    "a",
    True,
    1j,
    [1.0, 2.0],
    (0.5, np.nan),
    (0.5, "a"),
    np.ones(3),
    lambda t: 0.1,
]


@every
def test_nonsense_is_refused_and_changes_nothing(make):
    """For each hyper-parameter and each value: an error that names both, or an optimizer that works."""
    for name, value in itertools.product(make().__dataclass_fields__, NONSENSE):
        optimizer, w = make(), np.ones(2)
        before = repr(optimizer)
        try:
            setattr(optimizer, name, value)
        except ValueError as error:
            refusal = str(error)
            assert refusal.startswith("got ")
            assert name in refusal
            assert repr(optimizer) == before
        else:
            for _ in range(2):
                optimizer.step(w, np.array([1.0, -2.0]))
            assert np.all(np.isfinite(w))
        with pytest.raises(AttributeError, match="has no hyper-parameter 'momentun'; it has"):
            optimizer.momentun = 0.9


def test_every_hyper_parameter_is_in_a_table():
    classes = {type(make()) for make in MAKERS.values()} | set(SCHEDULED)
    names = {name for made in classes for name in made.__dataclass_fields__}
    assert names == {*CONSTRAINTS, *SWITCHES, *PAIRS, *CHOICES, *INCREASING, "groups"}
    for made in SCHEDULED:
        good = {"lr": 0.1, "steps": 3, "decay": 0.1, "final": 0.0, "then": 0.1, "milestones": (2, 5)}
        good |= {"step_size": 2, "T_0": 3, "gamma": 0.5}
        names = list(inspect.signature(made).parameters)
        for name, value in itertools.product(names, NONSENSE):
            try:
                schedule = made(**{n: good[n] for n in names if n in good} | {name: value})
            except ValueError as error:
                refusal = str(error)
                assert f"got {name}=" in refusal
            else:
                assert all(np.isfinite(schedule(t)) and schedule(t) >= 0 for t in (1, 2, 50))


# ---------------------------------------------------------------------- what parameters and gradients may be


class Tensor:
    """What torch's tensors look like from here."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.requires_grad = array, array.shape, f"torch.{array.dtype}", False

    def detach(self):
        return self

    def __array__(self, dtype=None, copy=None):
        return self.array


@every
def test_other_leaves_are_refused_in_words(make):
    for bad, message in (
        (0.5, r"params\['b'\] is 0.5, a float; expected an array, np.array\(0.5\)"),
        (np.float32(2), r"np.array\(2.0\)"),
        (3, r"np.array\(3.0\)"),
        ("text", "is a str|str; expected an array"),
        (Tensor(np.ones(2)), r"Tensor; expected an array of NumPy or CuPy, as x.detach\(\).numpy\(\) gives"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "MaskedArray; expected an array"),
    ):
        optimizer, w = make(), np.ones(2)
        with pytest.raises(TypeError, match=message):
            optimizer.step({"a": w, "b": bad}, {"a": w, "b": np.ones(np.shape(bad))})
        assert optimizer.steps == 0
        assert np.array_equal(w, np.ones(2))


@every
def test_gradients_that_are_none_are_refused_in_words(make):
    w = {"a": np.ones(2), "b": np.ones(3)}
    for bad, message in (
        (None, r"gradient\['b'\] is None; expected an array \(3,\): of zeros"),
        (dg.ZERO, r"gradient\['b'\] is ZERO"),
        ("x", r"gradient\['b'\] that is"),
        (np.ones((1, 3)), r"gradient\['b'\] has shape \(1, 3\); expected \(3,\)"),
        ([1.0, 2.0, 3.0], r"gradient\['b'\] is a list; expected an array there: np.asarray"),
    ):
        with pytest.raises((TypeError, dg.StructureError), match=message):
            make().step(w, {"a": np.ones(2), "b": bad})
        assert np.array_equal(w["a"], np.ones(2))
    with pytest.raises(dg.LayoutError, match="one array stands in two places"):
        make().step([w["a"], w["a"]], [np.ones(2), np.ones(2)])


def test_rows_of_fisher_may_be_none_and_are_real():
    w = dg.Params({"weight": np.ones((1, 1)), "bias": np.ones(1)})
    optimizer = optim.KalmanQDOP(prior=2.0)
    optimizer.step(w, w.copy(), fisher=np.zeros((0, 2)))
    np.testing.assert_allclose(w.vector, 0.5)  # (J + 2)⁻¹ g with J = 0
    with pytest.raises(TypeError, match="rows of real numbers"):
        optimizer.step(w, w.copy(), fisher=np.ones((1, 2)) * 1j)


@every
def test_gradients_of_other_libraries_are_converted(make):
    w, same = np.ones(2), np.ones(2)
    make().step(same, np.array([1.0, 2.0]))
    make().step(w, Tensor(np.array([1.0, 2.0])))
    assert np.array_equal(w, same)
    with pytest.raises(TypeError, match="masked entries: fill them"):
        make().step(w, np.ma.masked_array([1.0, 2.0], [True, False]))
    assert np.array_equal(w, same)
