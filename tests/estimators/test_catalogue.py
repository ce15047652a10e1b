"""Every estimator of `estimators.__all__`, under every setting of the catalogue: what it says of itself is so.

Its repr makes it again; its mean, variance and cost are what is counted; several directions are single ones put
together; estimates are in the kind and precision of the parameters; and what it cannot take, it refuses unchanged.
(Nonsense is in tests/test_refusals.py.)
"""

import re
from functools import partial

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, online, optim
from dualgrad.settings import settings
from dualgrad.testing import exact_moments
from tests.support import rooms, strict
from tests.support.checks import close
from tests.support.counting import products
from tests.support.dealing import Dealt, Recording
from tests.support.rooms import CATALOGUE, RUNS, SIGNS, Learning, by_shard, maker, plain, sequence

SETTINGS = rooms.every_setting(lambda cls: cls.__module__.startswith("dualgrad.estimators"))
NAMES = {
    name: getattr(room, name) for room in (online, directions, optim, estimators) for name in room.__all__
}  # where two rooms share a name, that of estimators
AROUND = [name for name, (kind, _, _) in RUNS.items() if kind is not Learning]


def test_every_estimator_has_a_row():
    assert {cls for cls, *_ in SETTINGS.values()} == {e for e in rooms.EVERY if issubclass(e, estimators.Estimator)}


# ---------------------------------------------------------------------- reprs


def again(thing):
    """What the repr of a thing makes."""
    found = eval(repr(thing), dict(NAMES))
    assert repr(found) == repr(thing)
    assert settings(found) == settings(thing)
    return found


@pytest.mark.parametrize("name", [*SETTINGS, *AROUND])
def test_a_repr_makes_an_equal_estimator(name):
    again(SETTINGS[name][1]() if name in SETTINGS else RUNS[name][1]())


@pytest.mark.parametrize("name", SETTINGS)
def test_numbers_of_numpy_are_shown_as_those_of_python(name):
    cls, make, changed = SETTINGS[name]
    for argument, value in changed.items():
        kind = {bool: np.bool_, int: np.int64, float: np.float64}.get(type(value))
        if kind is not None:
            assert repr(maker(cls, **{argument: kind(value)})()) == repr(make())


def test_arrays_alone_are_left_out_of_reprs():
    vector = np.arange(1.0, 4.0)
    for shown, thing in {
        "ForwardGradient(directions=Rademacher(), n=1, baseline=...)": estimators.ForwardGradient(
            SIGNS, baseline=vector
        ),
        "ForwardGradient(directions=Along(...), n=1)": estimators.ForwardGradient(directions.Along(vector)),
        "Dodge(ForwardGradient(directions=Scaled(Rademacher(), c), n=1), decay=0.0)": estimators.Dodge(
            estimators.ForwardGradient(directions.Scaled(SIGNS, vector))
        ),
    }.items():
        assert repr(thing) == shown
    again(estimators.QuadraticCritic(lr=0.5, scale=2.0))


# ---------------------------------------------------------------------- states (more in tests/test_resuming.py)


@pytest.mark.parametrize("name", AROUND)
def test_one_that_is_reset_is_as_new(name):
    kind, make, place = RUNS[name]
    run, fresh = kind(make, place), make()
    before = str(fresh.state_dict())
    fresh.reset()  # before there was anything to forget
    run.call()
    run.thing.reset()
    assert str(run.thing.state_dict()) == str(fresh.state_dict()) == before


# ---------------------------------------------------------------------- claims, over every outcome of the draws

X, Y = np.array([[0.5, -1.0], [1.5, 0.25]]), np.array([[1.0], [-0.5]])
# settings that state no mean or variance in closed form, which says so in words
NO_MEAN = {estimators.ActivationMixing, estimators.Reptile, estimators.TruncatedBPTT, estimators.SyntheticGradient}
NO_MEAN |= {estimators.DeterministicPolicyGradient}
NO_VARIANCE = NO_MEAN | {estimators.SelfSharpening, estimators.MatchedCosine}


def cubic(w):
    """Of third degree, at which the stated bias of differences is exact."""
    return w[0] ** 3 + w[0] ** 2 * w[1] + np.sum(w**2)


def quadratic(w):
    return w[0] * w[1] + np.sum(w**2)


