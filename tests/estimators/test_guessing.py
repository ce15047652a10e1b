"""Guessing: the stated means and variances by enumeration, every kind of network, both passes, and named errors."""

import tracemalloc

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn
from dualgrad.estimators import (
    ActivationMixing,
    ActivationPerturbation,
    Backprop,
    Downstream,
    MatchedCosine,
    SelfSharpening,
    TransposedWeight,
)
from dualgrad.estimators.chain import Walk, chains_of
from dualgrad.testing import assert_unbiased, assert_variance, exact_moments

RNG = np.random.default_rng(0)
GUESSES = [
    ActivationPerturbation, ActivationMixing, TransposedWeight, lambda **k: TransposedWeight(power=2.0, **k),
    Downstream, lambda **k: Downstream(layers=2, **k), SelfSharpening,
]  # fmt: skip
every = pytest.mark.parametrize("make", GUESSES, ids=lambda make: repr(make()))


def small(batch, widths=(2, 2, 2, 1)):
    """An MLP with a bend and a saturation, at random weights."""
    a, b, c, d = widths
    model = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.Tanh(), nn.Linear(c, d))
    params = model.init(rng=1, dtype=np.float64)
    rng = np.random.default_rng(3)
    params.vector[...] = rng.standard_normal(params.size)
    return nn.Objective(model, nn.mse).bind(rng.standard_normal((batch, a)), rng.standard_normal((batch, d))), params


