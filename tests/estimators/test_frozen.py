"""With ``frozen`` names every estimator is that of a function of the others alone, with zeros in their places.

Bit for bit what it makes of such a function written by hand; unbiased where it is so; for Params with buffers, dicts
and nested trees; state and errors too.
"""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, workers
from dualgrad.testing import exact_moments
from tests.support.rooms import CATALOGUE, RUNS, Run, Steps, maker, network, sequence

AROUND = {name: run for name, run in RUNS.items() if run[0] in (Run, Steps)}
GUESSES = {
    name for name, (_, make, place) in AROUND.items() if place is network and hasattr(make(), "local")
}  # which look inside a network, of which a function is none
CANDIDATES = {name for name, (_, _, place) in AROUND.items() if place is sequence}


class ByHand:
    """An objective of some of its parameters, with the rules that estimators ask for."""

    def __init__(self, bound, fixed, names):
        self.bound, self.fixed, self.names = bound, fixed, names

    def __call__(self, some):
        return self.bound({**self.fixed, **{name: some[name] for name in self.names}})

    def __getattr__(self, name):
        if name.startswith("__") or name == "bound":
            raise AttributeError(name)
        return getattr(self.bound, name)

    def per_example(self, some):
        return self.bound.per_example({**self.fixed, **some})

    def vjp(self, some, **keywords):
        value, gradient = self.bound.vjp({**self.fixed, **some}, **keywords)
        return value, {name: gradient[name] for name in self.names}


def by_hand(objective, params, names):
    fixed = {name: w for name, w in params.items() if name not in names}
    if hasattr(objective, "vjp"):
        return ByHand(objective, fixed, names)
    if isinstance(objective, (list, tuple)):
        return [by_hand(one, params, names) for one in objective]

    def loss(some):
        if isinstance(some, int):
            return by_hand(objective(some), params, names)
        return objective({**fixed, **{name: some[name] for name in names}})

    return loss


def alone(params, names):
    """These parameters by themselves."""
    some = {name: np.array(params[name]) for name in names}
    return dg.Params(some) if isinstance(params, dg.Params) else some


