"""Derivatives checked by other means: rules by differences and the complex step, transposes by products."""

from .functions import CheckError
from .jvp_checks import check_jvp
from .vjp_checks import check_vjp

__all__ = ["CheckError", "check_jvp", "check_vjp"]