def varied(batch=3, **keywords):
    """Convolution, residual blocks with and without a shortcut, norms, attention, pooling, dropout."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(),
        nn.Residual(nn.Conv2d(4, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU()), nn.MaxPool2d(2), nn.Flatten(),
        nn.Residual(nn.Linear(16, 6), nn.Tanh(), shortcut=nn.Linear(16, 6)),
        nn.Reshape(2, 3), nn.MultiHeadAttention(3, 1), nn.Parallel(nn.Linear(3, 2), nn.Linear(3, 1)), nn.Dropout(0.5),
        nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip
    x, y = RNG.standard_normal((batch, 4, 4, 1)), np.arange(batch) % 3
    return nn.Objective(model, nn.cross_entropy).bind(x, y, **keywords), model.init(rng=0, dtype=np.float64)


# ---------------------------------------------------------------------- means and variances


@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize(
    "make",
    [ActivationPerturbation, TransposedWeight, lambda **k: TransposedWeight(power=0.5, **k), Downstream,
     lambda **k: Downstream(layers=2, **k)],
    ids=lambda make: repr(make()),
)  # fmt: skip
def test_signs_have_the_stated_mean_and_variance(make, store):
    batch, params = small(2)
    estimator = make(noise="signs", store=store)
    assert_unbiased(estimator, batch, params)
    if getattr(estimator, "power", 1) == 1:
        assert_variance(estimator, batch, params)


@pytest.mark.parametrize("make", [ActivationPerturbation, TransposedWeight, Downstream])
def test_normals_have_the_stated_mean_and_variance(make):
    batch, params = small(1)
    assert_unbiased(make(), batch, params)
    assert_variance(make(), batch, params)


def test_several_guesses_divide_the_variance():
    batch, params = small(1, (1, 2, 1, 1))
    one, two = ActivationPerturbation(noise="signs"), ActivationPerturbation(noise="signs", n=2)
    assert_unbiased(two, batch, params)
    assert_variance(two, batch, params)
    g = Backprop().estimate(batch, params).gradient
    np.testing.assert_allclose(2 * two.variance(g, batch, params).vector, one.variance(g, batch, params).vector)


@pytest.mark.parametrize("layers", [1, 2])
def test_uniform_noise_adds_its_mean(layers):
    """C δ + μ Σ δ·μ: erratum 20, and the sum over layers."""
    batch, params = small(1, (2, 2, 2, 2))
    assert_unbiased(SelfSharpening(layers=layers), batch, params)


def test_activation_perturbation_is_unbiased_with_the_closed_variance():
    """tr Var dW_k = Σ_b ‖x_bk‖² (m_k D_b ± ‖δ_bk‖²), the 1/B being in δ."""
    batch, params = small(2)
    exact = Backprop().estimate(batch, params).gradient
    model = batch.model
    x1 = batch.x
    h1 = np.maximum(x1 @ params["0.weight"] + params["0.bias"], 0)
    h2 = np.tanh(h1 @ params["2.weight"] + params["2.bias"])
    z, pull = nn.mse.vjp(h2 @ params["4.weight"] + params["4.bias"], batch.y)
    d3 = pull(1.0)
    d2 = d3 @ params["4.weight"].T * (1 - h2**2)
    d1 = d2 @ params["2.weight"].T * (h1 > 0)
    assert z == pytest.approx(batch(params))
    total = sum(np.sum(d * d, 1) for d in (d1, d2, d3))
    for sign, noise in ((1, "normal"), (-1, "signs")):
        estimator = ActivationPerturbation(noise=noise)
        np.testing.assert_allclose(estimator.expectation(exact, batch, params).vector, exact.vector, atol=1e-13)
        stated = estimator.variance(exact, batch, params)
        for name, x, d in (("0", x1, d1), ("2", h1, d2), ("4", h2, d3)):
            expected = np.sum(np.sum(x * x, 1) * (d.shape[1] * total + sign * np.sum(d * d, 1)))
            np.testing.assert_allclose(stated[f"{name}.weight"].sum(), expected, rtol=1e-12)
    assert model is batch.model


def test_a_guess_by_the_transposed_weight_has_mean_m_delta():
    """M = D Wᵀ W D at the output of the layer before, in formula."""
    batch, params = small(1)
    h1 = batch.x @ params["0.weight"] + params["0.bias"]
    w = params["2.weight"]
    h2 = np.tanh(np.maximum(h1, 0) @ w + params["2.bias"])
    _, pull = nn.mse.vjp(h2 @ params["4.weight"] + params["4.bias"], batch.y)
    delta = pull(1.0) @ params["4.weight"].T * (1 - h2**2) @ w.T * (h1 > 0)
    mask = np.diag((h1 > 0)[0].astype(float))
    m = mask @ w @ w.T @ mask
    found = TransposedWeight().expectation(None, batch, params)
    np.testing.assert_allclose(found["0.weight"], batch.x.T @ (delta @ m), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found["0.bias"], (delta @ m)[0], rtol=1e-12, atol=1e-14)


def test_normals_of_variance_one_over_n_shrink_the_estimate():
    """Erratum 19: (g·y) y with y ~ N(0, 1/N) has mean g/N."""
    g = np.array([3.0, -1.0, 2.0])
    mean = exact_moments(lambda rng: (lambda y: (g @ y) * y)(rng.normal(3) / np.sqrt(3))).mean
    np.testing.assert_allclose(mean, g / 3, rtol=1e-12)


# ---------------------------------------------------------------------- networks


@every
@pytest.mark.parametrize("keywords", [{}, {"train": True, "rng": 3}], ids=["plain", "dropout"])
def test_stored_and_two_pass_forms_agree(make, keywords):
    batch, params = varied(**keywords) if getattr(make(), "power", 1) == 1 else small(3)
    for n in (1, 2):
        streams = dg.Rng(5), dg.Rng(5)
        one, two = (
            make(n=n, store=store).estimate(batch, params, rng=rng)
            for store, rng in zip((False, True), streams, strict=True)
        )
        assert np.array_equal(one.gradient.vector, two.gradient.vector)
        assert streams[0].state_dict() == streams[1].state_dict()
        assert one.directional.shape == (n, 3)
        np.testing.assert_allclose(one.value, batch(params), rtol=1e-12)


@every
def test_two_passes_keep_the_end_of_the_first_alone(make):
    """On eight layers the second pass makes the first ones again, and no more of them than it needs."""
    model = nn.networks.mlp([3, *[4] * 7, 2])
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.mse).bind(np.random.default_rng(1).standard_normal((3, 3)), np.ones((3, 2)))
    one, two = (make(n=2, store=store).estimate(batch, params, rng=5) for store in (False, True))
    assert np.array_equal(one.gradient.vector, two.gradient.vector)
    walk = Walk(chains_of(make(), batch)[0], params, batch.x, {})
    assert 2 <= len(walk.sites) - walk.sites.index(make()._kept(walk)) <= 4


@pytest.mark.parametrize("keywords", [{}, {"train": True, "rng": 3}], ids=["plain", "dropout"])
def test_the_slopes_and_the_update_are_those_of_the_network(keywords):
    """With the exact derivatives for guesses, d_b = Σ_k ‖δ_bk‖²; and they come back as the exact gradient."""
    batch, params = varied(**keywords)

    class Known(ActivationPerturbation):
        def _known(self, walk, k):
            return True

    exact = Backprop().estimate(batch, params).gradient
    np.testing.assert_allclose(
        Known().estimate(batch, params, rng=0).gradient.vector, exact.vector, rtol=1e-9, atol=1e-13
    )
    np.testing.assert_allclose(
        ActivationPerturbation().expectation(exact, batch, params).vector, exact.vector, rtol=1e-9, atol=1e-13
    )


@pytest.mark.parametrize("n", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_many_guesses_of_a_varied_network_average_to_the_gradient(n):
    """On samples: the estimate along the exact gradient has mean ‖g‖²."""
    batch, params = varied(train=True, rng=3)
    g = Backprop().estimate(batch, params).gradient.vector
    estimator, rng = ActivationPerturbation(n=n, noise="signs"), dg.Rng(0)
    found = np.array([estimator.estimate(batch, params, rng=rng).gradient.vector @ g for _ in range(600)]) / (g @ g)
    assert abs(found.mean() - 1) < 5 * found.std() / np.sqrt(len(found))


def test_local_losses_are_differentiated_by_their_own_blocks():
    model = nn.networks.LocalMixer(size=4, patch=2, in_channels=1, channels=4, groups=2, blocks=2, classes=3)
    params = model.init(rng=0, dtype=np.float64)
    x, y = RNG.standard_normal((2, 4, 4, 1)), np.array([0, 2])
    batch = nn.Objective(model, nn.cross_entropy).bind(x, y)
    exact = dg.grad(lambda p: model.local_loss(p, x, y))(params)
    for make in (ActivationPerturbation, TransposedWeight, Downstream, ActivationMixing):
        found = make(local=True).estimate(batch, params, rng=0)
        np.testing.assert_allclose(found.value, model.local_loss(params, x, y), rtol=1e-12)
        stored = make(local=True, store=True).estimate(batch, params, rng=0)
        assert np.array_equal(found.gradient.vector, stored.gradient.vector)
    stated = ActivationPerturbation(local=True).expectation(exact, batch, params)
    np.testing.assert_allclose(stated.vector, exact.vector, atol=1e-12)
    whole = Backprop().estimate(batch, params).gradient
    np.testing.assert_allclose(
        ActivationPerturbation().expectation(whole, batch, params).vector, whole.vector, atol=1e-12
    )


def test_a_transformer_block():
    model = nn.Sequential(nn.Linear(3, 4), nn.TransformerBlock(4, 2), nn.Flatten(), nn.Linear(20, 2))
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.cross_entropy).bind(RNG.standard_normal((3, 5, 3)), np.array([0, 1, 1]))
    exact = Backprop().estimate(batch, params).gradient
    np.testing.assert_allclose(
        ActivationPerturbation().expectation(exact, batch, params).vector, exact.vector, rtol=1e-9, atol=1e-13
    )
    for make in GUESSES:
        if getattr(make(), "power", 1) == 1:
            assert np.all(np.isfinite(make().estimate(batch, params, rng=0).gradient.vector))


def test_guesses_combine_with_directions_in_parameter_space():
    """As a candidate of DODGE: the projection of g on a guess and a random direction."""
    batch, params = small(4)
    g = Backprop().estimate(batch, params).gradient.vector
    dodge = estimators.Dodge([TransposedWeight(), estimators.ForwardGradient(directions.Rademacher())])
    found = dodge.estimate(batch, params, rng=0).gradient.vector
    np.testing.assert_allclose(found @ found, found @ g, rtol=1e-9)


def test_norms_are_passed_through_like_activations():
    """W^T before a norm takes noise through the next weight, not through the norm's scale."""
    plain = nn.Sequential(nn.Linear(3, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 2))
    params = plain.init(rng=0, dtype=np.float64)
    batch = nn.Objective(plain, nn.mse).bind(RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2)))
    cosine = {
        make: estimators.diagnose(make(), batch, params, 0, samples=200).cosine
        for make in (ActivationPerturbation, TransposedWeight)
    }
    assert cosine[TransposedWeight] > 1.3 * cosine[ActivationPerturbation]
    assert np.all(np.isfinite(TransposedWeight(power=2).estimate(batch, params, rng=0).gradient.vector))


