"""Minima: their derivatives against differences of a minimizer, and what stops early."""

import numpy as np
import pytest
from scipy.optimize import minimize

import dualgrad as dg
from tests.support.equations import X, logistic


def minimized(gtol):
    """The weights of a logistic regression by SciPy's BFGS, as a function of ridge and shift."""
    jac = lambda w, *params: dg.grad(logistic)(w, *params)  # noqa: E731
    options = {"gtol": gtol}
    return lambda *params: minimize(logistic, np.zeros(X.shape[1]), args=params, jac=jac, options=options).x


def test_the_slopes_of_a_fit_are_those_of_differences():
    solve, at, h = minimized(1e-10), np.array([0.5, 0.3]), 1e-4
    fitted = dg.argmin(logistic, solve)
    found = dg.jacfwd(lambda v: fitted(v[0], v[1]))(at)
    differences = [(solve(*(at + step)) - solve(*(at - step))) / (2 * h) for step in h * np.eye(2)]
    np.testing.assert_allclose(found.T, differences, rtol=1e-4)


def test_a_minimizer_that_stops_early_is_no_minimum():
    with pytest.raises(dg.ConvergenceError, match="Let solve go on"):
        dg.argmin(logistic, minimized(1e-3))(0.5, 0.3)


def test_a_loss_is_a_real_number():
    with pytest.raises(dg.ShapeError, match="scalar function"):
        dg.argmin(lambda x, p: x * p, lambda p: p)(np.ones(2))
    with pytest.raises(TypeError, match=r"dg.argmin got a float; expected a function"):
        dg.argmin(3.0, np.sqrt)
