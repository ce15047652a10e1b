"""Layers and losses."""

import numpy as np

import dualgrad as dg
from dualgrad import nn, testing
from tests.support.mutations.planting import MUTATIONS, Mutation
from tests.support.mutations.rules import M


class Square(nn.Linear):
    """A Linear layer with one rule exchanged."""

    def __init__(self, jvp=None, pull=None):
        super().__init__(3, 3)
        self.faulty_jvp, self.faulty_pull = jvp, pull

    def jvp(self, p, x, dp, dx):
        return (self.faulty_jvp or super().jvp)(p, x, dp, dx)

    def vjp(self, p, x):
        y, pullback = super().vjp(p, x)
        return y, pullback if self.faulty_pull is None else lambda dy: self.faulty_pull(p, x, dy, *pullback(dy))


def layer(kind, name, *, jvp=None, pull=None):
    def check(is_wrong):
        model = Square(jvp, pull) if is_wrong else Square()
        testing.check_vjp(model, model.init(rng=0, dtype=np.float64), M)

    MUTATIONS.append(Mutation(f"layer: {kind}", name, check))


layer(
    "missing term",
    "jvp without db",
    jvp=lambda p, x, dp, dx: (x @ p["weight"] + p["bias"], dx @ p["weight"] + x @ dp["weight"]),
)
layer(
    "missing term",
    "jvp without x dW",
    jvp=lambda p, x, dp, dx: (x @ p["weight"] + p["bias"], dx @ p["weight"] + dp["bias"]),
)
layer(
    "sign",
    "jvp",
    jvp=lambda p, x, dp, dx: (x @ p["weight"] + p["bias"], -dx @ p["weight"] + x @ dp["weight"] + dp["bias"]),
)
layer("wrong axis", "weight transposed", pull=lambda p, x, dy, dp, dx: (dp | {"weight": dp["weight"].T}, dx))
layer("wrong axis", "input by W instead of its transpose", pull=lambda p, x, dy, dp, dx: (dp, dy @ p["weight"]))
layer("wrong broadcast", "bias by the mean", pull=lambda p, x, dy, dp, dx: (dp | {"bias": dp["bias"] / 3}, dx))
layer("wrong broadcast", "bias of one example", pull=lambda p, x, dy, dp, dx: (dp | {"bias": dy[0]}, dx))
layer("1e-4 relative", "weight", pull=lambda p, x, dy, dp, dx: (dp | {"weight": dp["weight"] * (1 + 1e-4)}, dx))
layer("nonlinear in the cotangent", "clipped", pull=lambda p, x, dy, dp, dx: (dp, np.clip(dx, -1, 1)))
layer("missing term", "bias forgotten", pull=lambda p, x, dy, dp, dx: ({"weight": dp["weight"]}, dx))


class Promised(nn.Linear):
    """A Linear layer that promises to take K directions, with a tangent that is changed: ``change(x, dp, dx, dy)``."""

    lead = True

    def __init__(self, change=None):
        super().__init__(3, 3)
        self.change = change

    def jvp(self, p, x, dp, dx):
        y, dy = super().jvp(p, x, dp, dx)
        return y, dy if self.change is None else self.change(x, dp, dx, dy)


def promised(kind, name, change):
    def check(is_wrong):
        model = Promised(change if is_wrong else None)
        testing.check_vjp(model, model.init(rng=0, dtype=np.float64), np.concatenate([M, M[:1]]))

    MUTATIONS.append(Mutation(f"layer: {kind}", name, check))


def many(x, dy):
    return dy is not dg.ZERO and dy.ndim > x.ndim


def where(count, change):
    """The change, at K that ``count(K, x)`` tells."""
    return lambda x, dp, dx, dy: change(dy) if dy is not dg.ZERO and dy.ndim > x.ndim and count(len(dy), x) else dy


def no_input(x, dp, dx, dy):
    return dg.ZERO if dx is dg.ZERO else dy


def lead_of_the_bias(x, dp, dx, dy):
    return dy if dy is dg.ZERO else np.broadcast_to(dy, dp["bias"].shape[:-1] + x.shape)


def always_an_array(x, dp, dx, dy):
    return 0 * x if dy is dg.ZERO else dy


promised("under K directions", "the first for all", where(lambda k, x: k > 1, lambda dy: 0 * dy + dy[:1]))
promised("under K directions", "K = 1 as one", where(lambda k, x: k == 1, lambda dy: dy[0]))
promised("under K directions", "turned where K is the batch", where(lambda k, x: k == len(x), lambda dy: dy[::-1]))
promised("symbolic zeros", "an input at rest stops all", no_input)
promised("symbolic zeros", "K as the bias has it", lead_of_the_bias)
promised("symbolic zeros", "an array where nothing moves", always_an_array)


class Scaled(nn.Layer):
    """y = s x in natural code: right for one direction, and for K where the layer makes no promise."""

    def shapes(self):
        return {"s": (3,)}

    def initial(self, name, shape, rng, dtype):
        return rng.normal(shape, dtype=dtype)

    def forward(self, p, x):
        return p["s"] * x

    def jvp(self, p, x, dp, dx):
        return p["s"] * x, dp["s"] * x + p["s"] * dx

    def vjp(self, p, x):
        return p["s"] * x, lambda dy: ({"s": np.sum(dy * x, axis=0)}, dy * p["s"])


class Rash(Scaled):
    lead = True
    jvp = lambda self, *args: Scaled.jvp(self, *args)  # noqa: E731


def natural(is_wrong):
    model = Rash() if is_wrong else Scaled()
    testing.check_vjp(model, model.init(rng=0, dtype=np.float64), M)


MUTATIONS.append(Mutation("layer: under K directions", "natural code with a promise", natural))


class Summed(type(nn.mse)):
    """A loss that promises to take K directions and sums over them."""

    lead = True

    def jvp(self, x, target, dx, reduction=None, weights=None):
        y, dy = super().jvp(x, target, dx, reduction, weights)
        return y, dy if dy is dg.ZERO or not np.ndim(dy) else 0 * dy + np.sum(dy)


MUTATIONS.append(
    Mutation(
        "layer: under K directions", "a loss that sums over them",
        lambda w: testing.check_vjp(Summed() if w else nn.mse, {}, M, target=M.T),
    )
)  # fmt: skip


class Forgetful(nn.Tanh):
    """A pullback that works once, and one that uses y for 1 - y²."""

    def __init__(self, fault=None):
        self.fault = fault

    def vjp(self, p, x):
        y = np.tanh(x)
        slope = 1 - y if self.fault == "slope" else 1 - y * y

        def pullback(dy):
            found = {}, slope * dy
            if self.fault == "once":
                slope[...] = 0
            return found

        return y, pullback


def activation(kind, name, fault):
    MUTATIONS.append(
        Mutation(f"layer: {kind}", name, lambda w: testing.check_vjp(Forgetful(fault if w else None), {}, M))
    )


activation("wrong formula", "tanh with 1 - y", "slope")
activation("state", "a pullback that works once", "once")


class Unscaled(type(nn.cross_entropy)):
    """A mean whose gradient is that of the sum."""

    def vjp(self, prediction, target, reduction="mean"):
        y, pullback = super().vjp(prediction, target, reduction)
        return y, lambda dy: pullback(dy) * len(prediction)


MUTATIONS.append(
    Mutation(
        "layer: wrong broadcast", "loss not divided by the batch",
        lambda w: testing.check_vjp(Unscaled() if w else nn.cross_entropy, {}, M, target=np.array([0, 2, 1])),
    )
)  # fmt: skip
