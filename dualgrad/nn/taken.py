"""What a model takes beside parameters and input, by name: a layer says it, of a function it is read."""

import inspect
from collections.abc import Callable
from typing import Any

BY_EXAMPLE = frozenset({"key_padding_mask", "lengths", "memory", "memory_key_padding_mask"})


def extra_arguments(function: Callable[..., Any], first: int) -> frozenset[str]:
    """The names of the arguments from one on that can be given by name.

    Examples
    --------
    >>> from dualgrad.nn.taken import extra_arguments
    >>> sorted(extra_arguments(lambda p, x, train=False, *, lengths=None: x, 2))
    ['lengths', 'train']
    """
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    try:
        arguments = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # no function of Python's
        return frozenset()
    return frozenset(a.name for a in arguments[first:] if a.kind in plain)


def keywords_of(model: Any) -> frozenset[str]:
    """The keywords of a layer, or of a function of parameters and input."""
    found = getattr(model, "takes", None)
    return extra_arguments(model, 2) if found is None else found


def by_example_of(model: Any) -> frozenset[str]:
    """Which keywords have a row for each example."""
    found: frozenset[str] = getattr(model, "by_example", BY_EXAMPLE)
    return found