def smallest(cls):
    """An objective of few draws, and its parameters."""
    place = CATALOGUE[cls][1]
    if place is plain:
        return by_shard(quadratic if issubclass(cls, estimators.SPSA) else cubic), G
    if place is sequence:
        model, x, y = nn.Sequential(nn.RNN(1, 1), nn.Linear(1, 1)), np.ones((4, 2, 1)), np.zeros((4, 2, 1))
    elif cls is estimators.ForwardGradient:
        model, x, y = nn.Linear(2, 1), X, Y
    else:
        model, x, y = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)), X[:1], Y[:1]
    return nn.Objective(model, nn.mse).bind(x, y), model.init(rng=1, dtype=np.float64)


def stated(name):
    """An estimator with what it states at a small problem: mean and variance, or words where it states none."""
    cls, _, changed = SETTINGS[name]
    small = {"n": 1} if cls in GUESSES or cls is estimators.ForwardGradient else {}
    small |= {"eps": 0.25} if issubclass(cls, DIFFERENCES) else {}
    few = {"n": 2, "eps": 0.5}
    changed = {name: few.get(name, value) for name, value in changed.items()}
    if changed.get("local"):
        return None
    estimator = maker(cls, **small | changed)()
    objective, params = smallest(cls)
    if getattr(estimator, "keeps", False) and cls is estimators.ForwardGradient:
        estimator.estimate(objective, params, rng=5)  # so that there is a control variate
    g, found = dg.grad(objective)(params), []
    for claim in (estimator.expectation, estimator.variance):
        try:
            found.append(claim(g, objective, params))
        except NotImplementedError as error:
            found.append(str(error))
    return estimator, objective, params, found


G, DIFFERENCES = np.array([0.5, -1.0]), (estimators.SPSA, estimators.FiniteDifference)
GUESSES = {
    cls for cls in CATALOGUE
    if cls.__module__.startswith("dualgrad.estimators.guessing") and cls is not estimators.MatchedCosine
}  # fmt: skip


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in dg.tree.leaves(tree)])


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_stated_of_mean_and_variance_is_so(name):
    cls, _, changed = SETTINGS[name]
    case = stated(name)
    if case is None:
        pytest.skip("local losses are those of networks of their own, in test_guessing")
    estimator, objective, params, (mean, variance) = case
    drawing = cls is estimators.Dodge and "candidate" not in changed  # along a candidate that draws
    previous = cls is estimators.Oracle and estimator.previous
    assert isinstance(mean, str) == (cls in NO_MEAN or drawing or previous)
    powered = cls is estimators.TransposedWeight and estimator.power != 1
    assert isinstance(variance, str) == (cls in NO_VARIANCE or drawing or powered)
    words = [said for said in (mean, variance) if isinstance(said, str)]
    assert all(re.search("expectation|mean|variance|closed form", said) for said in words)
    if isinstance(mean, str) or cls is estimators.MatchedCosine:  # stated for a base of normals
        return
    state = estimator.state_dict()

    def run(rng):
        estimator.load_state_dict(state)
        return estimator.estimate(objective, params, rng=rng).gradient

    found = exact_moments(run)
    close(found.mean, flat(mean), 1e-9)
    if not isinstance(variance, str):
        close(found.variance, flat(variance), 1e-9)


@pytest.mark.parametrize("name", [name for name, (cls, *_) in SETTINGS.items() if issubclass(cls, estimators.SPSA)])
def test_the_bias_of_perturbations_is_so(name):
    """The stated mean is exact for cubic losses, the variance, above, for quadratic ones."""
    cls, _, changed = SETTINGS[name]
    estimator, w = maker(cls, **{"n": 1, "eps": 0.25} | changed | ({"eps": 0.5} if "eps" in changed else {}))(), G
    found = exact_moments(lambda rng: estimator.estimate(cubic, w, rng=rng).gradient, degree=8)
    close(found.mean, estimator.expectation(dg.grad(cubic)(w), cubic, w), 1e-9)
    assert np.max(np.abs(found.mean - dg.grad(cubic)(w))) > 0.01


def test_several_guesses_and_a_matched_cosine_have_what_they_state():
    for cls in GUESSES - NO_MEAN:
        noise = {} if cls is estimators.SelfSharpening else {"noise": "signs"}
        estimator, (objective, params) = maker(cls, n=2, local=False, **noise)(), smallest(cls)
        g = dg.grad(objective)(params)
        found = exact_moments(lambda rng, e=estimator, o=objective, p=params: e.estimate(o, p, rng=rng).gradient)
        close(found.mean, flat(estimator.expectation(g, objective, params)), 1e-9)
        if cls not in NO_VARIANCE:
            close(found.variance, flat(estimator.variance(g, objective, params)), 1e-9)
    g = np.array([3.0, -4.0])
    matched = estimators.MatchedCosine(estimators.ForwardGradient(SIGNS), 0.6)  # in two dimensions ± what lies beside g
    found = exact_moments(lambda rng: matched.estimate(lambda w: w @ g, np.zeros(2), rng=rng).gradient)
    close(found.mean @ g / (g @ g), matched.expectation(g) @ g / (g @ g), 1e-12)


