"""Whatever keeps state goes on from a file bit for bit as if it had not stopped, and from no state but its own."""

import copy
import dataclasses
import importlib.util
import inspect
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, online
from tests.support.optimizers import MAKERS
from tests.support.rooms import (
    CATALOGUE,
    EVERY,
    RUNS,
    Learning,
    Run,
    fresh,
    maker,
    on_device,
    plain,
    sequence,
    system,
    telling,
)

CALLS = 10


def same(a, b):
    """Whether two trees of plain data are equal bit for bit."""
    (xs, s), (ys, t) = dg.tree.flatten(a), dg.tree.flatten(b)
    return s == t and all(
        np.asarray(x).dtype == np.asarray(y).dtype and np.array_equal(np.asarray(x), np.asarray(y))
        for x, y in zip(xs, ys, strict=True)
    )


def test_the_catalogue_has_every_class_and_every_argument():
    assert set(CATALOGUE) == EVERY - {estimators.QuadraticCritic}  # which every candidate with a critic is tested with
    for cls, (_, _, arguments) in CATALOGUE.items():
        assert set(arguments) == set(inspect.signature(cls).parameters), cls


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_from_a_file_as_if_it_had_not_stopped(name, dtype, tmp_path):
    kind, make, place = RUNS[name]
    whole = kind(make, place, dtype=dtype)
    expected = [whole.call() for _ in range(CALLS)]
    first = kind(make, place, dtype=dtype)
    for t in range(CALLS - 1):
        assert same(first.call(), expected[t])
        if t in ((1, 6) if dtype == np.float32 else (0, 2, 4, 5, 7)):
            dg.save(tmp_path / "run.npz", first.state())
            second = kind(make, place, seed=999, dtype=dtype)
            second.call()  # whatever it did before, the state takes its place
            second.load(dg.load(tmp_path / "run.npz"))
            for later in range(t + 1, CALLS):
                assert same(second.call(), expected[later]), (t, later)
            assert same(second.state(), whole.state())


STATEFUL = {
    **{name: partial(lambda kind, make, place: kind(make, place).thing, *run) for name, run in RUNS.items()},
    "QuadraticCritic": estimators.QuadraticCritic,
    **MAKERS,
}


@pytest.mark.parametrize("name", STATEFUL)
def test_a_state_has_a_version_and_can_grow(name, monkeypatch):
    thing = STATEFUL[name]()
    state, latest = thing.state_dict(), 1 + len(thing.grown)
    assert state["version"] == latest
    unnumbered = {key: value for key, value in state.items() if key != "version"}
    thing.load_state_dict(unnumbered)  # as it was saved before there were versions
    assert same(thing.state_dict(), state)
    for version in (0, latest + 1, "1", None, True):
        words = f"is of version {version!r}; this dualgrad knows those up to {latest}"
        with pytest.raises(dg.LayoutError, match=words):
            thing.load_state_dict(state | {"version": version})
        assert same(thing.state_dict(), state)
    missing = list(unnumbered)[-1]
    monkeypatch.setattr(type(thing), "grown", (*thing.grown, {missing: state[missing]}))
    grown = thing.state_dict()
    assert grown["version"] == latest + 1
    older = {key: value for key, value in state.items() if key != missing}
    thing.load_state_dict(older)
    assert same(thing.state_dict(), grown)
    with pytest.raises(dg.LayoutError):
        thing.load_state_dict(older | {"version": latest + 1})


