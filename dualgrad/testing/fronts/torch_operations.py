"""What operations of torch take and write."""

import functools
import sys

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class DispatchMode(TorchDispatchMode):
    """A mode whose ``dispatch`` torch's compiler is kept out of once it is loaded, which takes seconds."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        dispatch = _uncompiled if "torch._dynamo" in sys.modules else type(self).dispatch
        return dispatch(self, func, args, kwargs or {})


@torch._disable_dynamo
def _uncompiled(mode, func, args, kwargs):
    return mode.dispatch(func, args, kwargs)


def each_tensor(tree):
    """The tensors in arguments: among them, or in lists of them."""
    for x in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(x, torch.Tensor):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from each_tensor(x)


def written(func, args, kwargs):
    """The tensors that an operation writes to."""
    for k, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from each_tensor([args[k] if k < len(args) else kwargs.get(argument.name)])


def by_name(func, args, kwargs):
    """The arguments of an operation by name, defaults among them."""
    names, defaults = signature(func)
    return {**defaults, **dict(zip(names, args, strict=False)), **kwargs}


@functools.cache
def signature(func):
    """The names of an operation's arguments, and their defaults."""
    arguments = func._schema.arguments
    return [a.name for a in arguments], {a.name: a.default_value for a in arguments if a.has_default_value()}
