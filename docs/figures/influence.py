"""The influence matrix of five units, exact and at rank one."""

import numpy as np

import dualgrad as dg
from dualgrad.course import plots


def step(s, x, A):
    return np.tanh(A @ s + x)


def draw():
    cell = dg.online.System(step, lambda s, y, A: np.sum(s), np.zeros(5))
    return plots.influence_matrix(
        cell, 0.55 * dg.Rng(1).normal((5, 5)), list(0.8 * dg.Rng(2).normal((8, 5))), draws=1000
    )