@pytest.mark.parametrize("again", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
@pytest.mark.parametrize("name", RUNS)
def test_a_copy_goes_on_as_the_original(name, again):
    kind, make, place = RUNS[name]
    first, second = kind(make, place), kind(make, place)
    for t in range(6):
        if t in (0, 1, 3):
            if kind is Learning:  # which refers to its stream and parameters
                second.thing, second.params, second.rng = again((second.thing, second.params, second.rng))
            else:
                second.thing = again(second.thing)
        assert same(first.call(), second.call())


ON_HOST = {"NoBackTrack(metric)", "SnAp", "SnAp(System)"}  # which do not run on a device


@pytest.mark.parametrize("name", [name for name in RUNS if name not in ON_HOST])
def test_a_run_on_a_device_goes_on_too(name, tmp_path):
    kind, make, place = RUNS[name]

    def there(dtype):
        first, *rest = place(dtype)
        if kind is not Learning:
            return on_device(first), lambda t, rng: bound_on_device(rest[0](t, rng))
        if isinstance(first, online.System):
            first = dataclasses.replace(first, init_state=on_device(first.init_state))
        return first, on_device(rest[0]), lambda t: on_device(rest[1](t))

    def bound_on_device(objective):
        if hasattr(objective, "x"):
            objective.x, objective.y = on_device((objective.x, objective.y))
        return objective

    whole = kind(make, there)
    for _ in range(3):
        whole.call()
    dg.save(tmp_path / "run.npz", whole.state())
    state = dg.load(tmp_path / "run.npz")
    again = kind(make, there, seed=999)
    again.load(state | {"params": on_device(state["params"])})
    for _ in range(2):
        assert same(again.call(), whole.call())


# ---------------------------------------------------------------------- no state but its own


CHANGES = [(cls, name) for cls in CATALOGUE for name in telling(cls)]


def refused(thing, state, *words):
    """That a state is refused, in these words, and that nothing has changed."""
    before = thing.state_dict()
    with pytest.raises(dg.LayoutError) as caught:
        thing.load_state_dict(state)
    for word in words:
        assert word in str(caught.value)
    assert same(thing.state_dict(), before)


@pytest.mark.parametrize(("cls", "name"), CHANGES, ids=lambda x: getattr(x, "__name__", x))
def test_a_state_of_other_settings_is_refused_and_they_are_named(cls, name):
    kind, place, arguments = CATALOGUE[cls]
    other = fresh(arguments[name][1])
    changed = {name: other}
    if cls is online.NoBackTrack and name == "metric":
        changed |= {"rank": 2}
    first, second = kind(maker(cls), place), kind(maker(cls, **changed), place)
    for _ in range(2):
        first.call()
    words = () if isinstance(other, (estimators.Oracle, estimators.QuadraticCritic)) else (name,)
    refused(second.thing, first.thing.state_dict(), *words)
    refused(first.thing, second.thing.state_dict(), *words)


FG, SIGNS = estimators.ForwardGradient, directions.Rademacher()
NESTED = {
    "vector": [lambda v=v: FG(directions.Along(np.full(8, v))) for v in (1.0, 2.0)],
    "c": [lambda c=c: FG(directions.Scaled(SIGNS, np.full(8, c))) for c in (1.0, 2.0)],
    "restore": [lambda r=r: FG(directions.Scaled(SIGNS, np.ones(8), restore=r)) for r in (False, True)],
    "base": [lambda b=b: FG(directions.Blocks(b)) for b in (SIGNS, directions.Uniform())],
    "low_rank": [lambda r=r: FG(directions.Hadamard(low_rank=r)) for r in (False, True)],
    "baseline": [lambda v=v: FG(SIGNS, baseline=np.full(8, v)) for v in (1.0, 2.0)],
    "scale": [
        lambda s=s: estimators.Dodge(estimators.SyntheticGradient(estimators.QuadraticCritic(scale=s)))
        for s in (1.0, 2.0)
    ],
    "decay": [lambda d=d: estimators.Dodge(estimators.Dodge(estimators.Oracle(), d)) for d in (0.0, 0.5)],
    "n": [lambda n=n: estimators.Dodge(online.SnAp(n)) for n in (1, 2)],
    "kind": [lambda c=c: estimators.Dodge(c()) for c in (online.RTRL, online.UORO)],
    "prior": [lambda p=p: online.NoBackTrack(metric=dg.optim.KalmanQDOP(prior=p)) for p in (1.0, 2.0)],
    "candidates": [lambda n=n: estimators.Dodge([estimators.Oracle()] * n) for n in (1, 2)],
}


@pytest.mark.parametrize("what", NESTED)
def test_settings_further_in_are_compared_too(what):
    first, second = (make() for make in NESTED[what])
    refused(second, first.state_dict(), what)
    again = NESTED[what][0]()
    again.load_state_dict(first.state_dict())


def test_a_rate_is_restored():
    first, second = (estimators.SyntheticGradient(estimators.QuadraticCritic(lr=lr)) for lr in (0.1, 0.2))
    second.load_state_dict(first.state_dict())
    assert second.critic.lr == 0.1


def vector(dtype=np.float64):
    return {"b": np.arange(8.0)}, lambda t, rng: lambda p: np.sum(p["b"] ** 2)


OWN = """
import sys
import numpy as np
from functools import partial
import dualgrad as dg
from dualgrad import estimators, nn, online


class Own(nn.Layer):
    def __init__(self, words, extra=None):
        self.words, self.extra, self.seen = words, extra, {"a", "b", "c", "d", "e"}
        self.calls, self.dtype, self.kind, self.xp, self.me, self.all = 0, np.float32, np.dtype(float), np, self, [self]
        self.all.append(self.all)

    def forward(self, p, x):
        self.calls += 1
        return x * 1.0

    def vjp(self, p, x):
        self.calls += 1
        return x * 1.0, lambda dy: ({}, dy)


class Hidden(Own):
    def __init__(self, names):
        super().__init__(())
        self._names, self.words = names, {(frozenset(names), 1), None, frozenset()}
        del self.calls

    forward = lambda self, p, x: x * 1.0
    vjp = lambda self, p, x: (x * 1.0, lambda dy: ({}, dy))


class Cell(nn.GRUCell):
    def __init__(self, tag, *args):
        super().__init__(*args)
        self.calls, self.tag = {}, tag

    def step(self, p, s, x):
        self.calls[len(self.calls)] = 1
        return super().step(p, s, x)


class Learner(online.RTRL):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.losses, self.dt = [], np.float32

    def step(self, x, y):
        found = super().step(x, y)
        self.losses.append(float(found.value))
        return found


class Critic(estimators.QuadraticCritic):
    def __init__(self, tags=frozenset({"x", "y", "z"})):
        super().__init__()
        self.tags, self.n = tags, 0

    def gradient(self, s):
        self.n += 1
        return super().gradient(s)


def started(cls, *layers, cell=nn.GRUCell):
    net = online.Network(cell(3, 4), [nn.Linear(4, 2), *layers], nn.mse)
    return cls().start(net, net.init(rng=0), rng=0)


WORDS = ["to", "be", "or", "not"]
MAKE = {
    "set": lambda: started(online.RTRL, Own(set(WORDS), [frozenset(WORDS), np.float32, np, np.sum])),
    "not kept": lambda: started(online.RTRL, Hidden(set(WORDS))),
    "cell": lambda: started(partial(online.PersistentES, 4, 0.1, 2), cell=partial(Cell, "tag")),
    "learner": lambda: started(Learner, Own((), {"a": {1, 2}})),
    "critic": lambda: estimators.Dodge(estimators.SyntheticGradient(Critic(), 2)),
}


def call(thing):
    if hasattr(thing, "step"):
        return thing.step(np.ones(3), np.zeros(2))
    model = nn.Sequential(nn.RNN(3, 4), nn.Linear(4, 2))
    batch = nn.Objective(model, nn.mse).bind(np.ones((5, 4, 3)), np.zeros((5, 4, 2)))
    thing.estimate(batch, model.init(rng=0, dtype=np.float64), rng=0)


if __name__ == "__main__":
    for name, make in MAKE.items():
        thing = make()
        call(thing), call(thing)
        dg.save(f"{sys.argv[1]}/{name}.npz", thing.state_dict())
        open(f"{sys.argv[1]}/{name}.txt", "w").write(repr(thing) + repr(getattr(thing, "system", None)))
"""


def test_objects_of_ones_own_go_on_in_another_process(tmp_path):
    """Sets, counters, dtypes, modules and what holds itself among their attributes."""
    (tmp_path / "own.py").write_text(OWN)
    for seed in "12":
        (tmp_path / seed).mkdir()
        there = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(dg.__file__).parents[1])}
        subprocess.run([sys.executable, tmp_path / "own.py", tmp_path / seed], check=True, env=there)
    spec = importlib.util.spec_from_file_location("own", tmp_path / "own.py")
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    for name, make in own.MAKE.items():
        saved = [dg.load(tmp_path / seed / f"{name}.npz") for seed in "12"]
        assert same(*saved), name
        assert len({(tmp_path / seed / f"{name}.txt").read_text() for seed in "12"}) == 1, name
        thing = make()
        thing.load_state_dict(saved[0])
        own.call(thing)
    other = own.started(online.RTRL, own.Own({"to"}, [frozenset(own.WORDS), np.float32, np, np.sum]))
    refused(other, dg.load(tmp_path / "1" / "set.npz"), "words")
    other = own.started(own.partial(online.PersistentES, 4, 0.1, 2), cell=own.partial(own.Cell, "other"))
    refused(other, dg.load(tmp_path / "1" / "cell.npz"), "cells[0].tag")