def splits(params):
    """Which names move: the first, the last, and all but one in the middle."""
    names = list(params)
    return [names[:1], names[-1:], [name for name in names if name != names[len(names) // 2]]]


def two_calls(make, place, names, frozen, dtype):
    """What two estimates in a row give, of the catalogue's objective or, without ``frozen``, of one by hand."""
    params, batch = place(dtype)
    thing, rng, found = make(), dg.Rng(5), []
    for t in range(2):
        objective = batch(t, rng)
        if frozen:
            found.append(thing.estimate(objective, params, rng=rng, frozen=frozen))
        else:
            found.append(thing.estimate(by_hand(objective, params, names), alone(params, names), rng=rng))
    return params, found, thing


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", sorted(set(AROUND) - GUESSES - CANDIDATES))
def test_an_estimate_is_that_of_the_others_alone(name, dtype):
    _, make, place = AROUND[name]
    every = list(place(dtype)[0])
    for names in splits(place(dtype)[0]):
        frozen = [n for n in every if n not in names]
        try:
            _, expected, by_itself = two_calls(make, place, names, None, dtype)
        except ValueError as error:  # fewer parameters than directions
            with pytest.raises(ValueError, match=str(error)[:20]):
                two_calls(make, place, names, frozen, dtype)
            continue
        params, found, thing = two_calls(make, place, names, frozen, dtype)
        for a, b in zip(found, expected, strict=True):
            assert a.value == b.value
            assert a.cost == b.cost
            assert np.array_equal(a.directional, b.directional)
            assert type(a.gradient) is type(params)
            for n in every:
                assert a.gradient[n].dtype == dtype
                assert np.array_equal(a.gradient[n], b.gradient[n] if n in names else np.zeros_like(params[n]))
        assert repr(thing.state_dict()) == repr(by_itself.state_dict())


@pytest.mark.parametrize("name", sorted(CANDIDATES))
def test_candidates_propose_for_what_moves(name):
    """Of a recurrent network: what they say of all, where it is exact."""
    _, make, place = AROUND[name]
    params, batch = place()
    objective, exact = batch(0, dg.Rng(0)), name.startswith("TruncatedBPTT")
    for names in splits(params):
        frozen = [n for n in params if n not in names]
        found = make().estimate(objective, params, rng=dg.Rng(1), frozen=frozen).gradient
        assert all(np.any(found[n]) == (n in names) for n in params)
        if exact:
            whole = make().estimate(objective, params, rng=dg.Rng(1)).gradient
            assert all(np.array_equal(found[n], whole[n]) for n in names)


@pytest.mark.parametrize("name", sorted(GUESSES))
def test_guesses_are_made_for_the_layers_that_move(name):
    """E ĝ is what the estimator says of the whole network, in the places of what moves; and so few guesses are drawn
    that less noise is in it."""
    make = AROUND[name][1]
    kind = type(make())
    if "noise" in CATALOGUE.get(kind, (0, 0, {}))[2]:
        make = maker(kind, noise="signs", n=1)
    rng, model = np.random.default_rng(0), nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    params = model.init(rng=1, dtype=np.float64)
    objective = nn.Objective(model, nn.mse).bind(rng.standard_normal((2, 2)), rng.standard_normal((2, 1)))
    for frozen in (["0.*"], ["2.*"], ["*.bias"], ["0.weight", "2.bias"]):
        thing = make()
        part = estimators.moving.Moving(thing, params, frozen)
        found = thing.estimate(objective, params, rng=0, frozen=frozen).gradient
        assert all(np.any(found[n]) == (n in part.names) for n in params)
        if kind in (estimators.ActivationMixing, estimators.SelfSharpening):
            continue  # no mean is known, or that of one layer depends on which others are guessed at
        expected = part.taken(thing.expectation(params, objective, params)).vector
        own = thing.expectation(part.params, part.objective(objective), part.params).vector
        moments = exact_moments(
            lambda rng, t=thing, f=frozen: t.estimate(objective, params, rng=rng, frozen=f).gradient
        )
        np.testing.assert_allclose(own, expected, rtol=1e-12)
        np.testing.assert_allclose(part.taken(params.at(moments.mean)).vector, own, rtol=1e-9)


UNBIASED = {
    "ForwardGradient": lambda: estimators.ForwardGradient(directions.Rademacher()),
    "ForwardGradient(2)": lambda: estimators.ForwardGradient(directions.Gaussian(), n=2),
    "ForwardGradient(LowRank)": lambda: estimators.ForwardGradient(directions.LowRank()),
    "Orthogonal": lambda: estimators.ForwardGradient(directions.Coordinate()),
    "SPSA": lambda: estimators.SPSA(1e-3),
    "Shared": lambda: estimators.Shared(estimators.ForwardGradient(directions.Rademacher(), n=2), chunk=1),
    "ActivationPerturbation": lambda: estimators.ActivationPerturbation(noise="signs"),
    "Backprop": estimators.Backprop,
}


@pytest.mark.parametrize("frozen", [("0.weight", "2.weight"), ("0.*",), ("2.*", "0.weight")])
@pytest.mark.parametrize("name", UNBIASED)
def test_the_mean_is_the_exact_gradient_where_something_moves(name, frozen):
    rng, model = np.random.default_rng(0), nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1))
    params = model.init(rng=1, dtype=np.float64)
    objective = nn.Objective(model, nn.mse).bind(rng.standard_normal((2, 1)), rng.standard_normal((2, 1)))
    exact, thing = estimators.Backprop().estimate(objective, params).gradient, UNBIASED[name]()
    part = estimators.moving.Moving(thing, params, frozen)
    moments = exact_moments(lambda rng: thing.estimate(objective, params, rng=rng, frozen=frozen).gradient)
    mean = params.at(moments.mean)
    for n in params:
        assert np.array_equal(mean[n] != 0, np.full(params[n].shape, n in part.names))
    atol = 1e-5 if name == "SPSA" else 1e-12
    np.testing.assert_allclose(part.taken(mean).vector, part.taken(exact).vector, rtol=1e-9, atol=atol)
    if name == "ForwardGradient":  # of signs, Σ ‖g‖² - g_k² over those that move
        g = part.taken(exact).vector
        assert np.trace(moments.covariance) == pytest.approx((g.size - 1) * np.sum(g * g))


# ---------------------------------------------------------------------- what parameters may be


def test_nested_trees_and_buffers():
    tree = {"a": [np.array([1.0, 2.0]), {"b": 3.0}], "c": (np.float32(0.5), np.ones((1, 2), np.complex64))}

    def loss(p):
        return np.sum(p["a"][0] ** 2) * p["a"][1]["b"] + p["c"][0] * np.sum(np.abs(p["c"][1]) ** 2)

    exact = estimators.ForwardJacobian().estimate(loss, tree).gradient
    for frozen in (["a.0"], ["a.*", "c.1"], ["c.0", "a.1.b"], "c.?"):
        found = estimators.ForwardJacobian().estimate(loss, tree, frozen=frozen).gradient
        part = estimators.moving.Moving(None, tree, frozen)
        names = ["a.0", "a.1.b", "c.0", "c.1"]
        for n, a, b in zip(names, dg.tree.leaves(found), dg.tree.leaves(exact), strict=True):
            assert np.array_equal(a, b if n in part.names else np.zeros_like(b))
            assert np.asarray(a).dtype == np.asarray(b).dtype
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm(3), nn.ReLU(), nn.Linear(3, 1))
    params = model.init(rng=0, dtype=np.float64)
    params.buffers["1.running_mean"][:] = [0.5, -1, 2]
    rng = np.random.default_rng(0)
    objective = nn.Objective(model, nn.mse)
    for train in (False, True):
        batch = objective.bind(rng.standard_normal((4, 2)), rng.standard_normal((4, 1)), train=train)
        exact = estimators.Backprop().estimate(batch, params).gradient
        for make in (estimators.Backprop, estimators.ForwardJacobian):
            for frozen in (["0.*"], ["1.*"], ["0.*", "1.*"], ["3.*"]):
                found = make().estimate(batch, params, frozen=frozen).gradient
                moving = estimators.moving.Moving(None, params, frozen).names
                for n in params:
                    expected = exact[n] if n in moving else 0 * exact[n]
                    np.testing.assert_allclose(found[n], expected, rtol=1e-12, atol=1e-14)