def test_noise_goes_around_a_shortcut_to_the_next_layer_on_the_way():
    model = nn.Sequential(
        nn.Linear(3, 4), nn.Residual(nn.Linear(4, 4), nn.Tanh(), shortcut=nn.Linear(4, 4)), nn.Linear(4, 2)
    )
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.mse).bind(RNG.standard_normal((1, 3)), RNG.standard_normal((1, 2)))
    for estimator in (Downstream(noise="signs"), Downstream(layers=2, noise="signs"), TransposedWeight(noise="signs")):
        exact = Backprop().estimate(batch, params).gradient
        assert not np.allclose(estimator.expectation(exact, batch, params)["0.weight"], exact["0.weight"], rtol=1e-3)
    last = nn.Sequential(nn.Linear(3, 4), nn.Residual(nn.Linear(4, 2), shortcut=nn.Linear(4, 2)))
    weights = last.init(rng=0, dtype=np.float64)
    batch = nn.Objective(last, nn.mse).bind(RNG.standard_normal((2, 3)), RNG.standard_normal((2, 2)))
    exact, found = (e.estimate(batch, weights, rng=0).gradient for e in (Backprop(), SelfSharpening()))
    for name in ("1.body.0.weight", "1.shortcut.weight"):
        np.testing.assert_allclose(found[name], exact[name], rtol=1e-10)