def turned(dtype=np.float64):
    params, objective = plain(dtype)
    return {"x": params["x"], "a": params["a"]}, objective


def renamed(dtype=np.float64):
    return {"a": np.ones((2, 3)), "c": np.ones(2)}, lambda t, rng: lambda p: np.sum(p["a"]) + np.sum(p["c"] ** 2)


KEEPING = estimators.Oracle, estimators.MatchedCosine, estimators.Dodge, FG
ON_FUNCTIONS = [n for n, (_, make, place) in RUNS.items() if place is plain and isinstance(make(), KEEPING)]


@pytest.mark.parametrize("place", [vector, turned, renamed])
@pytest.mark.parametrize("name", ON_FUNCTIONS)
def test_what_belongs_to_other_parameters_of_equal_size_is_refused(name, place):
    kind, make, where = RUNS[name]
    first = kind(make, where)
    first.call()
    other = Run(make, place)
    other.thing.load_state_dict(first.thing.state_dict())
    before = other.thing.state_dict()
    with pytest.raises(dg.LayoutError, match=r"keeps what belongs to other parameters: .*(is missing|order).*reset"):
        other.call()
    assert same(other.thing.state_dict(), before)
    other.thing.reset()
    other.call()


@pytest.mark.parametrize("make", [
    lambda: estimators.SyntheticGradient(estimators.QuadraticCritic()),
    lambda: estimators.DeterministicPolicyGradient(estimators.QuadraticCritic()),
    lambda: estimators.Dodge(online.RTRL()),
])  # fmt: skip
def test_another_network_of_equal_size_is_refused(make):
    first, other = Run(make, sequence), Run(make, lambda dtype: sequence(dtype, (5, 2, 2)))
    assert first.params.size == other.params.size
    first.call()
    other.thing.load_state_dict(first.thing.state_dict())
    with pytest.raises(dg.LayoutError, match=r"0\.weight_x"):
        other.call()


