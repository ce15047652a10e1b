"""The optimizers that their tests run over."""

import pytest

from dualgrad import optim

# Every public optimizer; the rate and the clipping are the tests' to choose.
MAKERS = {
    "SGD": lambda lr=0.1, **more: optim.SGD(lr, **more),
    "SGD with momentum": lambda lr=0.1, **more: optim.SGD(lr, momentum=0.9, **more),
    "SGD with Nesterov's": lambda lr=0.1, **more: optim.SGD(lr, momentum=0.9, nesterov=True, **more),
    "Adam": lambda lr=0.01, **more: optim.Adam(lr, betas=(0.8, 0.95), eps=1e-6, **more),
    "AdamW": lambda lr=0.01, **more: optim.AdamW(lr, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, **more),
    "StableAdamW": lambda lr=0.01, **more: optim.StableAdamW(lr, betas=(0.8, 0.95), weight_decay=0.1, **more),
    "RMSprop": lambda lr=0.01, **more: optim.RMSprop(lr, alpha=0.9, **more),
    "RMSprop with all": lambda lr=0.01, **more: optim.RMSprop(lr, 0.9, 1e-6, momentum=0.5, centered=True, **more),
    "KalmanQDOP": lambda lr=0.01, **more: optim.KalmanQDOP(0.5, gamma=0.1, lr=lr, **more),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
