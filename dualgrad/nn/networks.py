"""The networks of the papers, ready-made."""

import itertools
from collections.abc import Callable, Sequence

from numpy.typing import DTypeLike

from ..backend import Array
from ..random import Rng
from .activations import ReLU, Sine
from .containers import Residual, Sequential
from .conv import Conv2d
from .initial import siren_uniform as siren_start
from .layer import Layer
from .linear import Linear
from .local_mixer import LocalMixer
from .lookup import Embedding
from .norms import BatchNorm
from .pooling import GlobalAvgPool2d, MaxPool2d
from .recurrent import LSTM
from .setting_checks import checked
from .shape import Flatten
from .types import Shape

__all__ = ["LocalMixer", "conv_baydin", "lstm_copy", "mlp", "resnet_small", "siren"]


def mlp(sizes: Sequence[int] | Array, activation: Callable[[], Layer] = ReLU) -> Sequential:
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
def conv_baydin(
    in_channels: int = 1, size: int = 28, classes: int = 10, channels: int = 64, hidden: int = 1024
) -> Sequential:
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
def resnet_small(
    in_channels: int = 3, classes: int = 10, channels: int = 32, blocks: int = 4, norm: bool = True
) -> Sequential:
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
def lstm_copy(symbols: int = 10, hidden: int = 128, embedding: int | None = None) -> Sequential:
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

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        if name.endswith("weight"):
            return siren_start(rng, shape, dtype, self.layers[1].omega, first=name.startswith("0."))
        return super().initial(name, shape, rng, dtype)


@checked
def siren(
    in_features: int = 2, hidden: int = 64, layers: int = 3, out_features: int = 3, omega: float = 30.0
) -> Sequential:
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
