"""Runs side by side under a progress bar, and a grid of rates searched before the seeds."""

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

import numpy as np

from .command_line import one_thread


def run(function, tasks, jobs, title):
    """``function(**task)`` for every task, ``jobs`` at a time; each task comes back with its result under "curve"."""
    from tqdm import tqdm

    done = [None] * len(tasks)
    with (
        ProcessPoolExecutor(jobs, initializer=one_thread) as pool,
        tqdm(total=len(tasks), desc=title, unit="run", file=sys.stderr, smoothing=0) as bar,
    ):
        futures = {pool.submit(function, **task): k for k, task in enumerate(tasks)}
        for future in as_completed(futures):
            k = futures[future]
            done[k] = tasks[k] | {"curve": future.result()}
            bar.update()
            bar.set_postfix_str(" ".join(str(v) for v in tasks[k].values())[:60])
    return done


def tuned(function, tasks, rates, seeds, jobs, title, better=max, column=-1):
    """Each task at its own best rate (by a column at the end of its curve, seed 0), then at that rate for all seeds.

    Returns the runs at the best rates, and those of the search.
    """
    search = run(function, [t | {"rate": r, "seed": 0} for t in tasks for r in rates], jobs, f"{title}: rates")
    best = []
    for k in range(len(tasks)):
        tried = search[k * len(rates) : (k + 1) * len(rates)]
        best.append(better(tried, key=lambda found: _score(found, better, column)))
    more = [t | {"rate": b["rate"], "seed": s} for t, b in zip(tasks, best, strict=True) for s in range(1, seeds)]
    return best + run(function, more, jobs, f"{title}: seeds"), search


def _score(found, better, column):
    last = found["curve"][-1][column]
    worst = -np.inf if better is max else np.inf
    return worst if last is None or not np.isfinite(last) else last
