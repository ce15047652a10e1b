"""accuracy: how often the largest entry is that of the class."""

from typing import Any

import numpy as np

from ..backend import to_numpy
from ..errors import ShapeError
from ..inputs import as_input
from .types import Input


def accuracy(prediction: Input, target: Input) -> float:
    """The share of predictions whose largest entry, along the last axis, is that of the class.

    Parameters
    ----------
    prediction : array ``(..., C)``
        Logits or probabilities of C classes.
    target : integer array ``(...)``

    Raises
    ------
    ShapeError
        For shapes that do not fit, and for no examples.
    TypeError
        For targets that are not whole numbers.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.accuracy(np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), np.array([0, 1, 1]))
    0.6666666666666666
    """
    z: Any = as_input(prediction, "accuracy", "a prediction", "biuf")
    y: Any = as_input(target, "accuracy", "a target", "biu")
    if z.ndim < 1 or y.shape != z.shape[:-1] or not z.size:
        expected = "(..., C) and (...), with one example or more"
        raise ShapeError(
            f"accuracy got a prediction of shape {z.shape} and a target of shape {y.shape}; expected {expected}"
        )
    return float(to_numpy(np.mean(np.argmax(z, axis=-1) == y)))
