"""Evolution strategies through unrolls: exact means and variances by Gauss-Hermite, and failures that lose nothing."""

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from checks import close

import dualgrad as dg
from dualgrad import online, testing

SIGMA = 0.3


def history_step(s, x, p):
    """The state is every parameter vector so far, by window."""
    return np.where(np.arange(s.shape[-2])[:, None] == x, p[..., None, :], s)


def history_loss(s, y, p):
    return np.sum(y * s, axis=(-1, -2))


def history(windows, p, batched=True):
    """A system whose loss at window t is Σ_τ g_tτ·θ_τ, with θ_τ the parameters as they were in window τ."""
    return online.System(history_step, history_loss, np.zeros((windows, p)), batched=batched)


def coefficients(windows, p, seed=0):
    """g_tτ, of the past and the present alone."""
    g = dg.Rng(seed).normal((windows, windows, p))
    return g * (np.arange(windows)[:, None] >= np.arange(windows))[:, :, None]


def run(estimator, system, params, data, rng):
    """The sum of the estimates of an episode."""
    estimator.start(system, params, rng=rng)
    total = 0
    for x, y in data:
        found = estimator.step(x, y)
        total = total + (0 if found is None else found.gradient)
    if isinstance(estimator, online.EvolutionStrategies):
        total = estimator.close().gradient
    return total


def quadratic(batched=True):
    """s ← A s + θ, with a quadratic loss at every step."""
    A = np.array([[0.5, -0.3], [0.2, 0.7]])
    return online.System(
        lambda s, x, p: s @ A.T + p, lambda s, y, p: np.sum((s - y) ** 2, axis=-1), np.ones(2), batched=batched
    )


THREE = {
    "ES": lambda n=2: online.EvolutionStrategies(n, SIGMA),
    "PES": lambda n=2: online.PersistentES(n, SIGMA, window=1),
    "NRES": lambda n=2: online.NoiseReuseES(n, SIGMA, window=1),
}


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("name", [*THREE, "PES, analytic"])
def test_exact_on_quadratics(name, batched):
    system, params, data = quadratic(batched), np.array([0.4, -1.0]), [(None, np.array([1.0, k])) for k in range(2)]
    exact = sum(run(online.RTRL(), system, params, data, None) for _ in range(1))
    make = THREE.get(name, lambda: online.PersistentES(2, SIGMA, window=1, analytic=True))
    moments = testing.exact_moments(lambda rng: run(make(), system, params, data, rng))
    close(moments.mean, exact, 1e-9)


def test_windows_of_several_steps_sum_their_losses():
    system, params, data = quadratic(), np.array([0.4, -1.0]), [(None, np.array([1.0, k])) for k in range(4)]
    exact = run(online.RTRL(), system, params, data, None)
    for make in (online.PersistentES, online.NoiseReuseES):
        moments = testing.exact_moments(lambda rng, make=make: run(make(2, SIGMA, window=2), system, params, data, rng))
        close(moments.mean, exact, 1e-9)


def test_each_has_its_own_smoothed_target_on_a_cubic():
    """θ₁² θ₂ over two windows: 3θ² + σ² for independent perturbations, 3θ² + 3σ² for one."""
    system = online.System(
        lambda s, x, p: np.where(x, p * p, s), lambda s, y, p: np.sum(y * s * p, axis=-1), np.zeros(1), batched=True
    )
    theta, data = np.array([0.7]), [(True, 0.0), (False, 1.0)]
    targets = {"ES": 3 * SIGMA**2, "PES": SIGMA**2, "NRES": 3 * SIGMA**2}
    for name, extra in targets.items():
        moments = testing.exact_moments(lambda rng, name=name: run(THREE[name](), system, theta, data, rng), degree=9)
        close(moments.mean, 3 * theta**2 + extra, 1e-9)


