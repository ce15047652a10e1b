"""Evolution strategies through unrolls: exact means and variances by Gauss-Hermite, and failures that lose nothing."""

import os
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn, online, testing
from tests.support.checks import close
from tests.support.strict import DeviceArray, device, host
from tests.support.unrolls import coefficients, episode, history, one_perturbation, perturbation_a_window

SIGMA = 0.3


def quadratic(batched=True):
    """s ← A s + θ, with a quadratic loss at every step."""
    A = np.array([[0.5, -0.3], [0.2, 0.7]])
    return online.System(
        lambda s, x, p: s @ A.T + p, lambda s, y, p: np.sum((s - y) ** 2, axis=-1), np.ones(2), batched=batched
    )


MAKE = {
    "ES": lambda n=2: online.EvolutionStrategies(n, SIGMA),
    "PES": lambda n=2: online.PersistentES(n, SIGMA, window=1),
    "NRES": lambda n=2: online.NoiseReuseES(n, SIGMA, window=1),
    "TES": lambda n=2: online.TruncatedES(n, SIGMA, window=1),
    "PES, analytic": lambda n=2: online.PersistentES(n, SIGMA, window=1, analytic=True),
}


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("name", [n for n in MAKE if n != "TES"])
def test_exact_on_quadratics(name, batched):
    system, params, data = quadratic(batched), np.array([0.4, -1.0]), [(None, np.array([1.0, k])) for k in range(2)]
    exact = episode(online.RTRL(), system, params, data, None)
    moments = testing.exact_moments(lambda rng: episode(MAKE[name](), system, params, data, rng))
    close(moments.mean, exact, 1e-9)


def test_windows_of_several_steps_sum_their_losses():
    system, params, data = quadratic(), np.array([0.4, -1.0]), [(None, np.array([1.0, k])) for k in range(4)]
    exact = episode(online.RTRL(), system, params, data, None)
    for make in (online.PersistentES, online.NoiseReuseES):
        moments = testing.exact_moments(
            lambda rng, make=make: episode(make(2, SIGMA, window=2), system, params, data, rng)
        )
        close(moments.mean, exact, 1e-9)


def test_each_has_its_own_smoothed_target_on_a_cubic():
    """θ₁² θ₂ over two windows: 3θ² + σ² for independent perturbations, 3θ² + 3σ² for one."""
    system = online.System(
        lambda s, x, p: np.where(x, p * p, s), lambda s, y, p: np.sum(y * s * p, axis=-1), np.zeros(1), batched=True
    )
    theta, data = np.array([0.7]), [(True, 0.0), (False, 1.0)]
    targets = {"ES": 3 * SIGMA**2, "PES": SIGMA**2, "NRES": 3 * SIGMA**2, "PES, analytic": SIGMA**2}
    for name, extra in targets.items():
        moments = testing.exact_moments(
            lambda rng, name=name: episode(MAKE[name](), system, theta, data, rng), degree=9
        )
        close(moments.mean, 3 * theta**2 + extra, 1e-9)


@pytest.mark.parametrize(("windows", "p"), [(2, 2), (3, 1)])
def test_truncated_es_sees_its_own_window_alone(windows, p):
    g = coefficients(windows, p)
    moments = testing.exact_moments(
        lambda rng: episode(online.TruncatedES(2, SIGMA, 1), history(windows, p), np.ones(p), list(enumerate(g)), rng)
    )
    close(moments.mean, sum(g[t, t] for t in range(windows)), 1e-9)


def linear(estimator, g):
    """Exact moments of an episode of linear losses."""
    windows, _, p = g.shape
    return testing.exact_moments(
        lambda rng: episode(estimator, history(windows, p), np.ones(p), list(enumerate(g)), rng)
    )


