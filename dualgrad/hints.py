"""What other libraries call it: one line for each name that people bring along and dualgrad has not."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

_Transform = TypeVar("_Transform", bound=Callable[..., Any])

NAMES = {
    "array": "arrays are NumPy's own: np.array",
    "custom_root": "dg.implicit(residual, solve), where x = solve(*params) and residual(x, *params) is 0",
    "custom_vjp": "rules are forward: dg.custom_jvp",
    "elementwise_grad": "dg.derivative for a number; for an array dg.jvp(f, (x,), (np.ones_like(x),))[1]",
    "jacobian": "dg.jacfwd",
    "jacrev": "there is no reverse mode: dg.jacfwd gives the same Jacobian, column by column",
    "jit": "nothing is compiled: leave it out",
    "make_jaxpr": "dg.trace(f, (x,), (v,)) shows what is computed, operation by operation",
    "numpy": "functions are NumPy's own: import numpy as np",
    "scipy": "it is imported by itself, as SciPy is optional: import dualgrad.scipy",
    "stop_gradient": "dg.primal",
    "typing": "it is imported by itself: import dualgrad.typing",
    "vjp": "there is no reverse mode: dg.grad or dg.jacfwd, or the transposed rules of dg.nn's layers (layer.vjp)",
    "vmap": "NumPy's functions are batched; for K directions give tangents of shape (K, *x.shape) to one dg.jvp",
}

KEYWORDS = {
    "argnums": "argnum= (one place); for several arguments make them one tuple, which is an argument too",
    "has_aux": "dg.jvp has it; or let f keep dg.primal(...) of what it has to say beside its value",
    "holomorphic": "leave it out: dg.jacfwd takes f to be holomorphic at complex x, and checks it",
}


def missing(name: str) -> str:
    """The text of the AttributeError for a name that the package has not."""
    return f"module 'dualgrad' has no attribute {name!r}" + (f": {NAMES[name]}" if name in NAMES else "")


def hinted(transform: _Transform) -> _Transform:
    """The transform, with a hint for keywords that it is not the one to know."""

    @functools.wraps(transform)
    def with_hint(*args, **kwargs):
        for name in kwargs.keys() & KEYWORDS:
            raise TypeError(f"dg.{transform.__name__} has no keyword {name!r}: {KEYWORDS[name]}")
        return transform(*args, **kwargs)

    return with_hint
