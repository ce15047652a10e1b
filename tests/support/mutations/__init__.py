"""Planted faults for the verification kit, each beside its correct twin: the kit must catch the one and pass the other.

A mutation is a function ``check(wrong)`` that runs one of the kit's checks on the faulty or on the correct version.
`caught` says whether the check objected.
"""

from tests.support.mutations import estimators, evolution, habits, layers, points, rules, sampled, sharing, streams
from tests.support.mutations.planting import MUTATIONS, Mutation, caught

__all__ = [
    "MUTATIONS",
    "Mutation",
    "caught",
    "estimators",
    "evolution",
    "habits",
    "layers",
    "points",
    "rules",
    "sampled",
    "sharing",
    "streams",
]