@pytest.mark.parametrize(("windows", "p"), [(1, 3), (2, 2), (3, 1)])
@pytest.mark.parametrize("analytic", [False, True])
def test_the_variance_of_pes(windows, p, analytic):
    """The analytic gradient takes out what a window owes to itself."""
    g = coefficients(windows, p)
    moments = linear(online.PersistentES(2, SIGMA, 1, analytic=analytic), g)
    close(moments.mean, g.sum((0, 1)), 1e-9)
    of_others = g * (1 - np.eye(windows))[:, :, None]
    close(moments.variance.sum(), perturbation_a_window(of_others if analytic else g), 1e-9)


@pytest.mark.parametrize("name", ["ES", "NRES"])
def test_the_variance_of_es_is_that_of_one_perturbation(name):
    g = coefficients(2, 3)
    close(linear(MAKE[name](), g).variance.sum(), one_perturbation(g), 1e-9)


def test_what_pairs_are_for():
    """One side alone pays for the level of the loss: (p + 1) ‖g‖² + p L₀²/σ²; in pairs L₀ does not count."""
    g, theta = coefficients(1, 3)[0, 0], np.array([0.4, -1.0, 0.3])
    level = 5 + g @ theta
    system = online.System(lambda s, x, w: s + w, lambda s, y, w: 5 + s @ g, np.zeros(3), batched=True)

    def one_sided(rng):
        es = online.EvolutionStrategies(2, SIGMA).start(system, theta, rng=rng)
        es.step(None, None)
        return es.memory["losses"][0] * es.memory["noise"][0] / SIGMA**2

    moments = testing.exact_moments(one_sided)
    close(moments.mean, g, 1e-9)
    close(moments.variance.sum(), 4 * g @ g + 3 * level**2 / SIGMA**2, 1e-9)
    pairs = testing.exact_moments(lambda rng: episode(MAKE["ES"](), system, theta, [(None, None)], rng))
    close(pairs.mean, g, 1e-9)
    close(pairs.variance.sum(), 4 * g @ g, 1e-9)


def test_pairs_divide_the_variance():
    g = coefficients(2, 1)
    two, four = (linear(MAKE["PES"](n), g).variance.sum() for n in (2, 4))
    close(four, two / 2, 1e-9)


# ---------------------------------------------------------------------- particles


@pytest.mark.parametrize("make", [lambda: online.PersistentES(6, SIGMA, 2), lambda: online.TruncatedES(6, SIGMA, 2)])
def test_a_batch_is_its_particles(make):
    params, data = np.array([0.4, -1.0]), [(None, np.array([1.0, k])) for k in range(4)]
    one, other = (episode(make(), quadratic(batched), params, data, 3) for batched in (True, False))
    close(one, other, 1e-12)


def test_objectives_without_derivative():
    system = online.System(lambda s, x, p: s + p, lambda s, y, p: 1.0 * (np.sum(s, -1) > 0), np.zeros(2), batched=True)
    es = online.PersistentES(2000, 1.0, window=1).start(system, np.zeros(2), rng=0)
    assert np.all(es.step(None, None).gradient > 0.1)  # the slope of P(θ + ε > 0), 1/√(4π)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_results_do_not_depend_on_the_number_of_workers(pool):
    g, found = coefficients(3, 2), []
    for workers in (None, 1, 3):
        executor = None if workers is None else pool(workers)
        pes = online.PersistentES(10, SIGMA, 1).start(
            history(3, 2, batched=False), np.ones(2), rng=0, executor=executor
        )
        found.append([pes.step(t, g[t]).gradient for t in range(3)])
        if executor is not None:
            executor.shutdown()
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def dying_step(s, x, p):
    if x == "die":
        os._exit(1)
    return s + p


def plain_loss(s, y, p):
    return float(np.sum(s))


def test_a_dead_worker_is_an_error_that_loses_nothing():
    system, es = online.System(dying_step, plain_loss, np.zeros(1)), online.PersistentES(4, SIGMA, 1)
    with ProcessPoolExecutor(1) as executor:
        es.start(system, np.ones(1), rng=0, executor=executor)
        es.step("live", None)
        before = es.state_dict()
        with pytest.raises(dg.DualgradError, match="a worker of the executor died"):
            es.step("die", None)
    after = es.state_dict()
    assert after["steps"] == before["steps"] == 1
    for key in ("state", "memory"):
        assert all(map(np.array_equal, after[key], before[key]))
    with ProcessPoolExecutor(1) as executor:
        es.executor = executor
        again = es.step("live", None).gradient
    whole = online.PersistentES(4, SIGMA, 1).start(system, np.ones(1), rng=0)
    whole.step("live", None)
    assert np.array_equal(whole.step("live", None).gradient, again)


