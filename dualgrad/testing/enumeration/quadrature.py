"""Nodes and weights that integrate polynomials exactly: against the normal and uniform laws and on the sphere.

Sources: Golub and Welsch 1969 (nodes from a Jacobi matrix); Stroud 1971, section 2.7 (spherical product formulas).
"""

import functools

import numpy as np


def _count(degree):
    """Gauss nodes that are exact for polynomials of a degree: m nodes for 2m - 1."""
    return degree // 2 + 1


@functools.cache
def normal(degree):
    """Nodes and weights of the standard normal law."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_count(degree))
    return nodes, weights / np.sum(weights)


@functools.cache
def uniform(degree):
    """Nodes and weights of the uniform law on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_count(degree))
    return (nodes + 1) / 2, weights / 2


@functools.cache
def sphere(dimension, degree):
    """Points on the unit sphere and their weights: a weighted spherical design, exact for the total degree.

    A circle takes degree + 1 equally spaced points; a sphere in d dimensions is (t, √(1 - t²) y) with y on the one
    below, and t, of density (1 - t²)^((d - 3)/2), at Gauss-Gegenbauer nodes.
    """
    if dimension == 1:
        return np.array([[1.0], [-1.0]]), np.full(2, 0.5)
    if dimension == 2:
        angles = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
        return np.stack([np.cos(angles), np.sin(angles)], -1), np.full(degree + 1, 1 / (degree + 1))
    ts, ws = _gegenbauer(_count(degree), (dimension - 2) / 2)
    ys, vs = sphere(dimension - 1, degree)
    points = [np.concatenate([np.full((len(ys), 1), t), np.sqrt(1 - t * t) * ys], 1) for t in ts]
    return np.concatenate(points), np.outer(ws, vs).ravel()


def _gegenbauer(count, order):
    """Gauss nodes for the density (1 - t²)^(order - 1/2) on [-1, 1]."""
    k = np.arange(1, count)
    off_diagonal = np.sqrt(k * (k + 2 * order - 1) / (4 * (k + order) * (k + order - 1)))
    nodes, vectors = np.linalg.eigh(np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1))
    return nodes, vectors[0] ** 2


# ---------------------------------------------------------------------- laws without classical nodes


@functools.cache
def exponential_law(degree):
    """Nodes and weights of the density e^-x on x > 0."""
    nodes, weights = np.polynomial.laguerre.laggauss(_count(degree))
    return nodes, weights / np.sum(weights)


@functools.cache
def gumbel_law(degree):
    """Nodes and weights of the density exp(-x - e^-x)."""
    return _gauss(lambda x: np.exp(-x - np.exp(-x)), -5.0, 60.0, _count(degree))


@functools.cache
def laplace_law(degree):
    """Nodes and weights of the density e^-|x| / 2."""
    return _gauss(lambda x: np.exp(-np.abs(x)) / 2, -60.0, 60.0, _count(degree))


@functools.cache
def logistic_law(degree):
    """Nodes and weights of the density e^-x / (1 + e^-x)²."""
    return _gauss(lambda x: 0.25 / np.cosh(x / 2) ** 2, -60.0, 60.0, _count(degree))


def _gauss(density, low, high, count, pieces=120, order=24):
    """Gauss nodes of a density on [low, high]: the Lanczos process on a fine rule, with full reorthogonalisation.

    The fine rule is Gauss-Legendre on equal pieces, of which one ends at 0 where the interval is symmetric.
    """
    ts, ws = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(low, high, pieces + 1)
    half = np.diff(edges)[:, None] / 2
    x = ((edges[:-1] + edges[1:])[:, None] / 2 + half * ts).ravel()
    w = (half * ws).ravel() * density(x)
    basis, diagonal, off = [np.sqrt(w / np.sum(w))], [], []
    for k in range(count):
        q = x * basis[k]
        diagonal.append(q @ basis[k])
        for _ in range(2):
            for b in basis:
                q = q - (q @ b) * b
        off.append(np.linalg.norm(q))
        basis.append(q / off[-1])
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off[:-1], 1) + np.diag(off[:-1], -1))
    return nodes, vectors[0] ** 2
