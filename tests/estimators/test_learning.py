"""What is learned on digits, against figures measured independently: 64-128-128-10, Adam 1e-3, batches of 128."""

import importlib
import itertools
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

pytest.importorskip("sklearn")


@pytest.fixture
def script(monkeypatch):
    """examples/directions.py, as a module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    return importlib.import_module("directions")


def accuracies(script, kind, n, seeds):
    return np.array([script.training("digits", kind, n, 128, 128, 2400 * 128, 1e-3, seed)[-1][2] for seed in seeds])


@pytest.mark.parametrize(("kind", "n", "expected"), [(None, 0, 0.986), ("LowRank", 10, 0.931)])
def test_the_exact_gradient_and_ten_directions(script, kind, n, expected):
    assert accuracies(script, kind, n, range(1)).mean() >= expected - 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "expected"), [("Gaussian", 0.797), ("Rademacher", 0.819)])
def test_one_direction(script, kind, expected):
    assert accuracies(script, kind, 1, range(10)).mean() >= expected - 0.02


@pytest.mark.slow
def test_low_rank_signs_learn_as_dense_ones_do(script):
    """Over 30 seeds the difference in accuracy has a 95 % interval above -0.02."""
    difference = accuracies(script, "LowRank", 1, range(30)) - accuracies(script, "Rademacher", 1, range(30))
    assert difference.mean() - 1.96 * difference.std(ddof=1) / np.sqrt(30) > -0.02


@pytest.mark.parametrize(
    "distribution", [directions.Rademacher(), directions.LowRank(), directions.Gaussian()], ids=repr
)
def test_the_cosine_of_one_direction_is_that_of_theory(script, distribution):
    """Mean |cos| of √(2/(π p)), within 10 %; 1,000 estimates have a sampling error of 2.4 %."""
    (x, y), _ = script.images()
    model = script.network((x, y), 128)
    params = nn.initialise(model.init(rng=0), "he_normal", rng=0)
    batch = nn.Objective(model, nn.cross_entropy).bind(x[:128], y[:128])
    found = estimators.diagnose(estimators.ForwardGradient(distribution), batch, params, 0, samples=1000)
    assert found.abs_cosine == pytest.approx(np.sqrt(2 / np.pi / params.size), rel=0.1)


EPOCHS = 100
GUESSES = {
    "activation": (estimators.ActivationPerturbation, 0.94), "mixing": (estimators.ActivationMixing, 0.89),
    "W^T": (estimators.TransposedWeight, 0.95), "downstream": (estimators.Downstream, 0.95),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESSES)
def test_every_guess_learns(script, name):
    make, least = GUESSES[name]
    train, (x, y) = script.images()
    objective = nn.Objective(script.network(train, 128), nn.cross_entropy)
    params = nn.initialise(objective.model.init(rng=0), "he_normal", rng=0)
    dg.fit(objective, params, train, estimator=make(store=True), optimizer=optim.Adam(1e-3), epochs=EPOCHS,
           batch_size=128, rng=0, progress=False)  # fmt: skip
    assert nn.accuracy(objective.model(params, x), y) >= least


def test_guesses_are_nearer_to_the_gradient_than_random_directions(script):
    """Along backprop: directional within 10 % of theory, then activation, then the three that know the next layer."""
    train, _ = script.images()
    objective = nn.Objective(script.network(train, 128), nn.cross_entropy)
    params = nn.initialise(objective.model.init(rng=0), "he_normal", rng=0)
    batches, rng, optimizer = script.epochs(objective, train, 128, dg.Rng(0)), dg.Rng(1), optim.AdamW(1e-3)
    every = {"directional": estimators.ForwardGradient(directions.Gaussian())}
    every |= {name: make(store=True) for name, (make, _) in GUESSES.items()}
    found = {name: [] for name in every}
    for step, batch in enumerate(itertools.islice(batches, 200)):
        g = estimators.Backprop().estimate(batch, params).gradient
        if step % 40 == 0:
            for name, estimator in every.items():
                for _ in range(200 if name == "directional" else 10):
                    v = estimator.estimate(batch, params, rng=rng).gradient.vector
                    cosine = v @ g.vector / np.linalg.norm(v) / np.linalg.norm(g.vector)
                    found[name].append(abs(float(cosine)))
        optimizer.step(params, g)
    mean = {name: np.mean(values) for name, values in found.items()}
    assert mean["directional"] == pytest.approx(np.sqrt(2 / np.pi / params.size), rel=0.1)
    assert mean["directional"] < mean["activation"] < min(mean[name] for name in ("mixing", "W^T", "downstream"))
