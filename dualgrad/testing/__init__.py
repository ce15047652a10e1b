"""The verification kit: claims about derivatives and estimators, checked exactly where that can be."""

import importlib

from .derivatives import check_jvp
from .functions import CheckError
from .moments import (
    InexactWarning,
    Moments,
    TooManyOutcomesError,
    assert_unbiased,
    assert_variance,
    exact_moments,
)
from .replay import ReplayError
from .report import Check, Report, UncheckedWarning
from .samples import check_mean, check_variance, power
from .transposes import check_vjp

__all__ = [
    "Check",
    "CheckError",
    "InexactWarning",
    "Moments",
    "ReplayError",
    "Report",
    "TooManyOutcomesError",
    "UncheckedWarning",
    "assert_unbiased",
    "assert_variance",
    "check_jvp",
    "check_mean",
    "check_variance",
    "check_vjp",
    "exact_moments",
    "power",
]


def __getattr__(name):
    """``testing.strategies``, which alone needs hypothesis, is imported when it is asked for."""
    if name == "strategies":
        return importlib.import_module(".strategies", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
