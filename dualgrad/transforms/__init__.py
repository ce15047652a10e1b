"""Derivatives by `jvp`: gradients, Jacobians, Hessians. All leave their inputs untouched and take trees of arrays."""

from .gradient import derivative, grad, value_and_grad
from .hessian import hessian, hvp
from .jacobian import jacfwd

__all__ = ["derivative", "grad", "hessian", "hvp", "jacfwd", "value_and_grad"]
