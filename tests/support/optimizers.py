"""The optimizers that their tests run over."""

import pytest

from dualgrad import optim

# Every public optimizer; the rate and the clipping are the tests' to choose.
MAKERS = {
    "SGD": lambda lr=0.1, **more: optim.SGD(lr, **more),
    "SGD with momentum": lambda lr=0.1, **more: optim.SGD(lr, momentum=0.9, **more),
    "SGD with Nesterov's": lambda lr=0.1, **more: optim.SGD(lr, momentum=0.9, nesterov=True, **more),
    "SGD with all": lambda lr=0.1, **more: optim.SGD(lr, 0.9, dampening=0.3, weight_decay=0.1, maximize=True, **more),
    "Adam": lambda lr=0.01, **more: optim.Adam(lr, betas=(0.8, 0.95), eps=1e-6, **more),
    "Adam with all": lambda lr=0.01, **more: optim.Adam(
        lr, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.2, amsgrad=True, maximize=True, **more
    ),
    "Adam in a group": lambda lr=0.01, **more: optim.Adam(lr, eps=1e-6, groups={"*": {"betas": (0.8, 0.95)}}, **more),
    "AdamW": lambda lr=0.01, **more: optim.AdamW(lr, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, **more),
    "StableAdamW": lambda lr=0.01, **more: optim.StableAdamW(lr, betas=(0.8, 0.95), weight_decay=0.1, **more),
    "RMSprop": lambda lr=0.01, **more: optim.RMSprop(lr, alpha=0.9, **more),
    "RMSprop with all": lambda lr=0.01, **more: optim.RMSprop(lr, 0.9, 1e-6, momentum=0.5, centered=True, **more),
    "RMSprop with L2": lambda lr=0.01, **more: optim.RMSprop(lr, alpha=0.9, weight_decay=0.1, **more),
    "NAdam": lambda lr=0.01, **more: optim.NAdam(lr, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, **more),
    "RAdam": lambda lr=0.01, **more: optim.RAdam(lr, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, **more),
    "Adagrad": lambda lr=0.1, **more: optim.Adagrad(
        lr, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.3, **more
    ),
    "Lion": lambda lr=0.01, **more: optim.Lion(lr, betas=(0.8, 0.95), weight_decay=0.1, **more),
    "KalmanQDOP": lambda lr=0.01, **more: optim.KalmanQDOP(0.5, gamma=0.1, lr=lr, **more),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
