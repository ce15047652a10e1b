"""assert_moments, the decorator, steps and points: what is claimed, and what is looked at unasked."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators
from dualgrad.testing import (
    CheckError,
    Source,
    UncheckedWarning,
    assert_moments,
    assert_unbiased,
    assert_variance,
    exact_moments,
    laws,
    unbiased,
)

G = np.array([1.0, -2.0, 0.5])


def forward(rng):
    v = rng.signs(3)
    return (G @ v) * v


def loss(w):
    return np.sum(G * np.sin(w))


def test_every_claim_is_compared():
    covariance = G @ G * np.eye(3) + np.outer(G, G) - 2 * np.diag(G * G)
    report = assert_moments(forward, mean=G, variance=G @ G - G * G, covariance=covariance)
    assert [check.name for check in report.checks] == ["mean", "variance", "covariance"]
    for claim in ({"mean": G + 1e-9}, {"variance": G @ G + 0 * G}, {"covariance": covariance + 1e-9}):
        with pytest.raises(AssertionError, match="FAILED"):
            assert_moments(forward, **claim)
    with pytest.raises(TypeError, match="got no claim"):
        assert_moments(forward)
    with pytest.raises(ValueError, match="the mean has 2 entries; expected 3"):
        assert_moments(forward, mean=G[:2])


def test_steps_are_uncorrelated_unless_claimed():
    def twice(rng):
        return [forward(rng), forward(rng)]

    def again(rng):
        first = forward(rng)
        return [first, first]

    assert assert_moments(twice, mean=G, variance=G @ G - G * G, steps=2).passed
    assert assert_moments(twice, mean=[G, G], steps=2).passed
    with pytest.raises(AssertionError, match="covariance of any two steps"):
        assert_moments(again, mean=G, steps=2)
    one = exact_moments(forward).covariance
    assert assert_moments(again, mean=G, covariance=np.kron(np.ones((2, 2)), one), steps=2).passed


def test_a_function_needs_no_objective():
    assert assert_unbiased(forward, expectation=G).passed
    assert assert_variance(forward, variance=G @ G - G * G).passed
    with pytest.raises(AssertionError, match="at \\[0\\]: got 1, expected 2"):
        assert_unbiased(forward, expectation=[2, -2, 0.5])

    with pytest.raises(TypeError, match="got draws='numpy' for ForwardGradient"):
        assert_unbiased(estimators.ForwardGradient(directions.Rademacher()), loss, np.zeros(3), draws="numpy")


def test_the_objective_is_not_differentiated_where_the_claim_is_given():
    def no_numpy(w):
        return sum(float(g) * float(x) for g, x in zip(G, w, strict=True))

    assert assert_unbiased(estimators.SPSA(0.5), no_numpy, np.zeros(3), expectation=G).passed


def test_more_points_are_those_given_or_random_ones():
    e = estimators.ForwardGradient(directions.Rademacher())
    names = [check.name for check in assert_unbiased(e, loss, np.zeros(3)).checks]
    assert names == ["mean", "value", "second step", "2 more points"]
    assert [c.name for c in assert_unbiased(e, loss, np.zeros(3), points=0).checks] == names[:3]
    report = assert_unbiased(e, loss, np.zeros(3), points=[np.ones(3)] * 5)
    assert report.checks[-1].name == "5 more points"
    barely = lambda w: np.sum(np.log(w - 0.9))  # noqa: E731
    assert assert_unbiased(e, barely, np.ones(2), points=8).passed  # where it is defined


def test_a_decorated_estimator_is_a_test():
    @unbiased(mean=lambda a: a, variance=lambda a: a @ a - a * a, points=[G, 2 * G])
    def test_projection(rng, a):
        """Along signs."""
        v = rng.signs(3)
        return (a @ v) * v

    assert [report.status for report in test_projection()] == ["passed", "passed"]
    assert (test_projection.__name__, test_projection.__doc__) == ("test_projection", "Along signs.")
    assert test_projection.__code__.co_argcount == 0
    with pytest.raises(AssertionError, match="assert_moments of biased: FAILED"):
        unbiased(mean=G)(biased)()


def biased(rng):
    return 1.01 * forward(rng)


def test_single_precision_is_allowed_its_rounding():
    report = assert_moments(lambda rng: forward(rng).astype(np.float32) / 3, mean=G / 3)
    assert 1e-6 < report.checks[0].budget < 1e-4


def test_what_jumps_passes_nothing():
    with pytest.warns(UncheckedWarning, match="jumps along a normal draw"):
        report = assert_moments(lambda rng: np.sign(rng.normal()), mean=0.0)
    assert report.status == "unchecked"
    with pytest.raises(AssertionError, match="statistical"):
        assert_moments(lambda rng: np.sign(rng.normal()), mean=0.5)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.999, 1.0])
def test_rare_paths_are_cut_and_their_probability_told(p):
    """The number of successes before the first failure: mean p/(1 - p)."""

    def run(rng):
        n = 0
        while rng.uniform() < p and n < 10_000:
            n += 1
        return n

    if p >= 0.999:
        run = (lambda rng: rng.bernoulli(p)) if p == 1.0 else (lambda rng: rng.uniform() < p)
    found = exact_moments(run)
    assert found.certified
    assert 0 <= found.lost <= 2e-14
    np.testing.assert_allclose(found.mean, p if p >= 0.999 else p / (1 - p), atol=1e-12)


@pytest.mark.parametrize("values", [np.array([-1.0, 0.0, 2.0]), np.arange(6.0).reshape(3, 2), 3])
def test_a_table_is_drawn_from(values):
    p, rows = np.array([0.5, 0.2, 0.3]), np.arange(3) if np.ndim(values) == 0 else values
    found = exact_moments(lambda rng: rng.draw(values, p, 2))
    np.testing.assert_allclose(found.mean, np.tile((p @ rows).ravel(), 2), atol=1e-15)
    assert found.outcomes == 9
    sample = dg.Rng(0).draw(values, p, 20_000).mean(0)
    np.testing.assert_allclose(sample, p @ rows, atol=0.1)
    for wrong in ([0.5, 0.5], [0.5, 0.2, 0.2], [0.5, 0.7, -0.2]):
        with pytest.raises(ValueError, match="probabilities"):
            dg.Rng(0).draw(values, wrong)


class Dice:
    """A generator of another library, in six lines."""

    def __init__(self, source: Source):
        self.source, self.rolled = source, 0

    def roll(self, n=1):
        self.rolled += n
        return self.source.take("dice", self.rolled - n, laws.integers(1, 7), n)


def test_a_front_of_ones_own():
    assert assert_moments(lambda dice: dice.roll(2).sum(), mean=7.0, variance=35 / 6, draws=Dice).passed
    with pytest.raises(ValueError, match="got draws='sympy'; expected one of 'dualgrad', 'numpy'"):
        exact_moments(lambda: 0, draws="sympy")


def test_check_errors_are_not_swallowed():
    with pytest.raises(CheckError):
        assert_moments(lambda rng: _raise(CheckError("no")), mean=0.0)


def _raise(error):
    raise error


@pytest.mark.parametrize(("run", "draws"), [(lambda rng: 1.0, "numpy-global"), (lambda: 1.0, "dualgrad")])
def test_what_a_run_is_called_with_is_said(run, draws):
    with pytest.raises(TypeError, match=f"draws='{draws}' calls run"):
        exact_moments(run, draws=draws)


def test_entries_have_the_names_of_the_result():
    with pytest.raises(AssertionError, match=r"at \['w'\]\[0, 1\]: got 0, expected 1"):
        assert_moments(lambda rng: {"w": rng.signs((1, 2)), "b": rng.signs(1)}, mean=[0, 1, 0])
