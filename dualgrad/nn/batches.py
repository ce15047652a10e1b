"""Batches: the examples of a data set in parts, in order or shuffled, and the place in an epoch that is under way."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import like
from ..checks import count, flag, positive_count
from ..errors import DualgradError, ShapeError
from ..inputs import as_data, as_input
from ..random import Rng, RngLike, as_rng
from ..tree import LEAF, flatten, paths, rebuild
from .taken import by_example_of, keywords_of

WEIGHTS = "weights"  # the keyword of `bind` that has one number an example, whatever the model


class InBatches:
    """What gives an objective its batches."""

    def batches(
        self, x: Any, y: Any, size: int, *, rng: RngLike = None, shuffle: bool = True, drop_last: bool = False,
        axis: int | tuple[int, int] = 0, weights: Any = None, **keywords: Any,
    ) -> Iterator[Any]:  # fmt: skip
        """The objective on the batches of one epoch, one after another.

        Parameters
        ----------
        x, y : array, or tuple, list or dict of arrays
            All examples, along the first axis of each array; on a device, batches are there too.
        size : int
            How many examples a batch has; the last has fewer where they do not come out even.
        rng : int, numpy.random.Generator or Rng
            For the order, and for the masks of Dropout where ``train=True`` and the model draws some. Pass one `Rng`
            through all epochs: an int gives the same order each time.
        shuffle : bool
            Each epoch in another order; otherwise as they are, for which no rng is needed.
        drop_last : bool
            Leave out a last batch that has fewer examples.
        axis : int or pair of int
            Along which axis the examples are, in x and in y: ``(1, 0)`` for sequences ``(T, N, n)`` with a class each.
        weights : array, optional
            One weight an example, of which each batch gets its own.
        **keywords : what `bind` takes
            Such as ``train=True``. Those with a row for each example (``model.by_example``: lengths, masks of padding)
            are given for all examples, along their first axis.

        Returns
        -------
        iterator of BoundObjective

        Raises
        ------
        ShapeError
            For arrays of different numbers of examples, or none.
        ValueError, TypeError
            For a size that leaves no batch, no rng to shuffle with.
        DualgradError
            When it is asked for the next batch after another call has gone on with its epoch.

        Notes
        -----
        The place in the epoch is part of the stream's state. Where the state of an `Rng` was saved after k batches (or
        the loop was left there), the next call with the same arguments goes on with batch k + 1, in the same order; the
        epoch after that is a new one. A NumPy Generator keeps no place, and begins a new epoch each time.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> objective = dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse)
        >>> x, rng = np.arange(5.0)[:, None], dg.Rng(0)
        >>> [batch.x.ravel().tolist() for batch in objective.batches(x, x, 2, rng=rng)]
        [[3.0, 1.0], [4.0, 0.0], [2.0]]
        >>> [batch.x.ravel().tolist() for batch in objective.batches(x, x, 2, shuffle=False, drop_last=True)]
        [[0.0, 1.0], [2.0, 3.0]]
        """
        given = keywords | ({} if weights is None else {"weights": weights})
        rng = None if rng is None else as_rng(rng)
        return Examples(self, x, y, axis, given).epoch(size, rng, shuffle, drop_last)


class Examples:
    """Inputs and targets, trees of arrays, and keywords with a row for every example: rows of them as a batch.

    Attributes
    ----------
    objective : what is bound to a batch
    n : how many examples there are
    """

    def __init__(self, objective: Any, x: Any, y: Any, axis: Any = 0, keywords: Any = None) -> None:
        self.objective, model, loss = objective, objective.model, objective.loss
        keywords = {} if keywords is None else keywords
        axes = _axes_of_examples(axis)
        x = as_input(x, model) if getattr(model, "_of_an_array", False) else as_data(x, model, "an input")
        of_arrays = getattr(loss, "_of_arrays", False)
        y = as_input(y, loss, "a target") if of_arrays else as_data(y, loss, "a target")
        by_example = {WEIGHTS, *by_example_of(model)}
        rows = {k: v for k, v in keywords.items() if k in by_example and v is not None}
        self.fixed = {k: v for k, v in keywords.items() if k not in by_example}
        parts = {"x": (x, axes[0]), "y": (y, axes[1])}
        parts |= {k: (as_input(v, objective, k), axes[1] if k == WEIGHTS else 0) for k, v in rows.items()}
        self.parts = {name: (*flatten(tree), axis) for name, (tree, axis) in parts.items()}
        self.n: int = self._counted()
        plain = all(s is LEAF and not a and x[0].__class__ is np.ndarray for x, s, a in self.parts.values())
        self._arrays = {name: leaves[0] for name, (leaves, _, _) in self.parts.items()} if plain else None

    def _counted(self):
        """The number of examples, on which all arrays agree."""
        first = None
        for name, (leaves, structure, axis) in self.parts.items():
            for path, a in zip(paths(structure), leaves, strict=True):
                if len(np.shape(a)) <= axis:
                    given = f"shape {np.shape(a)}" if hasattr(a, "shape") else f"a {type(a).__name__} in a tree"
                    raise ShapeError(f"got {name}{path} of {given}; expected an array with examples along axis {axis}")
                found = np.shape(a)[axis]
                first = first or (name + path, found)
                if found != first[1]:
                    raise ShapeError(
                        f"got {first[0]} with {first[1]} examples and {name}{path} with {found} (along axis {axis}); "
                        f"expected as many in each{self._time_first(found)}"
                    )
        if first is None or not first[1]:
            raise ShapeError("got data without examples; expected one or more, along the first axis of x and y")
        return first[1]

    def _time_first(self, n):
        """What to write where the second axis of x is that of the examples."""
        leaves, _, axis = self.parts["x"]
        turned = axis == 0 and all(np.ndim(a) > 1 and np.shape(a)[1] == n for a in leaves)
        return ": for sequences (T, N, n), axis=(1, 0)" if turned else ""

    def rows(self, chosen: Any) -> dict[str, Any]:
        """``x``, ``y`` and the keywords that have rows, of chosen examples: a slice, or an array of their numbers."""
        if self._arrays is not None:
            return {name: a[chosen] for name, a in self._arrays.items()}
        found = {}
        for name, (leaves, structure, axis) in self.parts.items():
            taken = [_taken(a, axis, chosen) for a in leaves]
            found[name] = taken[0] if structure is LEAF else rebuild(structure, taken)
        return found

    def bound(self, chosen: Any, **more: Any) -> Any:
        """The objective on chosen examples."""
        return self.objective.bind(**self.rows(chosen), **self.fixed, **more)

    def starts(self, size: int, drop_last: bool = False) -> range:
        """Where the batches of an epoch begin."""
        size = positive_count("size", size, "a positive number of examples")
        if drop_last and size > self.n:
            raise ValueError(
                f"got size={size} for {self.n} examples, with drop_last=True: an epoch would have no batch; expected "
                f"at most {self.n}"
            )
        return range(0, self.n - size + 1 if drop_last else self.n, size)

    def epoch(self, size: int, rng: Rng | None, shuffle: bool = True, drop_last: bool = False) -> Iterator[Any]:
        """The objective on one batch after another; from where the epoch is, if one is under way in the stream."""
        starts, shuffle = self.starts(size, drop_last), flag("shuffle", shuffle)
        if shuffle and rng is None:
            raise TypeError("shuffled batches need randomness: pass rng=, or shuffle=False")
        takes = keywords_of(self.objective.model)
        drawing = "rng" in takes and ("train" not in takes or self.fixed.get("train", False))
        masks = {"rng": rng} if drawing and rng is not None else {}
        name = f"{self.n} by {size}{', shuffled' * shuffle}{', whole batches' * bool(drop_last)}"
        return self._batches(starts, Rng(0) if rng is None else rng, shuffle, name, masks)

    def _batches(self, starts, rng, shuffle, name, masks):
        epochs = rng._epochs = {} if rng._epochs is None else rng._epochs
        known = epochs.get(name) or [int(rng.integers(0, 2**63 - 1)) if shuffle else 0, 0]
        place = epochs[name] = list(known)
        order = Rng(place[0]).permutation(self.n) if shuffle else None
        for begin in itertools.islice(starts, place[1], None):
            if (rng._epochs or {}).get(name) is not place:
                raise DualgradError(
                    f"the epoch of {name} goes on elsewhere: batches was called again with the same stream, or it "
                    "was given another state; give each epoch that runs beside others an rng of its own"
                )
            place[1] += 1
            part = slice(begin, begin + starts.step)
            yield self.bound(part if order is None else order[part], **masks)
        if (rng._epochs or {}).get(name) is place:
            del rng._epochs[name]


def _axes_of_examples(axis):
    """The axes of the examples: in x, and in y."""
    pair = axis if isinstance(axis, tuple) and len(axis) == 2 else (axis, axis)
    expected = "the axis of the examples, from 0 on, or a pair: in x, and in y"
    return tuple(count("axis", a, expected) for a in pair)


def _taken(a, axis, chosen):
    """Examples of an array, which stay where it lives."""
    index = chosen if isinstance(chosen, slice) or a.__class__ is np.ndarray else like(chosen, a)
    return a[(slice(None),) * axis + (index,)] if axis else a[index]
