"""Runs in the place of whose curve stands one number that is made from them, for verdicts on what no column holds."""

import numpy as np


def made(runs, value):
    """``value(run)`` in column 2, NaN where a run diverged."""
    return [_holding(r, np.nan if r["curve"][-1][1] is None else value(r)) for r in runs]


def derived(runs, value):
    """``value(curve)`` in column 2, the curve an array with NaN where a run had diverged."""
    return [_holding(r, value(np.array(r["curve"], dtype=float))) for r in runs]


def averaged(runs, column):
    """In column 2, the mean of a column over the whole of its run: how fast it came to where it ends."""
    return derived(runs, lambda c: np.trapezoid(c[:, column], c[:, 0]) / (c[-1, 0] - c[0, 0]))


def gained(runs, others, column):
    """In column 2, how much further each run ends in a column than the other of its seed does.

    What is said of one of the two is said of both: the best rate that is at an edge, the shorter length.
    """
    pairs = [(r, o) for r in runs for o in others if r["seed"] == o["seed"]]
    return [_holding(r, _end(r, column) - _end(o, column)) | {"edge": r.get("edge") or o.get("edge")} for r, o in pairs]


def _holding(run, value):
    last = run["curve"][-1]
    return run | {"curve": [[last[0], last[1], float(value)]]}


def _end(run, column):
    return np.array(run["curve"][-1], dtype=float)[column]
