"""Averaged: the average of the parameters over the steps."""

from typing import Any

import numpy as np

from ..backend import to_numpy
from ..checks import count, real_number
from ..errors import LayoutError, NonFiniteError
from ..params import Params
from ..settings import known_state, layouts_differ, versioned
from ..tree import Tree, map_leaves
from ..vectors import all_finite
from .blockwise import blocks, scratch
from .leaves import described, matched, rebuilt, shapes_of
from .memory import in_no_order


class Averaged:
    """ŵ ← decay ŵ + (1 - decay) w after each step: the exponential average of the parameters.

    As `torch.optim.swa_utils.AveragedModel` with ``get_ema_multi_avg_fn(decay)``, with ``decay=None`` as it is there by
    default: the mean of all (Izmailov et al. 2018). The first update takes w itself.

    Parameters
    ----------
    params : Params, array, or tree of arrays
        What the average is of; a copy stands in ``params`` until the first update.
    decay : float in [0, 1], or None
        The weight of the past; None for the mean of all updates.

    Attributes
    ----------
    params : the average, in the layout and dtypes of the parameters, with the buffers of the last update
    updates : int
        How many there were.

    Notes
    -----
    Cost: one pass over the parameters an update. Memory: a copy of them. In half precision a step of 1 - decay below
    the spacing of the numbers is lost: average single precision.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([4.0])
    >>> average = dg.optim.Averaged(w, decay=0.5)
    >>> for _ in range(3):
    ...     w -= 1
    ...     average.update(w)
    >>> w, average.params
    (array([1.]), array([1.75]))
    """

    params: Tree
    updates: int
    grown: tuple[dict[str, Any], ...] = ()

    def __init__(self, params: Tree, decay: float | None = 0.999) -> None:
        self._places = matched(params, params)[3]
        expected = "a number in [0, 1], or None for the mean of all"
        self._decay = None if decay is None else real_number("decay", decay, expected, lambda x: 0 <= x <= 1)
        self.params, self.updates = map_leaves(np.copy, params), 0

    @property
    def decay(self) -> float | None:
        """The weight of the past."""
        return self._decay

    def __repr__(self) -> str:
        return f"Averaged({self.params!r:.60}, decay={self.decay})"

    def update(self, params: Tree) -> None:
        """Take in the parameters, after a step.

        Raises
        ------
        LayoutError
            For parameters of other names, shapes or dtypes.
        NonFiniteError
            For a NaN or an infinity among them. In each case nothing has changed.
        """
        averages, leaves = self._pairs(params)
        for w in leaves:
            if not all_finite(w):
                raise NonFiniteError(f"update {self.updates + 1} of {self!r}: a parameter is not finite")
        weight = 1 / (self.updates + 1) if self.decay is None else 1 - self.decay
        for average, w in zip(averages, leaves, strict=True):
            if self.updates:
                _move(average, w, weight)
            else:
                average[...] = w
        if isinstance(params, Params):
            self.params.buffers = {name: b.copy() for name, b in params.buffers.items()}
        self.updates += 1

    def _pairs(self, params):
        """The averages, and the parameters they are of."""
        leaves, _, names, places = matched(params, params)
        averages, _, own, before = matched(self.params, self.params)
        if in_no_order(places) != in_no_order(before):
            differ = layouts_differ(described(before), described(places))
            raise LayoutError(f"{self!r} is of other parameters: {differ}")
        found = dict(zip(names, leaves, strict=True))
        leaves = [found[name] for name in own]
        for a, w, name in zip(averages, leaves, own, strict=True):
            if a.dtype != w.dtype:
                raise LayoutError(f"params{name} is of {w.dtype}; expected {a.dtype}, as the average {self!r}")
        return averages, leaves

    # ------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, Any]:
        """The average, the buffers and the count of updates, as plain data for `dualgrad.save`."""
        leaves = [w.copy() for w in matched(self.params, self.params)[0]]
        buffers = {name: b.copy() for name, b in getattr(self.params, "buffers", {}).items()}
        state = {"decay": self.decay, "updates": self.updates, "parameters": described(self._places)}
        return versioned(self, state | {"average": leaves, "buffers": buffers})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises
        ------
        LayoutError
            When it is of other parameters or another decay, or no such state; nothing has changed.
        """
        state = known_state(self, state, {"decay", "updates", "parameters", "average", "buffers"})
        if state["decay"] != self.decay:
            raise LayoutError(f"the saved state has decay={state['decay']!r}; {self!r} has {self.decay!r}")
        try:
            places, updates = rebuilt(state["parameters"]), count("updates", state["updates"], "how many there were")
            saved = [np.array(to_numpy(a)) for a in state["average"]]
            buffers = {name: np.array(to_numpy(b)) for name, b in state["buffers"].items()}
            if [a.shape for a in saved] != shapes_of(places) or not all(map(all_finite, saved)):
                raise ValueError("its average is not of finite numbers of the shapes that it names")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise LayoutError(f"the saved state of {self!r} is damaged: {error}") from None
        averages = matched(self.params, self.params)[0]
        if places != self._places:
            differ = layouts_differ(described(places), described(self._places))
            raise LayoutError(f"the saved state is of other parameters: {differ}")
        for a, b in zip(averages, saved, strict=True):
            if a.dtype != b.dtype:
                raise LayoutError(f"the saved average is of {b.dtype}; expected {a.dtype}")
        for a, b in zip(averages, saved, strict=True):
            a[...] = b
        if isinstance(self.params, Params):
            self.params.buffers = buffers
        self.updates = updates


def _move(average, w, weight):
    """average += weight (w - average), as torch's lerp: from the nearer end."""
    for a, b in blocks(average, w):
        step = np.subtract(b, a, out=scratch(a))
        if weight < 0.5:
            a += np.multiply(weight, step, out=step)
        else:
            np.subtract(b, np.multiply(1 - weight, step, out=step), out=a)
