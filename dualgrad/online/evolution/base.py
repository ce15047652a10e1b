"""Evolution: what the four strategies share: particles in antithetic pairs, windows, and the estimate at their end."""

import math
from concurrent.futures import Executor
from typing import Any, NoReturn, Self

import numpy as np

from ...backend import Array
from ...directions import LowRank
from ...directions.base import Direction
from ...errors import DualgradError
from ...estimators.estimate import Estimate
from ...estimators.state import Names
from ...random import RngLike
from ...settings import settings
from ...tree import Tree
from ...vectors import in_kind
from ...workers import Pool, Workers
from ..dynamics import DROP, require_finite_step
from ..network import Network
from ..system import DynamicalSystem
from ..windows import InWindows, steps_of
from .particles import Particles, require_finite_losses
from .perturbations import DenseNoise, FactoredNoise, PairedNoise, Thetas, require_perturbations
from .share import Share, require_same_share


class Evolution(InWindows):
    """What the four share: ĝ = (1/(N σ²)) Σ_i ξ_i L_i over N particles, with L_i the sum of losses over a window."""

    draws: bool = True
    extra_passes: int = 0  # forward passes a step beside the particles'

    named: Names = ("particles", "sigma", "window")
    grown: tuple[dict[str, Any], ...] = ({"share": None},)
    particles: int
    sigma: float
    perturbations: Direction | None
    copies: Any
    noise: Any
    executor: Executor | None
    share: Share | None = None  # of the particles, among several workers

    def __init__(self, particles: int, sigma: float, perturbations: Direction | None = None) -> None:
        whole = isinstance(particles, (int, np.integer)) and not isinstance(particles, bool)
        if not whole or particles < 2 or particles % 2:
            raise ValueError(f"got particles={particles!r}; expected a positive even number: they come in pairs, ±ε")
        real = isinstance(sigma, (int, float, np.floating)) and not isinstance(sigma, bool)
        if not real or not 0 < sigma < math.inf:
            raise ValueError(f"got sigma={sigma!r}; expected a positive standard deviation of the perturbations")
        self.particles, self.sigma = int(particles), float(sigma)
        self.perturbations = require_perturbations(perturbations)

    def start(
        self,
        system: DynamicalSystem,
        params: Tree,
        *,
        rng: RngLike = None,
        executor: Executor | None = None,
        workers: Workers | None = None,
        chunk: int | None = None,
    ) -> Self:
        """Begin an episode of ``system`` at ``params``; see `RTRL.start`.

        Parameters
        ----------
        executor : concurrent.futures.Executor, optional
            Advances the particles of a system that is not batched, in parts; what comes out does not depend on how many
            workers it has. For processes, system, states and data must pickle. It is kept as ``executor``, where
            another may take its place.
        workers : dg.workers.Workers, optional
            Who share the particles, by their losses alone: any object with ``rank``, ``size`` and
            ``allgather(object)``, such as ``MPI.COMM_WORLD`` or ``dg.workers.world()``. Each runs the same program
            from the same seed, and has all estimates. Every worker draws all the noise, and keeps and advances the
            states of its own particles alone; the parameters themselves, where a strategy follows them (`TruncatedES`,
            ``analytic``), are advanced by every worker.
        chunk : int, optional
            With workers: how many consecutive particles are advanced at once; by default N/32, rounded up. The last
            bits of what comes out depend on it, and not on how many workers there are (on equal processors).

        Raises
        ------
        TypeError
            For an executor or workers that are none, or both; for a chunk without workers.
        """
        usable = hasattr(executor, "map") and not isinstance(executor, type)
        if executor is not None and (not usable or getattr(system, "batched", False)):
            raise TypeError(
                f"got executor={executor!r}; expected a running concurrent.futures executor, and a system with "
                "batched=False: a batch is one computation"
            )
        if workers is None and chunk is not None:
            raise TypeError(f"got chunk={chunk!r} without workers: take workers=dg.workers.Alone() for one alone")
        if isinstance(workers, Pool):
            raise TypeError(f"got workers={workers!r}; give its executor itself: start(..., executor=...)")
        if workers is not None and executor is not None:
            raise TypeError("got workers and an executor; expected one of them: a worker advances its own particles")
        share = None if workers is None else Share(workers, self.particles, chunk)
        return self._started(system, params, rng, executor=executor, share=share)

    def init_memory(self) -> Any:
        memory = {"noise": self._noise(), "losses": np.zeros(self.particles), "seen": np.zeros((), int)}
        return memory | self.extra_memory()

    def extra_memory(self) -> dict[str, Any]:
        """What else an estimator keeps."""
        return {}

    def _prepare(self):
        units = None if self.share is None else self.share.units
        self.copies = Particles(self.system, self.dynamics, self.particles, units)
        paired = self.system.batched and isinstance(self.system, Network) and self.dynamics.on_host
        dense = PairedNoise if paired else DenseNoise
        kind = FactoredNoise if isinstance(self.perturbations, LowRank) else dense
        self.noise = kind(self.perturbations, self.sigma, self.dynamics)

    def _restart(self):
        super()._restart()
        self._moved_on(self.steps, self.copies.spread(self.state), self.memory)

    def _noise(self):
        """ε of one of each pair."""
        return self.noise.draw(self.rng, self.particles // 2)

    def perturbed(self, noise: Array, some: range) -> Any:
        """The parameters of some consecutive particles as rows: of the first half θ + ε, and then θ - ε."""
        half = len(noise)
        above, below = noise[some.start : some.stop], noise[max(some.start - half, 0) : max(some.stop - half, 0)]
        return self.noise.moved(self.params, above, below)

    def _thetas_of(self, some):
        return Thetas(self.noise, self.params, self.perturbed(self.memory["noise"], some))

    def _given(self, x, y):
        if self.share is None:
            return super()._given(x, y)
        self._require_started()
        return x, y  # which are looked at within the step: what is wrong with those of one worker is told to all

    def _one_step(self, x, y):
        t, memory = self.steps + 1, self.memory
        state, losses, updates = (self._own_step if self.share is None else self._shared_step)(t, x, y)
        require_finite_losses(t, losses)
        memory = memory | {"losses": memory["losses"] + losses, "seen": memory["seen"] + 1} | updates
        estimate = None
        if self.window is not None and memory["seen"] >= self.window:
            estimate, state, memory = self._end_window(t, state, memory)
        self._moved_on(t, state, memory)
        return estimate

    def _own_step(self, t, x, y):
        """States and losses of the own particles after a step, and what else changes."""
        state, losses = self.copies.advance(t, self.state, self._thetas_of, x, y, self.executor)
        return state, losses, self.memory_updates(t, self.memory, x, y) if np.all(np.isfinite(losses)) else {}

    def _shared_step(self, t, x, y):
        """The same with the losses of all particles."""
        kept = {}

        def step():
            data = super(Evolution, self)._given(x, y)
            kept["state"], losses, kept["updates"] = self._own_step(t, *data)
            common = settings(self), self.dynamics.signature(), self.steps
            return self.share.said(losses, common, self.params, self.rng, data)

        losses = self.share.losses_of_all(step)
        return kept["state"], losses, kept["updates"]

    def _open_steps(self):
        return int(self.memory["seen"])

    def memory_updates(self, t: int, memory: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
        """What changes beside the particles in a step."""
        return {}

    def _end_window(self, t, state, memory):
        """The estimate at the end of a window, and what the next one begins with."""
        half, dynamics = self.particles // 2, self.dynamics
        difference = memory["losses"][:half] - memory["losses"][half:]
        gradient = self.window_gradient(t, memory, in_kind(difference, dynamics.like))
        require_finite_step(t, "the gradient of the window", gradient, advice=DROP)
        loss, slopes = memory["losses"].mean(), difference / (2 * self.sigma)
        if loss.dtype != dynamics.dtype:
            with np.errstate(over="ignore"):  # which is an error in words
                loss, slopes = loss.astype(dynamics.dtype), slopes.astype(dynamics.dtype)
        require_finite_step(t, "the loss of the window", loss, slopes, advice=DROP)
        cost = float((self.particles + self.extra_passes) * memory["seen"])
        estimate = Estimate(loss, dynamics.gradient(gradient, self.params), slopes, cost)
        memory = memory | {"losses": np.zeros(self.particles), "seen": np.zeros((), int)}
        state, memory = self.next_window(state, memory)
        return estimate, state, memory

    def window_gradient(self, t: int, memory: dict[str, Any], difference: Array) -> Array:
        """ĝ as a vector, from L(θ + ε) - L(θ - ε) of every pair."""
        return difference @ self.noise.rows(memory["noise"]) / (self.particles * self.sigma**2)

    def next_window(self, state: Any, memory: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """States and memory at the start of the next window."""
        return state, memory

    def state_dict(self) -> dict[str, Any]:
        """As `RTRL.state_dict`; one of several workers saves the states of its own particles, in a file of its own."""
        return super().state_dict() | {"share": None if self.share is None else self.share.plain()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As `RTRL.load_state_dict`; a state of the first version, before there were others, is one of normals."""
        if isinstance(state, dict) and state.get("version", 1) == 1 and isinstance(state.get("estimator"), dict):
            state = state | {"estimator": {**state["estimator"], "perturbations": None}}
        super().load_state_dict(state)

    def _require_own(self, state):
        require_same_share(state["share"], None if self.share is None else self.share.plain())

    def fisher(self) -> NoReturn:
        """Not known from losses alone."""
        raise DualgradError(f"{self!r} sees losses alone, from which no Fisher matrix is known")

    def estimate(self, objective: Any, params: Tree, *, rng: RngLike = None) -> NoReturn:
        """Not for a bound objective: run its sequence as a system."""
        raise DualgradError(f"{self!r} follows a System: start(system, params, rng=0), then step by step")


class Windowed(Evolution):
    """Those that estimate at the end of every window."""

    window: int

    def __init__(self, particles: int, sigma: float, window: int, perturbations: Direction | None = None) -> None:
        super().__init__(particles, sigma, perturbations)
        self.window = steps_of(window, ", or EvolutionStrategies for whole episodes")
