"""fit: a learner follows a stream in one call, closes windows, ends episodes and saves."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ..backend import to_numpy
from ..checks import count, flag, positive_count
from ..errors import DualgradError
from ..params import Params
from ..training.callbacks import as_callbacks, called, told
from ..training.history import rate_of_last
from ..training.interrupts import kept_interrupts
from ..tree import Tree, leaves
from .incoming import OfIterator, as_stream
from .keeping import StreamKeeper
from .learner import OnlineEstimator
from .stream_bar import StreamBar
from .stream_history import StreamHistory
from .windows import InWindows


@dataclass(frozen=True)
class AfterRow:
    """What a callback of `dualgrad.online.fit` is given after every row: the things themselves, not copies.

    Attributes
    ----------
    step : int, how many were taken
    history : StreamHistory
        Whose last row is the new one.
    learner, optimizer : those given
    params : the learner's

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> leak = dg.online.System(lambda s, x, w: w * s + x, lambda s, y, w: np.sum((s - y) ** 2), np.zeros(1))
    >>> learner = dg.online.RTRL().start(leak, np.array([0.1]))
    >>> history = dg.online.fit(learner, dg.optim.SGD(0.0), lambda t: (np.ones(1), np.ones(1)), steps=10, every=2,
    ...     callbacks=[lambda after: after.step == 6], progress=False)
    >>> history[-1]["step"], history.stopped
    (6, 'callback')
    """

    step: int
    history: StreamHistory
    params: Tree
    learner: OnlineEstimator
    optimizer: Any


def fit(
    learner: OnlineEstimator,
    optimizer: Any,
    stream: Any,
    *,
    steps: int | None = None,
    every: int = 1000,
    checkpoint: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callable[[AfterRow], Any]] = (),
    progress: bool = True,
) -> StreamHistory:
    """Follow a stream: for each input and target a step of the learner, and one of the optimizer for each gradient.

    Parameters
    ----------
    learner : any of dg.online, started
        ``learner.start(system, params, rng=rng)``; its parameters are trained in place, from where it stands.
    optimizer : any of dg.optim, or an object with ``step(params, gradient)``
    stream : arrays, function or iterator
        ``(xs, ys)``, or ``(xs, ys, ends)``, of a step a row; a function ``stream(t) -> (x, y)`` of the step, from 0
        on; a list of such pairs, or what can be iterated over. A third entry that is True says that an episode ends
        after this step: the open window is closed, and the learner reset.
    steps : int, optional
        At most so many, counted from the start of the run, also after it was resumed. A function needs it.
    every : int
        A row of the history every so many steps, and one at the end for what is left.
    checkpoint : path, optional
        Where the run is saved: at its start, every few seconds, at its end and on Ctrl-C. The same call goes on from
        there bit for bit, whatever the moment it was killed. An iterator must then have ``state_dict`` and
        ``load_state_dict``.
    callbacks : functions
        Each is called with an `AfterRow` after every full row; one that returns True ends the run. What one gathers is
        in the checkpoint where it is an object with ``state_dict`` and ``load_state_dict``.
    progress : bool
        A bar by tqdm on a terminal, where it is installed; elsewhere a line a row. On the standard error output.

    Returns
    -------
    StreamHistory

    Raises
    ------
    TypeError, ValueError
        For arguments that are none of these; nothing has changed.
    DualgradError
        For a learner that was not started, an iterator without a place beside a checkpoint; nothing has changed.
    CheckpointError
        Where the checkpoint is of another call: another learner, system, optimizer, seed, stream of arrays or
        ``every``. What a function or an iterator gives cannot be compared. Nothing has changed.
    NonFiniteError
        And whatever else a step raises, with ``error.history``; a learner's own errors leave all as it was before.
    KeyboardInterrupt
        After Ctrl-C, between two steps, once the checkpoint is saved, with ``error.history``.

    Notes
    -----
    A run is this loop, to the bit::

        for x, y, end in stream:
            estimate = learner.step(x, y)
            if estimate is not None:                      # None inside a window
                optimizer.step(learner.params, estimate.gradient)
            if end:                                       # what close() gives goes the same way
                learner.close(); learner.reset()

    At the end of the run the open window is closed too, and the state stays: to predict with, to go on from. The file
    has the run before that: with more ``steps`` it goes on as if it had not ended.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> network = dg.online.Network(dg.nn.RNNCell(3, 12), dg.nn.Linear(12, 3), dg.nn.cross_entropy)
    >>> learner = dg.online.NoBackTrack().start(network, network.init(rng=0), rng=1)
    >>> text = np.array([0, 1, 2, 2, 1, 0] * 300)
    >>> xs, ys = np.eye(3, dtype=np.float32)[text[:-1]], text[1:]
    >>> history = dg.online.fit(learner, dg.optim.KalmanQDOP(prior=1.0), (xs, ys), every=300, progress=False)
    >>> history[0]["loss"] > 3 * history[-1]["loss"], len(history), history.stopped
    (True, 6, 'stream')
    """
    run = Following(learner, optimizer, as_stream(stream), steps, every, callbacks, checkpoint)
    run.keeper.load()
    run.follow(StreamBar(run, flag("progress", progress)))
    return run.history


class Following:
    """A run that stands somewhere in its stream."""

    def __init__(self, learner, optimizer, stream, steps, every, callbacks, checkpoint):
        _require_started_learner(learner)
        if isinstance(optimizer, type) or not callable(getattr(optimizer, "step", None)):
            raise TypeError(f"got optimizer={optimizer!r:.80}; expected one of dg.optim, such as optim.Adam(1e-3)")
        self.steps = None if steps is None else count("steps", steps, "a number of steps, from 0 on")
        if stream.endless and self.steps is None:
            raise TypeError("a function of the step goes on for ever: say how many with steps=")
        if checkpoint is not None and isinstance(stream, OfIterator):
            stream.require_place()
        self.every = positive_count("every", every, "a positive number of steps")
        self.learner, self.optimizer, self.stream, self.params = learner, optimizer, stream, learner.params
        self.callbacks, self.history = as_callbacks(callbacks), StreamHistory()
        self.t = self.episodes = self.seen = 0  # of the row: steps whose losses are known
        self.total = self.seconds = 0.0
        self.keeper = StreamKeeper(checkpoint, self)

    def why_over(self):
        """Why the run is over, if it is."""
        if self.history.stopped is not None:
            return self.history.stopped
        if self.steps is not None and self.t >= self.steps:
            return "steps"
        return "stream" if self.stream.length is not None and self.t >= self.stream.length else None

    def follow(self, bar):
        """The steps that are left."""
        place = told(self.history, lambda: f"in online.fit, after {self.t} steps")
        with kept_interrupts() as asked, contextlib.closing(bar), place:
            if self.why_over() is None:
                self.keeper.save(True)
                self._steps(bar, asked)
                self.keeper.save(True)
            self.history.stopped = self.why_over()
            self._end()
            if asked:  # during the last save
                self._interrupted()

    def _steps(self, bar, asked):
        begun = time.perf_counter() - self.seconds
        while self.why_over() is None:
            if not self._one_step():
                self.history.stopped = "stream"
                return
            self.seconds = time.perf_counter() - begun
            if self.t % self.every == 0:
                begun = time.perf_counter()
                self._new_row()
                bar.row(self.history[-1])
                self._call_back()
            bar.step()
            if asked:
                self.keeper.save(True)
                self._interrupted()
            self.keeper.save(False)

    def _one_step(self):
        """One step of the stream; False where it has no more."""
        try:
            x, y, end = self.stream.item(self.t)
        except StopIteration:
            return False
        covered = 1 + open_steps(self.learner)
        self._learn(self.learner.step(x, y), covered)
        self.t += 1
        if end:
            self._close()
            self.learner.reset()
            self.episodes += 1
        return True

    def _learn(self, estimate, covered):
        """What an estimate of so many steps changes, if there is one."""
        if estimate is not None:
            self.optimizer.step(self.params, estimate.gradient)
            self.total, self.seen = self.total + float(to_numpy(estimate.value)), self.seen + covered

    def _close(self):
        """End the open window, where there is one."""
        if covered := open_steps(self.learner):
            self._learn(self.learner.close(), covered)

    def _end(self):
        """The window and the row that are still open."""
        self._close()
        if self.seen or self.t > (self.history[-1]["step"] if self.history.rows else 0):
            self._new_row()

    def _new_row(self):
        row = {"step": self.t, "loss": self.total / self.seen if self.seen else None, "episodes": self.episodes}
        self.history.rows.append(row | rate_of_last(self.optimizer) | {"seconds": self.seconds})
        self.total, self.seen, self.seconds = 0.0, 0, 0.0

    def _call_back(self):
        after = AfterRow(self.t, self.history, self.params, self.learner, self.optimizer)
        if called(self.callbacks, after):
            self.history.stopped = "callback"

    def _interrupted(self) -> NoReturn:
        self.history.stopped = "interrupted"
        error = KeyboardInterrupt(
            f"stopped after {self.t} steps of the stream; the same call with its checkpoint goes on"
        )
        error.history = self.history
        raise error


def open_steps(learner):
    """How many steps wait for the end of their window."""
    return learner._open_steps() if isinstance(learner, InWindows) else 0


def _require_started_learner(learner):
    if not isinstance(learner, OnlineEstimator):
        raise TypeError(
            f"got learner={learner!r:.80}; expected one of dg.online that was started, such as "
            "online.NoBackTrack().start(system, params, rng=0)"
        )
    if not hasattr(learner, "dynamics"):
        raise DualgradError(f"{learner!r} has no system yet: start(system, params, rng=0)")
    arrays = [learner.params.vector] if isinstance(learner.params, Params) else leaves(learner.params)
    for leaf in arrays:
        if not getattr(getattr(leaf, "flags", None), "writeable", hasattr(leaf, "shape")):
            raise TypeError(
                f"fit trains params in place; got a leaf of {type(leaf).__name__}: give Params, or arrays that can be "
                "written, for a number np.array(0.5)"
            )
