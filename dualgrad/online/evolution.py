"""Evolution strategies through unrolls: gradients from the losses of perturbed copies of a system alone.

Antithetic pairs of particles, θ + ε and θ - ε, see the same data. Losses are summed over a window of steps. What is
multiplied with them makes the estimator: the perturbation of the episode, of the window, or of all windows so far.
"""

import math

import numpy as np

from ..checks import flag
from ..errors import DualgradError, LayoutError
from ..estimators.estimate import Estimate
from ..vectors import in_kind
from .bptt import TruncatedBPTT
from .dynamics import DROP, copied, is_finite, require_finite_step
from .learner import kept_data, placed_data, restored_leaves, saved_leaves
from .particles import Particles
from .windows import InWindows, steps_of


class Evolution(InWindows):
    """What the four share: ĝ = (1/(N σ²)) Σ_i ξ_i L_i over N particles, with L_i the sum of losses over a window."""

    draws = True
    extra_passes = 0  # forward passes a step beside the particles'

    named = ("particles", "sigma", "window")

    def __init__(self, particles, sigma):
        whole = isinstance(particles, (int, np.integer)) and not isinstance(particles, bool)
        if not whole or particles < 2 or particles % 2:
            raise ValueError(f"got particles={particles!r}; expected a positive even number: they come in pairs, ±ε")
        real = isinstance(sigma, (int, float, np.floating)) and not isinstance(sigma, bool)
        if not real or not 0 < sigma < math.inf:
            raise ValueError(f"got sigma={sigma!r}; expected a positive standard deviation of the perturbations")
        self.particles, self.sigma = int(particles), float(sigma)

    def start(self, system, params, *, rng=None, executor=None):
        """Begin an episode of ``system`` at ``params``; see `RTRL.start`.

        Parameters
        ----------
        executor : concurrent.futures.Executor, optional
            Advances the particles of a system that is not batched, in parts; what comes out does not depend on how many
            workers it has. For processes, system, states and data must pickle. It is kept as ``executor``, where
            another may take its place.
        """
        usable = hasattr(executor, "map") and not isinstance(executor, type)
        if executor is not None and (not usable or getattr(system, "batched", False)):
            raise TypeError(
                f"got executor={executor!r}; expected a running concurrent.futures executor, and a system with "
                "batched=False: a batch is one computation"
            )
        return self._started(system, params, rng, executor=executor)

    def init_memory(self):
        memory = {"noise": self._noise(), "losses": np.zeros(self.particles), "seen": np.zeros((), int)}
        return memory | self.extra_memory()

    def extra_memory(self):
        """What else an estimator keeps."""
        return {}

    def _prepare(self):
        self.copies = Particles(self.system, self.dynamics, self.params)

    def _restart(self):
        super()._restart()
        self.state = self.copies.spread(self.state, self.particles)

    def _noise(self):
        """ε of one of each pair, ``(N/2, p)``."""
        shape, dynamics = (self.particles // 2, self.dynamics.params_size), self.dynamics
        return self.sigma * self.rng.normal(shape, dtype=dynamics.dtype, like=dynamics.like)

    def perturbed(self, noise):
        """θ + ε and θ - ε as rows, pair by pair: the first half and the second."""
        theta = self.dynamics.entries(self.params)
        return np.concatenate([theta + noise, theta - noise])

    def _one_step(self, x, y):
        t, memory = self.steps + 1, self.memory
        thetas = self.perturbed(memory["noise"])
        state, losses = self.copies.advance(t, self.state, thetas, x, y, self.executor)
        memory = memory | {"losses": memory["losses"] + losses, "seen": memory["seen"] + 1}
        memory = memory | self.memory_updates(t, memory, x, y)
        estimate = None
        if self.window is not None and memory["seen"] >= self.window:
            estimate, state, memory = self._end_window(t, state, memory)
        self.steps, self.state, self.memory = t, state, memory
        return estimate

    def _open_steps(self):
        return int(self.memory["seen"])

    def memory_updates(self, t, memory, x, y):
        """What changes beside the particles in a step."""
        return {}

    def _end_window(self, t, state, memory):
        """The estimate at the end of a window, and what the next one begins with."""
        half, dynamics = self.particles // 2, self.dynamics
        difference = memory["losses"][:half] - memory["losses"][half:]
        gradient = self.window_gradient(t, memory, in_kind(difference, dynamics.like))
        require_finite_step(t, "the gradient of the window", gradient, advice=DROP)
        with np.errstate(over="ignore"):  # which is an error in words
            found = [a.astype(dynamics.dtype) for a in (memory["losses"].mean(), difference / (2 * self.sigma))]
        require_finite_step(t, "the loss of the window", *found, advice=DROP)
        cost = float((self.particles + self.extra_passes) * memory["seen"])
        estimate = Estimate(found[0], dynamics.gradient(gradient, self.params), found[1], cost)
        memory = memory | {"losses": np.zeros(self.particles), "seen": np.zeros((), int)}
        state, memory = self.next_window(state, memory)
        return estimate, state, memory

    def window_gradient(self, t, memory, difference):
        """ĝ as a vector, from L(θ + ε) - L(θ - ε) of every pair."""
        return difference @ memory["noise"] / (self.particles * self.sigma**2)

    def next_window(self, state, memory):
        """States and memory at the start of the next window."""
        return state, memory

    def fisher(self):
        """Not known from losses alone."""
        raise DualgradError(f"{self!r} sees losses alone, from which no Fisher matrix is known")

    def estimate(self, objective, params, *, rng=None):
        """Not for a bound objective: run its sequence as a system."""
        raise DualgradError(f"{self!r} follows a System: start(system, params, rng=0), then step by step")


class EvolutionStrategies(Evolution):
    """ĝ = (1/(N σ²)) Σ_i ε_i L_i over whole episodes: the gradient of the loss smoothed by N(0, σ²), E L(θ + ε).

    (Rechenberg 1973; Salimans et al. 2017.)

    Parameters
    ----------
    particles : int
        N, even: N/2 antithetic pairs.
    sigma : float
        The standard deviation of the perturbations, in units of the parameters.

    Notes
    -----
    ``step`` returns None; ``close()`` at the end of the episode gives its estimate and begins the next.
    Cost: N forward passes a step. Memory: N states, N/2 perturbations; in a step N p numbers more.
    Bias: none for the smoothed loss; of the loss itself it is σ²/2 times third derivatives and on. Do not change the
    parameters inside an episode.
    Variance: (p + 1) ‖g‖² a pair, where the loss is linear over σ. (One-sided it would be p L²/σ² more.)
    When: an objective has no derivative, or too rough a one; one update an episode is enough.

    Raises
    ------
    ValueError
        For an odd number of particles, or σ that is not positive.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> system = dg.online.System(lambda s, x, w: s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    >>> es = dg.online.EvolutionStrategies(particles=2, sigma=0.1).start(system, np.ones(1), rng=0)
    >>> es.step(None, None), es.step(None, None)
    (None, None)
    >>> es.close().value.round(6)  # 1 + 2
    np.float64(3.0)
    """

    def next_window(self, state, memory):
        self.steps = 0
        return self.copies.spread(self.dynamics.start(), self.particles), memory | {"noise": self._noise()}


class Windowed(Evolution):
    """Those that estimate at the end of every window."""

    def __init__(self, particles, sigma, window):
        super().__init__(particles, sigma)
        self.window = steps_of(window, ", or EvolutionStrategies for whole episodes")


class TruncatedES(Windowed):
    """ĝ = (1/(N σ²)) Σ_i ε_i L_i over a window, into which all particles go from the state of θ itself.

    Parameters
    ----------
    particles, sigma : as in `EvolutionStrategies`
    window : int
        Steps between estimates. Windows are blocks, not sliding.

    Notes
    -----
    Cost: N + 1 forward passes a step. Memory: N + 1 states, N/2 perturbations.
    Bias: what a loss owes to the parameters before its window, as in `TruncatedBPTT`; and the smoothing. Do not change
    the parameters inside a window.
    Variance: that of ES over a window.
    When: as the rival of `PersistentES`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> system = dg.online.System(lambda s, x, w: s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    >>> es = dg.online.TruncatedES(particles=1000, sigma=0.1, window=1).start(system, np.ones(1), rng=0)
    >>> [float(es.step(None, None).gradient.round()[0]) for _ in range(3)]  # the gradients are 1, 2, 3
    [1.0, 1.0, 1.0]
    """

    extra_passes = 1

    def extra_memory(self):
        return {"centre": self.dynamics.start()}

    def memory_updates(self, t, memory, x, y):
        return {"centre": self.copies.unperturbed(t, memory["centre"], self.params, x)}

    def next_window(self, state, memory):
        return self.copies.spread(memory["centre"], self.particles), memory | {"noise": self._noise()}


class PersistentES(Windowed):
    """ĝ = (1/(N σ²)) Σ_i ξ_i L_i over a window, ξ_i the sum of particle i's perturbations of all windows so far.

    The states of the particles go on from one window to the next, and so their losses owe something to every
    perturbation there was (Vicol et al. 2021, Persistent Evolution Strategies).

    Parameters
    ----------
    particles, sigma, window : as in `TruncatedES`
    analytic : bool
        Whether the gradient g̃ of the window alone, by backpropagation at θ, is a control variate:
        ĝ = g̃ + (1/(N σ²)) Σ_i ξ_i (L_i - ε_i·g̃), with ε_i the perturbation of this window.

    Notes
    -----
    Cost: N forward passes a step; ``analytic`` four more. Memory: N states, N/2 perturbations and as many sums; in a
    step N p numbers more; ``analytic`` two states and the data of a window.
    Bias: none for the loss smoothed by independent perturbations of every window; of a quadratic one, none at all. Do
    not change the parameters inside a window.
    Variance of the sum over an episode, a pair, for losses linear over σ, with t, s, τ windows and
    h_{sτ} = Σ_{t >= max(s, τ)} ∂L_t/∂θ_τ: p Σ_{sτ} ‖h_{sτ}‖² + Σ_{sτ} h_{sτ}·h_{τs}. ``analytic`` takes the terms
    t = τ out of h.
    When: updates are wanted within long episodes, without the bias of truncation. ``analytic`` where what a window owes
    to itself is most of it, and has a derivative.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> system = dg.online.System(lambda s, x, w: s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    >>> pes = dg.online.PersistentES(particles=100_000, sigma=0.1, window=1).start(system, np.ones(1), rng=0)
    >>> [float(pes.step(None, None).gradient.round()[0]) for _ in range(3)]
    [1.0, 2.0, 3.0]
    """

    def __init__(self, particles, sigma, window, analytic=False):
        super().__init__(particles, sigma, window)
        self.analytic = flag("analytic", analytic)
        self.extra_passes = 4 * self.analytic

    def extra_memory(self):
        start = self.dynamics.start
        before = np.zeros_like(self.dynamics.like, shape=(self.particles // 2, self.dynamics.params_size))
        return {"before": before} | ({"first": start(), "centre": start(), "data": ()} if self.analytic else {})

    def memory_updates(self, t, memory, x, y):
        if not self.analytic:
            return {}
        centre = self.copies.unperturbed(t, memory["centre"], self.params, x)
        if not is_finite((x, y)):
            self._exact(t, memory["centre"], 1).step(x, y)  # raises where the window could not be closed
        return {"centre": centre, "data": (*memory["data"], copied((x, y)))}

    def window_gradient(self, t, memory, difference):
        scale, noise, walked = self.particles * self.sigma**2, memory["noise"], memory["before"] + memory["noise"]
        if not self.analytic:
            return difference @ walked / scale
        exact = self._exact(t, memory["first"], len(memory["data"]))
        slope = self.dynamics.entries([exact.step(x, y) for x, y in memory["data"]][-1].gradient)
        return slope + (difference - 2 * noise @ slope) @ walked / scale

    def _exact(self, t, state, count):
        """Backpropagation at θ through the ``count`` steps up to step t, whose last gives g̃."""
        exact = TruncatedBPTT(count).start(self.system, self.params)
        exact.state, exact.steps = state, t - count
        return exact

    def next_window(self, state, memory):
        memory = memory | {"before": memory["before"] + memory["noise"], "noise": self._noise()}
        return state, memory | ({"first": memory["centre"], "data": ()} if self.analytic else {})

    def saved_memory(self):
        """The memory with the open window's data, which it goes back through."""
        if not self.analytic:
            return super().saved_memory()
        arrays = saved_leaves(self.memory | {"data": ()})
        return {"arrays": arrays, "data": [kept_data(each) for each in self.memory["data"]]}

    def restored_memory(self, saved, steps):
        """The memory from its plain data."""
        if not self.analytic:
            return super().restored_memory(saved, steps)
        if not isinstance(saved, dict) or set(saved) != {"arrays", "data"}:
            raise LayoutError("the saved memory has no data of the open window")
        memory = restored_leaves("memory", saved["arrays"], self.memory | {"data": ()})
        data, seen = saved["data"], int(memory["seen"])
        pairs = isinstance(data, (list, tuple)) and all(isinstance(d, (list, tuple)) and len(d) == 2 for d in data)
        if not pairs or len(data) != seen:
            raise LayoutError(f"the saved memory has not the input and target of each of {seen} open steps")
        data = tuple(placed_data(tuple(each), self.dynamics.like) for each in data)
        return memory | {"data": data}


class NoiseReuseES(Windowed):
    """ĝ = (1/(N σ²)) Σ_i ε_i L_i over a window, with one perturbation for all windows of an episode (Li et al. 2023).

    Parameters
    ----------
    particles, sigma, window : as in `TruncatedES`

    Notes
    -----
    Cost: N forward passes a step. Memory: N states, N/2 perturbations; in a step N p numbers more.
    Bias: none for the loss smoothed as in `EvolutionStrategies`. Do not change the parameters inside a window.
    Variance of the sum over an episode: (p + 1) ‖g‖² a pair, where the loss is linear over σ; that of `PersistentES`
    is less where the gradients of windows are alike, more where they differ.
    When: as `PersistentES`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> system = dg.online.System(lambda s, x, w: s + w, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    >>> nres = dg.online.NoiseReuseES(particles=10_000, sigma=0.1, window=1).start(system, np.ones(1), rng=0)
    >>> [float(nres.step(None, None).gradient.round()[0]) for _ in range(3)]
    [1.0, 2.0, 3.0]
    """
