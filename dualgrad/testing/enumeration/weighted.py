"""Weighted mean and covariance, block by block."""

import math

import numpy as np


class Sum:
    """The mean and the covariance of rows with weights (Chan, Golub and LeVeque 1983)."""

    def __init__(self):
        self.outcomes, self.weight, self.mean, self.scatter = 0, 0.0, 0.0, 0.0
        self.weights, self.largest = [], 0.0  # the largest size of an entry

    def add(self, rows, weights):
        """Take in rows (B, d) with weights (B,)."""
        ys, ws = np.asarray(rows), np.asarray(weights, np.float64)
        ys = ys if ys.dtype.kind == "c" else ys.astype(np.float64)
        self.outcomes += len(ys)
        weight = float(np.sum(ws))
        if weight == 0:
            return
        self.weights.append(weight)
        self.largest = max(self.largest, float(np.max(np.abs(ys), initial=0)))
        mean = ws @ ys / weight
        away = np.sqrt(ws)[:, None] * (ys - mean)
        shift, total = mean - self.mean, self.weight + weight
        between = np.outer(shift, np.conj(shift)) * (self.weight * weight / total)
        self.scatter = self.scatter + away.T @ np.conj(away) + between
        self.mean = self.mean + shift * (weight / total)
        self.weight = total

    @property
    def covariance(self):
        return self.scatter / self.weight

    @property
    def lost(self):
        """The probability that is in none of the weights."""
        return max(0.0, 1.0 - math.fsum(self.weights))
