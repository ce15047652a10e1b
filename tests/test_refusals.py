"""Nonsense is refused in words by every estimator, learner and direction: arguments, losses, slopes, parameters."""

import contextlib
import dataclasses
import inspect
import re
import warnings
from functools import partial

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, online
from dualgrad.estimators import estimator as base
from tests.support.foreign import torch
from tests.support.rooms import CATALOGUE, CRITICAL, PARTIAL, RUNS, SIGNS, Learning, maker, network, plain, sequence

NONSENSE = [0, -1, 2.5, np.nan, np.inf, None, "a", True, [], 1j, np.array(["a"]), object()]
WORDS = (ValueError, TypeError, dg.DualgradError)


def works(run):
    """Three calls whose numbers are finite."""
    for _ in range(3):
        assert all(np.all(np.isfinite(a)) for a in run.call())


def named(name, attempt, *args):
    """Whether an attempt is refused, in words that name the argument, instead of working."""
    try:
        attempt(*args)
    except WORDS as error:
        called = rf"\b{name}=|^{name} has" if len(name) < 3 else rf"\b({name}|{name.removeprefix('init_')})\b"
        if not re.search(called, str(error)):
            raise AssertionError(f"{name} is not named by {error}") from error
        return True
    return False


# ---------------------------------------------------------------------- arguments of constructors


