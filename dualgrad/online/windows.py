"""Estimates once a window: closing one early, and what an episode or a save must not lose."""

from ..checks import positive_count
from ..errors import DualgradError
from .learner import OnlineEstimator


class InWindows(OnlineEstimator):
    """Those whose ``step`` returns None inside a window.

    A subclass says how many steps are open, ``_open()``; and what their end makes of them,
    ``_closed(t, state, memory) -> estimate, state, memory``.
    """

    window = None  # in steps; None where it is an episode

    def close(self):
        """End the open window early: its `Estimate`, or None where no step is open."""
        self._require_started()
        if not self._open():
            return None
        estimate, self.state, self.memory = self._closed(self.steps, self.state, self.memory)
        return estimate

    def reset(self):
        """End the episode: all that it has gathered begins anew, together.

        Raises
        ------
        DualgradError
            When a window is open, whose losses would be lost.
        """
        self._require_started()
        if self._open():
            instead = "; or take a window that divides the episode" if self.window else ""
            raise DualgradError(
                f"{self!r}: the episode of {self.steps} steps ends {self._open()} steps into a window; close() gives "
                f"the estimate of those, after which reset() goes on{instead}"
            )
        self._restart()


def steps_of(window, instead=""):
    """The length of a window, which must be a positive whole number."""
    return positive_count("window", window, f"a positive number of steps{instead}")