def test_truncated_es_sees_its_own_window_alone():
    windows, p = 3, 2
    g = coefficients(windows, p)
    moments = testing.exact_moments(
        lambda rng: run(online.TruncatedES(2, SIGMA, 1), history(windows, p), np.ones(p), list(enumerate(g)), rng)
    )
    close(moments.mean, sum(g[t, t] for t in range(windows)), 1e-9)


@pytest.mark.parametrize(("windows", "p"), [(1, 3), (2, 2), (3, 1)])
def test_the_variance_of_pes(windows, p):
    """p Σ ‖h_sτ‖² + Σ h_sτ·h_τs a pair, h_sτ = Σ_{t >= max(s, τ)} g_tτ."""
    g = coefficients(windows, p)
    h = np.array([[g[max(s, tau) :, tau].sum(0) for tau in range(windows)] for s in range(windows)])
    theory = p * np.sum(h**2) + np.einsum("stp,tsp->", h, h)
    moments = testing.exact_moments(
        lambda rng: run(THREE["PES"](), history(windows, p), np.ones(p), list(enumerate(g)), rng)
    )
    close(moments.mean, g.sum((0, 1)), 1e-9)
    close(moments.variance.sum(), theory, 1e-9)


@pytest.mark.parametrize("name", ["ES", "NRES"])
def test_the_variance_of_es_is_that_of_one_perturbation(name):
    g = coefficients(2, 3)
    total = g.sum((0, 1))
    moments = testing.exact_moments(lambda rng: run(THREE[name](), history(2, 3), np.ones(3), list(enumerate(g)), rng))
    close(moments.variance.sum(), 4 * total @ total, 1e-9)


def test_pairs_divide_the_variance():
    g = coefficients(1, 2)
    two, four = (
        testing.exact_moments(
            lambda rng, n=n: run(THREE["PES"](n), history(1, 2), np.ones(2), list(enumerate(g)), rng)
        ).variance.sum()
        for n in (2, 4)
    )
    close(four, two / 2, 1e-9)


def test_the_analytic_gradient_takes_out_the_noise_of_its_window():
    g = coefficients(1, 2)
    moments = testing.exact_moments(
        lambda rng: run(
            online.PersistentES(2, SIGMA, 1, analytic=True), history(1, 2), np.ones(2), list(enumerate(g)), rng
        )
    )
    close(moments.mean, g[0, 0], 1e-9)
    assert moments.variance.sum() < 1e-20


# ---------------------------------------------------------------------- particles


@pytest.mark.parametrize("make", [lambda: online.PersistentES(6, SIGMA, 2), lambda: online.TruncatedES(6, SIGMA, 2)])
def test_a_batch_is_its_particles(make):
    params, data = np.array([0.4, -1.0]), [(None, np.array([1.0, k])) for k in range(4)]
    one, other = (run(make(), quadratic(batched), params, data, 3) for batched in (True, False))
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
        es.particles.executor = executor
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


@pytest.mark.parametrize("name", [*THREE, "TES"])
def test_an_episode_goes_on_where_it_was_saved(name, tmp_path):
    make = THREE.get(name, lambda n=2: online.TruncatedES(n, SIGMA, 1))
    system, params, data = quadratic(), np.array([0.4, -1.0]), [(None, np.array([1.0, k])) for k in range(4)]

    def follow(es, steps):
        return [es.step(*step) for step in steps]

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
    assert not pes.memory["before"].any()
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
    failing = online.System(lambda s, x, p: np.ones((2, 3)) @ s + p, lambda s, y, p: 0.0, np.zeros(3), batched=True)
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
    with np.errstate(all="ignore"), pytest.raises(dg.NonFiniteError, match="step 2: the loss of particle 0"):
        es.step(None, 0.0)
    after = es.state_dict()
    assert all(map(np.array_equal, before["state"] + before["memory"], after["state"] + after["memory"]))
    with pytest.raises(dg.DualgradError, match="losses alone"):
        es.fisher()