def test_batched_influence_balancing_is_what_particles_are_for():
    """Parameters may be a tree; each leaf gets the leading axis."""
    system = online.System(
        lambda s, x, p: p["a"] * s + p["b"], lambda s, y, p: np.sum(s, -1), np.zeros(3), batched=True
    )
    params = {"a": np.full(3, 0.5), "b": np.ones(3)}
    found = online.NoiseReuseES(4000, 0.01, 2).start(system, params, rng=0)
    assert found.step(None, None) is None
    estimate = found.step(None, None)
    exact = online.TruncatedBPTT(2).start(system, params)
    exact.step(None, None)
    exact = exact.step(None, None).gradient
    for name in params:
        assert np.max(np.abs(estimate.gradient[name] - exact[name])) < 0.5


# ---------------------------------------------------------------------- saving, resetting, bad input


@pytest.mark.parametrize("name", MAKE)
def test_an_episode_goes_on_where_it_was_saved(name, tmp_path):
    system, params, data = quadratic(), np.array([0.4, -1.0]), [(None, np.array([1.0, k])) for k in range(4)]

    def follow(es, steps):
        return [es.step(*step) for step in steps]

    make = MAKE[name]
    whole = make().start(system, params, rng=0)
    expected = follow(whole, data)[-1] or whole.close()
    first = make().start(system, params, rng=0)
    follow(first, data[:2])
    dg.save(tmp_path / "es.npz", {"es": first.state_dict()})
    second = make().start(system, params, rng=9)
    second.load_state_dict(dg.load(tmp_path / "es.npz")["es"])
    found = follow(second, data[2:])[-1] or second.close()
    assert np.array_equal(found.gradient, expected.gradient)


def test_states_and_sums_begin_anew_together():
    g = coefficients(2, 2)
    pes = online.PersistentES(2, SIGMA, 1).start(history(2, 2), np.ones(2), rng=0)
    for t in range(2):
        pes.step(t, g[t])
    pes.reset()
    assert pes.steps == 0
    assert not pes.memory["accumulated"].any()
    assert not pes.state.any()
    assert pes.memory["noise"].any()


def test_bad_input_is_named():
    for wrong in (3, 0, 2.0, True):
        with pytest.raises(ValueError, match="positive even number"):
            online.EvolutionStrategies(wrong, 0.1)
    for wrong in (0, -1.0, np.inf, "0.1"):
        with pytest.raises(ValueError, match="positive standard deviation"):
            online.PersistentES(2, wrong, 1)
    for wrong in (0, 1.5, True, None):
        with pytest.raises(ValueError, match="positive number of steps"):
            online.TruncatedES(2, 0.1, wrong)
    es = online.NoiseReuseES(2, 0.1, 5).start(quadratic(), np.zeros(2), rng=0)
    es.step(None, np.zeros(2))
    with pytest.raises(dg.DualgradError, match="ends 1 steps into a window"):
        es.reset()
    es.close()
    es.reset()
    with pytest.raises(TypeError, match="draws random numbers"):
        es.start(quadratic(), np.zeros(2))
    with pytest.raises(TypeError, match="executor"):
        es.start(quadratic(), np.zeros(2), rng=0, executor=3)