@pytest.mark.parametrize("cls", CATALOGUE, ids=lambda cls: cls.__name__)
def test_an_estimator_of_nonsense_is_refused_or_works(cls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what is taken for the name of a file lies there
    kind, place, arguments = CATALOGUE[cls]
    for name in arguments:
        attempt = lambda value, name=name: works(kind(maker(cls, **{name: value}), place))  # noqa: E731
        assert sum(named(name, attempt, value) for value in NONSENSE) >= 5, name


DIRECTIONS = {
    directions.Blocks: {"base": SIGNS},
    directions.Hadamard: {"low_rank": False},
    directions.Along: {"vector": np.arange(1.0, 4.0)},
    directions.Scaled: {"base": SIGNS, "c": np.ones(3), "restore": False},
}


def test_a_direction_of_nonsense_is_refused_or_works():
    for cls in [getattr(directions, name) for name in directions.__all__ if name != "Rows"]:  # which is what they draw
        usual = DIRECTIONS.get(cls, {})
        assert set(usual) == set(inspect.signature(cls).parameters)
        for argument in usual:

            def attempt(value, cls=cls, changed=usual, argument=argument):
                estimator = estimators.ForwardGradient(cls(**changed | {argument: value}))
                estimator.estimate(lambda w: np.sum(w**2), np.arange(1.0, 4.0), rng=0)

            assert sum(named(argument, attempt, value) for value in [*NONSENSE, [np.nan] * 3]) >= 8, argument


def test_critics_systems_and_networks_of_nonsense_are_refused_or_work():
    leak = {"step": lambda s, x, w: 0.5 * s + w, "loss": lambda s, y, w: np.sum(s), "init_state": np.zeros(1)}
    usual = {
        estimators.QuadraticCritic: {"lr": 0.1, "scale": 1.0},
        online.System: leak | {"vjp": None, "batched": False},
        online.euler: {"velocity": lambda s, x, p: -s, "loss": leak["loss"], "init_state": np.zeros(1), "dt": 0.1},
        online.Network: {
            "cells": nn.RNNCell(2, 3), "readout": nn.Linear(3, 1), "loss": nn.mse, "streams": None, "batched": False,
        },
    }  # fmt: skip
    for make, arguments in usual.items():
        assert set(arguments) == set(inspect.signature(make).parameters)
        for name in arguments:

            def attempt(value, make=make, arguments=arguments, name=name):
                made = make(**arguments | {name: value})
                if isinstance(made, online.System):
                    online.RTRL().start(made, np.ones(1)).step(None, None)
                elif isinstance(made, estimators.QuadraticCritic):
                    made.learn_value(np.ones((2, 2)), np.ones(2))
                    assert np.all(np.isfinite(made.gradient(np.ones((2, 2)))))

            with np.errstate(all="ignore"):
                assert sum(named(name, attempt, value) for value in NONSENSE) >= 6, (make, name)


def test_what_diagnoses_refuses_nonsense_too():
    for name in ("samples", "step"):
        for value in (-1, np.nan, np.inf, None, "a", 1j):
            with pytest.raises(ValueError, match=f"got {name}="):
                estimators.diagnose(estimators.Oracle(), lambda w: w @ w, np.ones(2), 0, **{name: value})


def test_ranks_and_terms_of_nonsense_are_refused():
    for wrong in ([np.nan, 1], [-1, 1], [], [0, 0], [np.inf], [1j], ["a"], None, np.ones((2, 2)), object()):
        with pytest.raises((ValueError, TypeError), match=r"got singular.values"):
            estimators.effective_rank(wrong)
    assert estimators.effective_rank([3, 3]) == pytest.approx(2)
    assert estimators.effective_rank(np.array([1e308, 1e308])) == pytest.approx(2)
    for wrong in (np.full((2, 2), np.nan), np.full((2, 2), 1j), [["a", "b"]] * 2, None, np.full((2, 2), np.inf)):
        for pair in ((wrong, np.eye(2)), (np.eye(2), wrong)):
            for function in (partial(online.rank_one_trick, rng=0), online.rank_one_variance):
                with pytest.raises(WORDS, match="rank-one trick"):
                    function(*pair)


class Proposing:
    """A candidate that proposes what it was told."""

    def __init__(self, gradient):
        self.gradient = gradient

    def estimate(self, objective, params, *, rng=None):
        return estimators.Estimate(objective(params), self.gradient)


def test_candidates_of_another_size_are_named():
    for wrong in (np.ones(2), np.ones(4), 1.0, {"a": np.ones(5)}):
        candidate = Proposing(wrong)
        for estimator in (
            estimators.Dodge(candidate), estimators.Dodge([estimators.Oracle(), candidate]),
            estimators.MatchedCosine(candidate, 0.5),
        ):  # fmt: skip
            with pytest.raises(dg.ShapeError, match=r"Proposing.*proposes a gradient of \d entries; expected 3"):
                estimator.estimate(lambda w: np.sum(w**2), np.ones(3), rng=0)
        with pytest.raises(dg.ShapeError, match="expected 3"):
            estimators.diagnose(candidate, lambda w: np.sum(w**2), np.ones(3), 0, samples=2)
    for number in (np.nan, np.inf):
        with pytest.raises(dg.NonFiniteError, match="estimate 1 has a NaN or an infinity"):
            estimators.diagnose(Proposing(np.full(3, number)), lambda w: np.sum(w**2), np.ones(3), 0, samples=2)


def test_a_decay_that_is_set_is_checked():
    dodge = estimators.Dodge(estimators.Oracle(), 0.5)
    for wrong in (7, -0.1, 1, "a", None, np.nan):
        with pytest.raises(ValueError, match="got decay="):
            dodge.decay = wrong
        assert dodge.decay == 0.5
    dodge.decay = 0.25
    assert "decay=0.25" in repr(dodge)


@pytest.mark.filterwarnings("ignore:.*is zero:RuntimeWarning")
@pytest.mark.parametrize(
    "name", [name for name, (_, _, place) in RUNS.items() if place is plain and "projected" not in name]
)
def test_parameters_without_entries_are_taken(name):
    for params in (dg.Params({"a": np.zeros((0, 3))}), np.zeros(0), {"a": np.zeros((2, 0))}):
        found = RUNS[name][1]().estimate(lambda p: np.float64(1.5), params, rng=0)
        assert found.value == 1.5
        assert all(np.size(leaf) == 0 for leaf in dg.tree.leaves(found.gradient))


# ---------------------------------------------------------------------- losses and slopes

ON_FUNCTIONS = [
    name for name, (kind, _, place) in RUNS.items() if place is plain or name in ("ForwardGradient", "MeZO.estimate")
]
ON_NETWORKS = [name for name, (kind, _, place) in RUNS.items() if place in (network, sequence)]


def function(dtype=np.float64):
    return np.array([0.5, 2.0, -1.0], dtype), None


def unchanged(run, attempt):
    """That an attempt raises and leaves what is kept as it was; the error."""
    before, params = run.thing.state_dict(), [np.copy(leaf) for leaf in dg.tree.leaves(run.params)]
    with np.errstate(all="ignore"), pytest.raises(WORDS) as caught:
        attempt()
    after = run.thing.state_dict()
    (xs, s), (ys, t) = dg.tree.flatten(before), dg.tree.flatten(after)
    assert s == t
    assert all(np.array_equal(x, y) for x, y in zip(xs, ys, strict=True))
    for leaf, was in zip(dg.tree.leaves(run.params), params, strict=True):
        np.testing.assert_allclose(leaf, was, rtol=1e-6, atol=1e-9)  # MeZO puts them back
    return caught.value


def warm(name):
    """A run over functions of a vector that has made one estimate."""
    kind, make, _ = RUNS[name]
    run = kind(make, function)
    run.estimate(lambda w: np.sum(np.sin(w)))
    run.params[:] = function()[0]
    return run


@pytest.mark.parametrize("name", ON_FUNCTIONS)
def test_a_loss_that_is_no_real_number_is_refused(name):
    run = warm(name)
    wrong = [None, [1.0], (1.0,), {"loss": 1.0}, "a", 1j, np.complex64(2), np.ones(1), np.ones((2, 2)), object()]
    for loss in wrong:
        error = unchanged(run, lambda loss=loss: run.estimate(lambda w: loss))
        assert isinstance(error, (TypeError, dg.ShapeError)), (loss, error)
        assert "returned" in str(error), (loss, error)
    for loss in (lambda w: np.sum(w) * 1j, lambda w: np.sum(w + 1j), lambda w: w):
        assert isinstance(unchanged(run, lambda loss=loss: run.estimate(loss)), (TypeError, dg.ShapeError))
    assert "ensor" in str(unchanged(run, lambda: run.estimate(lambda w: torch.tensor(1.0))))
    for loss in (3, True, np.uint8(3), np.array(2), np.float16(1)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*is zero", RuntimeWarning)  # of Dodge, along a gradient of zero
            found = run.estimate(lambda w, loss=loss: loss)
        assert found.gradient is None or np.all(np.isfinite(found.gradient))


@pytest.mark.parametrize("name", ON_FUNCTIONS)
@pytest.mark.parametrize("loss", [
    lambda w: np.sum(w) * np.nan,
    lambda w: np.sum(w) + np.inf,
    lambda w: np.sum(w) + np.sqrt(w[0] - 0.5),
    lambda w: np.sum(w) + 0 * np.sqrt(w[0] - 0.5),
    lambda w: np.sum(w) - np.sqrt(w[1] - 2.0),
], ids=["nan", "inf", "slope inf", "slope nan", "slope -inf"])  # fmt: skip
def test_what_is_not_finite_is_refused(name, loss):
    run = warm(name)
    if name in PARTIAL and np.isfinite(loss(run.params)):
        with contextlib.suppress(dg.NonFiniteError):
            assert np.all(np.isfinite(run.estimate(loss).gradient))
        return
    assert isinstance(unchanged(run, lambda: run.estimate(loss)), dg.NonFiniteError)


@pytest.mark.parametrize("name", ON_FUNCTIONS)
def test_an_estimate_that_overflows_is_refused(name):
    """Slopes that single precision holds, whose products with the directions it does not."""
    kind, make, _ = RUNS[name]
    run = kind(make, lambda dtype: function(np.float32))
    run.estimate(lambda w: np.sum(np.sin(w)))
    try:
        with np.errstate(all="ignore"):
            found = run.estimate(lambda w: np.float32(2e38) * np.sum(w[:1]))
    except dg.NonFiniteError:
        return
    assert found.gradient is None or np.all(np.isfinite(found.gradient))
    assert np.all(np.isfinite(run.params))


def steep(place):
    """A network whose loss is finite in single precision, and whose gradient is not."""
    params, batch = place(np.float32)
    first = next(iter(params))
    params[first] = 1e-36 * params[first]
    bound = batch(0, dg.Rng(0))
    return params, nn.Objective(bound.model, bound.loss).bind(bound.x * np.float32(1e36), bound.y + np.float32(1e6))


def spoiled(place, number):
    """A network with a number in its input."""
    params, batch = place(np.float64)
    bound = batch(0, dg.Rng(0))
    x = bound.x.astype(np.result_type(bound.x, type(number)))
    x[..., 0] = number
    return params, nn.Objective(bound.model, bound.loss).bind(x, bound.y)


@pytest.mark.parametrize("name", ON_NETWORKS)
def test_networks_alike(name):
    kind, make, place = RUNS[name]
    run = kind(make, place)
    run.call()
    for what in ("steep", np.nan, np.inf):
        run.params, objective = steep(place) if what == "steep" else spoiled(place, what)
        if name == "MeZO.estimate" and what is not np.nan:
            continue  # whose losses and differences are finite, behind a tanh
        error = unchanged(run, lambda objective=objective: run.estimate(objective))
        assert isinstance(error, dg.NonFiniteError), (what, error)
    run.params, objective = spoiled(place, 1j)
    assert isinstance(unchanged(run, lambda: run.estimate(objective)), TypeError)


class Interrupting:
    """A candidate that raises when asked, at the end of its turn; or that proposes nonsense."""

    raises = None

    def estimate(self, objective, params, *, rng=None):
        found = estimators.Oracle().estimate(objective, params)
        if self.raises == "nan":
            return dataclasses.replace(found, gradient=dg.tree.map_leaves(lambda g: g * np.nan, found.gradient))
        if self.raises is not None:
            raise self.raises
        return found


def kept(thing):
    """All that an estimator keeps, further in too, whatever holds it."""
    parts = [getattr(thing, name) for name in getattr(thing, "parts", {}).values()]
    state = thing.state_dict() if hasattr(thing, "state_dict") else None
    return [state, *(kept(one) for part in parts for one in (part if isinstance(part, list) else [part]))]


PARTED = [name for name, (_, make, _) in RUNS.items() if getattr(make(), "parts", {})]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), "nan"], ids=["own", "interrupt", "nan"])
@pytest.mark.filterwarnings("ignore:.*in the span of the others:RuntimeWarning")
@pytest.mark.parametrize("name", PARTED)
def test_what_raises_in_the_middle_changes_no_part(name, error, monkeypatch):
    """Neither another candidate, nor what comes after the parts have gone on, nor what a critic objects to."""
    kind, make, place = RUNS[name]
    run, last = kind(make, place), Interrupting()
    if isinstance(run.thing, estimators.Dodge) and not hasattr(run.thing, "adapted"):
        run.thing = estimators.Dodge([*run.thing.candidates, last], run.thing.decay)
    for _ in range(2):
        run.call()
    before, raised = kept(run.thing), ValueError("mine") if error == "nan" else error

    def attempt():
        with pytest.raises((dg.NonFiniteError, ValueError) if error == "nan" else type(error)):
            run.estimate(run.objective(2, run.rng))
        after = kept(run.thing)
        assert all(map(np.array_equal, dg.tree.leaves(before), dg.tree.leaves(after)))

    def fail(*args, **kwargs):
        raise raised

    last.raises = error
    if last in getattr(run.thing, "candidates", []):
        attempt()
    last.raises = None
    calls, step = [], dg.optim.Adam.step

    def second(self, *args, **kwargs):
        calls.append(self)
        return step(self, *args, **kwargs) if len(calls) == 1 else fail()

    if "critic" in name or isinstance(run.thing, CRITICAL):
        with monkeypatch.context() as patch:
            patch.setattr(dg.optim.Adam, "step", second)
            attempt()
    check = base.require_finite_gradient
    monkeypatch.setattr(base, "require_finite_gradient", lambda e, *a: fail() if e is run.thing else check(e, *a))
    attempt()


