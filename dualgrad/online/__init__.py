"""Learning online: systems that run forward in time, and gradients that come along."""

from .system import System

__all__ = ["System"]
