"""The inputs on which programs are run: away from their kinks, and the same here and in torch."""

import numpy as np

from .rows import Row


def inputs() -> dict:
    """Arrays by the names that the tables use: x, y, z are (4, 6); j, i, v signals, images and volumes."""
    rng = np.random.default_rng(0)
    x, y, z = rng.uniform(0.15, 3, (3, 4, 6)) * rng.choice([-1, 1], (3, 4, 6))
    s = np.array([[1.0], [-1.0], [-1.0], [1.0]]) * np.ones(6)
    return {
        "x": x, "y": y, "z": z, "s": s, "q": rng.uniform(0.1, 0.9, (4, 6)), "u": rng.integers(0, 2, (4, 6)) * 1.0,
        "c": np.array([0, 5, 2, 2]), "k": np.array([[0, 4], [2, 2]]), "w": rng.normal(size=(5, 3)),
        "j": rng.normal(size=(2, 5, 3)), "i": rng.normal(size=(2, 4, 6, 8)), "v": rng.normal(size=(2, 3, 3, 3, 2)),
    }  # fmt: skip


FIRST = ("j", "i", "v")  # whose channels torch has on axis 1


def moving(row: Row) -> str:
    """The input that moves: the first of these that the program has."""
    return next(name for name in "jivxqwc" if _uses(row.here, name))


def _uses(program, name):
    return name in compile(program, "", "eval").co_names


def function(row: Row, scope: dict):
    """The program of a row as a function of the input that moves."""
    name, code = moving(row), compile(row.here, "", "eval")
    return lambda a: eval(code, scope | {name: a})
