"""Evolution strategies through unrolls: gradients from the losses of perturbed copies of a system alone.

Antithetic pairs of particles, θ + ε and θ - ε, see the same data. Losses are summed over a window of steps. What is
multiplied with them makes the estimator: the perturbation of the episode, of the window, or of all windows so far.
"""

from .evolution_strategies import EvolutionStrategies
from .noise_reuse_es import NoiseReuseES
from .persistent_es import PersistentES
from .truncated_es import TruncatedES

__all__ = ["EvolutionStrategies", "NoiseReuseES", "PersistentES", "TruncatedES"]