@pytest.mark.slow
def test_a_local_mixer_behind_other_layers():
    mixer = nn.networks.LocalMixer(size=4, patch=2, in_channels=1, channels=4, groups=2, blocks=2, classes=3)
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), mixer)
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.cross_entropy).bind(RNG.standard_normal((2, 4, 4, 1)), np.array([0, 2]))
    exact = Backprop().estimate(batch, params).gradient
    stated = ActivationPerturbation().expectation(exact, batch, params)
    np.testing.assert_allclose(stated.vector, exact.vector, atol=1e-12)
    rng, estimator = dg.Rng(0), ActivationPerturbation(noise="signs", n=8)
    found = np.mean([estimator.estimate(batch, params, rng=rng).gradient["0.weight"] for _ in range(400)], 0)
    np.testing.assert_allclose(found, exact["0.weight"], atol=0.3 * np.abs(exact["0.weight"]).max())


@pytest.mark.slow
def test_self_sharpening_of_local_losses_has_the_stated_mean():
    """Each chain has slopes of its own; on samples, along the stated mean."""
    model = nn.networks.LocalMixer(size=2, patch=1, in_channels=1, channels=2, groups=1, blocks=2, classes=2)
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.cross_entropy).bind(RNG.standard_normal((1, 2, 2, 1)), np.array([1]))
    estimator, rng = SelfSharpening(local=True), dg.Rng(0)
    stated = estimator.expectation(params, batch, params).vector
    found = np.array([estimator.estimate(batch, params, rng=rng).gradient.vector @ stated for _ in range(2000)])
    assert abs(found.mean() / (stated @ stated) - 1) < 5 * found.std() / np.sqrt(len(found)) / (stated @ stated)


def test_dicts_keep_their_order():
    model = nn.Linear(2, 2)
    params = model.init(rng=0, dtype=np.float64)
    batch = nn.Objective(model, nn.mse).bind(RNG.standard_normal((3, 2)), RNG.standard_normal((3, 2)))
    turned = {"bias": params["bias"], "weight": params["weight"]}
    for estimator in (ActivationPerturbation(), Backprop(), MatchedCosine(ActivationPerturbation(), 1.0)):
        assert list(estimator.estimate(batch, turned, rng=0).gradient) == ["bias", "weight"]
    g = Backprop().estimate(batch, turned).gradient
    found = MatchedCosine(ActivationPerturbation(), 1.0).estimate(batch, turned, rng=0).gradient
    for name in g:
        np.testing.assert_allclose(found[name], g[name], rtol=1e-9, atol=1e-12)


def test_float32_stays_float32():
    model = nn.networks.mlp([4, 5, 3])
    params = model.init(rng=0)
    batch = nn.Objective(model, nn.cross_entropy).bind(np.ones((3, 4), np.float32), np.arange(3))
    for make in GUESSES:
        found = make().estimate(batch, params, rng=0)
        assert found.gradient.vector.dtype == found.value.dtype == found.directional.dtype == np.float32
    assert isinstance(Downstream().estimate(batch, dict(params), rng=0).gradient, dict)


@every
def test_memory_of_two_passes_does_not_grow_with_depth(make):
    """Beside the gradient, which is as large as the parameters."""
    if getattr(make(), "power", 1) != 1:
        pytest.skip("a decomposition of the weights needs memory of its own")

    def peak(depth):
        model = nn.networks.mlp([32, *[64] * depth, 4])
        params = model.init(rng=0)
        batch = nn.Objective(model, nn.cross_entropy).bind(np.ones((512, 32), np.float32), np.zeros(512, int))
        make().estimate(batch, params, rng=0)
        tracemalloc.start()
        make().estimate(batch, params, rng=0)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest - 2 * params.vector.nbytes

    assert peak(24) < 1.25 * peak(6)


