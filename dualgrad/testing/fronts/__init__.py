"""Fronts: whose random numbers a run draws. Each is imported when it is asked for."""

import importlib

from .front import Front, Given

FRONTS = {
    "dualgrad": ("own", "Own"),
    "numpy": ("numpy_generator", "NumPy"),
    "numpy-global": ("numpy_global", "NumPyGlobal"),
    "torch": ("torch_front", "Torch"),
    "jax": ("jax_front", "JAX"),
}


def front_of(run, draws):
    """The `Front` of a run by the name of whose draws it takes, or by what makes its argument from a source."""
    if callable(draws):
        return Given(run, draws)
    if draws not in FRONTS:
        raise ValueError(
            f"got draws={draws!r}; expected one of {', '.join(map(repr, FRONTS))}, or a function that makes what the "
            "run is given from a testing.Source"
        )
    module, name = FRONTS[draws]
    try:
        return getattr(importlib.import_module(f".{module}", __name__), name)(run)
    except ImportError as error:
        raise ImportError(f"draws={draws!r} needs {error.name}, which is not installed here") from error


__all__ = ["FRONTS", "Front", "Given", "front_of"]
