"""Groups by name are separate optimizers on the parts, bit for bit; what is frozen stays; averages and plateaus."""

import copy
import fnmatch
import itertools
import math
import pickle
import re

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import optim
from tests.support import rooms
from tests.support.optimizers import MAKERS

GROUPED = {name: make for name, make in MAKERS.items() if name not in ("KalmanQDOP", "Adam in a group")}
VALUES = {
    "lr": [0, 0.0, 0.3, 0.02, optim.inverse_sqrt(0.1), optim.cosine(0.2, 3)],
    "weight_decay": [0, 0.3], "betas": [(0.5, 0.9), (0, 0.5)], "eps": [1e-3], "momentum": [0, 0.7],
    "nesterov": [True, False], "dampening": [0, 0.4], "amsgrad": [True, False], "maximize": [True, False],
    "clip_value": [0.2, None], "alpha": [0.5], "centered": [True, False], "momentum_decay": [0.01],
    "lr_decay": [0.1], "initial_accumulator_value": [0.5],
}  # fmt: skip
SHAPES = {"0.weight": (3, 4), "0.bias": (4,), "1.scale": (), "2.weight": (4, 2), "2.bias": (2,), "3.none": (0, 2)}
PATTERNS = ["*.bias", "0.*", "*weight", "2.bias", "[13].*", "*", "3.none"]
KINDS = ["Params", "dict", "tree"]


def draw(rng, dtype):
    def one(shape):
        x = rng.standard_normal(shape)
        return np.asarray(x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x, dtype)

    return {name: one(shape) for name, shape in SHAPES.items()}


def as_kind(kind, arrays):
    """The same arrays as Params, a dict, or dicts in a list; and a function that looks them up by name."""
    if kind == "Params":
        found = dg.Params(arrays)
        return found, found.__getitem__
    found = {name: a.copy() for name, a in arrays.items()}
    if kind == "dict":
        return found, found.__getitem__
    tree = [{}, {}, {}, {}]
    for name, a in found.items():
        tree[int(name[0])][name[2:]] = a
    return tree, lambda name: tree[int(name[0])][name[2:]]


def random_groups(rng, make):
    """Settings that the optimizer takes, by patterns."""
    fields = [name for name in make().__dataclass_fields__ if name in VALUES]
    while True:
        chosen = rng.permutation(PATTERNS)[: rng.integers(1, 4)]
        groups = {
            str(pattern): {
                name: VALUES[name][rng.integers(len(VALUES[name]))]
                for name in rng.permutation(fields)[: rng.integers(1, 4)].tolist()
            }
            for pattern in chosen
        }
        try:
            merged_settings(make, groups)
        except ValueError:
            continue
        return groups


def merged_settings(make, groups):
    """The optimizer of each name alone; None where it is frozen."""
    make(groups=groups)
    found = {}
    for name in SHAPES:
        own = {}
        for pattern, settings in groups.items():
            own |= settings if fnmatch.fnmatchcase(name, pattern) else {}
        frozen = "lr" in own and not callable(own["lr"]) and own["lr"] == 0
        one = make()
        for setting, value in sorted(own.items(), key=lambda pair: not pair[1]):
            setattr(one, setting, value) if setting != "lr" else None
        one.lr = own.get("lr", one.lr) if not frozen else 0.1
        found[name] = None if frozen else one
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", GROUPED)
def test_groups_are_separate_optimizers(name, seed, tmp_path):
    """In bits, for random patterns and settings, also saved and loaded on the way; what is frozen does not move, and
    its gradient may be anything."""
    rng = np.random.default_rng([seed, *name.encode()])
    kind, dtype = KINDS[seed % 3], (np.float64, np.float32, np.complex128, np.float64)[seed]
    make = lambda **more: GROUPED[name](**more)  # noqa: E731
    groups = random_groups(rng, make)
    apart, whole = merged_settings(make, groups), make(groups=groups)
    start = draw(rng, dtype)
    params, look = as_kind(kind, start)
    alone = {n: w.copy() for n, w in start.items()}
    for t in range(5):
        gradient = draw(rng, dtype)
        for n, one in apart.items():
            if one is not None:
                one.step({n: alone[n]}, {n: gradient[n].copy()})
            else:
                gradient[n][...] = np.nan
        whole.step(params, as_kind(kind, gradient)[0])
        if t == 2:
            dg.save(tmp_path / "run", whole.state_dict())
            whole = make(groups=groups)
            whole.load_state_dict(dg.load(tmp_path / "run"))
        for n in SHAPES:
            assert np.array_equal(look(n), alone[n]), (groups, n)
            assert look(n).dtype == dtype
    assert whole.frozen(params) == tuple(n for n, one in apart.items() if one is None)
    moments = [v for names in whole._kept for v in whole.state_dict()[names]]
    if kind != "Params" and not isinstance(whole, optim.NAdam):
        frozen = [k for k, n in enumerate(SHAPES) if apart[n] is None]
        order = list(SHAPES)
        for v in (whole.state_dict()[key] for key in whole._kept):
            assert all(not np.any(v[order.index(order[k])]) for k in frozen)
    assert all(np.all(np.isfinite(v)) for v in moments)