# ---------------------------------------------------------------------- parameters


class Column:
    """A pandas column, as far as NumPy sees one."""

    def __init__(self, values):
        self.values, self.dtype, self.shape, self.size = values, values.dtype, values.shape, values.size

    def __array__(self, dtype=None, copy=None):
        return self.values


@pytest.mark.parametrize("name", ON_FUNCTIONS)
def test_parameters_are_taken_as_grad_takes_them(name):
    _, make, _ = RUNS[name]
    loss = lambda w: w[0] ** 2 + np.sin(w[1])  # noqa: E731

    def estimated(params, loss=loss):
        return make().estimate(loss, params, rng=0).gradient

    for wrong in (
        np.array([1, 2]), [1, 2], torch.tensor([1.0, 2.0]), Column(np.ones(2)), "ab", None, np.ma.array([1.0, 2.0]),
        {"a": np.ones(2), "b": 3}, np.array([True, False]), np.array([None, 1.0]), [object()],
    ):  # fmt: skip
        with pytest.raises(TypeError, match="params"):
            estimated(wrong)
    exact = isinstance(make(), (estimators.Oracle, estimators.ForwardJacobian, estimators.FiniteDifference))
    for given in ([0.5, 1.5, 0.25], (np.float64(0.5), np.array(1.5), 0.25)):
        found = estimated(given)
        assert type(found) is type(given)
        assert all(np.shape(g) == () and g.dtype == np.float64 for g in found)
        if exact:
            np.testing.assert_allclose(np.array(found), dg.grad(loss)(given), rtol=1e-6)
    found = estimated({"a": np.array([0.5, 1.5]), "b": 0.25}, lambda p: loss(p["a"]) + 3 * p["b"])
    assert isinstance(found["b"], np.float64)
    if exact:
        np.testing.assert_allclose(found["b"], 3, rtol=1e-6)
    for dtype in (np.float16, np.float32):
        if dtype is np.float16 and isinstance(make(), (estimators.SPSA, estimators.FiniteDifference)):
            with pytest.raises(ValueError, match=r"got eps=.* lost beside .*float16"):
                estimated(np.array([0.5, 1.5, 0.25], dtype))
        else:
            assert estimated(np.array([0.5, 1.5, 0.25], dtype)).dtype == dtype


