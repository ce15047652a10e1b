"""DODGE and its candidates: exact identities, what critics learn, states, and named errors."""

import warnings

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn
from dualgrad.estimators import (
    Backprop,
    DeterministicPolicyGradient,
    Dodge,
    ForwardGradient,
    Oracle,
    QuadraticCritic,
    Reptile,
    SyntheticGradient,
    TruncatedBPTT,
)
from dualgrad.testing import assert_unbiased, assert_variance

RNG = np.random.default_rng(0)
T = 12


def copying(cell=nn.LSTM, dtype=np.float64):
    """A recurrent network on random sequences."""
    model = nn.Sequential(nn.Embedding(4, 3), cell(3, 5), nn.Linear(5, 4))
    rng = np.random.default_rng(0)
    batch = nn.Objective(model, nn.cross_entropy).bind(rng.integers(0, 4, (T, 3)), rng.integers(0, 4, (T, 3)))
    return batch, model.init(rng=0, dtype=dtype)


def gradient_of(estimator, batch, params, rng=0):
    return estimator.estimate(batch, params, rng=rng).gradient.vector


class Fixed:
    """A candidate that proposes what it is given, one after the other."""

    def __init__(self, *gradients):
        self.gradients = list(gradients)

    def estimate(self, objective, params, *, rng):
        found = self.gradients.pop(0) if len(self.gradients) > 1 else self.gradients[0]
        return estimators.Estimate(0.0, found, None, 1.0)


def test_the_estimate_is_the_part_of_g_along_the_average():
    """ĝ = (g·u) u with u along ḡ ← decay ḡ + (1 - decay) g̃, this batch's g̃ included."""
    g, first, second = (RNG.standard_normal(6) for _ in range(3))
    dodge, loss = Dodge(Fixed(first, second), decay=0.75), lambda w: w @ g
    for average in (first, 0.75 * first + 0.25 * second):
        u = average / np.linalg.norm(average)
        found = dodge.estimate(loss, np.zeros(6), rng=0)
        np.testing.assert_allclose(found.gradient, (g @ u) * u, rtol=1e-12)
        np.testing.assert_allclose(found.directional, g @ u, rtol=1e-12)
    assert found.cost == 4


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_its_claims_hold_by_enumeration(decay):
    """A biased estimator equals its stated bias, u uᵀ g - g, also after some steps."""
    g, other, w = RNG.standard_normal(4), RNG.standard_normal(4), RNG.standard_normal(4)
    dodge = Dodge([Oracle(previous=True), Fixed(other)], decay=decay)
    dodge.estimate(lambda w: w @ other + w[0], w, rng=0)
    assert_unbiased(dodge, lambda w: w @ g, w)
    assert_variance(dodge, lambda w: w @ g, w)
    random = Dodge(ForwardGradient(directions.Rademacher()))
    with pytest.raises(NotImplementedError, match="a candidate that draws"):
        random.expectation(g, lambda w: w @ g, w)
    with pytest.raises(dg.DualgradError, match="objective and params"):
        dodge.expectation(g)


def test_the_oracle_of_the_batch_before():
    first, second = RNG.standard_normal(3), RNG.standard_normal(3)
    oracle = Oracle(previous=True)
    for g, expected in ((first, first), (second, first), (first, second)):
        np.testing.assert_allclose(oracle.estimate(lambda w, g=g: w @ g, np.zeros(3)).gradient, expected)
    other = Oracle(previous=True)
    other.load_state_dict(oracle.state_dict())
    np.testing.assert_allclose(other.estimate(lambda w: w @ second, np.zeros(3)).gradient, first)
    with pytest.raises(NotImplementedError, match="call before"):
        oracle.expectation(first)


def test_an_oracle_gives_the_gradient():
    batch, params = copying()
    exact = gradient_of(Backprop(), batch, params)
    np.testing.assert_allclose(gradient_of(Dodge(Oracle()), batch, params), exact, rtol=1e-8, atol=1e-12)


def test_several_candidates_project_on_their_span():
    g, a, b = (RNG.standard_normal(6) for _ in range(3))
    dodge = Dodge([Fixed(a), Fixed(b)], decay=0.0)
    found = dodge.estimate(lambda w: w @ g, np.zeros(6), rng=0)
    basis = np.stack([a, b], 1)
    np.testing.assert_allclose(found.gradient, basis @ np.linalg.lstsq(basis, g)[0], rtol=1e-10)
    assert found.directional.shape == (2,)
    assert found.cost == 2 + 5


