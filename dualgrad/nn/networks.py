"""The networks of the papers, ready-made."""

import itertools

import numpy as np

from ..dual import primal
from ..errors import ShapeError
from ..inputs import as_input
from ..zero import ZERO
from .activations import ReLU, Sine
from .attention import LocalMixerBlock
from .containers import Residual, Sequential
from .conv import Conv1d, Conv2d
from .initial import siren as siren_start
from .layer import Layer
from .linear import Linear
from .lookup import Embedding
from .losses import cross_entropy
from .norms import BatchNorm
from .pooling import GlobalAvgPool2d, MaxPool2d
from .recurrent import LSTM
from .settings import checked
from .shape import Flatten, Reshape
from .tangents import leading

__all__ = ["LocalMixer", "conv_baydin", "lstm_copy", "mlp", "resnet_small", "siren"]


def mlp(sizes, activation=ReLU):
    """Linear layers of these widths with an activation between them.

    Parameters
    ----------
    sizes : sequence of int
        Input, hidden and output widths.
    activation : class of layer

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.nn.networks.mlp([784, 128, 10])
    Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
    """
    if not (isinstance(sizes, (list, tuple)) or getattr(sizes, "ndim", 0) == 1) or len(sizes) < 2:
        raise ValueError(f"got sizes={sizes!r}; expected a list of at least an input and an output width")
    if isinstance(activation, Layer) or not callable(activation):
        raise TypeError(f"got activation={activation!r}; expected a class of layer, as nn.Tanh")
    layers = [Linear(sizes[0], sizes[1])]
    for before, after in itertools.pairwise(sizes[1:]):
        layers += [activation(), Linear(before, after)]
    return Sequential(*layers)


