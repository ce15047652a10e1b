"""diagnose: what it reports is what theory says."""

import numpy as np
import pytest

from dualgrad import directions, estimators


def loss(w):
    return np.sum(np.sin(w) * np.arange(1.0, len(w) + 1))


def test_one_random_direction():
    """Mean |cos| of √(2/(π p)) and a relative error of p - 1, both to sampling error; variance as stated."""
    p = 400
    found = estimators.diagnose(
        estimators.ForwardGradient(directions.Rademacher()), loss, np.zeros(p), rng=0, samples=600
    )
    assert found.abs_cosine == pytest.approx(np.sqrt(2 / (np.pi * p)), rel=0.1)
    assert found.cosine == found.abs_cosine
    assert found.relative_error == pytest.approx(p - 1, rel=0.2)
    assert found.variance_ratio == pytest.approx(1, abs=0.2)
    assert found.effectiveness == pytest.approx(found.cosine, rel=0.1)
    assert found.cost == 3


def test_the_exact_gradient():
    for estimator in (estimators.Oracle(), estimators.ForwardJacobian()):
        found = estimators.diagnose(estimator, loss, np.ones(5), rng=0, samples=3)
        assert found.cosine == pytest.approx(1)
        assert found.cosine_spread < 1e-9
        assert found.relative_error < 1e-20
        assert found.effectiveness == pytest.approx(1)
        assert found.variance_ratio is None


def test_a_biased_estimator_shows_its_bias():
    g = np.array([3.0, 4.0])
    along = estimators.ForwardGradient(directions.Along(np.array([1.0, 0.0])))
    found = estimators.diagnose(along, lambda w: w @ g, np.zeros(2), rng=0, samples=4)
    assert found.bias == pytest.approx(0.8)
    assert found.cosine == pytest.approx(0.6)
    assert "no theory" in str(found)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="at least 2"):
        estimators.diagnose(estimators.Oracle(), loss, np.ones(2), rng=0, samples=1)
    with pytest.raises(ValueError, match="gradient is zero"):
        estimators.diagnose(estimators.Oracle(), lambda w: 0 * np.sum(w), np.ones(2), rng=0)