# ---------------------------------------------------------------------- the control, and subspaces


@pytest.mark.parametrize("cosine", [0.03, 0.5, 1.0])
def test_a_matched_cosine_is_that_cosine(cosine):
    batch, params = small(4)
    g = Backprop().estimate(batch, params).gradient.vector
    for base in (estimators.ForwardGradient(directions.Gaussian()), TransposedWeight()):
        found = MatchedCosine(base, cosine).estimate(batch, params, rng=0).gradient.vector
        np.testing.assert_allclose(found @ g / np.linalg.norm(found) / np.linalg.norm(g), cosine, rtol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(found), cosine * np.linalg.norm(g), rtol=1e-9)


def test_a_matched_cosine_is_parallel_to_the_gradient_on_average():
    g, rng = np.array([3.0, 4.0, 0.0, 1.0]), dg.Rng(0)
    control = MatchedCosine(estimators.ForwardGradient(directions.Gaussian()), 0.3)
    mean = np.mean([control.estimate(lambda w: w @ g, np.zeros(4), rng=rng).gradient for _ in range(4000)], 0)
    np.testing.assert_allclose(mean, control.expectation(g), atol=0.1)


def test_the_subspace_of_all_components_holds_everything():
    batch, params = small(6, (3, 4, 5, 2))
    found = estimators.subspace(batch.model, params, batch.x, batch.y, rng=0, loss=nn.mse)
    assert [layer.name for layer in found] == ["2.weight", "4.weight"]
    for layer, width in zip(found, (4, 5), strict=True):
        assert layer.activations.shape == layer.random.shape == (width,)
        np.testing.assert_allclose(layer.random[-1], 1, rtol=1e-12)
        assert np.all(np.diff(layer.activations) >= -1e-12)
        assert 1 <= layer.effective_rank <= layer.rank + 1e-9


def test_gradients_made_of_activations_are_found_among_them():
    """A weight whose columns are the first principal component: all gradients lie along it."""
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 1, bias=False))
    x = np.outer(RNG.standard_normal(9), [1.0, 2.0, 0.0, -1.0])
    params = dg.Params({"0.weight": np.eye(4), "1.weight": np.array([[1.0], [2.0], [0.0], [-1.0]])})
    (found,) = estimators.subspace(model, params, x, np.ones((9, 1)), rng=0, loss=nn.mse, components=1)
    np.testing.assert_allclose(found.activations, [1.0], rtol=1e-9)
    assert found.rank == 1
    assert found.random[0] < 0.99


def test_effective_rank():
    assert estimators.effective_rank(np.ones(7)) == pytest.approx(7)
    assert estimators.effective_rank([5.0, 0, 0]) == pytest.approx(1)
    assert 1 < estimators.effective_rank([5.0, 1.0, 0.1]) < 3


# ---------------------------------------------------------------------- errors