@checked
def conv_baydin(in_channels=1, size=28, classes=10, channels=64, hidden=1024):
    """The convolutional network of Baydin et al. 2022: four 3 x 3 convolutions, two max-pools, two Linear layers.

    Parameters
    ----------
    in_channels, size, classes : int
        Images are ``(B, size, size, in_channels)``; size is a multiple of 4.
    channels, hidden : int

    Examples
    --------
    >>> import dualgrad as dg
    >>> dg.nn.networks.conv_baydin().init(rng=0).size
    3333962
    """
    if size % 4:
        raise ValueError(f"got size={size}; expected a multiple of 4, for two pools of 2")
    layers = []
    for before in (in_channels, channels, channels, channels):
        layers += [Conv2d(before, channels, 3, padding=1), ReLU()]
    layers = [*layers[:4], MaxPool2d(2), *layers[4:], MaxPool2d(2), Flatten()]
    return Sequential(*layers, Linear(channels * (size // 4) ** 2, hidden), ReLU(), Linear(hidden, classes))


@checked
def resnet_small(in_channels=3, classes=10, channels=32, blocks=4, norm=True):
    """The residual network of *Forward Gradients Are Not All You Need*: blocks of one convolution, 32 channels.

    Parameters
    ----------
    in_channels, classes, channels, blocks : int
    norm : bool
        Batch norm after every convolution.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.resnet_small(norm=False)
    >>> model(model.init(rng=0), np.zeros((2, 8, 8, 3), np.float32)).shape
    (2, 10)
    """

    def convolution(before):
        return [Conv2d(before, channels, 3, padding=1, bias=not norm)] + ([BatchNorm(channels)] if norm else [])

    body = [Residual(*convolution(channels), ReLU()) for _ in range(blocks)]
    return Sequential(*convolution(in_channels), ReLU(), *body, GlobalAvgPool2d(), Linear(channels, classes))


@checked
def lstm_copy(symbols=10, hidden=128, embedding=None):
    """An LSTM for the copy task: whole numbers ``(T, B)`` in, logits ``(T, B, symbols)`` out.

    Parameters
    ----------
    symbols, hidden : int
    embedding : int, optional
        Width of the embedding, as many as symbols by default.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.lstm_copy(4, 8)
    >>> model(model.init(rng=0), np.zeros((6, 2), int)).shape
    (6, 2, 4)
    """
    width = symbols if embedding is None else embedding
    return Sequential(Embedding(symbols, width), LSTM(width, hidden), Linear(hidden, symbols))


class _Siren(Sequential):
    """Linear layers and sines, with the initial values of Sitzmann et al. 2020."""

    def initial(self, name, shape, rng, dtype):
        if name.endswith("weight"):
            return siren_start(rng, shape, dtype, self.layers[1].omega, first=name.startswith("0."))
        return super().initial(name, shape, rng, dtype)


@checked
def siren(in_features=2, hidden=64, layers=3, out_features=3, omega=30.0):
    """A SIREN: coordinates in, colours out, sines between (Sitzmann et al. 2020).

    Parameters
    ----------
    in_features, hidden, layers, out_features : int
        ``layers`` counts the sines.
    omega : float

    Examples
    --------
    >>> import dualgrad as dg
    >>> len(dg.nn.networks.siren(layers=2).layers)
    5
    """
    widths = [in_features, *[hidden] * layers]
    body = [f for a, b in itertools.pairwise(widths) for f in (Linear(a, b), Sine(omega))]
    return _Siren(*body, Linear(hidden, out_features))


class LocalMixer(Sequential):
    """The LocalMixer of Ren et al. 2022: patches, an embedding, `LocalMixerBlock` s, and a classifier on their mean.

    Parameters
    ----------
    size, patch, in_channels, classes : int
        Images are ``(B, size, size, in_channels)``, cut into patches of ``patch`` x ``patch``.
    channels, groups, blocks : int

    Notes
    -----
    Every block has a classifier of its own for each group of channels, on the mean over patches: the parameters
    ``heads.k``. `local_loss` is the sum of their losses, each with what comes into the block held constant, so that
    the derivative of a block's parameters is that of its own loss; the last layer's loss is added.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.LocalMixer(size=8, patch=4, channels=8, groups=2, blocks=2)
    >>> params = model.init(rng=0)
    >>> x = np.zeros((3, 8, 8, 3), np.float32)
    >>> model(params, x).shape
    (3, 10)
    >>> float(model.local_loss(params, x, np.array([0, 1, 2]))) > 0
    True
    """

    lead = True

    @checked
    def __init__(self, size=32, patch=4, in_channels=3, classes=10, channels=256, groups=16, blocks=6):
        if size % patch:
            raise ValueError(f"got size={size} and patch={patch}; the patch must divide the size")
        self.grid, self.patch, self.blocks, self.groups, self.classes = size // patch, patch, blocks, groups, classes
        self.pixels = (size, size, in_channels)
        tokens = self.grid**2
        body = [LocalMixerBlock(tokens, channels, groups, mix_tokens=k > 0) for k in range(blocks)]
        super().__init__(
            Reshape(tokens, patch * patch * in_channels), Linear(patch * patch * in_channels, channels), *body,
            Reshape(self.grid, self.grid, channels), GlobalAvgPool2d(), Linear(channels, classes),
        )  # fmt: skip
        self.heads = [Conv1d(channels, groups * classes, 1, groups=groups) for _ in range(blocks)]
        for k, head in enumerate(self.heads):
            self._add(f"heads.{k}", head)

    def _add(self, name, head):
        """Parameters of a classifier that is no part of the chain."""
        self._shapes |= {f"{name}.{n}": shape for n, shape in head.shapes().items()}

    def __repr__(self):
        return f"{type(self).__name__}(size={self.pixels[0]}, blocks={self.blocks}, groups={self.groups})"

    def initial(self, name, shape, rng, dtype):
        if name.startswith("heads."):
            _, k, rest = name.split(".")
            return self.heads[int(k)].initial(rest, shape, rng, dtype)
        return super().initial(name, shape, rng, dtype)

    def enter(self, x):
        """Images as rows of pixels, patch after patch."""
        if np.ndim(x) != 4 or x.shape[1:] != self.pixels:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (B, {self.pixels})")
        x = np.reshape(x, (len(x), self.grid, self.patch, self.grid, self.patch, self.pixels[-1]))
        return np.reshape(np.swapaxes(x, 2, 3), (len(x), self.grid**2, self.patch**2 * self.pixels[-1]))

    def forward(self, p, x, **kwargs):
        return super().forward(p, self.enter(x), **kwargs)

    def enter_tangent(self, dx):
        """`enter` of a tangent, with any lead axes."""
        rows = self.enter(np.reshape(dx, (-1, *self.pixels)))
        return np.reshape(rows, leading(dx, 3) + rows.shape[1:])

    def enter_pullback(self, dy):
        """The transpose of `enter`: rows of pixels, patch after patch, as images."""
        dx = np.reshape(dy, (len(dy), self.grid, self.grid, self.patch, self.patch, self.pixels[-1]))
        return np.reshape(np.swapaxes(dx, 2, 3), (len(dy), *self.pixels))

    def jvp(self, p, x, dp, dx, **kwargs):
        return super().jvp(p, self.enter(x), dp, dx if dx is ZERO else self.enter_tangent(dx), **kwargs)

    def vjp(self, p, x, **kwargs):
        y, pull = super().vjp(p, self.enter(x), **kwargs)

        def pullback(dy):
            dp, dx = pull(dy)
            dp |= {n: np.zeros_like(p[n]) for n in dp if n.startswith("heads.")}  # no part of the chain
            return dp, self.enter_pullback(dx)

        return y, pullback

    def local_loss(self, params, x, target):
        """The sum of the blocks' own losses and the last layer's, each differentiated by its own parameters alone."""
        x, target = as_input(x, self), as_input(target, cross_entropy, "a target")
        names = list(self.children)
        x = self._at(params, names[1], primal(self.enter(x)))
        total = 0.0
        for k, head in enumerate(self.heads):
            x = self._at(params, names[2 + k], x)
            pooled = np.mean(x, axis=-2, keepdims=True)
            own = {n: params[f"heads.{k}.{n}"] for n in head.shapes()}
            logits = np.reshape(head(own, pooled), (len(x), self.groups, self.classes))
            total = total + cross_entropy(logits, np.repeat(target[:, None], self.groups, axis=1))
            if k + 1 < self.blocks:
                x = primal(x)
        return total + cross_entropy(self._at(params, names[-1], np.mean(primal(x), axis=-2)), target)

    def _at(self, params, name, x):
        """One layer of the chain, on plain arrays or Duals."""
        return self.children[name]({n: params[full] for n, full in self._names[name].items()}, x)
