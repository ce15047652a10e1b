"""The verification kit: claims about derivatives and estimators, checked exactly where that can be."""

from .derivatives import CheckError, check_jvp
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