def test_bad_input_is_named():
    batch, params = small(2)
    for make in GUESSES:
        with pytest.raises(dg.DualgradError, match=r"looks inside a network: give it nn.Objective\(model, loss\).bind"):
            make().estimate(lambda p: 0.0, params, rng=0)
    one, _ = small(1)
    with pytest.raises(dg.DualgradError, match="got a batch of 1"):
        ActivationMixing().estimate(one, params, rng=0)
    for power in (np.nan, np.inf, "high"):
        with pytest.raises(ValueError, match="finite number"):
            TransposedWeight(power=power)
    for layers in (0, 1.5):
        with pytest.raises(ValueError, match="positive integer"):
            Downstream(layers=layers)
    with pytest.raises(ValueError, match="'normal' or 'signs'"):
        ActivationPerturbation(noise="uniform")
    with pytest.raises(ValueError, match="positive number of guesses"):
        ActivationPerturbation(n=0)
    conv, conv_params = varied()
    with pytest.raises(dg.DualgradError, match="singular values of Linear layers; the next one is Conv2d"):
        TransposedWeight(power=2).estimate(conv, conv_params, rng=0)
    with pytest.raises(dg.DualgradError, match="has no local losses"):
        ActivationPerturbation(local=True).estimate(batch, params, rng=0)
    normed = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm(3), nn.Linear(3, 1))
    bound = nn.Objective(normed, nn.mse).bind(np.ones((4, 2)), np.ones((4, 1)), train=True)
    with pytest.raises(dg.DualgradError, match=r"BatchNorm.* in training couples"):
        ActivationPerturbation().estimate(bound, normed.init(rng=0, dtype=np.float64), rng=0)
    evaluated = nn.Objective(normed, nn.mse).bind(np.ones((4, 2)), np.ones((4, 1)))
    ActivationPerturbation().estimate(evaluated, normed.init(rng=0, dtype=np.float64), rng=0)
    recurrent = nn.Sequential(nn.RNN(2, 3), nn.Linear(3, 1))
    bound = nn.Objective(recurrent, nn.mse).bind(np.ones((4, 2, 2)), np.ones((4, 2, 1)))
    with pytest.raises(dg.DualgradError, match="has no rule for RNN"):
        Downstream().estimate(bound, recurrent.init(rng=0, dtype=np.float64), rng=0)
    alone = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4))
    bound = nn.Objective(alone, nn.mse).bind(np.ones(3), np.ones(4))
    with pytest.raises(dg.ShapeError, match="expected 3 examples along the first"):
        ActivationPerturbation().estimate(bound, alone.init(rng=0, dtype=np.float64), rng=0)
    across = nn.Sequential(nn.Linear(3, 3), nn.Transposed(nn.Linear(3, 3)), nn.Linear(3, 1))
    bound = nn.Objective(across, nn.mse).bind(np.ones((3, 3)), np.ones((3, 1)))
    with pytest.raises(dg.DualgradError, match="acts across the examples"):
        ActivationPerturbation().estimate(bound, across.init(rng=0, dtype=np.float64), rng=0)
    for y in (np.ones(2), np.ones((2, 3))):
        with pytest.raises(dg.ShapeError):
            ActivationPerturbation().estimate(nn.Objective(batch.model, nn.mse).bind(batch.x, y), params, rng=0)
    with pytest.raises(TypeError, match="'trian'"):
        ActivationPerturbation().estimate(
            nn.Objective(batch.model, nn.mse).bind(batch.x, batch.y, trian=True), params, rng=0
        )
    with pytest.raises(dg.LayoutError, match="another model"):
        ActivationPerturbation().estimate(batch, {"weight": np.ones((2, 2))}, rng=0)
    with pytest.raises(dg.ShapeError, match="scalar"):
        Backprop().estimate(nn.Objective(batch.model, nn.mse.using(reduction="none")).bind(batch.x, batch.y), params)
    with pytest.raises(dg.ShapeError, match="scalar"):
        Downstream().estimate(
            nn.Objective(batch.model, nn.mse.using(reduction="none")).bind(batch.x, batch.y), params, rng=0
        )
    mixer = nn.networks.LocalMixer(size=4, patch=2, in_channels=1, channels=4, groups=2, blocks=1, classes=3)
    bound = nn.Objective(mixer, nn.nll).bind(np.ones((2, 4, 4, 1)), np.array([0, 1]))
    with pytest.raises(dg.DualgradError, match=r"local losses are nn\.cross_entropy"):
        Downstream(local=True).estimate(bound, mixer.init(rng=0, dtype=np.float64), rng=0)
    with pytest.raises(ValueError, match="got components=0"):
        estimators.subspace(batch.model, params, batch.x, batch.y, rng=0, loss=nn.mse, components=0)
    assert TransposedWeight(power=np.float32(2)).power == 2.0
    empty = nn.Objective(nn.Sequential(nn.Tanh()), nn.mse).bind(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(dg.DualgradError, match="no layer with parameters"):
        Downstream().estimate(empty, {}, rng=0)
    for estimator in (ActivationPerturbation(), TransposedWeight()):
        with pytest.raises(dg.DualgradError, match="give objective and params"):
            estimator.expectation(params)
    with pytest.raises(NotImplementedError, match="closed form"):
        ActivationMixing().variance(params, batch, params)
    with pytest.raises(NotImplementedError, match="known for rows"):
        ActivationPerturbation().variance(conv_params, conv, conv_params)
    with pytest.raises(ValueError, match=r"in \(0, 1\]"):
        MatchedCosine(Backprop(), 0)
    with pytest.raises(TypeError, match="expected an estimator"):
        MatchedCosine("base", 0.5)
    params.vector[0] = np.nan
    with pytest.raises(dg.NonFiniteError, match="the loss is nan"):
        ActivationPerturbation().estimate(batch, params, rng=0)
