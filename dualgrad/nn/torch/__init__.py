"""Weights from torch and back, without torch.

weights.py has the two functions, twins.py what torch's layers hold, alignment.py goes through a model beside its twin,
order.py knows in which order features stand, mismatches.py and names.py say what does not fit.
"""

from .weights import from_torch, to_torch

__all__ = ["from_torch", "to_torch"]
