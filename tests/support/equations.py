"""Equations with their solutions: a residual, a program that solves it, and what the solution is, written with np.*."""

from typing import Any, NamedTuple

import numpy as np

import dualgrad as dg


class Case(NamedTuple):
    """``make(**options)`` is the function of the parameters, ``exact`` the same without an implicit function."""

    make: Any
    exact: Any
    params: tuple


def newton(equation, x, steps=12):
    """Newton's method from x on, with Duals where the equation has them; two steps from a root settle third orders."""
    for _ in range(steps):
        x = x - np.linalg.solve(dg.jacfwd(equation)(x), equation(x))
    return x


def implicit(residual, exact, solve=None):
    return lambda **options: dg.implicit(residual, solve or exact, **options)


A = np.array([[4.0, 1.0, 0.0], [0.5, 3.0, -1.0], [0.2, 0.0, 2.0]])
B = np.array([1.0, -2.0, 0.5])
X, Y = np.array([[1.0, 0.2], [-0.5, 1.0], [0.3, -1.5], [2.0, 0.4]]), np.array([1.0, -1.0, -1.0, 1.0])


def bent(p):
    """A matrix that depends on p."""
    return A + np.array([[0.3, 0.0, 0.1], [0.0, 0.2, 0.0], [0.1, 0.0, 0.1]]) * np.sin(p)


def kepler(E, p):
    return E - p["e"] * np.sin(E) - p["M"]


def by_newton(residual, x0):
    """The root of a residual by a loop, which takes Duals: converged on plain numbers, and four steps more."""

    def root(*params):
        layout = dg.Layout.of(x0)
        equation = lambda params: lambda v: layout.vector(residual(layout.tree(v), *params))  # noqa: E731
        x = newton(equation(dg.primal(params)), layout.vector(x0))
        return layout.tree(newton(equation(params), x, 4))

    return root


def eigenpair(p):
    """The upper one of [[p0, p1], [p1, p2]]."""
    value = (p[0] + p[2]) / 2 + np.sqrt((p[0] - p[2]) ** 2 / 4 + p[1] ** 2)
    vector = np.stack([p[1], value - p[0]])
    return {"vector": vector / np.sqrt(np.sum(vector**2)), "value": value}


def of_eigenpair(x, p):
    matrix = np.stack([p[0], p[1], p[1], p[2]]).reshape(2, 2)
    return {"vector": matrix @ x["vector"] - x["value"] * x["vector"], "value": np.sum(x["vector"] ** 2) - 1}


def unit(p):
    """A pair: the vector of length 1 along p["v"], and the length of that."""
    length = np.sqrt(np.sum(p["v"] ** 2))
    return p["v"] / length, length * p["s"]


def logistic(w, ridge, shift):
    return np.sum(np.logaddexp(0, -Y * (X @ w + shift))) + ridge * np.sum(w**2) / 2


cosines = lambda x, p: np.cos(p * x)  # noqa: E731
roots_of_cosines = by_newton(lambda x, p: x - np.cos(p * x), np.array([0.7, 0.8]))
fitted = by_newton(dg.grad(logistic), np.zeros(2))

CASES = {
    "square root": Case(implicit(lambda x, a: x * x - a, np.sqrt), np.sqrt, (2.0,)),
    "cube roots": Case(implicit(lambda x, a: x**3 - a, np.cbrt), np.cbrt, (np.array([0.5, 8.0]),)),
    "linear system": Case(
        implicit(lambda x, p, b: bent(p) @ x - b, lambda p, b: np.linalg.solve(bent(p), b)),
        lambda p, b: np.linalg.solve(bent(p), b),
        (0.7, B),
    ),
    "unit vector": Case(
        implicit(lambda x, p: (x[0] * x[1] / p["s"] - p["v"], np.sum(x[0] ** 2) - 1), unit),
        unit,
        (dg.Params({"v": np.array([1.0, -2.0]), "s": np.array(1.5)}),),
    ),
    "eigenpair": Case(implicit(of_eigenpair, eigenpair), eigenpair, (np.array([2.0, 0.5, 1.0]),)),
    "Kepler": Case(
        implicit(kepler, by_newton(kepler, 1.0)), by_newton(kepler, 1.0), ({"M": 1.2, "e": 0.4},)
    ),
    "fixed point": Case(
        lambda **options: dg.fixed_point(cosines, np.array([0.5, 0.5]), **options),
        roots_of_cosines,
        (np.array([0.9, 0.6]),),
    ),
    "least quadratic": Case(
        lambda **options: dg.argmin(
            lambda x, p: x @ (A @ A.T) @ x / 2 * p - np.sin(p) * B @ x,
            lambda p: np.linalg.solve(A @ A.T, B) * np.sin(p) / p,
            **options,
        ),
        lambda p: np.linalg.solve(A @ A.T, B) * (np.sin(p) / p),
        (0.8,),
    ),
    "logistic ridge": Case(lambda **options: dg.argmin(logistic, fitted, **options), fitted, (0.5, 0.3)),
}  # fmt: skip


def of_a_vector(function, params):
    """A function of trees as one of a vector that returns one, and the vector."""
    layout = dg.Layout.of(params)

    def flat(v):
        return np.concatenate([np.ravel(a) for a in dg.tree.leaves(function(*layout.tree(v)))])

    return flat, layout.vector(params)
