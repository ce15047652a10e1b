"""Losses in every setting and shape, each with a prediction and a target: for tests of formulas and against torch."""

from typing import Any, NamedTuple

import numpy as np

from dualgrad import nn


class LossCase(NamedTuple):
    """A loss, what torch calls it with, and where."""

    name: str
    settings: dict[str, Any]
    x: np.ndarray
    target: np.ndarray

    def __str__(self):
        given = ",".join(map(str, self.settings))
        return f"{self.name}({given})-{'x'.join(map(str, self.x.shape))}-{self.x.dtype}-{self.target.dtype.kind}"

    @property
    def loss(self):
        return getattr(nn, self.name).using(**self.settings)

    @property
    def integer(self):
        return self.target.dtype.kind in "iu"

    @property
    def own(self):
        """All settings, with the defaults."""
        return {**self.loss.settings, **self.loss.given}


WEIGHT = np.array([0.5, 2.0, 0.0, 1.25])
CLASSES = 4
SETTINGS = {
    "cross_entropy": [
        {}, {"label_smoothing": 0.2}, {"weight": WEIGHT}, {"ignore_index": 1},
        {"weight": WEIGHT, "label_smoothing": 0.3}, {"weight": WEIGHT, "label_smoothing": 0.3, "ignore_index": 0},
    ],
    "nll": [{}, {"weight": WEIGHT}, {"ignore_index": 3}, {"weight": WEIGHT, "ignore_index": 0}],
    "bce_with_logits": [{}, {"weight": WEIGHT}, {"pos_weight": WEIGHT}, {"weight": 1.5, "pos_weight": 3.0}],
    "mse": [{}], "mae": [{}], "huber": [{}, {"delta": 0.3}], "smooth_l1": [{}, {"beta": 0.3}, {"beta": 0}],
    "hinge": [{}, {"margin": 0.4}], "kl_div": [{}, {"log_target": True}],
    "gaussian_nll": [
        {}, {"full": True, "eps": 0.5}, {"log_var": True}, {"var": 0.7}, {"var": WEIGHT, "full": True, "eps": 1e-2},
    ],
}  # fmt: skip
SHAPES = [(4,), (3, 4), (2, 3, 4)]  # of predictions: 4 numbers, or as many as there are classes


def _target(rng, name, settings, shape, soft):
    if name in ("cross_entropy", "nll") and not soft:
        found = rng.integers(0, CLASSES, shape[:-1])
        if found.ndim:
            found.flat[0], found.flat[-1] = 0, (-100 if "ignore_index" not in settings else 1)
        return found if found.ndim else np.array(3 if settings.get("ignore_index") != 3 else 0)
    if name == "cross_entropy":
        return rng.dirichlet(np.ones(shape[-1]), shape[:-1]).reshape(shape)
    if name == "hinge":
        return np.where(rng.random(shape) < 0.5, -1.0, 1.0)
    t = rng.random(shape)
    return np.log(t) if settings.get("log_target") else t


def loss_cases(dtypes=(np.float32, np.float64), spreads=(1.0,)):
    """All of them, from one seed."""
    rng = np.random.default_rng(0)
    for name, several in SETTINGS.items():
        for settings in several:
            for shape in SHAPES:
                for soft in (False, True) if name == "cross_entropy" and "ignore_index" not in settings else (False,):
                    for spread in spreads:
                        x = spread * rng.standard_normal(shape)
                        target = _target(rng, name, settings, shape, soft)
                        if name == "gaussian_nll" and "var" not in settings:
                            second = rng.standard_normal(shape)
                            x = np.concatenate([x, second if "log_var" in settings else second**2], -1)
                        if name == "kl_div" or name == "nll":
                            x = -abs(x)
                        for dtype in dtypes:
                            moved = target if target.dtype.kind in "iu" else target.astype(dtype)
                            yield LossCase(name, settings, x.astype(dtype), moved)
