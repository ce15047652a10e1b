"""Arrays of other libraries: torch itself where it is installed, else what its tensors look like to NumPy."""

from types import SimpleNamespace

import numpy as np


class Tensor:
    """As a tensor of torch stands to NumPy: no ndarray, without its protocols, but with ``__array__``."""

    def __init__(self, array, requires_grad=False, narrow=False):
        self.array, self.requires_grad, self.narrow = np.asarray(array), requires_grad, narrow

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    dtype = property(lambda self: "torch.bfloat16" if self.narrow else f"torch.{self.array.dtype}")

    def __repr__(self):
        return f"tensor({self.array})"

    def __len__(self):
        return len(self.array)

    def detach(self):
        return Tensor(self.array, narrow=self.narrow)

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.narrow:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return np.asarray(self.array, dtype)


try:
    import torch
except ModuleNotFoundError:
    torch = SimpleNamespace(
        tensor=lambda a, dtype=None, requires_grad=False: Tensor(a, requires_grad, dtype == "bfloat16"),
        ones=lambda n: Tensor(np.ones(n, np.float32)),
        bfloat16="bfloat16",
    )
