"""torch.nn as it is meant, in NumPy: images are (B, C, H, W), written out plainly; and random models for it and for us.

What is checked against torch where torch is installed is checked against this everywhere.
"""

import itertools
import math
from types import SimpleNamespace

import numpy as np

from dualgrad import nn

# ---------------------------------------------------------------------- layers


class Module:
    names = ()

    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs

    def load(self, state, prefix=""):
        """Take parameters from a state_dict; the names that were taken."""
        taken = [prefix + name for name in self.names if prefix + name in state]
        self.p = {full[len(prefix) :]: state[full] for full in taken}
        return taken

    def wide(self, a, x):
        """A row of numbers by channel, beside x."""
        assert len(a) == x.shape[1]
        return np.reshape(a, (-1,) + (1,) * (x.ndim - 2))


class Chain(Module):
    def children(self):
        return {str(k): layer for k, layer in enumerate(self.args)}

    def load(self, state, prefix=""):
        return [n for name, layer in self.children().items() for n in layer.load(state, f"{prefix}{name}.")]


class Sequential(Chain):
    def __call__(self, x):
        for layer in self.args:
            x = layer(x)
        return x


class Residual(Chain):
    def children(self):
        return {"body": Sequential(*self.args)} | self.kwargs

    def __call__(self, x):
        return Sequential(*self.args)(x) + (self.kwargs["shortcut"](x) if self.kwargs else x)


class Parallel(Chain):
    axis = 1

    def __call__(self, x):
        return np.concatenate([layer(x) for layer in self.args], axis=self.axis)


class Linear(Module):
    names = "weight", "bias"

    def __call__(self, x):
        return x @ self.p["weight"].T + self.p["bias"]


class Bilinear(Module):
    names = "weight", "bias"

    def __call__(self, u, v):
        return np.einsum("bi,oij,bj->bo", u, self.p["weight"], v) + self.p["bias"]


class BilinearOf(Chain):
    """A Bilinear of two branches."""

    def children(self):
        return {"0.0": self.args[0], "0.1": self.args[1], "1": self.args[2]}

    def __call__(self, x):
        return self.args[2](self.args[0](x), self.args[1](x))


