"""Attention and mixing: layers in which the entries of a sequence, or the patches of an image, see each other."""

import math
from typing import Any

import numpy as np

from ..backend import Array
from ..dual import primal
from ..errors import ShapeError
from ..exponentials import softmax_tangent
from ..random import RngLike
from ..zero import ZERO
from .activations import GELU
from .containers import Container, Residual, Sequential
from .linear import Linear
from .masks import either, ignored, limits, masked_softmax
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
    dropout : float
        Of the entries of A, in training mode.
    bias : bool
    causal : bool
        Whether each position sees only itself and those before it.

    Notes
    -----
    Self-attention over ``(B, L, embed_dim)``. Parameters: ``qkv.weight (E, 3E)``, ``qkv.bias``, ``out.weight (E, E)``,
    ``out.bias``. Memory and cost grow with L².

    Keywords of a call, which containers hand on: ``key_padding_mask`` ``(B, L)``, True where a key is ignored, and
    ``attn_mask``, ``(L, L)``, ``(B * heads, L, L)`` or ``(B, heads, L, L)``: booleans, True where a pair is ignored, or
    numbers that are added to the scores. A query that sees nothing attends to nothing, A = 0; torch gives NaN.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.MultiHeadAttention(8, 2)
    >>> layer(layer.init(rng=0), np.zeros((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    lead = True

    @checked
    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, *, causal: bool = False
    ):  # fmt: skip
        if embed_dim % num_heads:
            raise ValueError(f"got embed_dim={embed_dim} and num_heads={num_heads}; the heads must divide it")
        super().__init__({"qkv": Linear(embed_dim, 3 * embed_dim, bias), "out": Linear(embed_dim, embed_dim, bias)})
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.causal = causal
        self.dropout = dropout
        self._dropout = Dropout(dropout)
        self._draws = self._dropout.takes if dropout else frozenset()
        self.takes: frozenset[str] = frozenset({"key_padding_mask", "attn_mask"}) | self._draws
        self.by_example: frozenset[str] = frozenset({"key_padding_mask"})

    def __repr__(self) -> str:
        more = f"{', causal=True' if self.causal else ''}{f', dropout={self.dropout}' if self.dropout else ''}"
        return f"{type(self).__name__}({self.embed_dim}, {self.num_heads}{more})"

    def _check(self, x):
        if np.ndim(x) != 3 or x.shape[-1] != self.embed_dim or not x.shape[1]:
            expected = f"(B, L, {self.embed_dim}) with L > 0"
            raise ShapeError(f"{self!r} got an input of shape {np.shape(x)}; expected {expected}")

    def _heads(self, z):
        """(..., B, L, n E) -> n arrays of shape (..., B, H, L, d)."""
        if z is ZERO:
            return ZERO, ZERO, ZERO
        n = z.shape[-1] // self.embed_dim
        z = np.reshape(z, (*z.shape[:-1], n, self.num_heads, self.embed_dim // self.num_heads))
        z = np.moveaxis(z, -2, -4)  # (..., B, H, L, n, d)
        return [z[..., k, :] for k in range(n)]

    def _flat(self, parts):
        """The inverse."""
        z = np.moveaxis(np.stack(parts, -2), -4, -2)
        return np.reshape(z, (*z.shape[:-3], len(parts) * self.embed_dim))

    def _joined(self, o):
        """(..., B, H, L, d) -> (..., B, L, E)."""
        o = np.swapaxes(o, -2, -3)
        return np.reshape(o, (*o.shape[:-2], self.embed_dim))

    def _weights(self, q, k, padding, mask, train, rng):
        """A, and the mask of dropout on it, which may be None."""
        s = np.matmul(q, np.swapaxes(k, -1, -2)) * (1 / math.sqrt(q.shape[-1]))
        hidden, added = limits(self, s, mask)
        hidden = either(hidden, ignored(self, k, padding))
        s = s if added is None else s + added
        if self.causal:
            later = np.triu(np.ones_like(primal(s), shape=s.shape[-2:]), 1) > 0
            hidden = either(hidden, later)
        a = masked_softmax(s, hidden)
        return a, self._dropout._mask(a, train, rng)

    def _attend(self, q, k, v, *masks):
        a, kept = self._weights(q, k, *masks)
        return self._joined(np.matmul(_kept_of(a, kept), v))

    def _attend_jvp(self, heads, tangents, *masks):
        """A v and its tangent."""
        (q, k, v), (dq, dk, dv) = heads, tangents
        a, kept = self._weights(q, k, *masks)
        dropped = _kept_of(a, kept)
        o, do, scale = np.matmul(dropped, v), ZERO, 1 / math.sqrt(q.shape[-1])
        if dq is not ZERO or dk is not ZERO:
            ds = _product(dq, _across(k)) + _product(q, _across(dk))
            do = np.matmul(_kept_of(softmax_tangent(a, ds * scale), kept), v)
        do = do + _product(dropped, dv)
        return self._joined(o), do if do is ZERO else self._joined(do)

    def _attend_vjp(self, q, k, v, *masks):
        """A v, and from its cotangent those of q, k and v."""
        a, kept = self._weights(q, k, *masks)
        dropped, scale = _kept_of(a, kept), 1 / math.sqrt(q.shape[-1])

        def pullback(do):
            do = np.swapaxes(np.reshape(do, (*do.shape[:-1], self.num_heads, q.shape[-1])), -2, -3)
            ds = softmax_tangent(a, _kept_of(np.matmul(do, _across(v)), kept)) * scale
            return np.matmul(ds, k), np.matmul(_across(ds), q), np.matmul(_across(dropped), do)

        return self._joined(np.matmul(dropped, v)), pullback

    def forward(
        self, p: Parameters, x: Array, key_padding_mask: Any = None, attn_mask: Any = None, train: bool = False,
        rng: RngLike = None,
    ) -> Array:  # fmt: skip
        self._check(x)
        heads = self._heads(self.call("forward", "qkv", p, x))
        return self.call("forward", "out", p, self._attend(*heads, key_padding_mask, attn_mask, train, rng))

    def jvp(
        self, p: Parameters, x: Array, dp: Tangents, dx: Tangent, key_padding_mask: Any = None, attn_mask: Any = None,
        train: bool = False, rng: RngLike = None,
    ) -> Pushed:  # fmt: skip
        self._check(x)
        z, dz = self.call("jvp", "qkv", p, x, dp, dx)
        o, do = self._attend_jvp(self._heads(z), self._heads(dz), key_padding_mask, attn_mask, train, rng)
        return self.call("jvp", "out", p, o, dp, do)

    def vjp(
        self, p: Parameters, x: Array, key_padding_mask: Any = None, attn_mask: Any = None, train: bool = False,
        rng: RngLike = None,
    ) -> Pulled:  # fmt: skip
        self._check(x)
        z, pull_qkv = self.call("vjp", "qkv", p, x)
        o, pull = self._attend_vjp(*self._heads(z), key_padding_mask, attn_mask, train, rng)
        y, pull_out = self.call("vjp", "out", p, o)

        def pullback(dy):
            dp_out, do = pull_out(dy)
            dp_qkv, dx = pull_qkv(self._flat(pull(do)))
            return self.named("qkv", dp_qkv) | self.named("out", dp_out), dx

        return y, pullback


def _kept_of(a, kept):
    return a if kept is None else a * kept


def _across(a):
    return a if a is ZERO else np.swapaxes(a, -1, -2)


def _product(a, b):
    return ZERO if a is ZERO or b is ZERO else np.matmul(a, b)


class TransformerBlock(Sequential):
    """x ← x + attention(norm x), x ← x + MLP(norm x): tangents and cotangents as in `Residual` and `Sequential`.

    Parameters
    ----------
    embed_dim, num_heads : int
    hidden_dim : int, optional
        Width of the MLP, four times the dimension by default.
    dropout : float
        Behind the attention and behind the MLP, in training mode.
    causal : bool
    attention_dropout : float
        Of the attention's weights.

    Notes
    -----
    The norms stand first (torch's ``norm_first=True``), the activation is GELU. The masks of `MultiHeadAttention` are
    keywords of a call.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> block = dg.nn.TransformerBlock(8, 2)
    >>> block(block.init(rng=0), np.zeros((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    @checked
    def __init__(
        self, embed_dim: int, num_heads: int, hidden_dim: int | None = None, dropout: float = 0.0, *,
        causal: bool = False, attention_dropout: float = 0.0,
    ):  # fmt: skip
        hidden = 4 * embed_dim if hidden_dim is None else hidden_dim
        heads = MultiHeadAttention(embed_dim, num_heads, attention_dropout, causal=causal)
        mlp = [LayerNorm(embed_dim), Linear(embed_dim, hidden), GELU(), Linear(hidden, embed_dim)]
        drop = [Dropout(dropout)] if dropout else []
        super().__init__(Residual(LayerNorm(embed_dim), heads, *drop), Residual(*mlp, *drop))
