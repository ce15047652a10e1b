"""MeZO: simultaneous perturbation in place, whose directions are drawn again instead of stored."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..checks import real_number
from ..directions import Gaussian
from ..directions.independent import Independent
from ..errors import NonFiniteError
from ..params import Params
from ..random import RngLike, as_rng
from ..scratch import empty_like
from ..tree import Tree, leaves
from .differences import SPSA, quotient
from .estimate import Estimate
from .moving import Moving
from .point import Point, require_finite
from .step_size import coarse, require_moved, rounded_direction

_PUT_BACK = "no gradient was made, and the parameters were put back to within rounding"
_ENTRIES_AT_ONCE = 1 << 16  # entries of a direction that exist at a time


def movable(params):
    """The arrays of parameters that are moved in place."""
    vectors = [params.vector] if isinstance(params, Params) else leaves(params)
    for w in vectors:
        if not getattr(getattr(w, "flags", None), "writeable", False) or not w.flags.c_contiguous:
            raise TypeError(
                f"MeZO moves the parameters in place; got a leaf of {type(w).__name__}: give Params, or writable "
                "contiguous arrays, for a number np.array(0.5)"
            )
    return vectors


def as_rate(lr):
    """The rate of a step, a number."""
    expected = "a number that is not negative (of a schedule, its value)"
    return real_number("lr", lr, expected, lambda x: 0 <= x < np.inf)


def stepped_moving(estimator, objective, params, lr, rng, frozen):
    """A step in place of the parameters that are not frozen."""
    movable(params)
    part = Moving(estimator, params, frozen)
    found = estimator.step(part.objective(objective), part.params, lr=lr, rng=rng)
    part.write()
    return found


class MeZO(SPSA):
    """w ← w - lr (L(w + eps z) - L(w - eps z)) / (2 eps) z, in the memory of inference (Malladi et al. 2023).

    Parameters
    ----------
    eps : float
    n : int
        How many directions (n-SPSA).
    directions : Gaussian, Rademacher or Uniform
        Gaussian by default, as in the paper; signs have a third of the bias.

    Notes
    -----
    `step` stores the state of the stream of random numbers, not z: it adds eps z to the parameters in place, takes
    2 eps z away, and draws z again each time. `estimate` is that of `SPSA`, with a gradient as large as the parameters.
    Cost: 2n forward passes, and z is drawn 4n - 1 times, which takes longer than the passes do for normals: with n = 1
    and 128 examples, a step of a network of width 64, 512 or 2048 takes 3.9, 2.8 or 2.7 passes with signs, 7 to 12
    with normals. Memory: a forward pass and one block of z.
    Bias and variance: those of `SPSA`.
    Drift: adding and taking away rounds. A step moves an entry w by at most 3n half-ulps of ``abs(w) + eps abs(z)``
    beside the update; rounding goes either way, so that t steps drift by about √t of them. In float32 (a half-ulp is
    6e-8 of the number) 10,000 steps of a weight of 0.1 drift by about 1e-6.
    When: a model that fits into memory for inference alone.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w, rng = np.zeros(2), dg.Rng(0)
    >>> for _ in range(500):
    ...     estimate = dg.estimators.MeZO().step(lambda w: np.sum((w - 1) ** 2), w, lr=0.05, rng=rng)
    >>> np.round(w, 3)
    array([1., 1.])
    """

    def __init__(self, eps: float = 1e-3, n: int = 1, directions: Independent | None = None) -> None:
        super().__init__(eps, n, Gaussian() if directions is None else directions)

    def step(
        self,
        objective: Callable[[Any], Any],
        params: Tree,
        *,
        lr: float,
        rng: RngLike,
        frozen: str | Iterable[str] = (),
    ) -> Estimate:
        """One step in place on ``params``: Params, or writable arrays in a tree.

        Those that are ``frozen`` (names or patterns, as in `estimate`) are not moved. Of the others among Params it
        takes a copy, where they are not neighbours.

        Returns
        -------
        Estimate
            Its value is the mean loss of the points looked at; its gradient is None.

        Raises
        ------
        NonFiniteError
            When a loss or a difference is NaN or infinite. After this, and after any error of the objective's own,
            the parameters are put back to within rounding, 3 half-ulps an entry for each direction: an exact copy would
            take the memory of another model. Nothing else has changed. For a run that must not depend on what was
            skipped, keep a copy.
        TypeError, ValueError
            For parameters that cannot be moved, or a rate that is negative; nothing has changed.
        """
        if frozen:
            return stepped_moving(self, objective, params, lr, rng, frozen)
        rng, slopes, values, starts = as_rng(rng), [], [], []
        vectors, lr = movable(params), as_rate(lr)
        few, at = coarse(self, params), Point(self, objective, params)
        away = 0.0  # where w is, along the last direction
        try:
            for k in range(self.n):
                starts.append(rng.place())
                if few:
                    self._require_moved(vectors, rng, starts[-1])
                for place in (self.eps, -self.eps):
                    self._move(vectors, place - away, rng, starts[-1])
                    away = place
                    values.append(at.value())
                slopes.append(quotient(*values[-2:], 2 * self.eps))
                if few or k < self.n - 1:
                    self._move(vectors, -away, rng, starts[-1])
                    away = 0.0
            value = sum(values) / len(values)
            self._require_fit(value, slopes, lr, vectors)
        except BaseException:
            if away:
                self._move(vectors, -away, rng, starts[-1])
            raise
        end = rng.place()
        back = [0.0] * (self.n - 1) + [-away]  # from where w is, in one with the step
        for home, slope, start in zip(back, slopes, starts, strict=True):
            self._move(vectors, home - lr * slope / self.n, rng, start, few)
        rng.rewind(end)
        self._one_more()
        return Estimate(value, None, np.array(slopes), 2.0 * self.n)

    def _require_fit(self, value, slopes, lr, vectors):
        """Raise unless the losses are finite, and so is the step."""
        require_finite(self, value, np.array(slopes), unchanged=_PUT_BACK)
        farthest = 16 * lr * max(map(abs, slopes)) / self.n  # of the entries of a direction none is larger than 16
        if farthest > min(float(np.finfo(w.dtype).max) for w in vectors):
            raise NonFiniteError(
                f"{self!r}: a step of {farthest:.3g} does not fit the parameters' precision; {_PUT_BACK}"
            )

    def _blocks(self, vectors, rng, start):
        """The parameters block by block, each with its z, drawn from a place of the stream."""
        rng.rewind(start)
        for w in vectors:
            flat = w.reshape(-1)
            for k in range(0, flat.size, _ENTRIES_AT_ONCE):
                block = flat[k : k + _ENTRIES_AT_ONCE]
                yield block, self.directions.draw(rng, block.shape, w.dtype, w)

    def _move(self, vectors, c, rng, start, only_moved=False):
        """w += c z; ``only_moved``: only those that eps z moves."""
        for block, z in self._blocks(vectors, rng, start):
            z = self._rounded_direction(block, z) if only_moved else z
            block += np.multiply(z, c, out=empty_like(z))

    def _rounded_direction(self, block, z):
        return rounded_direction(self.eps, z, block + self.eps * z, block - self.eps * z, self.directions)

    def _require_moved(self, vectors, rng, start):
        require_moved(self.eps, (self._rounded_direction(block, z) for block, z in self._blocks(vectors, rng, start)))