@pytest.mark.parametrize("name", ON_FUNCTIONS)
def test_complex_parameters_are_taken_as_grad_takes_them_or_refused(name):
    _, make, _ = RUNS[name]
    z = np.array([0.5 + 1j, -2.0])
    loss = lambda z: np.sum(np.abs(z) ** 2) + np.real(z[0] * z[1] ** 2)  # noqa: E731
    if isinstance(make(), (estimators.ForwardJacobian, estimators.FiniteDifference)):
        found = make().estimate(loss, z, rng=0).gradient
        np.testing.assert_allclose(found, dg.grad(loss)(z), rtol=1e-6)
    else:
        with pytest.raises(TypeError, match="real"):
            make().estimate(loss, z, rng=0)
    np.testing.assert_allclose(estimators.Oracle().estimate(loss, z).gradient, dg.grad(loss)(z))


@pytest.mark.parametrize("name", ON_NETWORKS)
def test_a_network_takes_arrays(name):
    kind, make, place = RUNS[name]
    run = kind(make, place)
    objective, params = run.objective(0, run.rng), dict(run.params)
    first = next(iter(params))
    for wrong in (torch.tensor(params[first]), params[first].astype(int), Column(params[first]), "a"):
        with pytest.raises(WORDS, match=r"params|parameter"):
            make().estimate(objective, params | {first: wrong}, rng=0)


# ---------------------------------------------------------------------- finite differences


def test_a_difference_is_by_the_step_that_was_taken():
    for dtype, w, eps in (
        (np.float32, 1000.0, 1e-4), (np.float32, 0.3, 1e-7), (np.float64, 1e9, 1e-6), (np.float16, 1.0, 1e-3),
    ):  # fmt: skip
        found = estimators.FiniteDifference(eps).estimate(lambda w: 3 * np.float64(w[0]), np.array([w], dtype))
        np.testing.assert_allclose(found.gradient, [3], rtol=1e-6)
        assert found.gradient.dtype == dtype


