"""The former name of `dualgrad.OuterProduct`, for programs that use it."""

from .outer_product import OuterProduct as LowRank  # noqa: F401
