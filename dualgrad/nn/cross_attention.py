"""Attention to another sequence, the memory: of a decoder to what its encoder has read."""

from typing import Any

import numpy as np

from ..backend import Array
from ..errors import ShapeError
from ..inputs import as_input
from ..outer_product import OuterProduct
from ..random import RngLike
from ..zero import ZERO
from .attention import MultiHeadAttention
from .linear import Linear
from .setting_checks import checked
from .types import Input, Parameters, Pulled, Pushed, Tangent, Tangents


class CrossAttention(MultiHeadAttention):
    """y = (A v) W + b, A = softmax(q kᵀ / √d), q = x Wq + b, k, v = m (Wk, Wv) + b for a memory m.

    Tangent and transpose are those of `MultiHeadAttention`, with dk, dv from dm, and m̄ from k̄, v̄.

    Parameters
    ----------
    embed_dim, num_heads : int
    dropout : float
    bias : bool

    Notes
    -----
    Queries ``(B, L, embed_dim)``, memory ``(B, S, embed_dim)``. The memory is a keyword of the call, ``memory=``,
    which containers hand on to the layers that take it: so a decoder is a `Sequential` like any other. It may be a
    Dual; then the engine goes through `forward`. Called by itself the layer also takes the pair ``(x, memory)`` as its
    input, whose rules have tangents and cotangents of both; a ``memory=`` is a constant to a `vjp`.

    Other keywords: ``memory_key_padding_mask`` ``(B, S)`` and ``memory_mask`` ``(L, S)``, ``(B * heads, L, S)`` or
    ``(B, heads, L, S)``, as in `MultiHeadAttention`, whose parameters these are.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> decoder = dg.nn.Sequential(dg.nn.TransformerBlock(8, 2, causal=True),
    ...                            dg.nn.Residual(dg.nn.LayerNorm(8), dg.nn.CrossAttention(8, 2)))
    >>> x, memory = np.zeros((3, 5, 8), np.float32), np.ones((3, 7, 8), np.float32)
    >>> decoder(decoder.init(rng=0), x, memory=memory).shape
    (3, 5, 8)
    """

    lead = True

    @checked
    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True):
        super().__init__(embed_dim, num_heads, dropout, bias)
        self._q, self._kv = Linear(embed_dim, embed_dim, bias), Linear(embed_dim, 2 * embed_dim, bias)
        self.takes = frozenset({"memory", "memory_key_padding_mask", "memory_mask"}) | self._draws
        self.by_example = frozenset({"memory", "memory_key_padding_mask"})

    def _array(self, x):
        return x if _is_pair(x) else super()._array(x)

    def _inputs(self, x, memory):
        """The queries and the memory."""
        if memory is None and _is_pair(x):
            x, memory = x
        if memory is None:
            raise TypeError(f"{self!r} got no memory: call it with memory=, (B, S, {self.embed_dim})")
        x, memory = as_input(x, self), as_input(memory, self)
        for z in (x, memory):
            self._check(z)
        if x.shape[0] != memory.shape[0]:
            raise ShapeError(f"{self!r} got an input of {x.shape[0]} sequences and a memory of {memory.shape[0]}")
        return x, memory

    def _share(self, p, queries):
        """The parameters, or tangents, of the projection of queries or of the memory."""
        part = slice(None, self.embed_dim) if queries else slice(self.embed_dim, None)
        return {
            name.removeprefix("qkv."): _projection_part(d, part) for name, d in p.items() if name.startswith("qkv.")
        }

    def forward(
        self, p: Parameters, x: Input, memory: Any = None, memory_key_padding_mask: Any = None,
        memory_mask: Any = None, train: bool = False, rng: RngLike = None,
    ) -> Array:  # fmt: skip
        x, memory = self._inputs(x, memory)
        (q,) = self._heads(self._q.forward(self._share(p, True), x))
        k, v = self._heads(self._kv.forward(self._share(p, False), memory))
        return self.call("forward", "out", p, self._attend(q, k, v, memory_key_padding_mask, memory_mask, train, rng))

    def jvp(
        self, p: Parameters, x: Input, dp: Tangents, dx: Tangent, memory: Any = None,
        memory_key_padding_mask: Any = None, memory_mask: Any = None, train: bool = False, rng: RngLike = None,
    ) -> Pushed:  # fmt: skip
        dx, dm = dx if isinstance(dx, (tuple, list)) else (dx, ZERO)
        x, memory = self._inputs(x, memory)
        q, dq = self._q.jvp(self._share(p, True), x, self._share(dp, True), dx)
        kv, dkv = self._kv.jvp(self._share(p, False), memory, self._share(dp, False), dm)
        heads, dheads = (*self._heads(q), *self._heads(kv)), (self._heads(dq)[0], *self._heads(dkv)[-2:])
        o, do = self._attend_jvp(heads, dheads, memory_key_padding_mask, memory_mask, train, rng)
        return self.call("jvp", "out", p, o, dp, do)

    def vjp(
        self, p: Parameters, x: Input, memory: Any = None, memory_key_padding_mask: Any = None,
        memory_mask: Any = None, train: bool = False, rng: RngLike = None,
    ) -> Pulled:  # fmt: skip
        pair, (x, memory) = memory is None, self._inputs(x, memory)
        z, pull_q = self._q.vjp(self._share(p, True), x)
        kv, pull_kv = self._kv.vjp(self._share(p, False), memory)
        masks = memory_key_padding_mask, memory_mask, train, rng
        o, pull = self._attend_vjp(*self._heads(z), *self._heads(kv), *masks)
        y, pull_out = self.call("vjp", "out", p, o)

        def pullback(dy):
            dp_out, do = pull_out(dy)
            dq, *dkv = pull(do)
            (dp_q, dx), (dp_kv, dm) = pull_q(self._flat([dq])), pull_kv(self._flat(dkv))
            dp = {name: np.concatenate([dp_q[name], dp_kv[name]], axis=-1) for name in dp_q}
            return self.named("qkv", dp) | self.named("out", dp_out), (dx, dm) if pair else dx

        return y, pullback


def _is_pair(x):
    return isinstance(x, tuple) and len(x) == 2


def _projection_part(d, part):
    """Some columns of a parameter or its tangent."""
    if d is ZERO:
        return ZERO
    return OuterProduct(d.a, d.b[..., part]) if isinstance(d, OuterProduct) else d[..., part]
