"""NumPy or CuPy: which library an array belongs to. The only file that knows CuPy exists.

Rules, layers and estimators write ``np.*`` throughout; CuPy arrays answer through NumPy's dispatch protocols. What
the protocols cannot express (moving an array to or from a device, asking for CuPy by name) is here. CuPy is imported
only on request.
"""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    Array: TypeAlias = NDArray[Any]  # NumPy's or CuPy's; a Dual stands in for one
else:  # numpy.typing is a tenth of the time that the package takes to import
    Array, ArrayLike, DTypeLike = np.ndarray, object, object


def is_array(x):
    """Whether ``x`` is an array or array scalar: of NumPy, of CuPy, or of any type that speaks NEP 18."""
    return isinstance(x, (np.ndarray, np.generic)) or hasattr(type(x), "__array_function__")


def is_host(x):
    """Whether ``x`` is NumPy's own, so that in-place fast paths and Python branches on its values are cheap."""
    return isinstance(x, (np.ndarray, np.generic))


def namespace(name):
    """The module called ``"numpy"`` or ``"cupy"``; CuPy is imported here, on request only.

    Raises
    ------
    ImportError
        When CuPy is asked for and is not installed, or finds no device.
    """
    if name == "numpy":
        return np
    if name != "cupy":
        raise ValueError(f"got backend {name!r}; expected 'numpy' or 'cupy'")
    try:
        import cupy
    except ImportError:
        raise ImportError(
            "backend 'cupy' needs CuPy, which is not installed: pip install cupy-cuda12x, or cupy-cuda13x for CUDA 13"
        ) from None
    if not cupy.is_available():
        raise ImportError("backend 'cupy' found no CUDA device; use backend 'numpy' on this machine")
    return cupy


def to_numpy(x):
    """A plain NumPy array with the values of ``x``, copied from the device where it lives on one."""
    return x.get() if hasattr(x, "get") and not is_host(x) else np.asarray(x)


def like(host, reference):
    """The NumPy array ``host`` on the device of ``reference``; ``host`` itself where that is NumPy's."""
    if reference is None or is_host(reference):
        return host
    return np.asarray(host, like=reference)
