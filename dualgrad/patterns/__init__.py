"""Where derivatives can have entries, found out in one pass or two.

A `Dependent` is a Dual whose tangent is, for each entry, the packed set of the inputs that it depends on. Views, writes
and refusals are those of a Dual; an operation joins the sets of its operands, along the nonzeros of what is constant.
"""

from .detection import hessian_pattern, sparsity

__all__ = ["hessian_pattern", "sparsity"]
