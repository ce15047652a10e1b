"""Learning online: systems that run forward in time, and gradients that come along."""

from .bptt import BPTT, TruncatedBPTT
from .evolution import EvolutionStrategies, NoiseReuseES, PersistentES, TruncatedES
from .forward_gradient import OnlineForwardGradient
from .kronecker import KroneckerRTRL
from .network import Network
from .nobacktrack import NoBackTrack
from .rank_one import rank_one_trick, rank_one_variance
from .rtrl import RTRL
from .snap import SnAp
from .stream_fit import AfterRow, fit
from .stream_history import StreamHistory
from .system import System, euler
from .uoro import UORO

__all__ = [
    "BPTT",
    "RTRL",
    "UORO",
    "AfterRow",
    "EvolutionStrategies",
    "KroneckerRTRL",
    "Network",
    "NoBackTrack",
    "NoiseReuseES",
    "OnlineForwardGradient",
    "PersistentES",
    "SnAp",
    "StreamHistory",
    "System",
    "TruncatedBPTT",
    "TruncatedES",
    "euler",
    "fit",
    "rank_one_trick",
    "rank_one_variance",
]