def test_a_step_that_is_lost_is_refused():
    many = {"w": np.array([1.0, 1e5, 1e5], np.float32)}
    for params, place in ((many, "['w']"), (dg.Params({"w": np.full(2, 1e12)}), "['w']"), (np.array([1e12]), "")):
        before = [np.copy(leaf) for leaf in dg.tree.leaves(params)]
        for attempt in (
            estimators.FiniteDifference(1e-6).estimate, estimators.SPSA(1e-6).estimate, estimators.MeZO(1e-6).estimate,
            partial(estimators.MeZO(1e-6).step, lr=0.1),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=r"got eps=1e-06, which is lost beside .*apart there") as caught:
                attempt(lambda p: 1.0, params, rng=0)
            assert f"params{place}" in str(caught.value)
            assert all(map(np.array_equal, before, dg.tree.leaves(params)))


def test_a_step_that_is_lost_beside_a_few_weights_is_seen_by_the_others():
    loss = lambda p: np.sum(p["w"] * p["w"] * np.arange(1, 65, dtype=np.float32))  # noqa: E731
    small = {"w": np.full(64, 0.05, np.float32)}
    for kind in (estimators.SPSA, estimators.MeZO):
        for big in (np.array([2e5], np.float32), np.array([2e5] * 30, np.float32), np.array(2e5, np.float32)):
            for place in (lambda tree: {k: np.copy(v) for k, v in tree.items()}, dg.Params):
                params = place(small | {"big": np.atleast_1d(big) if place is dg.Params else big})
                lost = rf"lost beside {big.size} of {big.size + 64} weights.*big.*their estimate is 0"
                with pytest.warns(RuntimeWarning, match=lost):
                    found = kind().estimate(loss, params, rng=0).gradient
                assert found["w"].dtype == np.float32
                assert not np.any(found["big"])
                assert np.count_nonzero(found["w"]) == 64
                if kind is estimators.MeZO:
                    before = np.copy(params["big"]), np.copy(params["w"])
                    with pytest.warns(RuntimeWarning, match="lost beside"):
                        kind().step(loss, params, lr=1e3, rng=0)  # so that a big weight that is moved shows it
                    assert np.array_equal(params["big"], before[0])
                    assert np.count_nonzero(params["w"] != before[1]) == 64


def test_the_estimate_of_a_large_weight_is_by_the_step_that_it_took():
    """At 2e4 single precision has 0.00195 between neighbours, to which a step of 0.001 is rounded."""
    params = {"w": np.ones(1, np.float32), "big": np.float32([2e4, 2.5e4, 3e4])}
    loss = lambda p: 3 * np.float64(np.sum(p["big"] - params["big"]))  # noqa: E731
    for kind in (estimators.SPSA, estimators.MeZO):
        signs = kind(directions=SIGNS)
        found = [signs.estimate(loss, params, rng=seed).gradient["big"] for seed in range(400)]
        np.testing.assert_allclose(np.mean(found, axis=0), 3, atol=0.8)
        normals = kind(directions=directions.Gaussian())
        found = [normals.estimate(loss, params, rng=seed).gradient["big"] for seed in range(2000)]
        np.testing.assert_allclose(np.mean(found, axis=0), 3, atol=0.8)


def test_no_estimate_is_zero_because_its_step_was_lost():
    """Half precision, where a small entry of a direction may vanish beside a weight that a larger one moves."""
    refused = 0
    for seed in range(40):
        for attempt in (
            lambda w, seed=seed: estimators.MeZO(1e-3).estimate(lambda w: w[0] * 1.0, w, rng=seed),
            lambda w, seed=seed: estimators.MeZO(1e-3).step(lambda w: w[0] * 1.0, w, lr=0.1, rng=seed),
        ):
            w = np.ones(1, np.float16)
            try:
                assert np.all(attempt(w).directional)
            except ValueError as error:
                said, refused = str(error), refused + 1
                assert "no weight was moved" in said
                assert w[0] == 1
    assert 0 < refused < 60


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3])
def test_mezo_puts_back_to_within_rounding_and_says_so(n, dtype):
    start, calls = dg.Rng(5).normal((2000,)).astype(dtype), []

    def failing(error):
        def loss(w):
            calls.append(1)
            if len(calls) == 2 * n:
                if isinstance(error, BaseException):
                    raise error
                return error
            return 1.0

        return loss

    mezo = estimators.MeZO(0.05 if dtype == np.float16 else 1e-2, n)
    half = np.spacing((np.abs(start) + 4.5 * mezo.eps).astype(dtype)).astype(np.float64) / 2
    for error in (np.nan, KeyboardInterrupt(), ValueError("mine"), np.ones(2)):
        w, state = start.copy(), mezo.state_dict()
        calls.clear()
        kind = type(error) if isinstance(error, BaseException) else (dg.NonFiniteError, dg.ShapeError)
        with pytest.raises(kind) as caught:
            mezo.step(failing(error), w, lr=0.1, rng=0)
        assert "nothing was changed" not in str(caught.value)
        assert np.all(np.abs(w.astype(np.float64) - start) <= 3 * n * half)
        assert mezo.state_dict() == state


