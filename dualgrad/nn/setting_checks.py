"""What the settings of layers and networks may be, by their names: one table, and a decorator that holds them to it."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ..backend import is_array, is_host
from ..checks import count, flag, number, positive_count


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
SHARE = _number("a number from 0 to 1", lambda x: 0 <= x <= 1)
_finite = _number("a finite number", math.isfinite)
_not_0 = _number("a finite number other than 0", lambda x: x != 0 and math.isfinite(x))
_not_nan = _number("a number", lambda x: not math.isnan(x))

_COUNTS = """
in_features out_features in1_features in2_features num_embeddings embedding_dim in_channels out_channels groups
num_groups num_channels num_features embed_dim num_heads hidden_dim tokens channels input_size hidden_size
size patch classes hidden symbols embedding layers num_layers max_len
"""
_FLAGS = "bias affine elementwise_affine causal mix_tokens last_only norm first batch_first bidirectional learned"
_CHECKS = dict.fromkeys(_COUNTS.split(), positive_count) | dict.fromkeys(_FLAGS.split(), flag)
_CHECKS |= {
    "normalized_shape": _shape, "shape": _shape, "blocks": count, "eps": POSITIVE_NUMBER, "momentum": SHARE, "p": SHARE,
    "dropout": SHARE, "negative_slope": _finite, "alpha": _finite, "beta": _not_0, "omega": _not_0,
    "threshold": _not_nan, "min_val": _not_nan, "max_val": _not_nan, "approximate": _choice("none", "tanh"),
    "nonlinearity": _choice("tanh", "relu"), "attention_dropout": SHARE,
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
