"""Attention beside torch's: masks of every kind, the memory of cross-attention, blocks; rules, factors and weights."""

import itertools

import numpy as np
import pytest

from dualgrad import nn

from ..support.beside_torch import compare

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(2)
B, L, S, E, H = 2, 3, 4, 4, 2
CASES = list(itertools.product(["none", "bool", "bool by head", "float"], [False, True], [False, True], [False, True]))


def masks(kind, padded, causal, keys):
    """Our masks of L queries and some keys, the first of which everybody sees."""
    padding = RNG.random((B, keys)) < 0.4 if padded else None
    mask = {
        "none": None,
        "bool": RNG.random((L, keys)) < 0.4,
        "bool by head": RNG.random((B * H, L, keys)) < 0.4,
        "float": RNG.standard_normal((L, keys)),
    }[kind]
    for hidden in (padding, mask):
        if hidden is not None and hidden.dtype == bool:
            hidden[..., 0] = False
    return padding, mask


def theirs(padding, mask, causal, keys):
    """The same as torch takes them: one mask of scores, in numbers."""
    added = torch.zeros(B * H, L, keys, dtype=torch.float64)
    if mask is not None:
        mask = torch.from_numpy(mask)
        added = added.masked_fill(mask, -torch.inf) if mask.dtype == torch.bool else added + mask
    if causal:
        added = added.masked_fill(torch.ones(L, keys).triu(1) > 0, -torch.inf)
    pad = None if padding is None else torch.zeros(B, keys, dtype=torch.float64)
    return {"attn_mask": added, "key_padding_mask": pad if pad is None else pad.masked_fill(
        torch.from_numpy(padding), -torch.inf)}  # fmt: skip


@pytest.mark.parametrize(("kind", "padded", "causal", "bias"), CASES[::2] + CASES[1::4])
def test_self_attention(kind, padded, causal, bias):
    padding, mask = masks(kind, padded, causal, L)
    given = theirs(padding, mask, causal, L)
    compare(
        nn.MultiHeadAttention(E, H, bias=bias, causal=causal),
        torch.nn.MultiheadAttention(E, H, bias=bias, batch_first=True),
        RNG.standard_normal((B, L, E)), call=lambda m, x: m(x, x, x, need_weights=False, **given)[0],
        key_padding_mask=padding, attn_mask=mask,
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "padded", "bias"), [(k, p, b) for k, p, c, b in CASES if c])
def test_cross_attention(kind, padded, bias):
    """Called with the pair of queries and memory: tangents and cotangents of both."""
    padding, mask = masks(kind, padded, False, S)
    given = theirs(padding, mask, False, S)
    compare(
        nn.CrossAttention(E, H, bias=bias), torch.nn.MultiheadAttention(E, H, bias=bias, batch_first=True),
        (RNG.standard_normal((B, L, E)), RNG.standard_normal((B, S, E))),
        call=lambda m, x, y: m(x, y, y, need_weights=False, **given)[0],
        memory_key_padding_mask=padding, memory_mask=mask,
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "padded"), [(k, p) for k, p, c, b in CASES if c and b])
def test_blocks_hand_masks_on(kind, padded):
    padding, mask = masks(kind, padded, False, L)
    given = theirs(padding, mask, False, L)
    block = torch.nn.TransformerEncoderLayer(E, H, 6, activation="gelu", norm_first=True, batch_first=True)
    compare(
        nn.TransformerBlock(E, H, 6), block, RNG.standard_normal((B, L, E)),
        call=lambda m, x: m(x, src_mask=given["attn_mask"], src_key_padding_mask=given["key_padding_mask"]),
        tolerance=10, key_padding_mask=padding, attn_mask=mask,
    )  # fmt: skip