def systems():
    """Systems and networks of equal sizes, one of which differs from the first."""
    first, params, data = system()
    yield "params", first, {"x": params["x"], "a": params["a"]}, data
    yield "dtype", *system(np.float32)
    yield "init_state", online.System(first.step, first.loss, {"h": np.zeros(3), "v": np.zeros(2)}), params, data
    yield "batched", online.System(first.step, first.loss, first.init_state, batched=True), params, data
    net = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 1), nn.mse)
    yield "kind", net, net.init(rng=0, dtype=np.float64), lambda t: (np.ones(2), np.ones(1))


@pytest.mark.parametrize("cls", [cls for cls, (kind, _, _) in CATALOGUE.items() if kind is Learning])
def test_a_learner_goes_on_with_its_own_system_alone(cls):
    if cls is online.KroneckerRTRL:
        pytest.skip("for a Network alone, whose repr is compared")
    first = Learning(maker(cls), system)
    first.call()
    for what, other, params, data in systems():
        second = maker(cls)().start(other, params, rng=0)
        if what != "batched" or not issubclass(cls, online.EvolutionStrategies.__base__):
            second.step(*data(0))
        refused(second, first.thing.state_dict(), what)


def test_a_network_goes_on_with_its_own_kind_alone():
    def started(*args, dtype=np.float64):
        net = online.Network(*args)
        return online.KroneckerRTRL().start(net, net.init(rng=0, dtype=dtype), rng=0)

    readout = [nn.Linear(3, 3), nn.LeakyReLU(0.1), nn.Linear(3, 1)]
    usual = nn.LeakyRNNCell(2, 3), readout, nn.huber, 2
    first = started(*usual)
    for others, words in (
        ((nn.RNNCell(2, 3), *usual[1:]), "cells[0].kind"),
        ((nn.LeakyRNNCell(2, 3, leak=0.5), *usual[1:]), "cells[0].leak"),
        ((usual[0], [*readout[:2], nn.Linear(3, 2)], *usual[2:]), "readout.layers[2]"),
        ((usual[0], [readout[0], nn.LeakyReLU(0.2), readout[2]], *usual[2:]), "readout.layers[1]"),
        ((*usual[:2], nn.mse, 2), "loss"), ((*usual[:2], nn.huber.using(delta=2.0), 2), "loss"),
        ((*usual[:3], 1), "streams"),
    ):  # fmt: skip
        refused(started(*others), first.state_dict(), words)
    refused(started(*usual, dtype=np.float32), first.state_dict(), "dtype")
    relu = nn.RNNCell(2, 3, nonlinearity="relu")
    refused(started(relu, *usual[1:]), started(nn.RNNCell(2, 3), *usual[1:]).state_dict(), "cells[0].nonlinearity")