def test_a_candidate_of_zero_falls_back_and_says_so():
    g = RNG.standard_normal(5)
    dodge = Dodge(Fixed(np.zeros(5)))
    with pytest.warns(RuntimeWarning, match="random direction takes its place"):
        found = dodge.estimate(lambda w: w @ g, np.zeros(5), rng=0)
    np.testing.assert_allclose(np.linalg.norm(found.gradient), abs(found.directional))
    twice = Dodge([Fixed(g), Fixed(2 * g)])
    with pytest.warns(RuntimeWarning, match="in the span of the others"):
        found = twice.estimate(lambda w: w @ g, np.zeros(5), rng=0)
    np.testing.assert_allclose(found.gradient, g, rtol=1e-10)


def test_more_candidates_than_dimensions_give_the_gradient():
    w = np.array([1.0, 2.0])
    normals = ForwardGradient(directions.Gaussian())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for candidates in ([Oracle(), normals, normals], [Oracle()] * 4):
            found = Dodge(candidates).estimate(lambda w: np.sum(w**2), w, rng=1)
            np.testing.assert_allclose(found.gradient, 2 * w, rtol=1e-10)
        found = Dodge([Oracle(), normals]).estimate(lambda w: w[0] ** 2, np.array([3.0]), rng=0)
        np.testing.assert_allclose(found.gradient, [6.0])


def test_making_one_does_not_wipe_what_a_candidate_learned():
    batch, params = copying()
    candidate = SyntheticGradient(QuadraticCritic(lr=0.1), window=2)
    candidate.estimate(batch, params)
    learned = candidate.state_dict()["critic"]["coefficients"]["A"]
    assert np.any(learned)
    Dodge(candidate)
    assert np.array_equal(candidate.state_dict()["critic"]["coefficients"]["A"], learned)


def test_the_variance_of_a_candidate_that_draws_is_not_claimed():
    with pytest.raises(NotImplementedError, match="a candidate that draws"):
        Dodge(ForwardGradient(directions.Rademacher())).variance(np.ones(3), np.sum, np.ones(3))


def test_a_foreign_state_changes_nothing():
    make = lambda: Dodge([Oracle(previous=True), SyntheticGradient(QuadraticCritic(), window=2)], decay=0.5)  # noqa: E731
    batch, params = copying()
    dodge = make()
    dodge.estimate(batch, params, rng=0)
    before, other = dodge.state_dict(), make().state_dict()
    oracle, critical = other["candidates"]
    critic = critical["critic"]
    for wrong in (
        {"m": 0},
        critical | {"critic": critic | {"coefficients": {"x": np.ones(2)}}},
        critical | {"made": -1},
    ):
        with pytest.raises(dg.LayoutError):
            dodge.load_state_dict(other | {"candidates": [oracle, wrong]})
    for state in ({"averages": None}, other | {"candidates": None}, 3):
        with pytest.raises(dg.LayoutError):
            dodge.load_state_dict(state)
    after = dodge.state_dict()
    assert np.array_equal(after["averages"], before["averages"])
    assert np.array_equal(after["candidates"][0]["last"], before["candidates"][0]["last"])
    with pytest.raises(dg.LayoutError, match="'last'"):
        Oracle(previous=True).load_state_dict({"m": 0})


def test_state_is_saved_and_restored(tmp_path):
    batch, params = copying()
    make = lambda: Dodge(  # noqa: E731
        [TruncatedBPTT(3, random=True), SyntheticGradient(QuadraticCritic(lr=0.01, scale=0.5))], decay=0.8
    )
    one, rng = make(), dg.Rng(0)
    for _ in range(3):
        one.estimate(batch, params, rng=rng)
    dg.save(tmp_path / "state.npz", {"dodge": one.state_dict(), "rng": rng.state_dict()})
    saved = dg.load(tmp_path / "state.npz")
    other, again = make(), dg.Rng(1)
    other.load_state_dict(saved["dodge"])
    again.load_state_dict(saved["rng"])
    for _ in range(3):
        a, b = (e.estimate(batch, params, rng=r).gradient.vector for e, r in ((one, rng), (other, again)))
        assert np.array_equal(a, b)
    with pytest.raises(dg.LayoutError, match=r"has 2 candidates; Dodge\(Oracle\(\), decay=0.8\) has 1"):
        Dodge(Oracle(), decay=0.8).load_state_dict(saved["dodge"])
    one.reset()
    assert one.state_dict()["averages"] is None


