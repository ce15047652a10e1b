"""Gradient estimators: ``estimator.estimate(objective, params, rng=rng) -> Estimate``."""

from .backprop import Backprop
from .candidates import Oracle, Reptile, TruncatedBPTT
from .critics import DeterministicPolicyGradient, QuadraticCritic, SyntheticGradient
from .diagnosis import Diagnosis, diagnose
from .differences import SPSA, FiniteDifference
from .dodge import Dodge
from .estimate import Estimate
from .exact import ForwardJacobian
from .forward_gradient import ForwardGradient
from .mezo import MeZO

__all__ = [
    "SPSA",
    "Backprop",
    "DeterministicPolicyGradient",
    "Diagnosis",
    "Dodge",
    "Estimate",
    "FiniteDifference",
    "ForwardGradient",
    "ForwardJacobian",
    "MeZO",
    "Oracle",
    "QuadraticCritic",
    "Reptile",
    "SyntheticGradient",
    "TruncatedBPTT",
    "diagnose",
]
