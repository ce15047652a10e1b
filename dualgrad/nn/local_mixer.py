"""The local mixer: a network whose blocks have losses of their own (Ren et al. 2022)."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..backend import Array
from ..dual import primal
from ..errors import ShapeError
from ..inputs import as_input
from ..random import Rng
from ..zero import ZERO
from .activations import ReLU
from .containers import Residual, Sequential, Transposed
from .conv import Conv1d
from .linear import Linear
from .losses import cross_entropy
from .norms import LayerNorm
from .pooling import GlobalAvgPool2d
from .setting_checks import checked
from .shape import Reshape
from .tangents import leading
from .types import Input, Parameters, Pulled, Pushed, Scalar, Shape, Tangent, Tangents


class LocalMixerBlock(Sequential):
    """Mixing across tokens, across channels and within groups of channels, each a residual Linear, norm and ReLU.

    Ren et al. 2022: a norm after every product, and products small enough for a local loss to guide (Table 1 of *How
    to Guess a Gradient*). Rules as in `Sequential`.

    Parameters
    ----------
    tokens, channels, groups : int
        The input is ``(B, tokens, channels)``; groups must divide the channels.
    mix_tokens : bool
        The first block of a network has no mixing across tokens. (That product has no bias: the norm would remove it.)

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> block = dg.nn.LocalMixerBlock(16, 8, groups=2)
    >>> block(block.init(rng=0), np.zeros((3, 16, 8), np.float32)).shape
    (3, 16, 8)
    """

    @checked
    def __init__(self, tokens: int, channels: int, groups: int, mix_tokens: bool = True):
        products = [Linear(channels, channels), Conv1d(channels, channels, 1, groups=groups)]
        products = [Transposed(Linear(tokens, tokens, bias=False)), *products] if mix_tokens else products
        super().__init__(*(Residual(product, LayerNorm(channels), ReLU()) for product in products))
        self.tokens = tokens
        self.channels = channels
        self.groups = groups

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tokens}, {self.channels}, groups={self.groups})"


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
    def __init__(
        self, size: int = 32, patch: int = 4, in_channels: int = 3, classes: int = 10, channels: int = 256,
        groups: int = 16, blocks: int = 6,
    ):  # fmt: skip
        if size % patch:
            raise ValueError(f"got size={size} and patch={patch}; the patch must divide the size")
        self.grid: int = size // patch
        self.patch = patch
        self.blocks = blocks
        self.groups = groups
        self.classes = classes
        self.pixels: Shape = (size, size, in_channels)
        tokens = self.grid**2
        body = [LocalMixerBlock(tokens, channels, groups, mix_tokens=k > 0) for k in range(blocks)]
        super().__init__(
            Reshape(tokens, patch * patch * in_channels), Linear(patch * patch * in_channels, channels), *body,
            Reshape(self.grid, self.grid, channels), GlobalAvgPool2d(), Linear(channels, classes),
        )  # fmt: skip
        self.heads: list[Conv1d] = [Conv1d(channels, groups * classes, 1, groups=groups) for _ in range(blocks)]
        for k, head in enumerate(self.heads):
            self._add(f"heads.{k}", head)

    def _add(self, name, head):
        """Parameters of a classifier that is no part of the chain."""
        self._shapes |= {f"{name}.{n}": shape for n, shape in head.shapes().items()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.pixels[0]}, blocks={self.blocks}, groups={self.groups})"

    def initial(self, name: str, shape: Shape, rng: Rng, dtype: DTypeLike) -> Array:
        if name.startswith("heads."):
            _, k, rest = name.split(".")
            return self.heads[int(k)].initial(rest, shape, rng, dtype)
        return super().initial(name, shape, rng, dtype)

    def enter(self, x: Array) -> Array:
        """Images as rows of pixels, patch after patch."""
        if np.ndim(x) != 4 or x.shape[1:] != self.pixels:
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected (B, {self.pixels})")
        x = np.reshape(x, (len(x), self.grid, self.patch, self.grid, self.patch, self.pixels[-1]))
        return np.reshape(np.swapaxes(x, 2, 3), (len(x), self.grid**2, self.patch**2 * self.pixels[-1]))

    def forward(self, p: Parameters, x: Array, **kwargs: Any) -> Array:
        return super().forward(p, self.enter(x), **kwargs)

    def enter_tangent(self, dx: Tangent) -> Tangent:
        """`enter` of a tangent, with any lead axes."""
        rows = self.enter(np.reshape(dx, (-1, *self.pixels)))
        return np.reshape(rows, leading(dx, 3) + rows.shape[1:])

    def enter_pullback(self, dy: Array) -> Array:
        """The transpose of `enter`: rows of pixels, patch after patch, as images."""
        dx = np.reshape(dy, (len(dy), self.grid, self.grid, self.patch, self.patch, self.pixels[-1]))
        return np.reshape(np.swapaxes(dx, 2, 3), (len(dy), *self.pixels))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, **kwargs: Any) -> Pushed:
        return super().jvp(p, self.enter(x), dp, dx if dx is ZERO else self.enter_tangent(dx), **kwargs)

    def vjp(self, p: Parameters, x: Array, **kwargs: Any) -> Pulled:
        y, pull = super().vjp(p, self.enter(x), **kwargs)

        def pullback(dy):
            dp, dx = pull(dy)
            dp |= {n: np.zeros_like(p[n]) for n in dp if n.startswith("heads.")}  # no part of the chain
            return dp, self.enter_pullback(dx)

        return y, pullback

    def local_loss(self, params: Parameters, x: Input, target: Input) -> Scalar:
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
