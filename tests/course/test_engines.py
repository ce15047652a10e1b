"""Exercise 4.5: the engine on the page passes in full, and with a fault in it the hint leads there."""

import numpy as np
import pytest

from dualgrad.course import check
from dualgrad.testing import check_jvp
from tests.support.lessons import PAGES, solutions

ENGINE = solutions(PAGES[3])["4.5"]


def engine(old="", new=""):
    """The function jvp of the engine, with a fault planted in it."""
    assert ENGINE.count(old) == 1 or not old
    names = {}
    exec(ENGINE.replace(old, new) if old else ENGINE, names)
    return names["jvp"]


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.sin(x) * x / (1 + x * x), 0.5),
        (lambda x: np.sin(x) @ x + np.sum(np.tanh(x)), np.array([0.5, 1.0])),
        (lambda x: np.linalg.solve(x * x * np.ones((2, 2)) + 4 * np.eye(2), x), np.array([0.5, -1.0])),
        (lambda x: np.linalg.solve(x + 4 * np.eye(2), x), np.array([[0.5, -1.0], [2.0, 1.0]])),
        (lambda x: x[0] * x[1:] - np.exp(-x[:-1]) + np.ones((3, 2)), np.array([0.5, -1.0, 2.0])),
        (lambda x: x @ x + np.ones((2, 2)) @ (x * x)[:, 0], np.array([[0.5, -1.0], [2.0, 1.0]])),
    ],
)
def test_the_engine_of_the_page_passes_at_two_orders_and_in_k_directions(f, x):
    assert check_jvp(f, (x,), jvp=engine()).passed


FAULTS = [
    ("if missing > 0 else dx", "if False else dx", "K directions alone"),
    ("    np.linalg.solve: [matrix_of_system, right_of_system],\n", "", "exactly where np.linalg.solve is called"),
    ("level = next(LEVELS)", "level = 1", "Perturbation confusion"),
    ("filled(sum(tangents[1:], tangents[0]), y)", "sum(tangents[1:], tangents[0])", "where arrays of different shapes"),
    ("a + 1 if a >= 0 else a for a in axes", "axes", "where arrays of different shapes meet"),
    ("(A @ dB[..., None])[..., 0] if", "A @ dB if", "exactly where a matrix meets a vector"),
    ("self.tangent[(slice(None), *index)]", "self.tangent[index]", "exactly where a Dual is indexed"),
    ("return y.primal, y.tangent[0]", "return y.primal, y.tangnet[0]", "read the last line of the error"),
    ("lambda y, x: np.cos(x)", "lambda y, x: -np.cos(x)", "A failed order 1 is a rule"),
]


@pytest.mark.parametrize(("old", "new", "says"), FAULTS, ids=[says for *_, says in FAULTS])
def test_a_fault_in_the_engine_is_led_to(old, new, says):
    result = check("4.5", engine(old, new))
    assert not result
    assert says in result.hint
