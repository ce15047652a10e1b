"""Shared steps: units of work that any number of workers do, who exchange slopes; and the journal of a run."""

from .replaying import replay
from .shared_estimator import Shared

__all__ = ["Shared", "replay"]
