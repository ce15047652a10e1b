"""What online estimators learn: influence balancing (DODGE, Table 1; PES), a schedule, and aⁿbⁿ under --full."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

influence_balancing = pytest.importorskip("influence_balancing")
text_prediction = pytest.importorskip("text_prediction")
toy_schedule = pytest.importorskip("toy_schedule")
pes_variance = pytest.importorskip("pes_variance")


@pytest.mark.parametrize(("dtype", "bar"), [("float32", 2e-12), ("float64", 1e-15)])
def test_rtrl_and_dodge_balance_influences_bit_for_bit(dtype, bar):
    rtrl, dodge = (influence_balancing.training(name, 1e-4, 3000, dtype=dtype) for name in ("RTRL", "DODGE, signs"))
    assert [row[2:] for row in rtrl] == [row[2:] for row in dodge]
    assert rtrl[-1][2] <= bar


@pytest.mark.parametrize(("window", "updates"), [(1, 500), (10, 50), (40, 200)])
def test_short_windows_go_the_wrong_way(window, updates):
    assert influence_balancing.truncated_influence(window) > 0 > influence_balancing.truncated_influence(41)
    curve = influence_balancing.training(f"TBPTT({window})", 1e-4, updates)
    assert curve[-1][2] > 1.05 * influence_balancing.true_loss(influence_balancing.START)


def test_a_window_of_100_is_slow_and_does_not_diverge():
    few, many = (influence_balancing.training("TBPTT(100)", 1e-4, n)[-1][2] for n in (30, 300))
    assert few < 8.01
    assert many < few / 2


def test_pes_balances_influences_and_truncated_es_does_not():
    assert influence_balancing.training("PES(1000)", 1e-4, 3000)[-1][2] <= 1e-12
    assert influence_balancing.training("truncated ES(1000)", 1e-4, 300)[-1][2] > 8.5


def test_pes_finds_the_schedule_and_truncated_es_does_not():
    pes, truncated = (
        toy_schedule.training(name, 100, 4000, seed=0, rate=0.03)[-1][2] for name in ("PES", "truncated ES")
    )
    assert pes < 1.02 * 557.5
    assert truncated > 2.5 * 557.5


@pytest.mark.parametrize("correlation", pes_variance.REGIMES.values())
@pytest.mark.parametrize("estimator", pes_variance.ESTIMATORS)
def test_the_variance_of_an_episode_is_that_of_theory(estimator, correlation):
    """Means of 2,000 squares, off by more than 6 standard errors less than once in a million."""
    settings = {"unrolls": 4, "parameters": 10, "sigma": 0.1, "episodes": 2000}
    ((_, _, measured, error, exact),) = pes_variance.training(estimator, correlation, **settings, seed=0)
    assert abs(measured - exact) < 6 * error


@pytest.mark.parametrize("correlation", [1.0, 0.9, 0.0])
def test_the_variance_over_draws_of_gradients(correlation):
    """That of a draw in many dimensions, where norms and inner products are near their means."""
    drawn = pes_variance.theory("PES", pes_variance.gradients(correlation, 4, 20_000, draw=0))
    assert abs(drawn / pes_variance.expected(correlation, 4, 20_000) - 1) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "seeds", "bar"), [("RTRL", 1, 0.17), ("NoBackTrack", 5, 0.25)])
def test_anbn_is_learnt(learner, seeds, bar):
    """A million characters: 0.143 bits is the entropy rate, 0.286 what can be had without counting."""
    quarter = text_prediction.found.quarter
    runs = (text_prediction.training("anbn", "slow", learner, "Kalman", 0.1, 15, 10**6, seed) for seed in range(seeds))
    assert np.median([quarter(np.array(run["curve"])) for run in runs]) <= bar
