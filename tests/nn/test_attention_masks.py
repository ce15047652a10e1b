"""Masks, dropout and memory of attention: against loops, each rule against the engine, in containers."""

import itertools

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn

RNG = np.random.default_rng(8)
B, L, S, E, H = 2, 3, 4, 4, 2


def looped(p, x, memory, hidden, added):
    """Attention, query by query, over the keys that are not hidden; scores and masks (B, H, L, keys)."""
    w, b = p["qkv.weight"], p["qkv.bias"]
    y = np.zeros(x.shape)
    for i, h, q in np.ndindex(B, H, x.shape[1]):
        part = slice(h * E // H, (h + 1) * E // H)
        query = (x[i, q] @ w[:, :E] + b[:E])[part]
        keys, values = ((memory[i] @ w[:, k * E : (k + 1) * E] + b[k * E : (k + 1) * E])[:, part] for k in (1, 2))
        seen = [k for k in range(len(keys)) if not hidden[i, h, q, k]]
        weights = np.array([np.exp(query @ keys[k] / np.sqrt(E / H) + added[i, h, q, k]) for k in seen])
        y[i, q, part] = sum(a * values[k] for a, k in zip(weights / weights.sum(), seen, strict=True)) if seen else 0
    return y @ p["out.weight"] + p["out.bias"]


CASES = list(itertools.product([None, 2, 3, 4], [bool, float], [False, True], [False, True]))


@pytest.mark.parametrize(("ndim", "kind", "padded", "cross"), CASES)
def test_masks(ndim, kind, padded, cross):
    """All rules; rows of which nothing is seen are 0 and move nothing, also where -inf says so."""
    keys = S if cross else L
    padding = RNG.random((B, keys)) < 0.5 if padded else None
    if padded:
        padding[0] = True  # a sequence of padding alone
    shape = {None: None, 2: (L, keys), 3: (B * H, L, keys), 4: (B, H, L, keys)}[ndim]
    mask = None if ndim is None else RNG.random(shape) < 0.4 if kind is bool else RNG.standard_normal(shape)
    if kind is float and ndim:
        mask[..., 1, :] = -np.inf
    hidden, added = np.zeros((B, H, L, keys), bool), np.zeros((B, H, L, keys))
    if padded:
        hidden |= padding[:, None, None]
    if ndim and kind is bool:
        hidden |= mask.reshape(B, H, L, keys) if ndim == 3 else mask
    elif ndim:
        added += mask.reshape(B, H, L, keys) if ndim == 3 else mask
        hidden |= added == -np.inf
    layer, prefix = (nn.CrossAttention(E, H), "memory_") if cross else (nn.MultiHeadAttention(E, H), "")
    names = f"{prefix}key_padding_mask", "memory_mask" if cross else "attn_mask"
    keywords = dict(zip(names, (padding, mask), strict=True))
    params = layer.init(rng=0, dtype=np.float64)
    x, memory = RNG.standard_normal((B, L, E)), RNG.standard_normal((B, keys, E))
    given = (x, memory) if cross else x
    y = layer(params, given, **keywords)
    np.testing.assert_allclose(y, looped(params, x, memory if cross else x, hidden, added), atol=1e-13)
    dp = params.map_leaves(lambda a: RNG.standard_normal((2, *a.shape)))
    dx = dg.tree.map_leaves(lambda a: RNG.standard_normal((2, *a.shape)), given)
    _, exact = dg.jvp(lambda q, x: layer.forward(q, x, **keywords), (params, given), (dp, dx))
    _, called = dg.jvp(lambda q, x: layer(q, x, **keywords), (params, given), (dp, dx))
    found, dy = layer.jvp(dict(params), given, dict(dp), dx, **keywords)
    for a, b in ((found, y), (dy, exact), (called, exact)):
        np.testing.assert_allclose(a, b, atol=1e-12)
    _, pull = layer.vjp(dict(params), given, **keywords)
    u = RNG.standard_normal(y.shape)
    by_p, by_x = pull(u)
    inner = sum(np.sum(by_p[n] * dp[n][0]) for n in dp)
    inner += sum(np.sum(a * b[0]) for a, b in zip(dg.tree.leaves(by_x), dg.tree.leaves(dx), strict=True))
    np.testing.assert_allclose(inner, np.sum(u * exact[0]), atol=1e-11)


def test_a_memory_in_containers():
    """It reaches the layers that take it; as a Dual, alone and beside parameters, nested too."""
    decoder = nn.Sequential(
        nn.TransformerBlock(E, H, causal=True), nn.Residual(nn.LayerNorm(E), nn.CrossAttention(E, H)), nn.Linear(E, 1)
    )
    assert decoder.by_example == {"memory", "memory_key_padding_mask", "key_padding_mask"}
    params = decoder.init(rng=0, dtype=np.float64)
    x, memory = RNG.standard_normal((B, L, E)), RNG.standard_normal((B, S, E))
    v, dm = params.map_leaves(lambda a: RNG.standard_normal(a.shape)), RNG.standard_normal(memory.shape)
    padding = np.arange(S) >= np.array([[4], [2]])

    def f(q, m):
        return nn.mse(decoder(q, x, memory=m, memory_key_padding_mask=padding), np.zeros((B, L, 1)))

    at = lambda e: f(params.at(params.vector + e * v.vector), memory + e * dm)  # noqa: E731
    _, slope = dg.jvp(f, (params, memory), (v, dm))
    np.testing.assert_allclose(slope, (at(1e-6) - at(-1e-6)) / 2e-6, rtol=1e-6)
    still = dg.jvp(lambda q: f(q, memory), (params,), (v,))[1]
    np.testing.assert_allclose(slope, still + dg.jvp(lambda m: f(params, m), (memory,), (dm,))[1], rtol=1e-10)
    _, second = dg.jvp(lambda q, m: dg.jvp(f, (q, m), (v, dm))[1], (params, memory), (v, dm))
    np.testing.assert_allclose(second, (at(1e-4) - 2 * at(0) + at(-1e-4)) / 1e-8, rtol=1e-4)
    batch = nn.Objective(decoder, nn.mse).bind(
        x, np.zeros((B, L, 1)), memory=memory, memory_key_padding_mask=padding, train=True, rng=0
    )
    value, along = batch.jvp(params, v)
    np.testing.assert_allclose((value, along), (f(params, memory), still), rtol=1e-12)
    _, gradient = batch.vjp(params)
    np.testing.assert_allclose(sum(np.sum(gradient[n] * v[n]) for n in v), still, rtol=1e-9)


@pytest.mark.parametrize("cross", [False, True])
def test_dropout_of_the_weights(cross):
    """The rules draw the same entries; the mean over draws is the value without."""
    layer = nn.CrossAttention(E, H, dropout=0.3) if cross else nn.MultiHeadAttention(E, H, dropout=0.3)
    params, x = layer.init(rng=0, dtype=np.float64), RNG.standard_normal((B, L, E))
    extra = {"memory": RNG.standard_normal((B, S, E))} if cross else {}
    dp, dx = params.map_leaves(np.ones_like), np.ones_like(x)
    keywords = {"train": True, "rng": 5, **extra}
    y, dy = dg.jvp(lambda q, x: layer(q, x, **keywords), (params, x), (dp, dx))
    exact = dg.jvp(lambda q, x: layer.forward(q, x, **keywords), (params, x), (dp, dx))
    np.testing.assert_allclose((y, dy), exact, atol=1e-13)
    z, pull = layer.vjp(dict(params), x, **keywords)
    by_p, by_x = pull(np.ones_like(y))
    np.testing.assert_allclose(z, y, atol=1e-14)
    np.testing.assert_allclose(sum(np.sum(d) for d in by_p.values()) + np.sum(by_x), np.sum(dy), rtol=1e-10)
    rng = dg.Rng(0)
    mean = np.mean([layer(params, x, train=True, rng=rng, **extra) for _ in range(600)], axis=0)
    np.testing.assert_allclose(mean, layer(params, x, **extra), atol=0.05)
    with pytest.raises(ValueError, match="needs randomness"):
        layer(params, x, train=True, **extra)


def test_what_does_not_fit_is_named():
    self_, cross = nn.MultiHeadAttention(E, H), nn.CrossAttention(E, H)
    x, memory = np.zeros((B, L, E), np.float32), np.zeros((B, S, E), np.float32)
    for layer, keywords, error, message in (
        (self_, {"key_padding_mask": np.zeros((B, S), bool)}, dg.ShapeError, "True where a key is ignored"),
        (self_, {"key_padding_mask": np.zeros((B, L))}, dg.ShapeError, "padding mask of float64"),
        (self_, {"attn_mask": np.zeros((L, L), int)}, dg.ShapeError, "mask of int64"),
        (self_, {"attn_mask": np.zeros((L, S), bool)}, dg.ShapeError, r"expected one of \[\(3, 3\), \(4, 3, 3\)"),
        (self_, {"memory": memory}, TypeError, "got the keyword 'memory'; expected attn_mask"),
        (cross, {}, TypeError, "got no memory"),
        (cross, {"memory": memory[:1]}, dg.ShapeError, "2 sequences and a memory of 1"),
        (cross, {"memory": memory[..., :3]}, dg.ShapeError, r"expected \(B, L, 4\)"),
    ):
        with pytest.raises(error, match=message):
            layer(layer.init(rng=0), x, **keywords)
