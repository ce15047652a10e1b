"""The course: ``check`` grades an exercise of docs/course on inputs that it does not show in advance."""

from .grader import check
from .result import Result

__all__ = ["Result", "check"]
