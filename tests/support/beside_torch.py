"""A layer beside torch's: value, tangents, K directions, factors and pullback of both.

torch computes in float64 and is asked for its own derivatives (`torch.func.jvp` and `torch.autograd.grad`); ours, in
float64 and in float32, must agree with it to their precision and keep it. Files that use this import torch by
``pytest.importorskip`` themselves and stand in FRONT_TESTS of the Makefile.
"""

import contextlib
import warnings

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.nn.layer import with_buffers
from dualgrad.tree import flatten, map_leaves, unflatten

DIRECTIONS = 3
TOLERANCE = {np.float64: 1e-10, np.float32: 3e-5}  # beside the largest entry


def channels_first(x):
    """A tensor ``(B, ..., C)`` as ``(B, C, ...)``."""
    return x.movedim(-1, 1).contiguous()  # a tangent of torch 2.13 is viewed as it lies


def channels_last(y):
    """A tensor ``(B, C, ...)`` as ``(B, ..., C)``."""
    return y.movedim(1, -1)


def same(x):
    return x


def plain_call(module, *args):
    return module(*args)


def compare(
    layer, module, x, *, to_torch=same, from_torch=same, call=plain_call, params=None, seed=0, tolerance=1.0, **keywords
):
    """Hold a layer of ours to a module of torch at an input.

    Parameters
    ----------
    layer, module
        The module gets our parameters, by `dualgrad.nn.to_torch`, and is in training mode where ``train=True``.
    x : array, or a tuple of arrays
        The input of ours; arrays of integers have no tangent.
    to_torch, from_torch : functions of tensors
        What torch's module is given for our input, a tensor or a tuple of arguments, and what its output is in our
        layout; both are differentiated through. `channels_first` and `channels_last` are two.
    call : function of the module and its arguments
        Where it takes more than arguments: ``lambda m, x: m(x, key_padding_mask=mask)``.
    params : Params, optional
        Instead of normal draws.
    tolerance : float
        A factor of `TOLERANCE`.
    **keywords
        Of the call of ours: ``train=True``, masks, lengths.
    """
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng([seed, 1])  # no draws that an input might be made of
    params = drawn(layer, rng) if params is None else params
    x = map_leaves(lambda a: a if a.dtype.kind in "biu" else a.astype(np.float32).astype(np.float64), x)
    tangents = [_draws(rng, (DIRECTIONS, params.size))]
    tangents += [None if a.dtype.kind in "biu" else _draws(rng, (DIRECTIONS, *a.shape)) for a in flatten(x)[0]]
    with _differentiable(torch):
        theirs = _Theirs(torch, layer, module, params, x, (to_torch, from_torch, call), bool(keywords.get("train")))
        expected = theirs.value()
        cotangents = [_draws(rng, y.shape) for y in expected]
        zeros = [None if d is None else np.zeros_like(d) for d in tangents]
        along_p, along_x = theirs.jvps([tangents[0], *zeros[1:]]), theirs.jvps([zeros[0], *tangents[1:]])
        pulled = theirs.vjp(cotangents)
    for dtype in (np.float64, np.float32):
        ours = _Ours(layer, params, x, expected, keywords, dtype, tolerance)
        ours.check_value()
        ours.check_jvps(tangents, along_p, along_x)
        ours.check_vjp(cotangents, pulled)
        ours.check_factors(rng)


def drawn(layer, rng):
    """Normal parameters, and buffers from 0.5 to 1.5, that float32 holds without a rounding."""
    params = layer.init(rng=0, dtype=np.float64)
    params.vector[:] = _draws(rng, params.size)
    for b in params.buffers.values():
        b[...] = rng.uniform(0.5, 1.5, b.shape).astype(np.float32)
    return params


def _draws(rng, shape):
    return rng.standard_normal(shape).astype(np.float32).astype(np.float64)


