"""Directional: estimates made of slopes along directions, in steps that may be done by different workers."""

from typing import Any

from ..backend import Array
from ..directions.base import DirectionSampler
from ..directions.rows import FactorRows, Rows
from ..layout import Layout
from .estimator import Estimator
from .point import Point


class Directional(Estimator):
    """ĝ = Σ_i c_i v_i, with weights c_i from the slopes along v_i: what is known of n directions are n numbers.

    Directions may come in several chunks V: ``slopes`` of a chunk take the passes; ``weights`` and ``taken`` say what a
    chunk adds, c @ V; ``finished`` makes the estimate of the sum over all chunks.
    """

    directions: DirectionSampler
    n: int

    def slopes(self, at: Point, V: Rows | FactorRows) -> tuple[Any, Any]:
        """The loss, and the slopes along the rows of V."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it takes slopes")

    def weights(self, slopes: Any, V: Rows | FactorRows, layout: Layout, w: Array) -> Any:
        """c_i, from the slopes along the rows of V at parameters w."""
        raise NotImplementedError(f"{type(self).__name__} does not say what slopes weigh")

    def taken(self, at: Point, V: Rows | FactorRows) -> Rows | FactorRows:
        """The directions that the slopes belong to."""
        return V

    def finished(self, total: Array, layout: Layout, w: Array) -> Array:
        """ĝ, from the sum of all c_i v_i."""
        return total

    def remember(self, gradient: Array, layout: Layout) -> None:
        """Take note of an estimate, where past ones count."""

    def passes(self, chunks: int) -> float:
        """What all directions cost in so many chunks, in forward passes."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it costs")
