"""Guess: what all guesses share."""

import math
from typing import Any, Literal

import numpy as np

from ...backend import Array
from ...checks import flag, positive_count
from ...errors import DualgradError
from ...layout import Layout
from ...nn.layer import with_buffers
from ...nn.linear import Linear
from ...random import Rng
from ...vectors import double, side_by_side
from ...zero import ZERO
from ..chain import Sums, Walk, chains_of
from ..estimator import Estimated, Estimator
from ..moving import whole_of
from ..point import Point, require_scalar


class Guess(Estimator):
    """What all guesses share: the pass with a slope for every example, and the update by local outer products."""

    draws: bool = True
    ahead: float = 0.0  # what a guess costs, in forward passes
    noise: Literal["normal", "signs"]
    n: int
    store: bool
    local: bool

    def __init__(
        self, noise: Literal["normal", "signs"] = "normal", n: int = 1, store: bool = False, local: bool = False
    ) -> None:
        if not isinstance(noise, str) or noise not in ("normal", "signs"):
            raise ValueError(f"got noise={noise!r}; expected 'normal' or 'signs'")
        self.noise, self.n = noise, positive_count("n", n, "a positive number of guesses")
        self.store, self.local = flag("store", store), flag("local", local)

    # ------------------------------------------------------------------ the guess

    def _end(self, walk, k):
        """Where noise is drawn: at the input of this step."""
        return k + 1

    def _draw(self, rng, shape, x):
        """Noise of a shape, of the kind of x."""
        return (rng.signs if self.noise == "signs" else rng.normal)(shape, dtype=x.dtype, like=x)

    def _guess(self, walk, k, rng):
        """y at the output of step k: noise drawn further on, taken back."""
        end = self._end(walk, k)
        shape, x = walk.kind(end)
        return walk.pull(k + 1, end, self._draw(rng, shape, x))

    def _known(self, walk, k):
        """Whether the derivative at step k is taken from the loss instead of guessed."""
        return False

    def _require(self, objective):
        """What the method needs of the model and the batch."""

    # ------------------------------------------------------------------ the estimate

    def estimated(self, at: Point, rng: Any) -> Estimated:
        value, slopes, sums, again, sites = 0.0, 0.0, Sums(at.layout, at.vector), 0, 0
        chains, x = self._begun(at)
        for chain in chains:
            walk, loss, d, repeated = self._passes(at, chain, x, rng, sums)
            value, slopes, x = value + loss, slopes + d, walk.trunk
            again, sites = again + repeated, sites + len(walk.sites)
        passes = 1 + again / max(sites, 1)
        cost = passes + self.n + 1 + passes * self.n * min(self.ahead, len(walk.sites))
        return value, sums.total(), slopes, cost

    def _begun(self, at):
        """The chains of a bound network that has what the method needs, and its input."""
        objective, params = whole_of(at.objective, at.params)
        x = objective_input(self, objective)
        chains = chains_of(self, objective, self.local)
        self._require(objective)
        objective.model.require(with_buffers(params))
        objective.model.accepted(objective.keywords())
        return chains, x

    def _walk(self, at, chain, x):
        """A pass along a chain, whose sites are the layers of which something moves."""
        objective, params = whole_of(at.objective, at.params)
        return Walk(chain, params, x, objective.keywords(), at.params)

    def _passes(self, at, chain, x, rng, sums):
        """A pass along a chain, and a second one of the layers that are not kept: the first, its loss and slopes, and
        how many layers the second repeats."""
        start, walk = rng.state_dict(), self._walk(at, chain, x)
        kept = 0 if self.store else self._kept(walk)
        loss, error, d, guesses = self._slopes(walk, chain, rng, kept)
        self._update(sums, walk, range(kept, len(walk.steps)), d, lambda k, i: guesses[k][i], error)
        before = [k + 1 for k in walk.sites if k < kept]
        if before:  # their values and guesses again, and each layer's pullback as it passes
            end, second = rng.state_dict(), self._walk(at, chain, x)
            rng.load_state_dict(start)
            self._update(sums, second, range(before[-1]), d, lambda k, i: self._guess(second, k, rng), error)
            rng.load_state_dict(end)
        return walk, loss, d, len(before)

    def slopes(self, at: Point, rng: Rng) -> tuple[Any, Array]:
        """The loss, and the slopes of every example along its guesses, chain after chain: the first passes."""
        value, found, (chains, x) = 0.0, [], self._begun(at)
        for chain in chains:
            walk = self._walk(at, chain, x)
            loss, _, d, _ = self._slopes(walk, chain, rng, len(walk.steps))
            value, x = value + loss, walk.trunk
            found.append(d.reshape(-1))
        return value, side_by_side(found)

    def from_slopes(self, at: Point, rng: Rng, slopes: Array) -> tuple[Array, Array]:
        """ĝ, by second passes whose guesses are drawn again, and the slopes that are left over.

        For guesses that take nothing from the loss.
        """
        sums, (chains, x) = Sums(at.layout, at.vector), self._begun(at)
        for chain in chains:
            walk = self._walk(at, chain, x)
            own, slopes = np.split(slopes, [self.n * walk.examples])
            d, steps = own.reshape(self.n, -1), range(len(walk.steps))
            self._update(sums, walk, steps, d, lambda k, i, walk=walk: self._guess(walk, k, rng), None)
            x = walk.trunk
        return sums.total(), slopes

    def _kept(self, walk):
        """The step from which on values and guesses are kept for the update: about as much as a guess has at a time."""
        return walk.sites[-2 - math.ceil(self.ahead) :][0] if walk.sites else len(walk.steps)

    def _slopes(self, walk, chain, rng, kept):
        """A pass with tangents: the loss, its derivative at the output, d_b ``(n, B)``, and the kept guesses."""
        dx, stack, guesses = ZERO, [], {}
        for k in range(len(walk.steps)):
            dx = walk.push(k, dx, stack)
            if k in walk.sites and not self._known(walk, k):
                found = [self._guess(walk, k, rng) for _ in range(self.n)]
                y = np.stack(found) if self.n > 1 else found[0][None]
                dx = y if dx is ZERO else dx + y
                if k >= kept:
                    guesses[k] = y
            if k < kept:
                walk.leave(k)
        z = walk.value(len(walk.steps))
        loss, error = chain.loss(z)
        require_scalar(self, loss)
        d = np.zeros_like(z, shape=(self.n, len(z))) if dx is ZERO else np.sum(dx * error, tuple(range(2, dx.ndim)))
        return loss, error, d, guesses

    def _update(self, sums, walk, steps, d, guess, error):
        """d_b y_b in the own pullback of each layer among some steps, averaged over the guesses."""
        for k in steps:
            walk.value(k + 1)
            if k in walk.sites:
                walk.gradient(k, self._cotangent(walk, k, d / self.n, guess, error), sums)
            walk.leave(k)

    def _cotangent(self, walk, k, d, guess, error):
        if self._known(walk, k):
            return walk.pull(k + 1, len(walk.steps), error)
        total = 0
        for i in range(self.n):
            y = guess(k, i)
            term = np.reshape(d[i], (-1,) + (1,) * (y.ndim - 1)) * y
            total = term if i == 0 else total + term
        return total

    # ------------------------------------------------------------------ theory

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """M δ in every layer's own pullback. Needs the objective and params."""
        sites = list(self._exact(at))
        expected = Sums(at.layout, at.vector)
        for (walk, k, _), cotangent in zip(sites, self._expected(sites), strict=True):
            walk.gradient(k, cotangent, expected)
        return double(expected.total())

    def _expected(self, sites):
        """E d_b y_b at every layer: E y yᵀ δ, the guesses of other layers being independent and of mean 0."""
        return [self._covariance(*site) for site in sites]

    def _covariance(self, walk, k, delta):
        """A Aᵀ δ: δ pushed to where the noise is drawn, and taken back."""
        end = self._end(walk, k)
        return walk.pull(k + 1, end, walk.pushed(k + 1, end, delta))

    def _exact(self, at):
        """Every layer with parameters, and the exact derivative δ at its output."""
        if at is None:
            raise DualgradError(f"the mean of {self!r} depends on the activations: give objective and params too")
        objective, _ = whole_of(at.objective, at.params)
        x = objective_input(self, objective)
        for chain in chains_of(self, objective, self.local):
            walk = self._walk(at, chain, x)
            _, error = chain.loss(walk.value(len(walk.steps)))
            for k in walk.sites:
                yield walk, k, walk.pull(k + 1, len(walk.steps), error)
            x = walk.trunk

    def spread(self, g: Array, layout: Layout, at: Point | None) -> Array:
        """Of each component: Σ_b x_i² (C_jj Q + (C δ)_j² + (κ - 3) Σ_m A_jm² a_m²) / n for the weight from i to j.

        C = A Aᵀ is the covariance of the layer's guess y = A ξ, a = Aᵀ δ, Q = Σ δᵀ C δ over the layers, and κ the
        fourth moment of the noise. For `dualgrad.nn.Linear` layers on rows ``(B, n)``; A is made column by column.
        """
        sites = [found for found in self._exact(at) if not self._known(*found[:2])]
        sums = Sums(at.layout, at.vector)
        moments = [self._moments(*found) for found in sites]
        q = sum(np.sum(delta * c_delta, axis=-1) for (_, _, delta), (_, c_delta, _) in zip(sites, moments, strict=True))
        for (walk, k, _), (diagonal, c_delta, fourth) in zip(sites, moments, strict=True):
            spread = (diagonal * q[:, None] + c_delta**2 + fourth) / self.n
            names = walk.steps[k].names
            sums.add(names["weight"], walk.value(k).T ** 2 @ spread)
            if "bias" in names:
                sums.add(names["bias"], spread.sum(0))
        return double(sums.total())

    def _moments(self, walk, k, delta):
        """C_jj, (C δ)_j and (κ - 3) Σ_m A_jm² a_m², each ``(B, units)``."""
        layer, end = walk.steps[k].layer, self._end(walk, k)
        if not isinstance(layer, Linear) or delta.ndim != 2 or walk.value(end).ndim != 2:
            raise NotImplementedError(f"the variance at {layer!r} has no closed form here: it is known for rows (B, n)")
        a, excess = walk.pushed(k + 1, end, delta), -2.0 if self.noise == "signs" else 0.0
        diagonal, fourth = np.zeros_like(delta), np.zeros_like(delta)
        for m in range(a.shape[-1]):
            one_hot = np.zeros_like(a)
            one_hot[:, m] = 1
            column = walk.pull(k + 1, end, one_hot)
            diagonal = diagonal + column**2
            fourth = fourth + excess * column**2 * a[:, m : m + 1] ** 2
        return diagonal, self._covariance(walk, k, delta), fourth


def objective_input(estimator, objective):
    """The batch that a bound objective was bound to."""
    if not all(hasattr(objective, name) for name in ("model", "loss", "x", "y", "vjp")):
        raise DualgradError(
            f"{estimator!r} looks inside a network: give it nn.Objective(model, loss).bind(x, y), not a function of "
            "the parameters"
        )
    return objective.x