def numbers(one):
    """The settings that are numbers in its formula as it is."""
    absent = {"nesterov", "amsgrad", "centered"} | ({"momentum"} if not getattr(one, "momentum", 0) else set())
    absent |= {"dampening"} if getattr(one, "nesterov", False) else set()
    return [name for name in VALUES if name in one.__dataclass_fields__ and name not in absent]


@pytest.mark.parametrize(
    ("name", "setting"), [(name, one) for name, make in GROUPED.items() for one in numbers(make())]
)
def test_blocks_of_one_group_and_of_several(name, setting, monkeypatch):
    """All at once, and one by one as a dict of arrays is: the bits are the same, with a rate that changes beside."""
    monkeypatch.setattr("dualgrad.optim.blockwise.BLOCK", 64)
    n, rng = 300, np.random.default_rng(0)
    values = [value for value in VALUES[setting] if value or setting != "momentum"][-2:]
    groups = {"b": {setting: values[0]}, "[cd]": {setting: values[-1]}, "d": {"lr": optim.inverse_sqrt(0.1)}}
    groups["e"] = {"lr": 0}
    start = dg.Params(
        {k: rng.standard_normal(m).astype(np.float32) for k, m in zip("abced", (5, n, 3, 4, 6), strict=True)}
    )
    packed, apart = (start.copy(), GROUPED[name](groups=groups)), (dict(start.copy()), GROUPED[name](groups=groups))
    for t in range(3):
        g = start.at(np.random.default_rng(t).standard_normal(start.size).astype(np.float32))
        for params, optimizer in (packed, apart):
            optimizer.step(params, g if params is packed[0] else dict(g))
    assert all(np.array_equal(packed[0][k], w) for k, w in apart[0].items())
    parts = packed[1]._cut[1]
    assert name == "StableAdamW" or len(parts) == 1


def test_a_gradient_that_is_not_written_out():
    """Of one direction of signs it stays what it is, also in parts."""
    model = dg.nn.networks.mlp([300, 300, 10])
    params, rng = model.init(rng=0), np.random.default_rng(0)
    batch = dg.nn.Objective(model, dg.nn.mse).bind(
        rng.standard_normal((4, 300)).astype(np.float32), np.zeros((4, 10), np.float32)
    )
    forward = dg.estimators.ForwardGradient(dg.directions.LowRank())
    for groups, make in itertools.product(
        ({"*.bias": {"lr": 0.5}}, {"0.*": {"lr": 0}}, {"0.*": {"weight_decay": 0.1}}, {"2.*": {"maximize": True}}),
        (optim.SGD, lambda lr, **more: optim.SGD(lr, 0.9, **more), optim.Adam),
    ):
        ends = []
        for written in (False, True):
            w, optimizer = params.copy(), make(0.1, groups=groups)
            for t in range(2):
                gradient = forward.estimate(batch, params, rng=t).gradient
                assert gradient._unwritten is not None
                optimizer.step(w, dict(gradient) if written else gradient)
                assert written or gradient._unwritten is not None
            ends.append(w.vector)
        np.testing.assert_allclose(*ends, rtol=0, atol=1e-7)


# ---------------------------------------------------------------------- what is refused, and what is kept

WRONG = [
    (3, "expected settings by pattern"), ({"a": 3}, "expected settings by pattern"), ({1: {}}, "the pattern 1"),
    ({"*": {"clip_norm": 1.0}}, "which is of the whole gradient"), ({"*": {"groups": {}}}, "expected some of"),
    ({"*": {"lr": -1}}, "got lr=-1"), ({"*": {"bogus": 1}}, "'bogus'; expected some of"),
    ({"*": {"maximize": 3}}, "got maximize=3"), ({"*": {"weight_decay": lambda t: 0.1}}, "got weight_decay="),
]  # fmt: skip


