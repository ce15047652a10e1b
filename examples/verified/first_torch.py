"""The shortest use of the kit, in PyTorch."""

import torch

from dualgrad.testing import assert_moments

A = torch.tensor([[3.0, 1.0], [1.0, 5.0]])


def hutchinson():
    v = torch.randint(0, 2, (2,)) * 2.0 - 1
    # fault: v = torch.rand(2) * 2 - 1
    return v @ A @ v


print(assert_moments(hutchinson, mean=8.0, draws="torch"))