# ---------------------------------------------------------------------- costs

DEPTH, WIDTH, BATCH = 8, 4, 32


def deep(cls_place):
    """A network of layers alike, or one that is recurrent, on the pretend device, whose products can be counted."""
    if cls_place is sequence:
        model, lead = nn.Sequential(nn.RNN(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)), (6, BATCH)
    else:
        layers = [(nn.Linear(WIDTH, WIDTH, bias=False), nn.Tanh()) for _ in range(DEPTH)]
        model, lead = nn.Sequential(*[layer for pair in layers for layer in pair]), (BATCH,)
    x, y = dg.Rng(1).normal((2, *lead, WIDTH))
    objective = nn.Objective(model, nn.mse).bind(x, y)
    objective.x, objective.y = strict.device((x, y))
    return objective, rooms.on_device(model.init(rng=0, dtype=np.float64))


def learns_online(thing):
    """Whether a learner is among the candidates, whose costs are in tests/online."""
    return any(not isinstance(one, estimators.Estimator) for one in getattr(thing, "candidates", []))


@pytest.mark.parametrize("name", [*SETTINGS, *AROUND])
def test_a_cost_is_the_number_of_products_there_are(name):
    """In forward passes; the first layer, whose input has no tangent and needs no cotangent, takes fewer."""
    cls, make, changed = SETTINGS[name] if name in SETTINGS else (None, RUNS[name][1], {})
    estimator, place = make(), CATALOGUE[cls][1] if cls else RUNS[name][2]
    if changed.get("local") or changed.get("shards") or learns_online(estimator):
        pytest.skip("local losses, and shards, are of objectives of their own; learners are in tests/online")
    objective, params = deep(place)
    with products(WIDTH) as one:
        objective(params)
    for _ in range(2):  # with what the first one leaves
        with products(WIDTH) as counted:
            found = estimator.estimate(objective, params, rng=0)
        passes = counted[0] / one[0]
        assert found.cost * (1 - 1.2 / DEPTH) <= passes <= found.cost * 1.04


def test_costs_of_exact_gradients_are_of_every_entry():
    calls = []

    def loss(p):
        calls.append(1)
        return sum(np.sum(np.real(leaf * np.conj(leaf))) for leaf in dg.tree.leaves(p))

    params = {"a": np.ones((2, 3)), "b": np.ones(5), "c": np.ones(2, complex)}
    for chunk, passes in ((None, 4), (2, 3 + 3 + 2), (5, 2 + 1 + 2), (128, 4)):
        calls.clear()
        found = estimators.ForwardJacobian(chunk).estimate(loss, params)
        assert found.cost == passes + 2 * (11 + 2 * 2) == len(calls) + 2 * (11 + 2 * 2)
    calls.clear()
    assert estimators.FiniteDifference().estimate(loss, params).cost == len(calls) == 1 + 2 * (11 + 2 * 2)
    for kind in (estimators.SPSA, estimators.MeZO):
        calls.clear()
        assert kind(n=3).estimate(loss, {"a": np.ones(2)}, rng=0).cost == len(calls) == 6
    calls.clear()
    w = np.ones(2)
    assert estimators.MeZO(n=3).step(loss, w, lr=0.1, rng=0).cost == len(calls) == 6


# ---------------------------------------------------------------------- several directions

SEVERAL = [cls for cls, (_, _, arguments) in CATALOGUE.items() if "n" in arguments and cls in NAMES.values()]
SEVERAL = [cls for cls in SEVERAL if issubclass(cls, estimators.Estimator)]
ALSO = {
    "LowRank": partial(estimators.ForwardGradient, directions.LowRank()),
    "Sphere": partial(estimators.ForwardGradient, directions.Sphere()),
    "Uniform": partial(estimators.ForwardGradient, directions.Uniform()),
    "Coordinate": partial(estimators.ForwardGradient, directions.Coordinate()),
    "Scaled": partial(estimators.ForwardGradient, directions.Scaled(SIGNS, np.linspace(1, 2, 26), restore=True)),
    "sum": partial(estimators.ForwardGradient, SIGNS, combine="sum"),
    "baseline": partial(estimators.ForwardGradient, SIGNS, baseline=np.linspace(-1, 1, 26)),
    "shrink": partial(estimators.ForwardGradient, SIGNS, shrink=True),
}