def test_a_broken_promise_of_batches_is_caught_on_the_first_step():
    mixing = online.System(
        lambda s, x, p: s + p - np.mean(p, axis=0), lambda s, y, p: np.sum(s, -1), np.zeros(2), batched=True
    )
    es = online.PersistentES(4, 0.1, 1).start(mixing, np.zeros(2), rng=0)
    with pytest.raises(dg.DualgradError, match="goes elsewhere in a batch than alone"):
        es.step(None, None)
    assert es.steps == 0
    failing = online.System(lambda s, x, p: np.ones((2, 2)) @ s + p, lambda s, y, p: 0.0, np.zeros(2), batched=True)
    with pytest.raises(dg.DualgradError, match="fails with a leading axis"):
        online.PersistentES(4, 0.1, 1).start(failing, np.zeros(2), rng=0).step(None, None)
    whole = online.System(lambda s, x, p: s + p, lambda s, y, p: np.sum(s), np.zeros(2), batched=True)
    with pytest.raises(dg.ShapeError, match=r"shape \(\); expected \(4,\)"):
        online.PersistentES(4, 0.1, 1).start(whole, np.zeros(2), rng=0).step(None, None)
    single = online.System(lambda s, x, p: s + p, lambda s, y, p: s, np.zeros(2))
    with pytest.raises(dg.ShapeError, match="expected a scalar"):
        online.PersistentES(4, 0.1, 1).start(single, np.zeros(2), rng=0).step(None, None)


def test_a_loss_that_is_not_finite_changes_nothing():
    system = online.System(lambda s, x, p: s + p, lambda s, y, p: np.sum(s, -1) / y, np.zeros(2), batched=True)
    es = online.PersistentES(4, 0.1, 1).start(system, np.ones(2), rng=0)
    es.step(None, 1.0)
    before = es.state_dict()
    with (
        np.errstate(all="ignore"),
        pytest.raises(dg.NonFiniteError, match="step 2: the losses of 4 of 4 particles"),
    ):
        es.step(None, 0.0)
    after = es.state_dict()
    assert all(map(np.array_equal, before["state"] + before["memory"], after["state"] + after["memory"]))
    with pytest.raises(dg.DualgradError, match="losses alone"):
        es.fisher()


# ---------------------------------------------------------------------- what has gone wrong before


def total_loss(s, y, p):
    return np.sum(s**2, axis=-1)


def leaking(init, batched=True):
    return online.System(lambda s, x, p: 0.9 * s + p, total_loss, init, batched=batched)


def test_a_start_that_fails_leaves_the_episode_that_was():
    es = online.PersistentES(4, 0.1, 1).start(leaking(np.zeros(2)), np.ones(2), rng=0)
    twin = online.PersistentES(4, 0.1, 1).start(leaking(np.zeros(2)), np.ones(2), rng=0)
    es.step(None, None), twin.step(None, None)
    for wrong in ({}, {"rng": 0, "executor": 3}):
        with pytest.raises(TypeError):
            es.start(quadratic(), np.ones(2), **wrong)
    assert np.array_equal(es.step(None, None).gradient, twin.step(None, None).gradient)


@pytest.mark.parametrize("name", MAKE)
def test_states_are_matched_by_key(name):
    """A step may return its dict in another order."""
    theta = np.array([0.5, -1.0])
    totals = []
    for swapped in (False, True):

        def step(s, x, p, swapped=swapped):
            after = {"a": s["a"] + 3 * s["b"], "b": 0.5 * s["b"] + p}
            return dict(reversed(after.items())) if swapped else after

        init = {"a": np.zeros(2), "b": np.ones(2)}
        system = online.System(step, lambda s, y, p: np.sum(s["a"] * s["b"], -1), init, batched=True)
        es = MAKE[name](4).start(system, theta, rng=0)
        for _ in range(2):
            es.step(None, None)
        fresh = MAKE[name](4).start(system, theta, rng=9)
        fresh.load_state_dict(es.state_dict())
        last = fresh.step(None, None) or fresh.close()
        totals.append(last.gradient)
    close(*totals, 1e-12)
    tuples = online.System(
        lambda s, x, p: (s["a"],), lambda s, y, p: np.sum(s[0], -1), {"a": np.zeros(2)}, batched=True
    )
    with pytest.raises(dg.StructureError):
        MAKE[name]().start(tuples, theta, rng=0).step(None, None)


