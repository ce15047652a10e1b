"""Reading the numbers of torch's tensors past the dispatcher."""

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from .derived import derived
from .lazy import LazyUniform

MEMORY_READS = frozenset({
    torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__, torch.Tensor.__repr__, torch.Tensor.data_ptr,
    torch.Tensor.__dlpack__, torch.Tensor.untyped_storage, torch.Tensor.storage,
})  # fmt: skip


class MemoryReads(TorchFunctionMode):
    """Reading a tensor's memory past the dispatcher needs its numbers; ``item`` does not yet."""

    def __init__(self, storages):
        super().__init__()
        self.storages = storages

    def __torch_function__(self, func, types, args=(), kwargs=None):
        storages = self.storages
        if func in MEMORY_READS and args[0].is_floating_point():
            storages.used.add(args[0].dtype)
        if not storages.held:
            return func(*args, **(kwargs or {}))
        if func in (torch.Tensor.item, torch.Tensor.__int__) and storages.of(args[0]) and args[0].is_floating_point():
            draws = storages.draws(args[0])
            if draws.size == 1:
                return Item.of_one(draws) if func is torch.Tensor.item else int(Item.of_one(draws))
        if func is torch.Tensor.__int__ and storages.taint.has(args[0]):
            storages.taint.doubt("int")
        if func in MEMORY_READS:
            storages.fill(args[0])
        found = func(*args, **(kwargs or {}))
        return derived(found, storages.source) if func is torch.Tensor.numpy and storages.taint.has(args[0]) else found


class Item(LazyUniform):
    """What ``item`` makes of a uniform draw: a number that can still be compared; among tensors it is a float."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        args, kwargs = tree_map(lambda x: float(x) if isinstance(x, LazyUniform) else x, (args, kwargs or {}))
        return func(*args, **kwargs)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        found = super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        return Item.of_one(found) if isinstance(found, LazyUniform) else found

    @classmethod
    def of_one(cls, draws):
        """From draws of which there is one."""
        return cls(draws.cells.reshape(()), *(float(np.ravel(a)[0]) for a in (draws.shift, draws.scale)))
