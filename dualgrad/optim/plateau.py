"""plateau: a rate that falls when the loss does not."""

import math
from dataclasses import dataclass
from typing import Any

from ..checks import count, real_number
from ..errors import LayoutError
from .schedules import Schedule


@dataclass(frozen=True, eq=False)  # two of them may have seen different values
class plateau(Schedule):  # noqa: N801
    """The rate lr, times ``factor`` whenever ``patience`` epochs have gone by without a better value, and one more.

    As `torch.optim.lr_scheduler.ReduceLROnPlateau`: after each epoch ``schedule.observe(value)``, or
    ``optimizer.observe(value)``, which hands the value to all schedules of the optimizer. What has been seen is saved
    with the optimizer's state. A schedule that several optimizers share is told by each of them: let one observe.

    Parameters
    ----------
    lr : float, not negative
    mode : "min" or "max"
        Of values that should fall, or rise.
    factor : float, in [0, 1)
    patience : int
        How many epochs in a row may be no better.
    threshold : float, not negative
    threshold_mode : "rel" or "abs"
        A value is better than the best if it is below best (1 - threshold), or best - threshold; with ``mode="max"`` if
        it is above best (1 + threshold), or best + threshold. NaN is never better.
    cooldown : int
        For how many epochs after the rate has fallen no epoch counts.
    min_lr : float, not negative
    eps : positive float
        A fall of the rate by no more than this is left out.

    Examples
    --------
    >>> import dualgrad as dg
    >>> schedule = dg.optim.plateau(0.1, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.observe(loss)
    >>> schedule(1), schedule.best
    (0.05, 2.0)
    """

    lr: float
    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        best = math.inf if self.mode == "min" else -math.inf
        object.__setattr__(self, "_seen", {"rate": self.lr, "best": best, "bad": 0, "cooling": 0})

    def __call__(self, t: int) -> float:
        return self._seen["rate"]

    @property
    def best(self) -> float:
        """The best value so far; infinite before there is one."""
        return self._seen["best"]

    def observe(self, value: float) -> None:
        """Take note of the value of an epoch."""
        seen, value = self._seen, float(value)
        if self._is_better(value):
            seen["best"], seen["bad"] = value, 0
        else:
            seen["bad"] += 1
        if seen["cooling"]:
            seen["cooling"], seen["bad"] = seen["cooling"] - 1, 0
        if seen["bad"] > self.patience:
            lower = max(seen["rate"] * self.factor, self.min_lr)
            if seen["rate"] - lower > self.eps:
                seen["rate"] = lower
            seen["cooling"], seen["bad"] = self.cooldown, 0

    def _is_better(self, value):
        up, best, threshold = self.mode == "max", self._seen["best"], self.threshold
        if self.threshold_mode == "rel":
            bound = best * (1 + threshold if up else 1 - threshold)
        else:
            bound = best + threshold if up else best - threshold
        return value > bound if up else value < bound

    def state_dict(self) -> dict[str, Any]:
        """What it has seen, as plain data: the rate, the best value, and how many epochs were bad, or are left out."""
        return dict(self._seen)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; a `LayoutError` for what is none, and nothing has changed."""
        try:
            best, rate = float(state["best"]), real_number("rate", state["rate"], "a rate", lambda x: 0 <= x < math.inf)
            counts = {name: count(name, state[name]) for name in ("bad", "cooling")}
            if math.isnan(best) or set(state) != set(self._seen):
                raise ValueError("its best is NaN, or it has other entries")
        except (KeyError, TypeError, ValueError) as error:
            raise LayoutError(f"got {state!r:.80} as the state of {self!r}: {error}") from None
        self._seen.update({"rate": rate, "best": best, **counts})