@contextlib.contextmanager
def _differentiable(torch):
    """Without the fused kernels of attention, which have no forward derivative, and torch's warnings of itself."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


class _Theirs:
    """torch's module as a function of our vector of parameters and our input, in float64."""

    def __init__(self, torch, layer, module, params, x, maps, train):
        self.torch, (self.to_torch, self.from_torch, self.call) = torch, maps
        self.module = module.double().train(train)
        leaves, self.structure = flatten(x)
        self.inputs = [torch.from_numpy(a.copy()) for a in leaves]
        self.moving = [t.is_floating_point() for t in self.inputs]
        state = nn.to_torch(params, layer) if layer.names() else {}
        module.load_state_dict({name: torch.from_numpy(a) for name, a in state.items()}, strict=False)
        numbered = params.copy()
        numbered.vector[:] = np.arange(1, params.vector.size + 1)
        numbers = nn.to_torch(numbered, layer) if layer.names() else {}
        own = dict(module.named_parameters())
        assert own.keys() <= numbers.keys(), f"torch has {sorted(own)}, {layer!r} gives {sorted(numbers)}"
        self.places = {name: torch.from_numpy(numbers[name].astype(np.int64)) for name in own}  # 0: nothing of ours
        self.buffers = {name: b.clone() for name, b in module.named_buffers()}
        self.vector = torch.from_numpy(params.vector.copy())

    def __call__(self, vector, *moving):
        torch, rest = self.torch, iter(moving)
        inputs = [next(rest) if moves else a for a, moves in zip(self.inputs, self.moving, strict=True)]
        x = self.to_torch(unflatten(self.structure, inputs))
        padded = torch.cat([vector.new_zeros(1), vector])
        state = {name: padded[place] for name, place in self.places.items()}
        state |= {name: b.clone() for name, b in self.buffers.items()}
        module, call = self.module, self.call

        class Called(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.module = module

            def forward(self, *args):
                return call(self.module, *args)

        state = {f"module.{name}": value for name, value in state.items()}
        y = torch.func.functional_call(Called(), state, x if isinstance(x, tuple) else (x,))
        return tuple(flatten(self.from_torch(y))[0])

    def primals(self):
        return (self.vector, *(a for a, moves in zip(self.inputs, self.moving, strict=True) if moves))

    def value(self):
        with self.torch.no_grad():
            return [y.numpy() for y in self(*self.primals())]

    def jvps(self, tangents):
        """The tangents of all outputs along every direction."""
        columns = []
        for k in range(DIRECTIONS):
            ds = tuple(self.torch.from_numpy(np.ascontiguousarray(d[k])) for d in tangents if d is not None)
            columns.append([dy.numpy() for dy in self.torch.func.jvp(self, self.primals(), ds)[1]])
        return [np.stack(dys) for dys in zip(*columns, strict=True)]

    def vjp(self, cotangents):
        """The gradient by our vector, and by the inputs; zeros where nothing depends on them."""
        primals = [a.clone().requires_grad_() for a in self.primals()]
        ys = [(y, self.torch.from_numpy(c)) for y, c in zip(self(*primals), cotangents, strict=True) if y.requires_grad]
        grads = [None] * len(primals)
        if ys:
            grads = self.torch.autograd.grad([y for y, _ in ys], primals, [c for _, c in ys], allow_unused=True)
        return [np.zeros(a.shape) if g is None else g.numpy() for g, a in zip(grads, primals, strict=True)]


class _Ours:
    """Our layer at the same place, in one precision."""

    def __init__(self, layer, params, x, expected, keywords, dtype, tolerance):
        self.layer, self.expected, self.keywords, self.dtype = layer, expected, keywords, dtype
        self.bound = tolerance * TOLERANCE[dtype]
        buffers = {name: b.astype(dtype) for name, b in params.buffers.items()}
        self.params = type(params).from_vector(params.layout, params.vector.astype(dtype), buffers)
        self.x = map_leaves(self._own, x)
        self.p = with_buffers(self.params)

    def _own(self, a):
        return a if a.dtype.kind in "biu" else a.astype(self.dtype)

    def _tangents(self, tangents):
        """Along the parameters by name, and along the input: ZERO where all of it is whole numbers."""
        dp = self.params.at(tangents[0].astype(self.dtype))
        dx = [None if d is None else d.astype(self.dtype) for d in tangents[1:]]
        return dict(dp), dg.ZERO if all(d is None for d in dx) else unflatten(flatten(self.x)[1], dx)

    def _push(self, dp, dx):
        return self.layer.push(self.p, self.x, dp, dx, **self.layer.accepted(self.keywords))

    def _check_push(self, dp, dx, expected, what):
        y, dy = self._push(dp, dx)
        self._close(y, self.expected, f"the value beside {what}")
        self._close(dy, expected, what)

    def _close(self, found, expected, what):
        leaves = flatten(found)[0]
        assert len(leaves) == len(expected), f"{self.layer!r}: {what} of {len(leaves)} arrays; torch's {len(expected)}"
        for a, b in zip(leaves, expected, strict=True):
            said = f"{self.layer!r}, {what}, {np.dtype(self.dtype)}"
            if a is dg.ZERO:
                a = np.zeros(b.shape, self.dtype)  # a tangent that is ZERO
            assert a.dtype == self.dtype, f"{said} has become {a.dtype}"
            assert a.shape == b.shape, f"{said} has the shape {a.shape}; torch's has {b.shape}"
            scale = np.max(np.abs(b), initial=1e-3, where=np.isfinite(b))
            np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=self.bound, err_msg=said)

    def check_value(self):
        self._close(self.layer(self.params, self.x, **self.keywords), self.expected, "the value")

    def check_jvps(self, tangents, along_p, along_x):
        """One direction and all at once, along parameters and input, and along either alone."""
        dp, dx = self._tangents(tangents)
        both = [a + b for a, b in zip(along_p, along_x, strict=True)]
        still = dict.fromkeys(dp, dg.ZERO)
        for what, p, x, expected in (
            ("the tangent", dp, dx, both), ("along p", dp, dg.ZERO, along_p), ("along x", still, dx, along_x),
        ):  # fmt: skip
            self._check_push(p, x, expected, f"{what}, K directions")
            one = {name: d if d is dg.ZERO else d[0] for name, d in p.items()}
            one_x = x if x is dg.ZERO else map_leaves(lambda d: None if d is None else d[0], x)
            self._check_push(one, one_x, [e[0] for e in expected], what)

    def check_vjp(self, cotangents, pulled):
        y, pullback = self.layer.vjp(self.p, self.x, **self.layer.accepted(self.keywords))
        self._close(y, self.expected, "the value of vjp")
        dp, dx = pullback(unflatten(flatten(y)[1], [self._own(c) for c in cotangents]))
        assert list(dp) == list(self.params)
        parts = [dp[name].reshape(-1) for name in dp]
        self._close(np.concatenate(parts) if parts else np.zeros(0, self.dtype), pulled[:1], "the gradient by p")
        if dx is not dg.ZERO:
            self._close([d for d in flatten(dx)[0] if d is not dg.ZERO], pulled[1:], "the gradient by x")

    def check_factors(self, rng):
        """Tangents of matrices and kernels as factors give what the same matrices give."""
        for lead in ((), (DIRECTIONS,)):
            low = {name: self._factors(a, lead, rng) for name, a in self.params.items()}
            if low:
                dense = {name: d.dense() if isinstance(d, dg.OuterProduct) else d for name, d in low.items()}
                dx = self._tangents([np.zeros(self.params.size), *self._shaped(lead, rng)])[1]
                for x in (dx, dg.ZERO):
                    expected = [np.asarray(a, np.float64) for a in flatten(self._push(dense, x)[1])[0]]
                    self._check_push(low, x, expected, f"the tangent in factors, {lead}")

    def _factors(self, a, lead, rng):
        if a.ndim < 2:
            return rng.standard_normal(lead + a.shape).astype(self.dtype)
        left, right = (rng.standard_normal((*lead, n)).astype(self.dtype) for n in (a.size // a.shape[-1], a.shape[-1]))
        return dg.OuterProduct(left, right, a.shape)

    def _shaped(self, lead, rng):
        leaves = flatten(self.x)[0]
        return [None if a.dtype.kind in "biu" else rng.standard_normal(lead + a.shape) for a in leaves]