def test_a_network_takes_its_parameters_by_name_too():
    network = online.Network(nn.RNNCell(1, 3), nn.Linear(3, 2), nn.cross_entropy)
    params = network.init(rng=0, dtype=np.float64)
    found = [
        online.PersistentES(4, 0.01, 1).start(network, given, rng=0).step(np.ones(1), 1).gradient
        for given in (params, dict(reversed(params.items())))
    ]
    for name in params:
        close(found[0][name], found[1][name], 1e-12)


@pytest.mark.parametrize("init", [np.zeros(2, np.float32), [0.0, 0]])
def test_states_that_take_the_precision_of_the_parameters_can_be_saved(init):
    def step(s, x, p):
        return 0.9 * s + p if isinstance(init, np.ndarray) else [0.9 * s[0] + p[..., 0], s[1] + p[..., 1]]

    def loss(s, y, p):
        return total_loss(s if isinstance(init, np.ndarray) else np.stack(s, -1), y, p)

    for make in (*MAKE.values(), online.RTRL):
        system, theta = online.System(step, loss, init, batched=True), np.ones(2)
        whole, again = (make().start(system, theta, rng=seed) for seed in (0, 9))
        whole.step(None, None)
        again.load_state_dict(whole.state_dict())
        ends = [es.step(None, None) or es.close() for es in (whole, again)]
        assert np.array_equal(ends[0].gradient, ends[1].gradient)


def test_buffers_of_the_caller_may_be_used_again():
    """Neither an input nor the parameters stay alive inside a state."""
    delayed = online.System(
        lambda s, x, p: {"x": x, "p": p, "v": s["x"] + s["p"]}, lambda s, y, p: np.sum(s["v"] ** 2 * p, -1),
        {"x": np.zeros(2), "p": np.zeros(2), "v": np.zeros(2)},
    )  # fmt: skip
    for make in (*MAKE.values(), online.RTRL):
        ends = []
        for reuse in (False, True):
            x, theta = np.ones(2), np.ones(2)
            es = make().start(delayed, theta, rng=0)
            es.step(x, None)
            if reuse:
                x += 100
            theta += 10
            es.step(np.ones(2), None)
            last = es.close() if isinstance(es, online.EvolutionStrategies) else es.step(np.ones(2), None)
            ends.append(last.gradient)
        close(*ends, 1e-12)


def test_a_promise_that_states_break_is_caught_once_they_differ():
    mixing = online.System(lambda s, x, p: s - np.mean(s) + p, total_loss, np.ones(2), batched=True)
    es = online.PersistentES(4, 0.1, 1).start(mixing, np.ones(2), rng=0)
    es.step(None, None)  # all states were the same: the mean was that of each
    with pytest.raises(dg.DualgradError, match="goes elsewhere"):
        es.step(None, None)

    def ends_alone(s, x, p):
        after = np.array(s + p)
        if after.ndim == 2:
            after[1:-1] = 0
        return after

    es = online.PersistentES(4, 0.1, 1).start(
        online.System(ends_alone, total_loss, np.ones(2), batched=True), np.ones(2), rng=0
    )
    with pytest.raises(dg.DualgradError, match="particle 2 of 4 goes elsewhere"):
        es.step(None, None)


def test_what_is_not_finite_is_named():
    blind = online.System(
        lambda s, x, p: s * x + p, lambda s, y, p: 1.0 * (np.sum(s, -1) > 0), np.ones(2), batched=True
    )
    es = online.PersistentES(4, 0.1, 1).start(blind, np.ones(2), rng=0)
    with pytest.raises(dg.NonFiniteError, match="state of a particle"):
        es.step(np.nan, None)
    assert es.step(1.0, None) is not None
    steep = online.System(
        lambda s, x, p: s + p, lambda s, y, p: np.float32(1e38) * np.sin(1000 * np.sum(s, -1)), np.zeros(2, np.float32),
        batched=True,
    )  # fmt: skip
    for analytic in (False, True):
        es = online.PersistentES(4, 1e-3, 1, analytic=analytic).start(steep, np.ones(2, np.float32), rng=0)
        before = es.state_dict()
        with np.errstate(all="ignore"), pytest.raises(dg.NonFiniteError, match="the gradient"):
            es.step(None, None)
        assert all(map(np.array_equal, dg.tree.leaves(before), dg.tree.leaves(es.state_dict())))
    at_once = online.System(lambda s, x, p: s + p, lambda s, y, p: np.nan * np.sum(s, -1), np.zeros(2), batched=True)
    with pytest.raises(dg.NonFiniteError, match="the losses of 4 of 4 particles"):
        online.PersistentES(4, 0.1, 1).start(at_once, np.ones(2), rng=0).step(None, None)