@pytest.mark.parametrize("name", [*(cls.__name__ for cls in SEVERAL), *ALSO])
def test_several_directions_are_single_ones_put_together(name):
    """What n of them give is what each gives alone, with the same draws."""
    cls = getattr(estimators, name, None)
    fixed = {"baseline": None} if cls is estimators.ForwardGradient else {}
    make = ALSO.get(name) or (lambda n: maker(cls, n=n, **fixed)())
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    objective = nn.Objective(model, nn.mse).bind(dg.Rng(1).normal((5, 3)), dg.Rng(2).normal((5, 2)))
    params = dict(model.init(rng=0, dtype=np.float64))
    w, layout = dg.Layout.of(params).vector(params), dg.Layout.of(params)
    loss = objective if cls in GUESSES else lambda w: objective(layout.tree(w))
    params = params if cls in GUESSES else w
    one, rng = make(n=1), Recording(0)
    alone, draws = zip(*(rng.by(lambda rng: one.estimate(loss, params, rng=rng)) for _ in range(3)), strict=True)
    found = make(n=3).estimate(loss, params, rng=Dealt(draws))
    total = np.sum([flat(each.gradient) for each in alone], axis=0) / (1 if name == "sum" else 3)
    if name == "shrink":  # c = 1/(1 + r) with r = (p - 1)/n for signs
        total = total * (1 + 25) / (1 + 25 / 3)
    close(flat(found.gradient), total, 1e-12)
    close(np.reshape(found.directional, (3, -1)), np.reshape([each.directional for each in alone], (3, -1)), 1e-9)
    close(found.value, np.mean([each.value for each in alone]), 1e-12)


@pytest.mark.parametrize("base", [SIGNS, directions.Gaussian(), directions.LowRank()])
def test_a_projection_is_the_least_squares_estimate_on_the_span(base):
    g, V = np.array([1.0, -2.0, 0.5, 3.0]), base.sample({"w": np.zeros((2, 2))}, rng=dg.Rng(7), n=3)
    V = np.reshape(getattr(V["w"], "dense", lambda: V["w"])(), (3, 4))
    projected = estimators.ForwardGradient(base, n=3, combine="project")
    found = projected.estimate(lambda p: np.sum(p["w"].reshape(4) * g), {"w": np.zeros((2, 2))}, rng=dg.Rng(7))
    close(found.gradient["w"].reshape(4), np.linalg.lstsq(V.T, g)[0] @ V, 1e-12)


# ---------------------------------------------------------------------- kinds and precisions

FUNCTIONS = [name for name in AROUND if RUNS[name][2] is plain] + ["ForwardGradient", "MeZO.estimate"]


def kinds(dtype):
    """Parameters of every kind."""
    a = lambda *shape: dg.Rng(1).normal(shape).astype(dtype)  # noqa: E731
    yield from (a(3), a(2, 3), np.array(0.3, dtype), dtype(0.3), {"a": a(2, 3), "b": a(2)}, [a(2), a(3)], (a(2), a(1)))
    yield from ({"a": [a(2), {"c": a(1, 2)}], "b": (a(1),)}, {"b": a(1), "a": None, "c": []})
    yield from (dg.Params({"a": a(2, 3)}), dg.Params({"a": a(2, 3), "b": a(2)}, buffers={"mean": a(2)}))


def wave(p):
    return sum(np.sum(np.sin(leaf)) for leaf in dg.tree.leaves(p))


def required_alike(gradient, params):
    """A gradient lies as its parameters do, in their dtypes, without their buffers."""
    assert type(gradient) is type(params) or isinstance(params, float)
    assert not getattr(gradient, "buffers", None)
    assert dg.Layout.of(gradient).paths == dg.Layout.of(params).paths
    for w, g in zip(dg.tree.leaves(params), dg.tree.leaves(gradient), strict=True):
        assert np.shape(w) == np.shape(g)
        assert g.dtype == np.result_type(w)
        assert np.all(np.isfinite(g))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_estimates_are_of_the_kind_and_precision_of_the_parameters(name, dtype):
    make, large = RUNS[name][1], {"eps": 0.25} if dtype is np.float16 else {}
    for params in kinds(dtype):
        estimator = make()
        for attribute, value in large.items():
            if hasattr(estimator, attribute):
                setattr(estimator, attribute, value)
        if getattr(estimator, "combine", "") == "project" and dg.Layout.of(params).size < 3:
            continue
        found = estimator.estimate(wave, params, rng=0)
        required_alike(found.gradient, params)
        assert found.value.dtype == dtype
        assert found.directional is None or found.directional.dtype == dtype


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_and_mixed_precisions_go_on_as_they_are(name):
    make = RUNS[name][1]
    if getattr(make(), "combine", "") != "project":
        required_alike(make().estimate(lambda x: x * x, 0.5, rng=0).gradient, 0.5)
    mixed = {"a": np.ones(2, np.float32), "b": np.full(3, 0.5), "c": np.float32(0.25)}
    required_alike(make().estimate(wave, mixed, rng=0).gradient, mixed)
    data, single = np.arange(3.0), np.ones(3, np.float32)
    found = make().estimate(lambda w: np.sum(w * data), single, rng=0)  # the data make the loss double
    required_alike(found.gradient, single)
    assert found.value.dtype == np.float64
    assert found.directional is None or found.directional.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", AROUND)
