"""Guessing gradients: perturb what comes out of the layers, example by example, in directions the network suggests.

A gradient with respect to a weight matrix is made of outer products δ xᵀ, with x the layer's input, which is known, and
δ = ∂L_b/∂s the derivative by its output s, which is not. Guess y for δ, one for each example b and layer k; one pass
gives every example its slope d_b = Σ_k δ_bk·y_bk; and d_b y_bk stands for δ_bk in the layer's own pullback. What lies
behind the layer shapes the guess, so that it falls where δ may fall:

======================== ========================= ===========================================
class                    guess y                   E ĝ at the layer's output
======================== ========================= ===========================================
`ActivationPerturbation` ξ                         δ: unbiased
`ActivationMixing`       D A x′, normalised        –
`TransposedWeight`       D W ξ                     M δ, M = D W Wᵀ D
`Downstream`             Jᵀ ξ                      M δ, M = Jᵀ J
`SelfSharpening`         Jᵀ ξ, ξ uniform on [0, 1) Jᵀ J δ/12 + μ Σ δ·μ over layers, μ = Jᵀ 1/2
======================== ========================= ===========================================

D is the slope of the activation behind the layer, W the next layer's weight, x′ its input, J the derivative of a layer
further on by s, ξ noise. (Singhal et al. 2023, *How to Guess a Gradient*; Ren et al. 2022 for the first.)
"""

from .activation_mixing import ActivationMixing
from .activation_perturbation import ActivationPerturbation
from .downstream import Downstream
from .matched_cosine import MatchedCosine
from .self_sharpening import SelfSharpening
from .transposed_weight import TransposedWeight

__all__ = [
    "ActivationMixing",
    "ActivationPerturbation",
    "Downstream",
    "MatchedCosine",
    "SelfSharpening",
    "TransposedWeight",
]