def test_data_that_the_first_particle_would_use_up_are_refused():
    es = online.PersistentES(4, 0.1, 1).start(leaking(np.zeros(2), batched=False), np.ones(2), rng=0)
    for wrong in (dg.Rng(0), np.random.default_rng(0), random.Random(0), iter([1]), {"a": (dg.Rng(0),)}):
        with pytest.raises(TypeError, match="would use up"):
            es.step(wrong, None)
        with pytest.raises(TypeError, match="would use up"):
            es.step(None, wrong)


def test_an_error_of_a_step_is_its_own_once_the_promise_is_kept():
    es = online.PersistentES(4, 0.1, 1).start(
        online.System(lambda s, x, p: s + p + x, total_loss, np.zeros(2), batched=True), np.ones(2), rng=0
    )
    es.step(np.zeros(2), None)
    with pytest.raises(ValueError, match="broadcast"):
        es.step(np.zeros(3), None)


def test_executors_that_fail_say_what_to_do():
    alone = leaking(np.zeros(2), batched=False)
    with pytest.raises(TypeError, match="a batch is one computation"), ThreadPoolExecutor(1) as pool:
        online.PersistentES(4, 0.1, 1).start(leaking(np.zeros(2)), np.ones(2), rng=0, executor=pool)
    es = online.PersistentES(4, 0.1, 1).start(alone, np.ones(2), rng=0, executor=pool)
    with pytest.raises(dg.DualgradError, match="was shut down; no particle has moved"):
        es.step(None, None)
    with ProcessPoolExecutor(1) as es.executor, pytest.raises(dg.DualgradError, match="cannot be sent to the workers"):
        es.step(None, None)
    es.executor = None
    twin = online.PersistentES(4, 0.1, 1).start(alone, np.ones(2), rng=0)
    assert np.array_equal(es.step(None, None).gradient, twin.step(None, None).gradient)


def writes_into_its_input(s, x, p):
    x += 1
    return s + p + x


def test_data_that_a_step_writes_into_are_refused():
    x = np.zeros(2)
    for batched in (False, True):
        es = online.PersistentES(4, 0.1, 1).start(
            online.System(writes_into_its_input, total_loss, np.zeros(2), batched=batched), np.ones(2), rng=0
        )
        with pytest.raises(ValueError, match="read-only"):
            es.step(x, None)
        assert es.steps == 0
        assert not x.any()
    x += 1  # the caller's own stays as it was


def test_data_of_higher_precision_do_not_hinder_a_save():
    system = online.System(lambda s, x, p: 0.9 * s + p + x, total_loss, np.zeros(2, np.float32), batched=True)
    for make in (*MAKE.values(), online.RTRL):
        whole, again = (make().start(system, np.ones(2, np.float32), rng=seed) for seed in (0, 9))
        whole.step(np.ones(2), None)
        again.load_state_dict(whole.state_dict())
        ends = [es.step(np.ones(2), None) or es.close() for es in (whole, again)]
        assert np.array_equal(ends[0].gradient, ends[1].gradient)


