"""The verification kit: claims about derivatives and estimators, checked exactly where that can be."""

import importlib

from .claims import assert_moments, unbiased
from .derivatives import CheckError, check_jvp, check_vjp
from .enumeration import laws
from .enumeration.source import ReplayError, Source
from .enumeration.traversal import TooManyOutcomesError
from .fronts.watch import ForeignDrawsWarning
from .gradients import assert_unbiased, assert_variance
from .moments import InexactWarning, Moments, exact_moments
from .report import Check, Report, UncheckedWarning
from .samples import check_mean, check_variance, power

__all__ = [
    "Check",
    "CheckError",
    "ForeignDrawsWarning",
    "InexactWarning",
    "Moments",
    "ReplayError",
    "Report",
    "Source",
    "TooManyOutcomesError",
    "UncheckedWarning",
    "assert_moments",
    "assert_unbiased",
    "assert_variance",
    "check_jvp",
    "check_mean",
    "check_variance",
    "check_vjp",
    "exact_moments",
    "laws",
    "power",
    "unbiased",
]


def __getattr__(name):
    """``testing.strategies``, which alone needs hypothesis, is imported when it is asked for."""
    if name == "strategies":
        return importlib.import_module(".strategies", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
