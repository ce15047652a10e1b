"""Attention and mixing: layers in which the entries of a sequence, or the patches of an image, see each other."""

import math

import numpy as np

from ..backend import Array
from ..dual import primal
from ..errors import ShapeError
from ..exponentials import softmax_tangent, stable_softmax
from ..zero import ZERO
from .activations import GELU
from .containers import Container, Residual, Sequential
from .linear import Linear
from .norms import Dropout, LayerNorm
from .setting_checks import checked
from .types import Parameters, Pulled, Pushed, Tangent, Tangents


class MultiHeadAttention(Container):
    """y = (A v) W + b, A = softmax(q kᵀ / √d) for every head, q, k, v = x (Wq, Wk, Wv) + b.

    dA = A (dS - ⟨A, dS⟩), dS = (dq kᵀ + q dkᵀ) / √d, d(A v) = dA v + A dv; backwards v̄ = Aᵀ ō, Ā = ō vᵀ,
    S̄ = A (Ā - ⟨A, Ā⟩), q̄ = S̄ k / √d, k̄ = S̄ᵀ q / √d (Vaswani et al. 2017).

    Parameters
    ----------
    embed_dim, num_heads : int
        The heads must divide the dimension.
    bias : bool
    causal : bool
        Whether each position sees only itself and those before it.

    Notes
    -----
    Self-attention over ``(B, L, embed_dim)``. Parameters: ``qkv.weight (E, 3E)``, ``qkv.bias``, ``out.weight (E, E)``,
    ``out.bias``. Memory and cost grow with L².

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.MultiHeadAttention(8, 2)
    >>> layer(layer.init(rng=0), np.zeros((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    lead = True

    @checked
    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, causal: bool = False):
        if embed_dim % num_heads:
            raise ValueError(f"got embed_dim={embed_dim} and num_heads={num_heads}; the heads must divide it")
        super().__init__({"qkv": Linear(embed_dim, 3 * embed_dim, bias), "out": Linear(embed_dim, embed_dim, bias)})
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.causal = causal

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.embed_dim}, {self.num_heads}{', causal=True' if self.causal else ''})"

    def _check(self, x):
        if np.ndim(x) != 3 or x.shape[-1] != self.embed_dim or not x.shape[1]:
            expected = f"(B, L, {self.embed_dim}) with L > 0"
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected {expected}")

    def _heads(self, z):
        """(..., B, L, 3 E) -> q, k, v of shape (..., B, H, L, d)."""
        z = np.reshape(z, (*z.shape[:-1], 3, self.num_heads, self.embed_dim // self.num_heads))
        z = np.moveaxis(z, -2, -4)  # (..., B, H, L, 3, d)
        return z[..., 0, :], z[..., 1, :], z[..., 2, :]

    def _joined(self, o):
        """(..., B, H, L, d) -> (..., B, L, E)."""
        o = np.swapaxes(o, -2, -3)
        return np.reshape(o, (*o.shape[:-2], self.embed_dim))

    def _scores(self, q, k):
        """q kᵀ / √d; what a causal layer may not see is -inf."""
        s = np.matmul(q, np.swapaxes(k, -1, -2)) * (1 / math.sqrt(q.shape[-1]))
        if not self.causal:
            return s
        length = s.shape[-1]
        hidden = np.triu(np.ones_like(primal(s), shape=(length, length)), 1) > 0
        return np.where(hidden, -np.inf, s)

    def forward(self, p: Parameters, x: Array) -> Array:
        self._check(x)
        q, k, v = self._heads(self.call("forward", "qkv", p, x))
        o = np.matmul(stable_softmax(self._scores(q, k)), v)
        return self.call("forward", "out", p, self._joined(o))

    def jvp(self, p: Parameters, x: Array, dp: Tangents, dx: Tangent) -> Pushed:
        self._check(x)
        z, dz = self.call("jvp", "qkv", p, x, dp, dx)
        q, k, v = self._heads(z)
        a = stable_softmax(self._scores(q, k))
        o, do = np.matmul(a, v), ZERO
        if dz is not ZERO:
            dq, dk, dv = self._heads(dz)
            ds = np.matmul(dq, np.swapaxes(k, -1, -2)) + np.matmul(q, np.swapaxes(dk, -1, -2))
            da = softmax_tangent(a, ds * (1 / math.sqrt(q.shape[-1])))
            do = self._joined(np.matmul(da, v) + np.matmul(a, dv))
        return self.call("jvp", "out", p, self._joined(o), dp, do)

    def vjp(self, p: Parameters, x: Array) -> Pulled:
        self._check(x)
        z, pull_qkv = self.call("vjp", "qkv", p, x)
        q, k, v = self._heads(z)
        a, scale = stable_softmax(self._scores(q, k)), 1 / math.sqrt(q.shape[-1])
        y, pull_out = self.call("vjp", "out", p, self._joined(np.matmul(a, v)))

        def pullback(dy):
            dp_out, do = pull_out(dy)
            do = np.swapaxes(np.reshape(do, (*do.shape[:-1], self.num_heads, q.shape[-1])), -2, -3)
            ds = softmax_tangent(a, np.matmul(do, np.swapaxes(v, -1, -2))) * scale
            parts = np.matmul(ds, k), np.matmul(np.swapaxes(ds, -1, -2), q), np.matmul(np.swapaxes(a, -1, -2), do)
            dz = np.moveaxis(np.stack(parts, -2), -4, -2)  # (B, L, 3, H, d)
            dp_qkv, dx = pull_qkv(np.reshape(dz, z.shape))
            return self.named("qkv", dp_qkv) | self.named("out", dp_out), dx

        return y, pullback


class TransformerBlock(Sequential):
    """x ← x + attention(norm x), x ← x + MLP(norm x): tangents and cotangents as in `Residual` and `Sequential`.

    Parameters
    ----------
    embed_dim, num_heads : int
    hidden_dim : int, optional
        Width of the MLP, four times the dimension by default.
    dropout : float
    causal : bool

    Notes
    -----
    The norms stand first (torch's ``norm_first=True``), the activation is GELU.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> block = dg.nn.TransformerBlock(8, 2)
    >>> block(block.init(rng=0), np.zeros((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    @checked
    def __init__(
        self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.0, causal: bool = False
    ):
        hidden = 4 * embed_dim if hidden_dim is None else hidden_dim
        attention = [LayerNorm(embed_dim), MultiHeadAttention(embed_dim, num_heads, causal=causal)]
        mlp = [LayerNorm(embed_dim), Linear(embed_dim, hidden), GELU(), Linear(hidden, embed_dim)]
        drop = [Dropout(dropout)] if dropout else []
        super().__init__(Residual(*attention, *drop), Residual(*mlp, *drop))
