"""Every learner of `online.__all__`, under every setting of the catalogue: what it says of itself is so.

As tests/estimators/test_catalogue.py. (States are in tests/test_resuming.py, data that is no data in
tests/test_refusals.py.)
"""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, nn, online, optim
from dualgrad.settings import settings
from dualgrad.testing import exact_moments
from tests.support import rooms, strict
from tests.support.checks import close
from tests.support.counting import products
from tests.support.dealing import Dealt, Recording
from tests.support.mutations.streams import streamed
from tests.support.rooms import CATALOGUE, RUNS, SIGNS, Learning, fresh, maker
from tests.support.unrolls import coefficients, episode, history, one_perturbation, perturbation_a_window

SETTINGS = rooms.every_setting(lambda cls: cls.__module__.startswith("dualgrad.online"))
NAMES = {name: getattr(room, name) for room in (directions, optim, online) for name in room.__all__}
LEARNING = [name for name, (kind, _, _) in RUNS.items() if kind is Learning]
EVOLVING = {online.EvolutionStrategies, online.TruncatedES, online.NoiseReuseES, online.PersistentES}


def test_every_learner_has_a_row():
    assert {cls for cls, *_ in SETTINGS.values()} == {e for e in rooms.EVERY if e.__module__.startswith("dualgrad.on")}


# ---------------------------------------------------------------------- reprs


@pytest.mark.parametrize("name", [*SETTINGS, *LEARNING])
def test_a_repr_makes_an_equal_learner(name):
    thing = SETTINGS[name][1]() if name in SETTINGS else RUNS[name][1]()
    found = eval(repr(thing), dict(NAMES))
    assert repr(found) == repr(thing)
    assert settings(found) == settings(thing)


@pytest.mark.parametrize("name", SETTINGS)
def test_numbers_of_numpy_are_shown_as_those_of_python(name):
    cls, make, changed = SETTINGS[name]
    for argument, value in changed.items():
        kind = {bool: np.bool_, int: np.int64, float: np.float64}.get(type(value))
        if kind is not None:
            assert repr(maker(cls, **{argument: kind(value)})()) == repr(make())


# ---------------------------------------------------------------------- claims, over every outcome of the draws

# what a learner of a stream knows: the gradient of RTRL itself, that on average, or less
EXACT, BIASED = {online.RTRL, online.BPTT}, {online.SnAp, online.TruncatedBPTT}
UNBIASED = {online.UORO, online.KroneckerRTRL, online.NoBackTrack, online.OnlineForwardGradient}


def test_every_learner_has_a_claim():
    claims = [EXACT, BIASED, UNBIASED, EVOLVING]
    assert set.union(*claims) == {cls for cls, *_ in SETTINGS.values()}
    assert sum(map(len, claims)) == len(set.union(*claims))


def at_the_end(learner, units=2, steps=2):
    """The exact moments of the gradient after a few steps of a small network."""
    net = online.Network(nn.RNNCell(1, units), nn.Linear(units, 1), nn.mse)
    params, xs = net.init(rng=5, dtype=np.float64), np.array([[0.7], [-1.2], [1.9]])

    def run(rng):
        learner.start(net, params, rng=rng)
        return [learner.step(x, -x) for x in xs[:steps]][-1].gradient.vector

    return exact_moments(run)


@pytest.mark.parametrize("name", [name for name, (cls, *_) in SETTINGS.items() if cls in EXACT | UNBIASED])
def test_the_mean_of_a_learner_is_the_gradient(name):
    cls, _, changed = SETTINGS[name]
    if "metric" in changed:
        pytest.skip("in the metric of a filter that has learned: tests/online/test_online.py")
    few = {"n": 1, "directions": SIGNS} if cls is online.OnlineForwardGradient and "n" not in changed else {}
    few |= {"rank": 1} if {"noise", "rank"} & set(changed) else {}
    units = 2 if cls is not online.OnlineForwardGradient else 1
    learner = maker(cls, **changed | few | ({"n": 2, "directions": SIGNS} if "n" in changed else {}))()
    found = at_the_end(learner, units)
    close(found.mean, at_the_end(online.RTRL(), units).mean, 1e-10)
    assert (found.variance.sum() > 1e-6) == (cls in UNBIASED and "split" not in changed)  # into as many as units


