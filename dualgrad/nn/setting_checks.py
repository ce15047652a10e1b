"""What the settings of layers and networks may be, by their names: one table, and a decorator that holds them to it."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

from ..backend import is_array, is_host
from ..checks import count, flag, number, positive_count
from ..dual import Dual
from ..inputs import as_data
from .borders import BORDERS


def _number(expected, fits):
    """A check that a setting is a real number that fits; it returns a Python number, beside which float32 stays.

    Nobody looks at what is differentiated, or on a device.
    """

    def check(name, value):
        if is_array(value) and not value.ndim:
            if not is_host(value):
                return value
            value = value.item()
        return number(name, value, expected, fits)

    return check


def _numbers_or_none(expected, fits, axes=None):
    """A check that a setting is None, or real numbers of so many axes that fit: an array, or what makes one."""

    def check(name, value):
        if value is None or is_array(value) and not is_host(value) or isinstance(value, Dual):
            return value
        value = as_data(value, name, "a setting")
        found = np.asarray(value) if isinstance(value, (list, tuple, int, float, np.generic)) else value
        wrong = isinstance(value, (bool, np.bool_)) or not is_array(found) or found.dtype.kind not in "biuf"
        if wrong or not found.size or axes not in (None, found.ndim) or not np.all(np.isfinite(found) & fits(found)):
            raise ValueError(f"got {name}={value!r}; expected {expected}")
        return found

    return check


def _integer(name, value):
    """A whole number."""
    return count(name, value, "a whole number", -math.inf)


def _choice(*names):
    def check(name, value):
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"got {name}={value!r}; expected {' or '.join(map(repr, names))}")
        return value

    return check


def _shape(name, value):
    """A positive integer, or several: as a tuple."""
    sizes = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    try:
        return tuple(positive_count(name, size) for size in sizes or [()])
    except ValueError:
        raise ValueError(f"got {name}={value!r}; expected a positive integer, or a tuple of them") from None


_Arguments = ParamSpec("_Arguments")
_Made = TypeVar("_Made")

POSITIVE_NUMBER = _number("a positive number", lambda x: 0 < x < math.inf)
NO_NEGATIVE_NUMBER = _number("a number that is not negative", lambda x: 0 <= x < math.inf)
SHARE = _number("a number from 0 to 1", lambda x: 0 <= x <= 1)
ONE_PER_CLASS = _numbers_or_none("None, or a number per class, none negative", lambda x: x >= 0, 1)
SCALES = _numbers_or_none("None, or numbers that are not negative", lambda x: x >= 0)
INTEGER, FLAG = _integer, flag
_finite = _number("a finite number", math.isfinite)
_not_0 = _number("a finite number other than 0", lambda x: x != 0 and math.isfinite(x))
_not_nan = _number("a number", lambda x: not math.isnan(x))

_COUNTS = """
in_features out_features in1_features in2_features num_embeddings embedding_dim in_channels out_channels groups
num_groups num_channels num_features embed_dim num_heads hidden_dim tokens channels input_size hidden_size
size patch classes hidden symbols embedding layers num_layers max_len num_parameters upscale_factor
"""
_FLAGS = """
bias affine elementwise_affine causal mix_tokens last_only norm first batch_first bidirectional learned
track_running_stats
"""
_CHECKS = dict.fromkeys(_COUNTS.split(), positive_count) | dict.fromkeys(_FLAGS.split(), flag)
_CHECKS |= {
    "normalized_shape": _shape, "shape": _shape, "blocks": count, "eps": POSITIVE_NUMBER, "momentum": SHARE, "p": SHARE,
    "dropout": SHARE, "negative_slope": _finite, "alpha": _finite, "init": _finite, "lambd": _finite, "value": _finite,
    "beta": _not_0, "omega": _not_0,
    "threshold": _not_nan, "min_val": _not_nan, "max_val": _not_nan, "approximate": _choice("none", "tanh"),
    "nonlinearity": _choice("tanh", "relu"), "padding_mode": _choice(*BORDERS), "attention_dropout": SHARE,
}  # fmt: skip


def checked(function: Callable[_Arguments, _Made]) -> Callable[_Arguments, _Made]:
    """A constructor, or a function that makes a network, whose settings are first checked by their names.

    ValueError, with the name and what was given, where one does not fit; a default passes as it is.
    """
    parameters = inspect.signature(function).parameters
    positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    defaults = {name: p.default for name, p in parameters.items() if name in _CHECKS}

    def fitted(name, value):
        return _CHECKS[name](name, value) if name in defaults and value is not defaults[name] else value

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        named = [fitted(name, value) for name, value in zip(positional, args, strict=False)]
        return function(*named, *args[len(named) :], **{name: fitted(name, v) for name, v in kwargs.items()})

    return wrapper
