"""Chain: a network as a line of steps, walked with its values ahead of its tangents; what guessing looks into."""

from .chains import Chain, chains_of
from .steps import Step, unrolled
from .sums import Sums
from .walk import Walk

__all__ = ["Chain", "Step", "Sums", "Walk", "chains_of", "unrolled"]
