"""The tests on samples: measured rates of false alarms and of detection agree with those stated; bad input is named."""

import math

import numpy as np
import pytest

import dualgrad as dg
from dualgrad.testing import check_mean, check_variance, power
from dualgrad.testing.samples import influence

LAWS = {
    "normal": (lambda r, shape: r.standard_normal(shape), 1.0),
    "skewed": (lambda r, shape: r.standard_normal(shape) ** 2 - 1, 2.0),
    "heavy": (lambda r, shape: r.standard_normal(shape) * r.standard_normal(shape) ** 2, 3.0),
    "rare": (lambda r, shape: (r.random(shape) < 0.02) - 0.02, 0.0196),
    "forward gradient": (lambda r, shape: forward_gradients(r, shape) - 1.0, 3.0),
}


def forward_gradients(r, shape):
    """Estimates (g·v) v of a gradient of ones in four dimensions, by signs: ‖g‖² - g_k² = 3."""
    v = r.choice([-1.0, 1.0], (shape[0], 4))
    return (np.sum(v, 1, keepdims=True) * v)[:, : shape[1]]


def rejections(runs, draw, mean, seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    return sum(not check_mean(draw(rng), mean, raises=False, **kwargs).passed for _ in range(runs))


def above(count, runs, rate):
    """Whether so many rejections would be seen with probability below 1e-6 at the rate (Hoeffding)."""
    return count / runs > rate + math.sqrt(math.log(1e6) / (2 * runs))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dimension", [1, 4])
def test_false_alarms_are_no_more_than_stated(law, dimension):
    """2,000 runs of a correct mean at alpha = 0.2: Ville's bound holds, and is not vacuous for a known variance."""
    draw, variance = LAWS[law]
    mean, shape = np.zeros(dimension), (600, dimension)
    known = rejections(2000, lambda r: draw(r, shape), mean, variance=np.full(dimension, variance), alpha=0.2)
    assert not above(known, 2000, 0.2)
    assert known > 10
    found = rejections(2000, lambda r: draw(r, shape), mean, alpha=0.2)
    assert not above(found, 2000, 0.2)


def test_false_alarms_of_the_test_of_a_variance():
    rng = np.random.default_rng(1)
    runs = [
        check_variance(rng.standard_normal((600, 2)), np.zeros(2), np.ones(2), alpha=0.2, raises=False).passed
        for _ in range(2000)
    ]
    assert not above(runs.count(False), 2000, 0.2)


@pytest.mark.parametrize("chance", [0.5, 0.9])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("alpha", [1e-6, 0.05])
@pytest.mark.parametrize("dimension", [1, 5])
def test_power_is_what_it_says(chance, known, alpha, dimension):
    """400 runs with as many samples as `power` asks for: the bias is found as often as promised, within 0.1."""
    n = power(0.2, 1.0, dimension=dimension, alpha=alpha, power=chance, known_variance=known)
    bias = np.eye(dimension)[0] * 0.2
    variance = np.ones(dimension) if known else None
    found = rejections(
        400, lambda r: r.standard_normal((n, dimension)) + bias, np.zeros(dimension), variance=variance, alpha=alpha
    )
    assert abs(found / 400 - chance) < 0.1


def test_the_report_states_a_bias_that_it_detects():
    """The detectable bias of the report, given to `power`, asks for about the samples that were drawn."""
    draws = np.random.default_rng(0).standard_normal((4000, 1))
    for variance in (None, 1.0):
        note = check_mean(draws, [0.0], variance=None if variance is None else [1.0]).checks[0].note
        bias = float(note.rsplit(" ", 1)[1])
        assert power(bias, 1.0, known_variance=variance is not None) == pytest.approx(4000, rel=0.15)


def test_large_biases_are_found_early():
    drawn = []

    def draw(rng):
        drawn.append(0)
        return rng.normal() + 3

    assert not check_mean(draw, 0.0, variance=1.0, samples=100_000, raises=False).passed
    assert len(drawn) <= 512


def test_the_influence_is_bounded_by_both_logarithms():
    """-log(1 - x + x²/2) <= φ(x) <= log(1 + x + x²/2), on which the theorem rests."""
    x = np.linspace(-50, 50, 10_001)
    assert np.all(influence(x) <= np.log(1 + x + x * x / 2) + 1e-12)
    assert np.all(influence(x) >= -np.log(1 - x + x * x / 2) - 1e-12)


def test_a_failure_names_the_entry():
    with pytest.raises(AssertionError, match=r"at \['b'\]\[1\]: got 0.\d+, expected 0\n.*false alarms 1e-06 at any"):
        check_mean(lambda r: {"a": r.normal(), "b": r.normal(2) + np.array([0, 0.5])}, {"a": 0.0, "b": np.zeros(2)})
    with pytest.raises(AssertionError, match=r"at \[1\]: got 4.\d+, expected 2"):
        check_variance(lambda r: r.normal(2) * np.array([1.0, 2.0]), np.zeros(2), np.array([1.0, 2.0]))


def test_what_does_not_vary_is_compared_as_it_is():
    assert check_mean(lambda r: np.ones(3), np.ones(3), samples=200).passed
    assert check_mean(lambda r: np.array([1.0, r.normal()]), [1.0, 0.0], samples=2000).passed
    for found in (1 + 1e-6, 0.0):
        assert not check_mean(
            lambda r, x=found: np.array([x, r.normal()]), [1.0, 0.0], samples=2000, raises=False
        ).passed
    assert check_mean(lambda r: 2.0, 2.0, variance=0.0, samples=200).passed
    assert check_variance(lambda r: np.zeros(2), np.zeros(2), np.zeros(2), samples=200).passed
    assert not check_variance(lambda r: np.zeros(2), np.zeros(2), np.ones(2), samples=200, raises=False).passed
    assert not check_variance(lambda r: r.normal(2), np.zeros(2), np.zeros(2), samples=200, raises=False).passed


def test_a_late_change_in_what_did_not_vary_is_seen():
    samples = np.ones((2000, 1))
    samples[1990] = 2
    assert not check_mean(samples, [1.0], raises=False).passed


def test_samples_may_be_an_array():
    draws = np.random.default_rng(0).standard_normal((5000, 2, 2))
    assert check_mean(draws, np.zeros((2, 2))).passed
    assert check_variance(draws, np.zeros((2, 2)), np.ones((2, 2))).passed
    assert check_mean(draws[:, 0, 0], 0.0).passed


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="expected at least 128"):
        check_mean(np.zeros(100), 0.0)
    with pytest.raises(ValueError, match="got alpha=0"):
        check_mean(np.zeros(200), 0.0, alpha=0)
    with pytest.raises(dg.ShapeError, match="a sample has 2 entries and the mean 3"):
        check_mean(lambda r: r.normal(2), np.zeros(3))
    with pytest.raises(dg.NonFiniteError, match=r"sample 7 is not finite"):
        check_mean(np.where(np.arange(300) == 7, np.nan, 1.0), 1.0)
    with pytest.raises(TypeError, match=r"test np.real and np.imag"):
        check_mean(lambda r: 1j * r.normal(), 0.0)
    with pytest.raises(ValueError, match="bias != 0"):
        power(0.0, 1.0)


def test_no_entries():
    assert check_mean(lambda r: np.zeros(0), np.zeros(0), samples=200).passed
