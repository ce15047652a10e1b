"""StreamHistory: what following a stream was like, a row every so many steps."""

from typing import Any

from ..training import History


class StreamHistory(History):
    """What a run of `dualgrad.online.fit` was like: a row every so many steps, and how it ended.

    A row is a dict: ``step`` (so far), ``loss`` (its mean a step, over the windows that closed since the row before;
    None where none did), ``episodes`` (that have ended so far), ``lr`` (where the optimizer has one) and ``seconds``
    (since the row before). ``history[k]`` is a row, ``history["loss"]`` a column; it prints as a table, and shows as
    one in a notebook.

    Attributes
    ----------
    rows : list of dict
    stopped : str
        Why it ended: "steps", "stream" (which had no more), "callback"; "interrupted" on the history of a
        `KeyboardInterrupt`; None after an error.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> leak = dg.online.System(lambda s, x, w: w * s + x, lambda s, y, w: np.sum((s - y) ** 2), np.zeros(1))
    >>> learner = dg.online.RTRL().start(leak, np.array([0.1]))
    >>> xs = np.ones((6, 1))
    >>> history = dg.online.fit(learner, dg.optim.SGD(0.01), (xs, xs), every=3, progress=False)
    >>> history["step"], history.stopped
    ([3, 6], 'stream')
    """

    def __repr__(self) -> str:
        return super().__repr__() if self.rows else "StreamHistory of no rows"

    def plot(self) -> Any:
        """A figure of matplotlib's: the loss by step.

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            raise ImportError(
                "StreamHistory.plot() needs matplotlib, which is not installed: pip install matplotlib"
            ) from None
        figure, ax = plt.subplots(layout="constrained")
        ax.plot(self["step"], [float("nan") if loss is None else loss for loss in self["loss"]])
        ax.set(xlabel="step", ylabel="loss")
        ax.grid(alpha=0.3)
        return figure