def test_mezo_says_what_it_needs_of_numbers():
    for params in ([1.0, 2.0], {"b": 0.5}, (np.float64(1), np.ones(2)), [1, 2]):
        with pytest.raises(TypeError, match=r"got a leaf of (float|int).*np\.array\(0\.5\)"):
            estimators.MeZO().step(lambda p: 1.0, params, lr=0.1, rng=0)


def test_losses_that_count_are_subtracted_as_numbers():
    for kind in (np.uint8, np.int8, int, bool):
        found = estimators.FiniteDifference(0.5).estimate(lambda w, kind=kind: kind(w[0] < 1), np.array([1.0]))
        np.testing.assert_allclose(found.gradient, [-1])


def test_a_step_of_mezo_that_overflows_is_refused():
    w = np.ones(3, np.float32)
    with pytest.raises(dg.NonFiniteError, match="does not fit"):
        estimators.MeZO(1e-2).step(lambda w: 1e38 * float(w[0]), w, lr=1e3, rng=0)
    np.testing.assert_allclose(w, 1, rtol=1e-6)


# ---------------------------------------------------------------------- learners

LEARNERS = [cls for cls, (kind, _, _) in CATALOGUE.items() if kind is Learning]


def wrong_systems():
    """What is wrong, a system and parameters, an input and a target."""
    w, step, loss = np.ones(2), lambda s, x, w: 0.5 * s + w + x, lambda s, y, w: np.sum(s * y)
    usual = online.System(step, loss, np.zeros(2))
    yield "complex params", usual, w + 0j, 0.0, 1.0
    yield "integer params", usual, np.ones(2, int), 0.0, 1.0
    yield "params of Python integers", usual, [1, 2], 0.0, 1.0
    yield "torch params", usual, torch.ones(2), 0.0, 1.0
    yield "complex input", usual, w, 1j, 1.0
    yield "complex target", usual, w, 0.0, 1j
    yield "complex input, real loss", online.System(step, lambda s, y, w: np.sum(np.abs(s)), np.zeros(2)), w, 1j, 1.0
    yield "integer state", online.System(lambda s, x, w: np.ones(2, int), loss, np.zeros(2)), w, 0.0, 1.0
    for wrong in (None, "a", 1j, np.complex128(1), object(), torch.tensor(1j)):
        yield f"loss {wrong!r}", online.System(step, lambda s, y, w, wrong=wrong: wrong, np.zeros(2)), w, 0.0, 1.0
    net = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 1), nn.mse)
    params = net.init(rng=0, dtype=np.float64)
    yield "complex input of a network", net, params, np.ones(2) * 1j, np.ones(1)
    yield "complex list of a network", net, params, [1j, 0], np.ones(1)
    yield "complex target of a network", net, params, np.ones(2), np.ones(1) * 1j
    yield "text for a network", net, params, np.array(["a", "b"]), np.ones(1)
    yield "complex params of a network", net, dg.Params({k: v + 0j for k, v in params.items()}), np.ones(2), np.ones(1)
    yield "integer params of a network", net, {k: v.astype(int) for k, v in params.items()}, np.ones(2), np.ones(1)


def taken(learner, system, params, x, y):
    """A first step, to the end of its window."""
    learner.start(system, params, rng=0)
    if learner.step(x, y) is None:
        learner.close()


@pytest.mark.parametrize("cls", LEARNERS, ids=lambda cls: cls.__name__)
def test_a_learner_takes_real_numbers(cls):
    for what, system, *rest in wrong_systems():
        if cls is not online.KroneckerRTRL or isinstance(system, online.Network):
            learner = maker(cls)()
            with pytest.raises((TypeError, dg.ShapeError), match=r"expected|returned") as caught:
                taken(learner, system, *rest)
            assert "not supported" not in str(caught.value), what
            assert getattr(learner, "steps", 0) == 0
    listed = online.System(lambda s, x, w: np.asarray(s) + w, lambda s, y, w: np.sum(s), [0, 1])
    if cls is not online.KroneckerRTRL:
        with pytest.raises(dg.StructureError, match=r"begin with one array, np\.array"):
            taken(maker(cls)(), listed, np.ones(2), None, None)
    for state in (np.zeros(2, complex), np.zeros(2, int), None, "a"):
        with pytest.raises((TypeError, dg.LayoutError), match="init_state"):
            online.System(lambda s, x, w: s, lambda s, y, w: np.sum(s), state)


def test_a_network_converts_what_an_array_can_be_made_of():
    net = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 1), nn.mse)
    params, x, y = net.init(rng=0), np.array([0.5, -1.0]), np.array([2.0])
    expected = online.RTRL().start(net, params).step(x, y)
    for made in (list, torch.tensor, Column, np.float32):
        found = online.RTRL().start(net, params).step(made(x), made(y))
        assert np.array_equal(found.gradient.vector, expected.gradient.vector)
        assert found.value.dtype == np.float32