def test_what_is_biased_is_cut_off_and_no_more():
    exact = streamed(online.RTRL()).mean
    assert np.max(np.abs(streamed(online.SnAp(1)).mean - exact)) > 1e-3
    close(streamed(online.SnAp(2)).mean, exact, 1e-10)  # in a dense layer
    system, params, data = rooms.system()
    whole, cut, rtrl = online.TruncatedBPTT(6), online.TruncatedBPTT(3), online.RTRL().start(system, params)
    for each in (whole, cut):
        each.start(system, params)
    total, windows = 0, []
    for t in range(6):
        total = total + dg.Layout.of(params).vector(rtrl.step(*data(t)).gradient)
        found, part = whole.step(*data(t)), cut.step(*data(t))
        windows += [] if part is None else [dg.Layout.of(params).vector(part.gradient)]
    close(dg.Layout.of(params).vector(found.gradient), total, 1e-12)
    assert np.max(np.abs(sum(windows) - total)) > 1e-3


@pytest.mark.parametrize("name", [name for name, (cls, *_) in SETTINGS.items() if cls in EVOLVING])
def test_evolution_has_the_mean_and_variance_of_theory(name):
    """Of the gradient summed over an episode of two windows, whose losses are linear."""
    cls, _, changed = SETTINGS[name]
    g = coefficients(2, 1)
    own, others = (g * part[:, :, None] for part in (np.eye(2), 1 - np.eye(2)))
    small = {"particles": 4 if "particles" in changed else 2, "sigma": changed.get("sigma", 0.1)}
    small |= {} if cls is online.EvolutionStrategies else {"window": 1}
    small |= {name: fresh(value) for name, value in changed.items() if name in ("analytic", "perturbations")}
    mean, variance = g.sum((0, 1)), one_perturbation(g)
    if cls is online.TruncatedES:
        mean, variance = own.sum((0, 1)), sum(one_perturbation(own[t : t + 1]) for t in range(2))
    elif cls is online.PersistentES:
        variance = perturbation_a_window(others if "analytic" in changed else g)
    if "perturbations" in changed:  # signs
        ends = g.sum(0) if cls is online.PersistentES else g.sum((0, 1))
        variance -= 2 * np.sum((own.sum(1) if cls is online.TruncatedES else ends) ** 2)
    learner = cls(**small)
    found = exact_moments(lambda rng: episode(learner, history(2, 1), np.ones(1), list(enumerate(g)), rng))
    close(found.mean, mean, 1e-8)
    close(found.variance.sum(), variance / (small["particles"] // 2), 1e-8)


# ---------------------------------------------------------------------- costs

N = 4  # units of a cell, and entries of a system's state
COSTS = {
    "RTRL": 1 + N**2, "BPTT": 3 * 4, "UORO": 4, "KroneckerRTRL": 1 + N, "SnAp": 2, "SnAp(n)": 1 + N**2,
    "TruncatedBPTT": 3 * 4, "OnlineForwardGradient": 5, "OnlineForwardGradient(n)": 7, "NoBackTrack": 6,
    "NoBackTrack(rank)": 8,
}  # fmt: skip


@pytest.mark.parametrize("streams", [None, 3])
@pytest.mark.parametrize("name", COSTS)
def test_what_a_step_costs_does_not_depend_on_the_streams(name, streams):
    _, make, _ = SETTINGS[name if "(" in name else f"{name}()"]
    net = online.Network(nn.RNNCell(N, N), nn.Linear(N, N), nn.mse, streams)
    x = np.ones((N,) if streams is None else (streams, N))
    learner = make().start(net, net.init(rng=0, dtype=np.float64), rng=0)
    found = [learner.step(x, x) for _ in range(4)][-1]
    assert found.cost == COSTS[name]


@pytest.mark.parametrize("streams", [None, 3])
@pytest.mark.parametrize("name", ["RTRL", "UORO", "KroneckerRTRL", "NoBackTrack", "OnlineForwardGradient"])
def test_a_cost_is_of_the_order_of_the_products_there_are(name, streams):
    net = online.Network(nn.RNNCell(8, 8), nn.Linear(8, 8, bias=False), nn.mse, streams)
    params = rooms.on_device(net.init(rng=0, dtype=np.float64))
    x, y = strict.device(dg.Rng(1).normal((2, 8) if streams is None else (2, streams, 8)))[:2]
    learner = RUNS[name][1]().start(net, params, rng=0)
    learner.step(x, y)
    with products(None) as counted:
        found = learner.step(x, y)
    assert 0.5 <= counted[0] / (3 * 8 * 8 * (streams or 1)) / found.cost <= 1.7


@pytest.mark.parametrize("name", [name for name, (cls, *_) in SETTINGS.items() if cls in EVOLVING])
def test_evolution_costs_the_steps_it_takes(name):
    """`analytic` takes a step more, and a pass there and back."""
    calls = []

    def step(s, x, p):
        calls.append(1)
        return 0.5 * s + p

    learner = SETTINGS[name][1]()
    batched = isinstance(learner, online.EvolutionStrategies)
    system = online.System(step, lambda s, y, p: np.sum(s, axis=-1), np.zeros(2), batched=batched)
    learner.start(system, np.ones(2), rng=0)
    count = 4 if learner.window is None else learner.window
    cost = ([learner.step(None, None) for _ in range(count)][-1] or learner.close()).cost
    beside = 4 if getattr(learner, "analytic", False) else isinstance(learner, online.TruncatedES)
    assert cost == count * (learner.particles + beside)
    if not batched and beside < 4:
        assert cost == len(calls)


def test_what_a_step_of_a_system_costs():
    system, params, data = rooms.system()
    size = 5
    for make, cost in ((online.RTRL, 1 + size**2), (online.SnAp, 1 + 2 * size**2), (online.UORO, 4)):
        assert make().start(system, params, rng=0).step(*data(0)).cost == cost


# ---------------------------------------------------------------------- several terms

SEVERAL = {
    "OnlineForwardGradient": ("n", {}), "NoBackTrack": ("rank", {}),
    "NoBackTrack, Gaussian": ("rank", {"noise": "gaussian"}), "NoBackTrack, not rescaled": ("rank", {"rescale": False}),
    "OnlineForwardGradient, sum": ("n", {"combine": "sum"}),
    **{cls.__name__: ("particles", {}) for cls in sorted(EVOLVING, key=repr)},
    "PersistentES, analytic": ("particles", {"analytic": True}),
}  # fmt: skip


def test_every_learner_of_several_terms_is_among_them():
    several = {cls for cls, *_ in SETTINGS.values() if {"rank", "particles"} & set(CATALOGUE[cls][2])}
    assert {getattr(online, name.partition(",")[0]) for name in SEVERAL} == several | {online.OnlineForwardGradient}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_terms_are_single_ones_put_together(name):
    """What three of them give is what each gives alone, with the same draws."""
    argument, changed = SEVERAL[name]
    cls, each = getattr(online, name.partition(",")[0]), 2 if argument == "particles" else 1
    place = rooms.cells if CATALOGUE[cls][1] is rooms.cells else CATALOGUE[cls][1]
    system, params, data = place()

    def run(count, rng):
        learner = maker(cls, **{argument: count * each} | changed)().start(system, params, rng=rng)
        found = [learner.step(*data(t)) for t in range(8)]
        found = [one for one in found if one is not None] or [learner.close()]
        return [(dg.Layout.of(params).vector(one.gradient), one.value, one.directional) for one in found]

    rng = Recording(0)
    alone, draws = zip(*(rng.by(lambda rng: run(1, rng)) for _ in range(3)), strict=True)
    together = run(3, Dealt(draws))
    assert len(together) >= 1
    for t, (gradient, value, slopes) in enumerate(together):
        close(gradient, sum(one[t][0] for one in alone) / (1 if changed.get("combine") else 3), 1e-9)
        close(value, np.mean([one[t][1] for one in alone]), 1e-9)
        assert slopes is None or np.allclose(slopes, np.ravel([one[t][2] for one in alone]), atol=1e-9)


# ---------------------------------------------------------------------- kinds and precisions


def first(learner, data):
    """The first estimate there is."""
    for t in range(6):
        found = learner.step(*data(t))
        if found is not None:
            return found
    return learner.close()


def required_alike(found, params, dtype):
    assert type(found.gradient) is type(params)
    assert not getattr(found.gradient, "buffers", None)
    assert dg.Layout.of(found.gradient).paths == dg.Layout.of(params).paths
    for w, g in zip(dg.tree.leaves(params), dg.tree.leaves(found.gradient), strict=True):
        assert (np.shape(g), g.dtype) == (np.shape(w), np.result_type(w))
    assert found.value.dtype == dtype
    assert found.directional is None or found.directional.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LEARNING)
def test_estimates_are_of_the_precision_of_the_parameters(name, dtype):
    run = Learning(RUNS[name][1], RUNS[name][2], dtype=dtype)
    required_alike(first(run.thing, run.data), run.params, dtype)


def kinds(dtype):
    a = lambda: dg.Rng(1).normal(2).astype(dtype)  # noqa: E731
    yield from (a(), {"a": a(), "b": a()}, [a(), a()], (a(),), {"a": [a(), {"c": a()}], "b": (a(),)})
    yield from (dg.Params({"a": a()}), dg.Params({"a": a(), "b": a()}, buffers={"mean": a()}))


ON_SYSTEMS = [name for name, (cls, *_) in SETTINGS.items() if cls is not online.KroneckerRTRL and "metric" not in name]


def waves(cls, dtype=np.float64, loss=lambda s, y, p: np.sum(s * s, axis=-1)):
    """A system whose parameters are any tree of vectors of two entries."""
    step = lambda s, x, p: (0.5 * s + sum(map(np.sin, dg.tree.leaves(p)))).astype(s.dtype)  # noqa: E731
    return online.System(step, loss, np.zeros(2, dtype), batched=cls is online.EvolutionStrategies)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", ON_SYSTEMS)
def test_estimates_are_of_the_kind_of_the_parameters(name, dtype):
    cls, make, _ = SETTINGS[name]
    for params in kinds(dtype):
        required_alike(first(make().start(waves(cls, dtype), params, rng=0), lambda t: (None, None)), params, dtype)
    mixed = {"a": np.ones(2, np.float32), "b": np.ones(2)}
    required_alike(first(make().start(waves(cls), mixed, rng=0), lambda t: (None, None)), mixed, np.float64)


# ---------------------------------------------------------------------- what is refused


def kept(learner):
    return dg.tree.leaves(learner.state_dict())


@pytest.mark.parametrize("name", ON_SYSTEMS)
def test_a_loss_that_is_no_number_is_refused_and_nothing_has_changed(name):
    cls, make, _ = SETTINGS[name]
    wrong = []
    system = waves(cls, loss=lambda s, y, p: np.sum(s * s, axis=-1) if y is None else y)
    learner = make().start(system, np.ones(2), rng=0)
    learner.step(None, None)
    for loss in ("a", 1j, [1.0], np.ones((3, 2)), {"a": 1.0}, np.nan, object()):
        before = kept(learner)
        try:
            learner.step(None, loss)
            learner.close()
        except (TypeError, dg.DualgradError) as error:
            wrong.append(str(error))
        assert all(map(np.array_equal, before, kept(learner))), loss
    assert len(wrong) == 7


@pytest.mark.parametrize("name", SETTINGS)
def test_a_learner_asks_for_what_it_needs(name):
    cls, make, _ = SETTINGS[name]
    learner, (system, params, data) = make(), CATALOGUE[cls][1]()
    for call in (learner.reset, lambda: learner.step(*data(0))):
        with pytest.raises(dg.DualgradError, match=r"has no system yet: start\(system, params, rng=0\)"):
            call()
    if learner.draws:
        with pytest.raises(TypeError, match=r"draws random numbers: start\(system, params, rng=0\)"):
            learner.start(system, params)
    for wrong in (3, None, lambda p: 1.0, nn.Linear(2, 2)):
        with pytest.raises((TypeError, dg.DualgradError), match=r"system|Network"):
            learner.start(wrong, params, rng=0)
    for wrong in (None, {}, dg.tree.map_leaves(lambda a: a.astype(int), dict(params)), 1j):
        with pytest.raises((TypeError, dg.DualgradError), match="param"):
            learner.start(system, wrong, rng=0)
    assert learner.state_dict()["system"] is None
