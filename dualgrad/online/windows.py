"""Estimates once a window: closing one early, and what an episode or a save must not lose."""

from typing import Any

from ..checks import positive_count
from ..errors import DualgradError
from ..estimators.estimate import Estimate
from .dynamics import is_finite, require_finite_step
from .learner import OnlineEstimator
from .network import Network


class InWindows(OnlineEstimator):
    """Those whose ``step`` returns None inside a window.

    A subclass says what one step does, ``_one_step(x, y) -> estimate``; how many steps are open, ``_open_steps()``; and
    what their end makes of them, ``_end_window(t, state, memory) -> estimate, state, memory``.
    """

    window: int | None = None  # in steps; None where it is an episode
    _failed = False  # whether the last step or close() raised, after which the open window may be dropped

    def step(self, x: Any, y: Any) -> Estimate | None:
        """One step; at the end of a window an `Estimate` of all its steps, else None.

        Its value is the window's summed loss; of particles, the mean over the perturbed ones.

        Raises
        ------
        ShapeError, NonFiniteError, TypeError
            As `dualgrad.online.RTRL.step`; nothing has changed. An open window that can be gone on with no more is
            dropped by ``reset()``.
        DualgradError
            For a system whose batch differs from its particles, for an executor that fails. Nothing has changed.
        """
        x, y = self._given(x, y)
        return self._attempted(lambda: self._one_step(x, y))

    def _given(self, x, y):
        x, y = super()._given(x, y)
        if isinstance(self.system, Network) and not is_finite(x):  # a system may have a use for NaN: a gap in the data
            require_finite_step(self.steps + 1, "the input", x)
        return x, y

    def close(self) -> Estimate | None:
        """End the open window early: its `Estimate`, or None where no step is open."""
        self._require_started()
        if not self._open_steps():
            return None
        return self._attempted(self._close)

    def _close(self):
        estimate, state, memory = self._end_window(self.steps, self.state, self.memory)
        self._moved_on(self.steps, state, memory)
        return estimate

    def _attempted(self, call):
        self._failed = True
        found = call()
        self._failed = False
        return found

    def _restart(self):
        super()._restart()
        self._failed = False

    def reset(self) -> None:
        """End the episode: all that it has gathered begins anew, together.

        Raises
        ------
        DualgradError
            When a window is open, whose losses would be lost. Directly after an error it is dropped.
        """
        self._require_started()
        if self._open_steps() and not self._failed:
            instead = "; or take a window that divides the episode" if self.window else ""
            raise DualgradError(
                f"{self!r}: the episode of {self.steps} steps ends {self._open_steps()} steps into a window; close() "
                f"gives the estimate of those, after which reset() goes on{instead}"
            )
        self._restart()


def steps_of(window, instead=""):
    """The length of a window, which must be a positive whole number."""
    return positive_count("window", window, f"a positive number of steps{instead}")