def runaways():
    """Whether losses alone tell, a system and parameters, an input and a target."""
    step, w = lambda s, x, w: 0.5 * s + w * x, np.ones(2)
    for x, loss in (
        (np.nan, lambda s, y, w: np.sum(s)), (np.inf, lambda s, y, w: np.sum(s)),
        (1.0, lambda s, y, w: np.sum(s) * np.nan), (1.0, lambda s, y, w: np.sum(s) + np.inf),
    ):  # fmt: skip
        yield True, online.System(step, loss, np.zeros(2)), w, x, None
    for loss in (lambda s, y, w: np.sqrt(np.sum(s) - 2.0), lambda s, y, w: 0 * np.sqrt(np.sum(s) - 2.0)):
        yield False, online.System(step, loss, np.zeros(2)), w, 1.0, None
    net = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 1), nn.mse)
    params = net.init(rng=0)
    yield True, net, params, np.full(2, np.nan), np.ones(1)
    yield True, net, params, np.ones(2), np.full(1, np.inf)
    flat = dg.Params({name: 0 * w for name, w in params.items()})
    yield False, net, flat, np.full(2, 1e38), np.full(1, 1e6)  # the readout's weights are zero, and so is every slope
    flat["1.weight"][:] = 1
    yield False, net, flat, np.full(2, 1e38), np.full(1, 1e6)


@pytest.mark.parametrize("cls", LEARNERS, ids=lambda cls: cls.__name__)
def test_a_learner_refuses_what_is_not_finite(cls):
    refused = 0
    for by_loss, system, params, x, y in runaways():
        if cls is online.KroneckerRTRL and isinstance(system, online.System):
            continue
        learner = maker(cls)().start(system, params, rng=0)
        before = learner.state_dict()
        try:
            with np.errstate(all="ignore"):
                found = learner.step(x, y) or learner.close()
        except dg.NonFiniteError:
            refused += 1
            after = learner.state_dict()
            if not hasattr(learner, "close"):
                assert all(map(np.array_equal, dg.tree.leaves(before), dg.tree.leaves(after)))
        else:
            assert not by_loss
            assert all(np.all(np.isfinite(g)) for g in dg.tree.leaves(found.gradient))
    assert refused >= 2


LEARNING = [name for name, (kind, _, _) in RUNS.items() if kind is Learning]
ON_SYSTEMS = [name for name in LEARNING if not isinstance(RUNS[name][2](np.float64)[0], online.Network)]
FORMS = {
    "list": np.ndarray.tolist,
    "tuple": lambda a: tuple(a.tolist()),
    "torch": torch.tensor,
    "column": lambda a: Column(a),
    "masked": np.ma.array,
    "strings": lambda a: ["a"] * len(a),
    "torch that requires grad": lambda a: torch.tensor(a * 1.0, requires_grad=True),
    "bfloat16": lambda a: torch.tensor(a * 1.0, dtype=torch.bfloat16),
    "masked entries": lambda a: np.ma.masked_equal(a, a.flat[0]),
    "range": lambda a: range(len(a)),
}


def steps(name, system, params, data, tmp_path):
    """Two steps, a save, a load in a new learner, and two more: what came out."""
    learner, found = RUNS[name][1]().start(system, params, rng=0), []
    for t in range(4):
        if t == 2:
            dg.save(tmp_path / "run.npz", learner.state_dict())
            learner = RUNS[name][1]().start(system, params, rng=9)
            learner.load_state_dict(dg.load(tmp_path / "run.npz"))
        found.append(learner.step(*data))
    if hasattr(learner, "close"):
        found.append(learner.close())
    return [(each.value, dg.tree.leaves(each.gradient)) for each in found if each is not None]


def convertible(kind):
    """A system or network, its parameters, an input and a target that may be given in another form."""
    if kind == "streams":
        net = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 4), nn.cross_entropy, streams=3)
        return net, net.init(rng=0), np.array([[0.5, -1.0]] * 3), np.array([0, 3, 2])
    if kind == "network":
        net = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 3), nn.mse)
        return net, net.init(rng=0), np.array([0.5, -1.0]), np.array([2.0, 1.0, 0.0])
    step, loss = (lambda s, x, w: np.tanh(s + w * x)), (lambda s, y, w: np.sum((s - y) ** 2))
    return online.System(step, loss, np.zeros(2)), np.array([0.5, 0.25]), np.array([0.5, -1.0]), np.array([2.0, 1.0])