def test_tasks_and_shards():
    params, batch = network()
    names, frozen = list(params)[2:], list(params)[:2]
    tasks = [batch(t, dg.Rng(t)) for t in range(2)]
    a = estimators.Reptile(2, 0.1).estimate(tasks, params, rng=0, frozen=frozen)
    b = estimators.Reptile(2, 0.1).estimate(by_hand(tasks, params, names), alone(params, names), rng=0)
    assert a.value == b.value
    assert all(np.array_equal(a.gradient[n], b.gradient[n]) for n in names)
    shared = lambda: estimators.Shared(estimators.SPSA(n=3), shards=2, chunk=2)  # noqa: E731
    a = shared().estimate(tasks.__getitem__, params, rng=0, frozen=frozen)
    b = shared().estimate(lambda k: by_hand(tasks[k], params, names), alone(params, names), rng=0)
    assert a.value == b.value
    assert all(np.array_equal(a.gradient[n], b.gradient[n]) for n in names)


@pytest.mark.parametrize("make", [lambda: estimators.MeZO(1e-3, 2), lambda: estimators.Shared(estimators.MeZO(n=2))])
@pytest.mark.parametrize("kind", ["Params", "dict"])
def test_a_step_in_place_moves_the_others_alone(make, kind):
    params, batch = network()
    params = params if kind == "Params" else dict(params.copy())
    objective = batch(0, dg.Rng(0))
    for names in splits(params):
        frozen, before = [n for n in params if n not in names], {n: np.array(w) for n, w in params.items()}
        some = alone(params, names)
        fixed = {n: w for n, w in before.items() if n not in names}
        thing, twin = make(), make()
        a = thing.step(objective, params, lr=0.1, rng=dg.Rng(2), frozen=frozen)
        b = twin.step(lambda p, fixed=fixed: objective({**fixed, **p}), some, lr=0.1, rng=dg.Rng(2))
        assert a.value == b.value
        assert np.array_equal(a.directional, b.directional)
        for n in params:
            assert np.array_equal(params[n], some[n] if n in names else before[n])