def test_estimates_of_networks_keep_their_precision(name, dtype):
    kind, make, place = RUNS[name]
    run = kind(make, place, dtype=dtype)
    found = run.thing.estimate(run.objective(0, run.rng), run.params, rng=run.rng)
    required_alike(found.gradient, run.params)
    assert found.value.dtype == dtype
    assert found.directional is None or found.directional.dtype == dtype


EXACT = estimators.ForwardJacobian, estimators.Backprop, estimators.Oracle, estimators.FiniteDifference  # complex too


@pytest.mark.parametrize("name", AROUND)
def test_what_is_stated_lies_as_the_gradient_does(name):
    kind, make, place = RUNS[name]
    run = kind(make, place, dtype=np.float32)
    objective, thing, params = run.objective(0, run.rng), make(), run.params
    assert hasattr(thing, "expectation")
    gradient, a_dict = dg.tree.map_leaves(np.ones_like, params), dict(params)
    whole, imaginary = (dg.tree.map_leaves(turn, a_dict) for turn in (lambda a: a.astype(int), lambda a: a * 1j))
    for claim in (thing.expectation, thing.variance):
        try:
            required_alike(claim(gradient, objective, params), params)
        except NotImplementedError:
            continue
        refuses(TypeError, r"gradient\[.*\] has dtype int64", claim, whole)
        refuses((TypeError, dg.DualgradError), r"gradient=None|give objective and params", claim, None)
        refuses(dg.ShapeError, r"got a gradient of 1 entries for \d+ parameters", claim, np.ones(1), objective, params)
        if not isinstance(thing, EXACT):
            refuses((TypeError, dg.DualgradError), "complex|give objective and params", claim, imaginary)
        if not hasattr(thing, "noise"):  # guesses need the network alone
            refuses(TypeError, r"on which .* depends: give dg.grad", claim, None, objective, params)


def refuses(error, says, call, *args):
    with pytest.raises(error, match=says):
        call(*args)


# ---------------------------------------------------------------------- what is refused


def refused(thing, error, says, *args, **kwargs):
    before = thing.state_dict()
    with pytest.raises(error, match=says):
        thing.estimate(*args, **kwargs)
    after = thing.state_dict()
    assert list(before) == list(after)
    assert all(map(np.array_equal, dg.tree.leaves(before), dg.tree.leaves(after)))


@pytest.mark.parametrize("name", AROUND)
def test_an_estimator_that_draws_asks_for_a_stream_and_others_need_none(name):
    kind, make, place = RUNS[name]
    run = kind(make, place)
    objective = run.objective(0, run.rng)
    if run.thing.draws:
        refused(
            run.thing, TypeError, r"draws random numbers: estimate\(objective, params, rng=0\)", objective, run.params
        )
        refused(run.thing, (TypeError, ValueError), "rng", objective, run.params, rng="a")
    else:
        run.thing.estimate(objective, run.params)


@pytest.mark.parametrize("name", AROUND)
def test_an_objective_is_a_function(name):
    for wrong in (None, 3, "a", np.ones(2), {"loss": wave}):
        refused(
            RUNS[name][1](), TypeError, "got objective=.*; expected a function of the param", wrong, np.ones(4), rng=0
        )


@pytest.mark.parametrize("name", [name for name in AROUND if RUNS[name][2] is not plain])
def test_an_estimator_of_networks_asks_for_one(name):
    kind, make, place = RUNS[name]
    run = kind(make, place)
    if isinstance(run.thing, (estimators.ForwardGradient, estimators.MeZO)):
        pytest.skip("takes any function")
    run.thing.estimate(run.objective(0, run.rng), run.params, rng=0)
    for wrong in (wave, nn.Objective(nn.Linear(2, 2), nn.mse)):
        refused(run.thing, (dg.DualgradError, TypeError), r"bind\(x, y\)", wrong, run.params, rng=0)