class Conv(Module):
    names = "weight", "bias"

    def __call__(self, x):
        w, groups, pad = self.p["weight"], self.kwargs.get("groups", 1), self.kwargs.get("padding", 0)
        n = w.ndim - 2
        assert x.ndim == w.ndim
        assert x.shape[1] == groups * w.shape[1]
        x = np.pad(x, [(0, 0), (0, 0), *[(pad, pad)] * n])
        sizes = [a - k + 1 for a, k in zip(x.shape[2:], w.shape[2:], strict=True)]
        y = np.zeros((len(x), len(w), *sizes), x.dtype)
        outs, ins = len(w) // groups, w.shape[1]
        for o, i in itertools.product(range(len(w)), range(ins)):
            for place in itertools.product(*map(range, w.shape[2:])):
                window = tuple(slice(k, k + s) for k, s in zip(place, sizes, strict=True))
                y[:, o] += w[(o, i, *place)] * x[(slice(None), o // outs * ins + i, *window)]
        return y + self.wide(self.p["bias"], y)


class ConvTranspose2d(Module):
    names = "weight", "bias"

    def __call__(self, x):
        w, t = self.p["weight"], self.kwargs.get("stride", 1)
        assert x.shape[1:2] == w.shape[:1]
        h, v = (t * (n - 1) + k for n, k in zip(x.shape[2:], w.shape[2:], strict=True))
        y = np.zeros((len(x), w.shape[1], h, v), x.dtype)
        for i, o, a, b in itertools.product(*map(range, w.shape)):
            y[:, o, a : a + t * x.shape[2] : t, b : b + t * x.shape[3] : t] += w[i, o, a, b] * x[:, i]
        return y + self.wide(self.p["bias"], y)


class MaxPool2d(Module):
    def __call__(self, x):
        b, c, h, w = x.shape
        return x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(b, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


class AdaptiveAvgPool2d(Module):
    def __call__(self, x):
        assert x.ndim == 4
        return x.mean(axis=(2, 3), keepdims=True)


class BatchNorm(Module):
    names = "weight", "bias", "running_mean", "running_var"

    def __call__(self, x):
        p = {name: self.wide(a, x) for name, a in self.p.items()}
        return (x - p["running_mean"]) / np.sqrt(p["running_var"] + 1e-5) * p["weight"] + p["bias"]


class GroupNorm(Module):
    names = "weight", "bias"

    def __call__(self, x):
        groups = np.reshape(x, (len(x), self.args[0], -1))
        mean, var = groups.mean(axis=2, keepdims=True), groups.var(axis=2, keepdims=True)
        y = np.reshape((groups - mean) / np.sqrt(var + 1e-5), x.shape)
        return y * self.wide(self.p["weight"], x) + self.wide(self.p["bias"], x)


class LayerNorm(Module):
    names = "weight", "bias"

    def __call__(self, x):
        axes = tuple(range(-np.ndim(self.p["weight"]), 0))
        assert x.shape[axes[0] :] == self.p["weight"].shape
        c = x - x.mean(axis=axes, keepdims=True)
        return c / np.sqrt((c * c).mean(axis=axes, keepdims=True) + 1e-5) * self.p["weight"] + self.p["bias"]


class RMSNorm(Module):
    names = ("weight",)

    def __call__(self, x):
        assert x.shape[-1:] == self.p["weight"].shape
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + self.kwargs["eps"]) * self.p["weight"]


class ReLU(Module):
    def __call__(self, x):
        return np.maximum(x, 0)


class Identity(Module):
    def __call__(self, x):
        return x


class Flatten(Module):
    def __call__(self, x):
        return np.reshape(x, (len(x), -1))


class Unflatten(Module):
    def __call__(self, x):
        return np.reshape(x, (len(x), *self.args[1]))


PRETEND = SimpleNamespace(
    **{name: cls for name, cls in globals().items() if isinstance(cls, type) and issubclass(cls, Module)},
    Conv1d=Conv, Conv2d=Conv, BatchNorm1d=BatchNorm, BatchNorm2d=BatchNorm, Dropout=Identity,
)  # fmt: skip


def namespace(torch):
    """torch.nn with the containers that it lacks."""
    t = torch.nn

    class Residual(t.Module):
        def __init__(self, *layers, shortcut=None):
            super().__init__()
            self.body, self.shortcut = t.Sequential(*layers), shortcut

        def forward(self, x):
            return self.body(x) + (x if self.shortcut is None else self.shortcut(x))

    class Parallel(t.ModuleList):
        def __init__(self, *layers):
            super().__init__(layers)

        def forward(self, x):
            return torch.cat([layer(x) for layer in self], dim=1)

    class BilinearOf(t.Module):
        def __init__(self, *layers):
            super().__init__()
            self.add_module("0", t.ModuleList(layers[:2]))
            self.add_module("1", layers[2])

        def forward(self, x):
            branches, last = self._modules["0"], self._modules["1"]
            return last(branches[0](x), branches[1](x))

    return SimpleNamespace(**vars(t) | {"Residual": Residual, "Parallel": Parallel, "BilinearOf": BilinearOf})


def channels_first(x):
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def channels_last(y):
    return np.moveaxis(y, 1, -1)


# ---------------------------------------------------------------------- random models


class Builder:
    """A random chain of layers, ours and the makers of torch's, for an image or signal of random shape."""

    def __init__(self, rng, dims=2):
        self.rng, self.ours, self.makers, self.channelled = rng, [], [], False
        self.shape = (*(int(n) for n in rng.integers(3, 6, dims)), int(rng.integers(1, 5)))
        self.start = self.shape

    def add(self, ours, maker):
        self.ours.append(ours)
        self.makers.append(maker)

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def image(self):
        """A layer for an image."""
        *places, c = self.shape
        n, kind = len(places), self.pick("conv", "conv", "pool", "batch", "group", "layer", "other", "residual", "both")
        conv, theirs = (nn.Conv1d, "Conv1d") if n == 1 else (nn.Conv2d, "Conv2d")
        norm = f"BatchNorm{n}d"
        d = int(self.rng.integers(1, 5))
        self.channelled |= kind in ("conv", "batch", "group", "residual", "both")
        if kind == "conv":
            k, groups = int(self.rng.integers(1, 1 + min(3, *places))), self.pick(1, math.gcd(c, d))
            self.add(conv(c, d, k, groups=groups), lambda t: getattr(t, theirs)(c, d, k, groups=groups))
            self.shape = (*(p - k + 1 for p in places), d)
        elif kind == "pool" and n == 2 and min(places) > 1:
            self.add(nn.MaxPool2d(2), lambda t: t.MaxPool2d(2))
            self.shape = (*(p // 2 for p in places), c)
        elif kind == "batch":
            self.add(nn.BatchNorm(c), lambda t: getattr(t, norm)(c))
        elif kind == "group":
            g = self.pick(*(g for g in range(1, c + 1) if c % g == 0))
            self.add(nn.GroupNorm(g, c), lambda t: t.GroupNorm(g, c))
        elif kind == "layer" and self.channelled:
            self.add(nn.LayerNorm((*places, c)), lambda t: t.LayerNorm((c, *places)))
        elif kind == "residual":
            self.add(
                nn.Residual(conv(c, d, 3, padding=1), nn.ReLU(), shortcut=conv(c, d, 1)),
                lambda t: t.Residual(
                    getattr(t, theirs)(c, d, 3, padding=1), t.ReLU(), shortcut=getattr(t, theirs)(c, d, 1)
                ),
            )
            self.shape = (*places, d)
        elif kind == "both":
            self.add(
                nn.Parallel(conv(c, d, 1), nn.Sequential(nn.ReLU(), nn.BatchNorm(c))),
                lambda t: t.Parallel(getattr(t, theirs)(c, d, 1), t.Sequential(t.ReLU(), getattr(t, norm)(c))),
            )
            self.shape = (*places, c + d)
        else:
            self.plain()

    def plain(self):
        """A layer for anything."""
        ours, name = self.pick((nn.ReLU(), "ReLU"), (nn.Dropout(0.5), "Dropout"), (nn.Identity(), "Identity"))
        self.add(ours, lambda t: getattr(t, name)())

    def flatten(self):
        c, size = self.shape[-1], math.prod(self.shape)
        kind = self.pick("flatten", "reshape", "mean", "branches", "bilinear")
        if kind == "mean" and len(self.shape) == 3:
            self.add(nn.GlobalAvgPool2d(), lambda t: t.AdaptiveAvgPool2d(1))
            self.add(nn.Flatten(), lambda t: t.Flatten())
            self.shape = (c,)
        elif kind == "branches" and len(self.shape) == 3:
            self.add(
                nn.Parallel(nn.Flatten(), nn.Sequential(nn.GlobalAvgPool2d(), nn.Flatten())),
                lambda t: t.Parallel(t.Flatten(), t.Sequential(t.AdaptiveAvgPool2d(1), t.Flatten())),
            )
            self.shape = (size + c,)
        elif kind == "bilinear" and len(self.shape) == 3 and size < 60:
            ours = nn.Parallel(nn.Flatten(), nn.Sequential(nn.Conv2d(c, 2, 1), nn.Flatten()))
            self.add(
                nn.Sequential(ours, nn.Bilinear(size, size // c * 2, 3)),
                lambda t: t.BilinearOf(
                    t.Flatten(), t.Sequential(t.Conv2d(c, 2, 1), t.Flatten()), t.Bilinear(size, size // c * 2, 3)
                ),
            )
            self.shape = (3,)
        else:
            self.add(nn.Flatten() if kind != "reshape" else nn.Reshape(-1), lambda t: t.Flatten())
            self.shape = (size,)

    def row(self):
        """A layer for a row of features."""
        (n,) = self.shape
        m, kind = int(self.rng.integers(1, 9)), self.pick(*"linear batch layer rms other residual both".split())
        if kind == "linear":
            self.add(nn.Linear(n, m), lambda t: t.Linear(n, m))
            self.shape = (m,)
        elif kind == "batch":
            self.add(nn.BatchNorm(n), lambda t: t.BatchNorm1d(n))
        elif kind == "layer":
            self.add(nn.LayerNorm(n), lambda t: t.LayerNorm(n))
        elif kind == "rms":
            self.add(nn.RMSNorm(n, 1e-3), lambda t: t.RMSNorm(n, eps=1e-3))
        elif kind == "residual":
            self.add(nn.Residual(nn.ReLU(), nn.Linear(n, n)), lambda t: t.Residual(t.ReLU(), t.Linear(n, n)))
        elif kind == "both":
            self.add(
                nn.Parallel(nn.Linear(n, m), nn.Identity(), nn.ReLU()),
                lambda t: t.Parallel(t.Linear(n, m), t.Identity(), t.ReLU()),
            )
            self.shape = (2 * n + m,)
        else:
            self.plain()

    def unflatten(self):
        """Back to an image, and a layer that has channels."""
        (n,), (h, w, c, d) = self.shape, (int(k) for k in self.rng.integers(1, 4, 4))
        size, t_ = h * w * c, int(self.rng.integers(1, 3))
        self.add(nn.Linear(n, size), lambda t: t.Linear(n, size))
        self.shape = (size,)
        for _ in range(int(self.rng.integers(0, 3))):
            before = self.shape
            self.row()
            if self.shape != before:
                m = self.shape[0]
                self.add(nn.Linear(m, size), lambda t, m=m: t.Linear(m, size))
                self.shape = (size,)
        self.add(nn.Reshape(h, w, c), lambda t: t.Unflatten(1, (c, h, w)))
        self.add(nn.ConvTranspose2d(c, d, 2, stride=t_), lambda t: t.ConvTranspose2d(c, d, 2, stride=t_))
        self.shape = (t_ * (h - 1) + 2, t_ * (w - 1) + 2, d)


def random_model(seed):
    """Ours, the maker of torch's, the shape of an example, and what has to be said of its channels."""
    rng = np.random.default_rng(seed)
    b = Builder(rng, dims=2 if seed % 4 else 1)
    for _ in range(int(rng.integers(0, 5))):
        b.image()
    channels = None if b.channelled else b.start[-1]
    b.flatten()
    for _ in range(int(rng.integers(1, 4))):
        b.row()
    if rng.integers(2):
        b.unflatten()
        if rng.integers(2):
            b.flatten()
            b.row()
    if len(b.shape) == 1:  # torch's order would be the right one of what comes out
        n = b.shape[0]
        b.add(nn.Linear(n, 3), lambda t: t.Linear(n, 3))
    cut = int(rng.integers(len(b.ours) + 1))
    nested = bool(rng.integers(2))
    ours = nn.Sequential(nn.Sequential(*b.ours[:cut]), *b.ours[cut:]) if nested else nn.Sequential(*b.ours)

    def make(t):
        layers = [maker(t) for maker in b.makers]
        return t.Sequential(t.Sequential(*layers[:cut]), *layers[cut:]) if nested else t.Sequential(*layers)

    return ours, make, b.start, channels


def any_layer(rng, shape, inside=False):
    """Any layer that ours runs on an example of this shape, whatever torch makes of it: ours, the maker of torch's, and
    the shape that comes out. A maker takes what decides between two twins: whether channels stand first there."""
    *places, c = shape
    n, d = len(places), int(rng.choice([5, 7]))  # no place has as many
    group = int(rng.choice([g for g in range(1, c + 1) if c % g == 0]))
    options = [
        lambda: (nn.Linear(c, d), lambda t, first: t.Linear(c, d), (*places, d)),
        lambda: (nn.LayerNorm(c), lambda t, first: t.LayerNorm(c), shape),
        lambda: (nn.RMSNorm(c, 1e-3), lambda t, first: t.RMSNorm(c, eps=1e-3), shape),
        lambda: (nn.BatchNorm(c), lambda t, first: t.BatchNorm1d(c), shape),
        lambda: (nn.GroupNorm(group, c), lambda t, first: t.GroupNorm(group, c), shape),
        lambda: (nn.ReLU(), lambda t, first: t.ReLU(), shape),
    ]
    if n == 1:
        options += [lambda: (nn.Conv1d(c, d, 1), lambda t, first: t.Conv1d(c, d, 1), (*places, d))] * 2
    if n == 2:
        groups = int(rng.choice([1, math.gcd(c, d)]))
        options += [
            lambda: (nn.Conv2d(c, d, 1, groups=groups), lambda t, first: t.Conv2d(c, d, 1, groups=groups),
                     (*places, d)),
            lambda: (nn.ConvTranspose2d(c, d, 2), lambda t, first: t.ConvTranspose2d(c, d, 2),
                     (*(k + 1 for k in places), d)),
            lambda: (nn.GlobalAvgPool2d(), lambda t, first: t.Sequential(t.AdaptiveAvgPool2d(1), t.Flatten()), (c,)),
        ] * 2  # fmt: skip
    if not inside:
        options += [lambda: _flattened(rng, shape), lambda: _reshaped(rng, shape)] * 2
        options += [lambda: (nn.LayerNorm(shape), lambda t, first: t.LayerNorm(shape), shape)]
        options += [lambda: _branches(rng, shape)] * 2
    return options[int(rng.integers(len(options)))]()


def _flattened(rng, shape):
    return nn.Flatten(), lambda t, first: t.Flatten(), (math.prod(shape),)


def _reshaped(rng, shape):
    left, new = math.prod(shape), []
    for _ in range(int(rng.integers(1, 3))):
        new.append(int(rng.choice([k for k in range(1, left + 1) if left % k == 0])))
        left //= new[-1]
    new = (*new, left)

    def make(t, first):
        return t.Sequential(t.Flatten(), t.Unflatten(1, (new[-1], *new[:-1]) if next(first) else new))

    return nn.Reshape(*new), make, new


def _branches(rng, shape):
    (f, make_f, one), (g, make_g, other) = (any_layer(rng, shape, inside=True) for _ in range(2))
    if one == other and rng.integers(2):
        ours, out = nn.Residual(f, shortcut=g), one
    elif one == shape:
        ours, out = nn.Residual(f), one
    elif one[:-1] == other[:-1]:
        ours, out = nn.Parallel(f, g), (*one[:-1], one[-1] + other[-1])
    else:
        return f, make_f, one

    def make(t, first):
        if isinstance(ours, nn.Residual):
            around = {"shortcut": make_g(t, first)} if "shortcut" in ours.children else {}
            return t.Residual(make_f(t, first), **around)
        both = t.Parallel(make_f(t, first), make_g(t, first))
        both.axis = 1 if next(first) else -1
        return both

    return ours, make, out


def any_model(seed):
    """A chain of any layers, flattened and read by a Linear at last; the maker of its twins, one for each iterator of
    choices; the shape of an example, and what is said of its channels."""
    rng = np.random.default_rng(seed)
    start = shape = (*(int(k) for k in rng.integers(2, 4, int(rng.integers(0, 3)))), int(rng.choice([5, 7])))
    found = []
    for _ in range(int(rng.integers(1, 6))):
        ours, make, shape = any_layer(rng, shape)
        found.append((ours, make))
    size = math.prod(shape)
    found += [(nn.Flatten(), lambda t, first: t.Flatten()), (nn.Linear(size, 3), lambda t, first: t.Linear(size, 3))]
    ours = nn.Sequential(*(layer for layer, _ in found))
    said = (None, 0, start[-1])[int(rng.integers(3))]
    return ours, lambda t, first: t.Sequential(*(make(t, first) for _, make in found)), start, said


def randomised(params, rng):
    """Parameters and running statistics without zeros, ones and symmetries."""
    params.vector[...] = rng.uniform(0.2, 1, params.size) * rng.choice([-1, 1], params.size)
    for buffer in params.buffers.values():
        buffer[...] = rng.uniform(0.5, 2, buffer.shape)
    return params