@pytest.mark.parametrize(("groups", "message"), WRONG)
@pytest.mark.parametrize("name", GROUPED)
def test_wrong_groups_are_refused_when_they_are_set(name, groups, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        GROUPED[name](groups=groups)
    one = GROUPED[name](groups={"*": {"maximize": True}})
    before = repr(one)
    with pytest.raises(ValueError, match=re.escape(message)):
        one.groups = groups
    assert repr(one) == before
    assert "groups={'*': {'maximize': True}}" in before


def test_what_else_is_refused():
    with pytest.raises(ValueError, match="takes all weights of a unit together"):
        optim.KalmanQDOP(0.1, groups={"*": {"lr": 0}})
    with pytest.raises(ValueError, match="nesterov"):
        optim.SGD(0.1, groups={"*": {"nesterov": True}})
    with pytest.raises(ValueError, match="clip_norm or clip_value"):
        optim.SGD(0.1, clip_norm=1.0, groups={"*": {"clip_value": 1.0}})
    w = {"weight": np.ones(2), "bias": np.ones(1)}
    with pytest.raises(dg.LayoutError, match=r"called '\*\.bias'; the names are weight, bias"):
        optim.Adam(groups={"*.bias": {"lr": 0}}).step(w, w)
    assert np.all(w["weight"] == 1)
    with pytest.raises(TypeError, match="cannot be changed"):
        optim.Adam(groups={"bias": {"lr": 0}}).groups["bias"]["lr"] = 1


@pytest.mark.parametrize("name", GROUPED)
def test_groups_of_a_devices_arrays_and_copies(name):
    groups = {"*.bias": {"lr": 0.3}, "0.*": {"maximize": True}, "1.*": {"lr": 0}, "2.weight": {"clip_value": 0.1}}
    params, rng = dg.Params(draw(np.random.default_rng(0), np.float64)), np.random.default_rng(1)
    there, optimizer = rooms.on_device(params), GROUPED[name](groups=groups)
    twin = copy.deepcopy(optimizer)
    for t in range(3):
        g = params.at(rng.standard_normal(params.size))
        optimizer.step(params, g)
        twin.step(there, rooms.on_device(g))
        if t == 1:
            optimizer = pickle.loads(pickle.dumps(optimizer)) if name != "SGD" else copy.deepcopy(optimizer)
    assert np.array_equal(dg.backend.to_numpy(there.vector), params.vector)


def test_names_of_odd_trees():
    class Key:
        def __repr__(self):
            return "<a key>"

    key = Key()
    w = {
        "a.b": np.ones(1),
        "a": {"b": np.ones(1)},
        key: np.ones(1),
        3: [np.ones(1)],
        "net": dg.Params({"c.d": np.ones(1)}),
    }
    names = optim.SGD(0.1, groups={"*": {"lr": 0}}).frozen(w)
    assert set(names) == {"a.b", "[<a key>]", "3.0", "net.c.d"}
    optim.SGD(0.1, groups={"a.b": {"lr": 1.0}, "net.*": {"lr": 0.5}}).step(w, dg.tree.map_leaves(np.ones_like, w))
    found = w["a.b"], w["a"]["b"], w[key], w[3][0], w["net"]["c.d"]
    np.testing.assert_allclose(np.concatenate(found), [0, 0, 0.9, 0.9, 0.5])


def test_equal_plateaus_are_two():
    groups = {"a": {"lr": optim.plateau(1.0, "min", 0.5, 0)}, "b": {"lr": optim.plateau(1.0, "min", 0.5, 0)}}
    optimizer, w = optim.SGD(0.1, groups=groups), dg.Params({"a": np.ones(1), "b": np.ones(1)})
    for _ in range(2):
        optimizer.groups["a"]["lr"].observe(1.0)
    optimizer.step(w, w.at(np.ones(2)))
    assert np.array_equal(w.vector, [0.5, 0.0])

    def lower(t):
        return lower.rate

    lower.rate, lower.observe = 0.5, lambda value: setattr(lower, "rate", value)
    optimizer = optim.SGD(lower)
    optimizer.observe(0.25)
    optimizer.step(w, w.at(np.ones(2)))
    assert np.array_equal(w.vector, [0.25, -0.25])
    optimizer.load_state_dict(optimizer.state_dict())


def test_the_norm_that_clips_is_that_of_what_moves():
    """As in torch, where what is frozen has no gradient."""
    params, g = {"a": np.ones(2), "b": np.ones(2)}, {"a": np.array([3.0, 4.0]), "b": np.full(2, np.inf)}
    optim.SGD(1.0, clip_norm=1.0, groups={"b": {"lr": 0}}).step(params, g)
    np.testing.assert_allclose(params["a"], [0.4, 0.2], rtol=1e-6)
    assert np.all(params["b"] == 1)


@pytest.mark.parametrize("name", GROUPED)
def test_the_bounds_are_those_of_every_group(name):
    """A step that overflows in one group alone is refused, and nothing has changed."""
    params = dg.Params({"a": np.ones(3, np.float32), "b": np.ones(2, np.float32)})
    for groups in ({"b": {"lr": 1e38}}, {"a": {"lr": 1e38}, "b": {"lr": 1e37}}, {"b": {"lr": 1e38, "maximize": True}}):
        optimizer, w = GROUPED[name](groups=groups), params.copy()
        g = params.at(np.full(5, 1e5, np.float32))
        for _ in range(60):
            before, state = w.copy(), optimizer.state_dict()
            try:
                optimizer.step(w, g)
            except dg.NonFiniteError as error:
                assert "is too large for float32" in str(error)  # noqa: PT017
                break
        else:
            pytest.fail("it went on")
        assert np.array_equal(w.vector, before.vector)
        assert np.all(np.isfinite(w.vector))
        assert all(np.array_equal(state[k][0], optimizer.state_dict()[k][0]) for k in optimizer._kept if k in state)


def test_groups_may_change_and_are_compared():
    w, optimizer = {"a": np.ones(2), "b": np.ones(2)}, optim.SGD(0.1, groups={"a": {"momentum": 0.5}})
    g = {"a": np.ones(2), "b": np.ones(2)}
    optimizer.step(w, g)
    assert optimizer.frozen(w) == ()
    optimizer.groups = {"a": {"lr": 0}, "b": {"lr": lambda t: 0.0}}
    assert optimizer.frozen(w) == ("a",)
    optimizer.step(w, g)
    assert np.array_equal(w["a"], [0.9, 0.9])
    assert optimizer.state_dict()["settings"]["groups"] == {"a": {"lr": 0}, "b": {"lr": "a function"}}
    with pytest.raises(dg.LayoutError, match="groups"):
        optim.SGD(0.1).load_state_dict(optimizer.state_dict())
    optimizer.groups = None
    assert optimizer.frozen(w) == ()
    optimizer.step(w, g)
    assert np.array_equal(w["a"], [0.8, 0.8])


@pytest.mark.parametrize("name", [*GROUPED, "KalmanQDOP"])
def test_states_of_earlier_versions_load(name):
    w, one = np.ones(3), MAKERS[name]()
    one.step(w, np.ones(3))
    state = one.state_dict()
    old = state | {"version": 2, "settings": {k: v for k, v in state["settings"].items() if k != "groups"}}
    again, v = MAKERS[name](), w.copy()
    again.load_state_dict(old)
    one.step(w, np.ones(3))
    again.step(v, np.ones(3))
    assert np.array_equal(w, v)


# ---------------------------------------------------------------------- plateau


def falling(values, lr, factor, patience, threshold, relative, cooldown, least, up):
    """The rates after each value, by the rule in words."""
    best, bad, cool, found = -math.inf if up else math.inf, 0, 0, []
    for value in values:
        sign = -1 if up else 1
        better = sign * (best * (1 - sign * threshold) if relative else best - sign * threshold) > sign * value
        best, bad = (value, 0) if better else (best, bad + 1)
        if cool:
            cool, bad = cool - 1, 0
        if bad > patience:
            new = max(lr * factor, least)
            lr, bad, cool = new if lr - new > 1e-8 else lr, 0, cooldown
        found.append(lr)
    return found


@pytest.mark.parametrize("seed", range(30))
def test_the_rate_falls_on_a_plateau(seed):
    rng = np.random.default_rng(seed)
    values = np.round(rng.standard_normal(40), 1).tolist()
    values[7] = math.nan
    patience, cooldown, factor, up = int(rng.integers(0, 4)), int(rng.integers(0, 3)), 0.3, bool(seed % 2)
    mode = "rel" if seed % 3 else "abs"
    schedule = optim.plateau(0.5, "max" if up else "min", factor, patience, 0.1, mode, cooldown, 1e-3)
    optimizer, w, rates = optim.SGD(optim.warmup(1, schedule), groups={"b": {"lr": schedule}}), {"a": 1, "b": 2}, []
    w = {name: np.full(1, float(x)) for name, x in w.items()}
    for k, value in enumerate(values):
        optimizer.observe(value)
        rates.append(schedule(k + 1))
        if k == 20:
            optimizer.step(w, {name: np.ones(1) for name in w})
            state = pickle.loads(pickle.dumps(optimizer.state_dict()))
            schedule = optim.plateau(0.5, "max" if up else "min", factor, patience, 0.1, mode, cooldown, 1e-3)
            optimizer = optim.SGD(optim.warmup(1, schedule), groups={"b": {"lr": schedule}})
            optimizer.load_state_dict(state)
    expected = falling(values, 0.5, factor, patience, 0.1, mode == "rel", cooldown, 1e-3, up)
    assert rates == pytest.approx(expected, rel=1e-14)


def test_a_wrong_state_of_a_plateau_changes_nothing():
    optimizer = optim.Adam(optim.plateau(0.1, patience=0))
    optimizer.observe(1.0)
    optimizer.observe(1.0)
    good = optimizer.state_dict()
    assert optimizer.lr(1) == pytest.approx(0.01)
    for change in ({"bad": -1}, {"best": math.nan}, {"rate": math.inf}, {"more": 1}, {"rate": "a"}):
        with pytest.raises(dg.LayoutError):
            optimizer.load_state_dict(good | {"schedules": [good["schedules"][0] | change]})
    for schedules in ([], [good["schedules"][0]] * 2, 3):
        with pytest.raises(dg.LayoutError):
            optimizer.load_state_dict(good | {"schedules": schedules})
    assert optimizer.state_dict() == good
    with pytest.raises(dg.LayoutError, match="lr"):
        optim.Adam(optim.plateau(0.1, patience=1)).load_state_dict(good)
    assert repr(optimizer.lr).startswith("plateau(lr=0.1, mode='min', factor=0.1, patience=0")


# ---------------------------------------------------------------------- averages


@pytest.mark.parametrize("decay", [0.9, 0.0, 0.3, 1.0, None])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_an_average_is_the_sum_that_it_says(decay, kind, dtype):
    rng = np.random.default_rng(0)
    steps = [draw(rng, dtype) for _ in range(6)]
    average = optim.Averaged(as_kind(kind, steps[0])[0], decay=decay)
    for k, arrays in enumerate(steps):
        average.update(as_kind(kind, arrays)[0])
        if k == 2:
            state = pickle.loads(pickle.dumps(average.state_dict()))
            average = optim.Averaged(as_kind(kind, steps[3])[0], decay=decay)
            average.load_state_dict(state)
    weights = [1 / 6] * 6 if decay is None else [decay**5] + [(1 - decay) * decay ** (5 - k) for k in range(1, 6)]
    look = as_kind("dict", dict(average.params))[1] if kind != "tree" else lambda n: average.params[int(n[0])][n[2:]]
    for n in SHAPES:
        expected = sum(c * arrays[n].astype(np.complex128) for c, arrays in zip(weights, steps, strict=True))
        np.testing.assert_allclose(look(n), expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6)
        assert look(n).dtype == dtype
    assert average.updates == 6


def test_what_an_average_refuses():
    w = dg.Params({"a": np.ones(2), "b": np.zeros(1)}, buffers={"mean": np.zeros(1)})
    average = optim.Averaged(w, decay=0.5)
    average.update(w)
    w.buffers["mean"] += 1
    w.vector[:] = 3
    average.update(w)
    assert np.array_equal(average.params.vector, [2, 2, 1.5])
    assert np.array_equal(average.params.buffers["mean"], [1.0])
    w.buffers["mean"] += 1
    assert np.array_equal(average.params.buffers["mean"], [1.0])
    before = average.state_dict()
    for other, error in (
        (dg.Params({"a": np.ones(2)}), dg.LayoutError), (w.at(np.array([1, np.nan, 1])), dg.NonFiniteError),
        (w.at(np.ones(3, np.float32)), dg.LayoutError), ({"a": np.ones(2)}, dg.LayoutError),
    ):  # fmt: skip
        with pytest.raises(error):
            average.update(other)
    for change in ({"decay": 0.1}, {"updates": -1}, {"average": [np.ones(2)]}, {"average": [np.full(3, np.nan)]}):
        with pytest.raises(dg.LayoutError):
            average.load_state_dict(before | change)
    with pytest.raises(dg.LayoutError, match="b"):
        average.load_state_dict(before | {"parameters": {"of": "Params", "shapes": {"c": (3,)}}})
    assert average.updates == 2
    assert np.array_equal(average.params.vector, before["average"][0])
    with pytest.raises(ValueError, match="decay=2"):
        optim.Averaged(w, decay=2)