def test_mistakes_of_a_first_hour():
    alone, theta = leaking(np.zeros(2), batched=False), np.ones(2)
    pes = online.PersistentES(4, 0.1, 1)
    with pytest.raises(TypeError, match=r"expected an online\.System"):
        pes.start(total_loss, theta, rng=0)
    with pytest.raises(TypeError, match=r"running concurrent\.futures executor"):
        pes.start(alone, theta, rng=0, executor=ThreadPoolExecutor)
    for batched in (False, True):
        gym = online.System(lambda s, x, p: (s + p, 0.0, False), total_loss, np.zeros(2), batched=batched)
        with pytest.raises(dg.StructureError, match="state is a tuple"):
            pes.start(gym, theta, rng=0).step(None, None)
        targeted = online.System(lambda s, x, p: s + p, lambda s, y, p: np.sum(s - y, -1), np.zeros(2), batched=batched)
        with pytest.raises(ValueError, match="broadcast"):  # an error of its own, not one of batches
            pes.start(targeted, theta, rng=0).step(None, np.zeros(3))
    es = online.EvolutionStrategies(4, 0.1).start(alone, theta, rng=0)
    es.step(None, None)
    with pytest.raises(dg.DualgradError, match=r"after which reset\(\) goes on$"):
        es.reset()
    with pytest.raises(dg.LayoutError, match=r"got \['learner', 'params'\]"):
        es.load_state_dict({"learner": es.state_dict(), "params": theta})
    network = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 2), nn.cross_entropy)
    pes.start(network, network.init(rng=0), rng=0)
    assert pes.step([1.0, 2.0], 1).gradient.vector.dtype == np.float32
    with pytest.raises(dg.ShapeError, match=r"an input of shape \(3,\); expected \(2,\)"):
        pes.step(np.ones(3), 1)


def test_what_a_step_costs():
    theta = np.ones(2)
    costs = {"ES": 4, "PES": 4, "NRES": 4, "TES": 5, "PES, analytic": 8}
    for name, cost in costs.items():
        es = MAKE[name](4).start(leaking(np.zeros(2)), theta, rng=0)
        assert (es.step(None, None) or es.close()).cost == cost


def test_slopes_are_those_of_the_pairs():
    line = online.System(lambda s, x, p: s + p, lambda s, y, p: s @ np.array([3.0, 4.0]), np.zeros(2), batched=True)
    es = online.NoiseReuseES(4, 0.1, 1).start(line, np.ones(2), rng=0)
    directions = es.memory["noise"] / 0.1
    close(es.step(None, None).directional, directions @ [3.0, 4.0], 1e-9)


def test_every_leaf_keeps_its_precision():
    theta = {"a": np.ones(2, np.float32), "b": np.ones(2)}
    seen = []

    def step(s, x, p):
        seen.append((p["a"].dtype, p["b"].dtype))
        return s + p["a"] * p["b"]

    system = online.System(step, total_loss, np.zeros(2))
    for es in (online.PersistentES(2, 0.1, 1), online.TruncatedBPTT(1)):
        gradient = es.start(system, theta, rng=0).step(None, None).gradient
        assert (gradient["a"].dtype, gradient["b"].dtype) == (np.float32, np.float64)
    assert seen[0] == (np.float32, np.float64)


def test_losses_that_are_no_numbers_are_named():
    for wrong in (None, "low", 1j):
        for batched in (False, True):
            system = online.System(lambda s, x, p: s + p, lambda s, y, p, w=wrong: w, np.zeros(2), batched=batched)
            with pytest.raises((TypeError, dg.DualgradError), match="expected real numbers"):
                online.PersistentES(2, 0.1, 1).start(system, np.ones(2), rng=0).step(None, None)
    with pytest.raises(ValueError, match="positive standard deviation"):
        online.PersistentES(2, True, 1)
    with pytest.raises(ValueError, match="expected True or False"):
        online.PersistentES(2, 0.1, 1, analytic="yes")


@pytest.mark.parametrize("name", MAKE)
def test_particles_on_a_device(name):
    def system(init):
        return online.System(lambda s, x, p: 0.9 * s + p, total_loss, init, batched=True)

    found = []
    for put in (np.asarray, device):
        es = MAKE[name](4).start(system(put(np.zeros(2))), put(np.ones(2)), rng=0)
        first, last = es.step(None, None), es.step(None, None)
        found.append((last or es.close()).gradient)
        assert first is None or name != "ES"
    assert isinstance(found[1], DeviceArray)
    close(found[0], host(found[1]), 1e-12)