@pytest.mark.parametrize("name", RUNS)
def test_what_is_no_state_changes_nothing(name):
    kind, make, place = RUNS[name]
    run = kind(make, place)
    for _ in range(2):
        run.call()
    state = run.thing.state_dict()
    refused(run.thing, None)
    refused(run.thing, {})
    for key, value in state.items():
        if key != "version":  # which states did not always have
            refused(run.thing, {k: v for k, v in state.items() if k != key}, key)
        for wrong in (3.5, "x", [np.full(3, np.nan)], {"m": 0}, np.zeros(3), np.zeros(())):
            if key != "rng" or value is not None and run.thing.draws:
                with pytest.raises((dg.LayoutError, ValueError)):
                    run.thing.load_state_dict(state | {key: wrong})
                assert same(run.thing.state_dict(), state)


@pytest.mark.parametrize("name", ["BPTT", "BPTT(System)", "TruncatedBPTT online", "TruncatedBPTT(System)"])
def test_a_memory_of_another_length_is_refused(name):
    kind, make, place = RUNS[name]
    run = kind(make, place)
    for _ in range(2):
        run.call()
    state = run.thing.state_dict()
    for memory in (state["memory"] * 2, *([state["memory"][:1], []] if name.startswith("BPTT") else [])):
        refused(run.thing, state | {"memory": memory}, "memory has")


def test_a_learner_that_has_not_started_has_a_state_too():
    first, second = online.SnAp(1), online.SnAp(1)
    assert dg.estimators.Dodge(first).state_dict()["candidates"][0]["system"] is None
    second.load_state_dict(first.state_dict())
    net, params, data = RUNS["SnAp(1), one cell"][2](np.float64)
    first.start(net, params).step(*data(0))
    with pytest.raises(dg.DualgradError, match="no system yet"):
        second.load_state_dict(first.state_dict())
    refused(first, second.state_dict(), "no episode")


def test_a_part_that_objects_leaves_the_others_as_they_were():
    make = lambda: estimators.Dodge([RUNS["Dodge"][1](), estimators.Oracle(previous=True)])  # noqa: E731
    first, second = Run(make, plain), Run(make, plain)
    first.call()
    second.call()
    second.call()
    good, bad = first.thing.state_dict()["candidates"]
    refused(second.thing, first.thing.state_dict() | {"candidates": [good, bad | {"last": np.full(8, np.nan)}]}, "last")
