"""Learning with a curve: the loop in which experiments compare, at equal updates and at equal time."""

import itertools
import time

import dualgrad as dg


def learn(estimator, optimizer, params, batches, updates, evaluate=lambda params: (), *, rng=None, points=20):
    """Train in place on the next so many of ``batches``; rows of the curve are [updates, seconds, *evaluate(params)].

    The seconds are those of training alone. There are ``points`` rows beside the first, of a short run one for every
    five updates. Running statistics advance as by `dualgrad.fit`. A loss or gradient that is not finite ends the run:
    what is left of the curve is None.
    """
    curve, seconds, points = [[0, 0.0, *evaluate(params)]], 0.0, min(points, max(1, updates // 5))
    marks = {round(k * updates / points) for k in range(1, points + 1)}
    for step, batch in enumerate(itertools.islice(batches, updates), 1):
        started = time.perf_counter()
        try:
            estimate = estimator.estimate(batch, params, rng=rng)
            if params.buffers:
                batch.model.update_buffers(params, batch.x, **batch.keywords())
            optimizer.step(params, estimate.gradient)
            seconds += time.perf_counter() - started
            if step in marks:
                curve.append([step, seconds, *evaluate(params)])
        except dg.NonFiniteError:
            return curve + [[mark, None, *[None] * (len(curve[0]) - 2)] for mark in sorted(marks) if mark >= step]
    return curve


def epochs(objective, data, size, rng, **keywords):
    """Whole batches without end, epoch after epoch: the objective on them, for runs that count updates."""
    while True:
        yield from objective.batches(*data, size, rng=rng, drop_last=True, **keywords)