@pytest.mark.parametrize("kind", ["network", "streams", "system"])
@pytest.mark.parametrize("name", LEARNING)
def test_inputs_and_targets_of_learners_are_converted_or_refused(name, kind, tmp_path):
    if kind == "system" and name == "KroneckerRTRL" or name.endswith("(batched)"):
        pytest.skip("for other systems alone")
    if kind == "system" and name in ("EvolutionStrategies", "NoBackTrack(metric)"):
        pytest.skip("for batched systems, and for Params")
    system, params, x, y = convertible(kind)
    expected = steps(name, system, params, (x, y), tmp_path)
    for form, make in FORMS.items():
        for data in ((make(x), y), (x, make(y))):
            if kind == "system" and form in ("list", "tuple", "strings", "range"):
                continue  # which are trees of the system's own, or what it makes of them
            try:
                found = steps(name, system, params, data, tmp_path)
            except (TypeError, dg.ShapeError) as error:
                found = str(error)
            if isinstance(found, str):
                assert form in ("strings", "torch that requires grad", "bfloat16", "masked entries", "range"), form
                assert re.search("got (an input|a target)", found), found
            else:
                assert form != "masked entries"
                if form != "bfloat16":
                    assert len(found) == len(expected)
                    for (a, g), (b, h) in zip(found, expected, strict=True):
                        assert a == b
                        assert all(map(np.array_equal, g, h))


def test_a_system_is_given_the_tree_that_it_was():
    seen, column = [], Column(np.ones(2))
    system = online.System(lambda s, x, w: seen.append(x) or s + w, lambda s, y, w: np.sum(s), np.zeros(2))
    thing = object()
    online.UORO().start(system, np.ones(2), rng=0).step({"a": [1, column], "b": thing, "c": "text", "d": None}, None)
    assert seen[0]["a"][0] == 1
    assert type(seen[0]["a"][1]) is np.ndarray
    assert seen[0]["b"] is thing
    assert seen[0]["c"] == "text"
    assert seen[0]["d"] is None


# ---------------------------------------------------------------------- windows

WINDOWS = [name for name in LEARNING if hasattr(RUNS[name][1](), "close")]


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", WINDOWS)
def test_an_input_that_is_not_finite_does_not_spoil_a_window(name, number):
    """It is refused at its own step, after which the window goes on as if it had not been."""
    _, make, place = RUNS[name]
    if place is RUNS["TruncatedBPTT online"][2]:
        system, params, data = place(np.float64)
    else:
        step, loss = (lambda s, x, w: np.tanh(s + w * x)), (lambda s, y, w: np.sum((s - y) ** 2, axis=-1))
        system, params = online.System(step, loss, np.zeros(2), batched=name.endswith("(batched)")), np.ones(2)
        data = lambda t: (np.array([0.5, 0.1 * t]), 1.0)  # noqa: E731
        if name == "EvolutionStrategies":
            system = online.System(step, loss, np.zeros(2), batched=True)
    plain, other = make().start(system, params, rng=0), make().start(system, params, rng=0)
    for t in range(8):
        x, y = data(t)
        expected = plain.step(x, y)
        if t in (1, 3, 6):
            before = other.state_dict()
            try:
                with np.errstate(all="ignore"):
                    other.step(np.full_like(x, number), y)
            except dg.NonFiniteError as error:
                said, after = str(error), dg.tree.leaves(other.state_dict())
                assert f"step {t + 1}" in said
                assert all(map(np.array_equal, dg.tree.leaves(before), after))
            else:  # behind a tanh, which losses alone see nothing of
                other.load_state_dict(before)
        found = other.step(x, y)
        assert (found is None) == (expected is None)
        if found is not None:
            assert found.value == expected.value
            assert all(map(np.array_equal, dg.tree.leaves(found.gradient), dg.tree.leaves(expected.gradient)))


@pytest.mark.parametrize("name", WINDOWS)
def test_a_network_in_a_window_takes_no_infinity(name):
    system, params, _, y = convertible("network")
    learner = RUNS[name][1]().start(system, params, rng=0)
    for number in (np.inf, np.nan):
        with pytest.raises(dg.NonFiniteError, match="step 1: the input is not finite"):
            learner.step([number, 0.0], y)
        assert learner.steps == 0


@pytest.mark.parametrize("name", [n for n in WINDOWS if n.startswith(("TruncatedBPTT", "PersistentES(analytic)"))])
def test_a_window_that_cannot_be_closed_is_dropped(name):
    """A root at zero has a value and no slope, which shows when the window is pulled back."""
    root = online.System(lambda s, x, w: np.sqrt(s * w * w), lambda s, y, w: np.sum(s), np.zeros(1))
    learner = RUNS[name][1]().start(root, np.ones(1), rng=0)
    fine = learner.state_dict()
    with np.errstate(all="ignore"):
        for _ in range(3):
            learner.step(None, None)
        poisoned = learner.state_dict()
        with pytest.raises(dg.DualgradError, match="steps into a window"):
            learner.reset()
        for leave in (learner.reset, lambda: learner.load_state_dict(fine)):
            learner.load_state_dict(poisoned)
            for attempt in (lambda: learner.step(None, None), learner.close):
                with pytest.raises(dg.NonFiniteError, match=r"step [34]: .*reset\(\) drops the open window"):
                    attempt()
            leave()
            assert learner.step(None, None) is None
            with pytest.raises(dg.DualgradError, match="1 steps into a window"):
                learner.reset()
