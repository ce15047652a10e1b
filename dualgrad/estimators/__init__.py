"""Gradient estimators: ``estimator.estimate(objective, params, rng=rng) -> Estimate``."""

from .backprop import Backprop
from .candidates import Oracle, Reptile, TruncatedBPTT
from .critics import DeterministicPolicyGradient, QuadraticCritic, SyntheticGradient
from .diagnosis import Diagnosis, diagnose
from .differences import SPSA, FiniteDifference
from .dodge import Dodge
from .estimate import Estimate
from .estimator import Estimator
from .exact import ForwardJacobian
from .forward_gradient import ForwardGradient
from .guessing import (
    ActivationMixing,
    ActivationPerturbation,
    Downstream,
    MatchedCosine,
    SelfSharpening,
    TransposedWeight,
)
from .mezo import MeZO
from .recommendation import Recommendation, Trial
from .recommending import recommend
from .sharing import Shared, replay
from .subspaces import Subspace, effective_rank, subspace

__all__ = [
    "SPSA",
    "ActivationMixing",
    "ActivationPerturbation",
    "Backprop",
    "DeterministicPolicyGradient",
    "Diagnosis",
    "Dodge",
    "Downstream",
    "Estimate",
    "Estimator",
    "FiniteDifference",
    "ForwardGradient",
    "ForwardJacobian",
    "MatchedCosine",
    "MeZO",
    "Oracle",
    "QuadraticCritic",
    "Recommendation",
    "Reptile",
    "SelfSharpening",
    "Shared",
    "Subspace",
    "SyntheticGradient",
    "TransposedWeight",
    "Trial",
    "TruncatedBPTT",
    "diagnose",
    "effective_rank",
    "recommend",
    "replay",
    "subspace",
]
