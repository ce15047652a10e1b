"""Learning with a curve: what experiments compare at equal updates and at equal time."""

import time

import dualgrad as dg


def learn(estimator, optimizer, params, batches, updates, evaluate, *, rng, after=None, points=20):
    """Train in place; the curve is of rows [updates, seconds of training, *evaluate(params)].

    A loss or gradient that is not finite ends the run: what is left of the curve is None.
    """
    curve, seconds = [[0, 0.0, *evaluate(params)]], 0.0
    marks = {round(k * updates / points) for k in range(1, points + 1)}
    for step in range(1, updates + 1):
        batch, started = batches(), time.perf_counter()
        try:
            estimate = estimator.estimate(batch, params, rng=rng)
            optimizer.step(params, estimate.gradient)
            if after is not None:
                after(params, batch)
            seconds += time.perf_counter() - started
            if step in marks:
                curve.append([step, seconds, *evaluate(params)])
        except dg.NonFiniteError:
            return curve + [[mark, None, *[None] * (len(curve[0]) - 2)] for mark in sorted(marks) if mark >= step]
    return curve