# ---------------------------------------------------------------------- truncation


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN, nn.LeakyRNN])
def test_a_window_over_all_steps_is_backpropagation(cell):
    batch, params = copying(cell)
    exact = gradient_of(Backprop(), batch, params)
    for window in (T, T + 5):
        np.testing.assert_allclose(gradient_of(TruncatedBPTT(window), batch, params), exact, rtol=1e-12, atol=1e-15)
    assert not np.allclose(gradient_of(TruncatedBPTT(3), batch, params), exact, rtol=1e-3)


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN, nn.LeakyRNN])
@pytest.mark.parametrize("window", [1, 2, 6])
def test_truncation_where_only_the_last_output_is_seen(cell, window):
    """The loss reaches back to the beginning of the last window."""
    model = nn.Sequential(cell(2, 3, last_only=True), nn.Linear(3, 1))
    params = model.init(rng=0, dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((6, 4, 2))
    batch = nn.Objective(model, nn.mse).bind(x, np.zeros((4, 1)))

    def last_window(p):
        state = model.layers[0].cell.start(x[0])
        own = {n[2:]: v for n, v in {**p, **params.buffers}.items() if n.startswith("0.")}
        for t in range(6):
            if t % window == 0:
                state = dg.primal(state)
            state = model.layers[0].cell.step(own, state, x[t])
        rest = {n[2:]: p[n] for n in params if n.startswith("1.")}
        return nn.mse(model.layers[1](rest, model.layers[0].cell.output(state)), batch.y)

    found = gradient_of(TruncatedBPTT(window), batch, params)
    np.testing.assert_allclose(found, dg.grad(last_window)(params).vector, rtol=1e-10, atol=1e-14)
    with pytest.raises(dg.ShapeError, match=r"\(T, B\); got losses of shape \(4,\)"):
        DeterministicPolicyGradient(QuadraticCritic()).estimate(batch, params)


@pytest.mark.parametrize("window", [1, 4, 5])
def test_truncation_is_the_gradient_with_the_state_held_between_windows(window):
    """Each window from a state that is a constant, summed."""
    batch, params = copying(nn.GRU)
    embedding, layer, readout = batch.model.layers

    def windows(p):
        of = lambda k: {n[2:]: p[n] for n in params if n.startswith(f"{k}.")}  # noqa: E731
        z = embedding(of(0), batch.x)
        state, losses = layer.cell.start(dg.primal(z)[0]), []
        for t in range(T):
            if t % window == 0:
                state = dg.primal(state)
            state = layer.cell.step(of(1), state, z[t])
            losses.append(readout(of(2), layer.cell.output(state)))
        return nn.cross_entropy(np.stack(losses), batch.y)

    np.testing.assert_allclose(
        gradient_of(TruncatedBPTT(window), batch, params), dg.grad(windows)(params).vector, rtol=1e-10, atol=1e-14
    )


def test_random_windows_are_drawn_from_one_to_the_largest():
    batch, params = copying()
    possible = [gradient_of(TruncatedBPTT(k), batch, params) for k in (1, 2, 3)]
    found = [gradient_of(TruncatedBPTT(3, random=True), batch, params, rng) for rng in range(20)]
    assert all(any(np.array_equal(f, p) for p in possible) for f in found)
    assert all(any(np.array_equal(f, p) for f in found) for p in possible)


# ---------------------------------------------------------------------- critics


class Future:
    """A critic that knows: the exact cotangent of the losses to come, in the order in which it is asked."""

    def __init__(self, batch, params, scale):
        self.answers, self.scale = [], scale

        def cut(t, state, dstate):
            self.answers.append(np.concatenate(dstate, -1))
            return dstate

        batch.vjp(params, cut=cut)

    def gradient(self, s):
        return self.answers.pop(0) / self.scale

    def value(self, s):
        return np.zeros(len(s))

    def learn_gradient(self, s, target):
        self.seen = target

    learn_value = learn_gradient

    def reset(self):
        """Nothing was learned."""

    state_dict = load_state_dict = None


@pytest.mark.parametrize("candidate", [SyntheticGradient, DeterministicPolicyGradient])
def test_a_perfect_critic_gives_the_exact_gradient(candidate):
    batch, params = copying()
    share = 1 / (T * 3)
    found = gradient_of(candidate(Future(batch, params, share), window=1), batch, params)
    np.testing.assert_allclose(found, gradient_of(Backprop(), batch, params), rtol=1e-10, atol=1e-14)


def test_a_critic_of_zero_is_truncation():
    batch, params = copying()
    for candidate, window in ((SyntheticGradient, 5), (DeterministicPolicyGradient, 2)):
        first = gradient_of(candidate(QuadraticCritic(), window=window), batch, params)
        np.testing.assert_allclose(first, gradient_of(TruncatedBPTT(window), batch, params), rtol=1e-12, atol=1e-15)


def test_synthetic_gradients_come_closer_than_truncation():
    batch, params = copying()
    exact = gradient_of(Backprop(), batch, params)
    candidate = SyntheticGradient(QuadraticCritic(lr=0.01), window=1)
    error = [np.linalg.norm(gradient_of(candidate, batch, params) - exact) for _ in range(400)]
    assert error[-1] < 0.6 * error[0]


def test_the_critic_learns_gradients_and_values_of_a_quadratic():
    a = np.array([[2.0, -1.0], [-1.0, 0.5]])
    for learn in ("value", "gradient"):
        critic, rng = QuadraticCritic(lr=0.02, scale=0.5), np.random.default_rng(0)
        for _ in range(1500):
            s = rng.standard_normal((32, 2))
            if learn == "value":
                critic.learn_value(s, 0.5 * np.sum(s @ a * s, -1) + s[:, 0] + 3)
            else:
                critic.learn_gradient(s, s @ a + [1.0, 0.0])
        s = rng.standard_normal((5, 2))
        np.testing.assert_allclose(critic.gradient(s), 0.5 * (s @ a + [1.0, 0.0]), atol=0.02)


def test_a_value_learned_from_losses_points_where_the_gradient_does():
    """s ← a s with loss s² each step: the loss to come is a quadratic of s, a²/(1 - a²) s², far from the end."""
    model = nn.Sequential(nn.RNN(1, 1, nonlinearity="relu"))
    params = dg.Params({"0.weight_x": np.ones((1, 1)), "0.weight_h": np.full((1, 1), 0.5), "0.bias": np.zeros(1)})
    critic, rng = QuadraticCritic(lr=0.02), np.random.default_rng(0)
    candidate, objective = DeterministicPolicyGradient(critic), nn.Objective(model, nn.mse)
    for _ in range(200):
        x = np.zeros((20, 16, 1))
        x[0] = rng.uniform(0.5, 2.0, (16, 1))
        candidate.estimate(objective.bind(x, np.zeros((20, 16, 1))), params)
    s = np.array([[0.5], [1.0]])
    np.testing.assert_allclose(critic.gradient(s), 2 * 0.25 / 0.75 * s, rtol=0.15)


# ---------------------------------------------------------------------- Reptile


def tasks():
    model = nn.Sequential(nn.Linear(2, 6), nn.Sine(), nn.Linear(6, 3))
    rng = np.random.default_rng(1)
    made = [
        nn.Objective(model, nn.mse).bind(rng.standard_normal((16, 2)), rng.standard_normal((16, 3))) for _ in range(3)
    ]
    return made, model.init(rng=0, dtype=np.float64)


def test_reptile_is_the_way_to_the_adapted_parameters():
    made, params = tasks()
    reptile = Reptile(2, 0.01)
    ends = []
    for task in made:
        w = dg.Params(params)
        for _ in range(2):
            w.vector[...] -= 0.01 * Backprop().estimate(task, w).gradient.vector
        ends.append(w.vector)
    found = reptile.estimate(made, params)
    np.testing.assert_allclose(found.gradient.vector, (params.vector - np.mean(ends, 0)) / 0.01, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(found.value, reptile.adapted(made)(params), rtol=1e-12)


def test_dodge_differentiates_through_the_inner_steps():
    made, params = tasks()
    reptile = Reptile(2, 0.05)
    exact = dg.grad(reptile.adapted(made))(params).vector
    u = reptile.estimate(made, params).gradient.vector
    u = u / np.linalg.norm(u)
    found = Dodge(reptile, decay=0.0).estimate(made, params, rng=0)
    np.testing.assert_allclose(found.gradient.vector, (exact @ u) * u, rtol=1e-8, atol=1e-11)
    both = Dodge([reptile, Oracle()], decay=0.0).estimate(made, params, rng=0)
    np.testing.assert_allclose(both.gradient.vector, exact, rtol=1e-8, atol=1e-11)


def test_what_is_diagnosed_is_the_adapted_loss():
    made, params = tasks()
    for estimator in (Dodge(Reptile(2, 0.05)), Dodge(Dodge(Reptile(2, 0.05)))):
        found = estimators.diagnose(estimator, made, params, 0, samples=2)
        exact = dg.grad(Reptile(2, 0.05).adapted(made))(params).vector
        g = estimator.estimate(made, params, rng=0).gradient.vector
        np.testing.assert_allclose(found.cosine, g @ exact / np.linalg.norm(g) / np.linalg.norm(exact), rtol=1e-6)


def test_reptile_carries_buffers_along():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm(3), nn.Linear(3, 1))
    params = model.init(rng=0, dtype=np.float64)
    task = nn.Objective(model, nn.mse).bind(np.random.default_rng(0).standard_normal((8, 2)), np.ones((8, 1)))
    found = Dodge(Reptile(2, 0.1)).estimate(task, params, rng=0)
    assert found.gradient.layout == params.layout
    assert found.cost == 7 + 7 * 3
    with pytest.raises(ValueError, match="take one"):
        Dodge([Reptile(1, 0.1), Reptile(4, 0.1)])


# ---------------------------------------------------------------------- the rest


def test_float32_stays_float32():
    batch, params = copying(dtype=np.float32)
    for candidate in (Oracle(), TruncatedBPTT(2), SyntheticGradient(QuadraticCritic()), [Oracle(), TruncatedBPTT(1)]):
        dodge = Dodge(candidate)
        for _ in range(2):
            found = dodge.estimate(batch, params, rng=0)
        assert found.gradient.vector.dtype == np.float32
        assert found.value.dtype == np.float32


def test_bad_input_is_named():
    _, params = copying()
    for unknown in ("oracle", Oracle, None):
        with pytest.raises(TypeError, match=r"expected an estimator such as Oracle\(\)"):
            Dodge(unknown)
    with pytest.raises(ValueError, match="at least one"):
        Dodge([])
    for decay in (1.0, -0.1, "half"):
        with pytest.raises(ValueError, match=r"in \[0, 1\)"):
            Dodge(Oracle(), decay=decay)
    with pytest.raises(ValueError, match="positive number of steps"):
        TruncatedBPTT(0)
    with pytest.raises(ValueError, match="positive number of steps"):
        SyntheticGradient(QuadraticCritic(), window=0)
    with pytest.raises(TypeError, match="has no gradient"):
        SyntheticGradient(nn.Linear(2, 2))
    with pytest.raises(dg.DualgradError, match="needs a network"):
        TruncatedBPTT(3).estimate(lambda w: 0.0, np.zeros(2))
    flat = nn.Linear(2, 2)
    bound = nn.Objective(flat, nn.mse).bind(np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(dg.DualgradError, match="recurrent layer, and Linear"):
        TruncatedBPTT(3).estimate(bound, flat.init(rng=0, dtype=np.float64))
    stacked = nn.Sequential(nn.RNN(2, 3), nn.RNN(3, 2))
    bound = nn.Objective(stacked, nn.mse).bind(np.ones((4, 1, 2)), np.ones((4, 1, 2)))
    with pytest.raises(dg.ShapeError, match="the model has 2"):
        SyntheticGradient(QuadraticCritic()).estimate(bound, stacked.init(rng=0, dtype=np.float64))
    for steps, lr in ((0, 0.1), (2, 0.0), (2.5, 0.1)):
        with pytest.raises(ValueError, match="inner_"):
            Reptile(steps, lr)
    with pytest.raises(dg.DualgradError, match="needs tasks"):
        Reptile(1, 0.1).estimate(lambda w: 0.0, params)
    critic = QuadraticCritic()
    critic.value(np.zeros((1, 3)))
    with pytest.raises(dg.ShapeError, match="reset"):
        critic.value(np.zeros((1, 4)))
    dodge = Dodge(Fixed(np.full(3, np.nan)))
    with pytest.raises(dg.NonFiniteError, match=r"the candidate .* is not finite"):
        dodge.estimate(lambda w: np.sum(w), np.zeros(3), rng=0)
    dodge = Dodge(Fixed(np.ones(3)))
    with pytest.raises(dg.NonFiniteError, match="the loss is nan"):
        dodge.estimate(lambda w: np.sum(w) * np.nan, np.zeros(3), rng=0)
    assert dodge.state_dict()["averages"] is None
    with pytest.raises(dg.ShapeError, match="scalar"):
        dodge.estimate(lambda w: w, np.zeros(3), rng=0)
