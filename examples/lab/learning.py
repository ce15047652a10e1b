"""Learning with a curve: the loops in which experiments compare, at equal updates and at equal time.

Rows of a curve are [updates, seconds, *evaluate(params)]; the seconds are those that training alone had the processor
for, so that a busy machine takes no part in them. A loss or gradient that is not finite ends a run: what is left of its
curve is None.
"""

import contextlib
import itertools
import time

import dualgrad as dg
from dualgrad import online


class Curve:
    """The rows of a run, a first one and then ``points``, and the clock that stands still between stop and start."""

    def __init__(self, updates, points, evaluate):
        self.evaluate, self.seconds, self.rows = evaluate, 0.0, [[0, 0.0, *evaluate()]]
        self.marks = {round(k * updates / points) for k in range(1, points + 1)} - {0}

    def start(self):
        self.started = time.process_time()

    def stop(self, done):
        """So many updates are done."""
        self.seconds += time.process_time() - self.started
        if done in self.marks:
            self.rows.append([done, self.seconds, *self.evaluate()])

    def ended(self):
        """All rows."""
        missing = [None] * (len(self.rows[0]) - 1)
        return self.rows + [[mark, *missing] for mark in sorted(self.marks) if mark > self.rows[-1][0]]


def learn(estimator, optimizer, params, batches, updates, evaluate=lambda params: (), *, rng=None, points=20):
    """Train in place on the next so many of ``batches``; a short run has a row for every five updates.

    Running statistics advance as by `dualgrad.fit`.
    """
    curve = Curve(updates, min(points, max(1, updates // 5)), lambda: evaluate(params))
    with contextlib.suppress(dg.NonFiniteError):
        for step, batch in enumerate(itertools.islice(batches, updates), 1):
            curve.start()
            frozen = optimizer.frozen(params)
            estimate = estimator.estimate(batch, params, rng=rng, **({"frozen": frozen} if frozen else {}))
            if params.buffers:
                batch.model.update_buffers(params, batch.x, **batch.keywords())
            optimizer.step(params, estimate.gradient)
            curve.stop(step)
    return curve.ended()


def epochs(objective, data, size, rng, **keywords):
    """Whole batches without end, epoch after epoch: the objective on them, for runs that count updates."""
    while True:
        yield from objective.batches(*data, size, rng=rng, drop_last=True, **keywords)


def follow(learner, optimizer, stream, updates, evaluate, *, window=1, points=50):
    """Follow a stream, a function of the step, by `online.fit`: so many updates, or windows of so many steps."""
    curve = Curve(updates, points, lambda: evaluate(learner.params))

    def measure(after):
        curve.stop(after.step // window)
        curve.start()

    curve.start()
    with contextlib.suppress(dg.NonFiniteError):
        online.fit(
            learner, optimizer, stream, steps=updates * window, every=window, callbacks=[measure], progress=False
        )
    return curve.ended()


def follow_episodes(learner, optimizer, params, episode, count, evaluate, *, rng, points):
    """Episode after episode of systems of their own: ``episode(k)`` is the system of the k-th, and its stream."""
    curve = Curve(count, points, lambda: evaluate(params))
    with contextlib.suppress(dg.NonFiniteError):
        for done in range(1, count + 1):
            curve.start()
            system, stream = episode(done)
            online.fit(learner.start(system, params, rng=rng), optimizer, stream, progress=False)
            curve.stop(done)
    return curve.ended()