def test_a_step_that_fails_moves_nothing():
    params = dg.Params({"a": np.ones(2), "b": np.ones(3), "c": np.ones(2)})
    for frozen in ("b", "a"):  # the others apart, of which a copy is taken, and side by side
        with pytest.raises(dg.NonFiniteError):
            estimators.MeZO().step(lambda p: np.sum(p["c"]) * np.nan, params, lr=0.1, rng=0, frozen=frozen)
        assert np.all(params[frozen] == 1)
        np.testing.assert_allclose(params.vector, 1, atol=0 if frozen == "b" else 1e-15)


# ---------------------------------------------------------------------- what is refused


def test_what_is_refused():
    forward, loss = estimators.ForwardGradient(directions.Rademacher()), lambda p: np.sum(p["a"] ** 2)
    params = dg.Params({"a": np.ones(2), "b": np.ones(1)})
    for frozen, error, message in (
        ("c", dg.LayoutError, "no parameter is called so: the names are a, b"), ("*", dg.LayoutError, "left to move"),
        (["a", "b"], dg.LayoutError, "left to move"), ([1], TypeError, "expected names"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            forward.estimate(loss, params, rng=0, frozen=frozen)
        with pytest.raises(error, match=message):
            estimators.MeZO().step(loss, params, lr=0.1, rng=0, frozen=frozen)
    with pytest.raises(dg.LayoutError, match="no names"):
        forward.estimate(np.sum, np.ones(3), rng=0, frozen="a")
    averaging = estimators.ForwardGradient(directions.Rademacher(), baseline=0.5)
    averaging.estimate(loss, params, rng=0, frozen="b")
    with pytest.raises(dg.LayoutError, match="b"):
        averaging.estimate(loss, params, rng=0)
    assert averaging.made == 1
    with pytest.raises(TypeError, match="draws random numbers"):
        forward.estimate(loss, params, frozen="b")


def test_what_makes_steps_again_is_refused(tmp_path):
    params = dg.Params({"a": np.ones(2), "b": np.ones(1)})
    shared = estimators.Shared(estimators.SPSA(), journal=tmp_path / "run")
    with pytest.raises(NotImplementedError, match="with a journal"):
        shared.estimate(lambda p: np.sum(p["a"] ** 2), params, rng=0, frozen="b")


def test_workers_agree_on_what_is_frozen():
    def run(comm, frozen):
        shared = estimators.Shared(estimators.ForwardGradient(directions.Rademacher(), n=4), comm, chunk=2)
        params = dg.Params({"a": np.ones(2), "b": np.full(1, 1.0 + frozen[1] * comm.rank)})
        loss = lambda p: np.sum(p["a"] ** 2) + p["b"][0] * p["a"][0]  # noqa: E731
        return shared.estimate(loss, params, rng=0, frozen=frozen[0][comm.rank]).gradient.vector

    one = workers.threads(2, lambda comm: run(comm, (["b", "b"], 0)))
    assert np.array_equal(*one)
    assert one[0][2] == 0
    with pytest.raises(dg.LayoutError, match="parameters"):
        workers.threads(2, lambda comm: run(comm, (["b", "a"], 0)))
    with pytest.raises(dg.DriftError):  # of what does not move, too
        workers.threads(2, lambda comm: run(comm, (["b", "b"], 1)))


def test_an_optimizer_says_what_is_frozen():
    """Training with its names: what is frozen stays, the rest goes down; with NaN in its place as well."""
    params, batch = network()
    optimizer = dg.optim.SGD(0.1, groups={"0.*": {"lr": 0}})
    before, forward = params.copy(), estimators.ForwardGradient(directions.Rademacher(), n=4)
    objective, frozen = batch(0, dg.Rng(0)), optimizer.frozen(params)
    start = objective(params)
    for t in range(50):
        optimizer.step(params, forward.estimate(objective, params, rng=t, frozen=frozen).gradient)
    assert np.array_equal(params["0.weight"], before["0.weight"])
    assert objective(params) < 0.9 * start