class Bunch(dict):
    """A container of a user's own."""

    def __getattr__(self, name):
        return self[name]


def adds_one(s, x, p):
    x += 1
    return s + p + x


def takes_one(s, x, p):
    return s + p + x.pop("start")


def of_a_bunch(s, x, p):
    return s + p + x.start


def test_what_a_step_does_to_its_data_stays_with_its_particle():
    for executor in (None, ProcessPoolExecutor(1)):
        es = online.PersistentES(64, 0.1, 1)
        with pytest.raises(ValueError, match="read-only"):
            es.start(online.System(adds_one, total_loss, np.zeros(2)), np.ones(2), rng=0, executor=executor).step(
                np.zeros(2), None
            )
        found = []
        for step, data in ((takes_one, {"start": 1.0}), (of_a_bunch, Bunch(start=1.0))):
            es.start(online.System(step, total_loss, np.zeros(2)), np.ones(2), rng=0, executor=executor)
            found.append([es.step(data, None).gradient for _ in range(2)])
            assert data == {"start": 1.0}
        assert np.array_equal(*found)
        if executor is not None:
            executor.shutdown()


def test_networks_go_to_processes():
    network = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 2), nn.cross_entropy.using(label_smoothing=0.1))
    params, found = network.init(rng=0), []
    with ProcessPoolExecutor(1) as pool:
        for executor in (None, pool):
            es = online.PersistentES(4, 0.1, 1).start(network, params, rng=0, executor=executor)
            found.append(es.step(np.ones(2), 1).gradient.vector)
    assert np.array_equal(*found)


def test_a_centre_that_is_not_finite_is_named():
    unit = online.System(
        lambda s, x, p: p / np.sqrt(np.sum(p**2, -1, keepdims=True)), total_loss, np.zeros(2), batched=True
    )
    for name in ("TES", "PES, analytic"):
        es = MAKE[name]().start(unit, np.zeros(2), rng=0)
        with np.errstate(all="ignore"), pytest.raises(dg.NonFiniteError, match="the parameters themselves"):
            es.step(None, None)
        assert es.steps == 0


def test_other_parameters_may_take_the_place_of_the_first():
    found = []
    for rebind in (False, True):
        theta = np.ones(2)
        es = online.TruncatedES(4, 0.1, 1).start(leaking(np.zeros(2)), theta, rng=0)
        es.step(None, None)
        if rebind:
            es.params = theta + 1
        else:
            theta += 1
        es.step(None, None)
        found.append(es.step(None, None).gradient)
    assert np.array_equal(*found)


@pytest.mark.parametrize("wrong", [np.ones((4, 2), complex), np.full((4, 2), "a"), np.full((4, 2), None), np.ones(3)])
def test_a_state_of_other_numbers_is_refused(wrong):
    es = online.NoiseReuseES(4, 0.1, 2).start(leaking(np.zeros(2)), np.ones(2), rng=0)
    saved = es.state_dict()
    with pytest.raises(dg.LayoutError, match="other shapes or dtypes"):
        es.load_state_dict(saved | {"state": [wrong]})
    counted = [m if m.dtype.kind != "i" else np.array(0.5) for m in saved["memory"]]
    with pytest.raises(dg.LayoutError, match="other shapes or dtypes"):
        es.load_state_dict(saved | {"memory": counted})


def test_a_batch_of_what_knows_no_batches_is_named():
    network = online.Network(nn.RNNCell(2, 3), nn.Linear(3, 2), nn.cross_entropy)
    system = online.System(network.step, network.loss, network.init_state, batched=True)
    with pytest.raises(dg.DualgradError, match="says batched=True"):
        online.PersistentES(4, 0.1, 1).start(system, network.init(rng=0), rng=0).step(np.ones(2), 1)
    es = online.PersistentES(4, 0.1, 1).start(network, network.init(rng=0, dtype=np.float64), rng=0)
    assert es.step([1.0, 2.0], 1).gradient.vector.dtype == float
