"""Recurrent layers beside torch's, over all their settings: values, tangents, factors, pullbacks, states; weights."""

import itertools

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn

from ..support.beside_torch import compare, drawn

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(11)
STEPS, BATCH, WIDTH, HIDDEN = 4, 3, 2, 2
KINDS = {"RNN": {}, "RNN, relu": {"nonlinearity": "relu"}, "GRU": {}, "LSTM": {}}
FLAGS = list(itertools.product((1, 2), *[(False, True)] * 5))


def case(kind, flags):
    """Ours, torch's, an input, and what of the settings the calls need."""
    layers, bidirectional, bias, batch_first, padded, stated = flags
    settings = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
    settings |= KINDS[kind]
    name = kind.partition(",")[0]
    x = RNG.standard_normal((BATCH, STEPS, WIDTH) if batch_first else (STEPS, BATCH, WIDTH))
    keywords = {}
    if padded:
        keywords["lengths"] = RNG.permutation([STEPS, 1, 2])
    if stated:
        parts = [RNG.standard_normal((layers * (1 + bidirectional), BATCH, HIDDEN)) for _ in range(2)]
        keywords["state"] = tuple(parts) if name == "LSTM" else parts[0]
    ours, theirs = getattr(nn, name)(WIDTH, HIDDEN, **settings), getattr(torch.nn, name)(WIDTH, HIDDEN, **settings)
    return ours, theirs, x, keywords


def tensors(tree):
    return dg.tree.map_leaves(torch.from_numpy, tree)


def packed(m, x, state=None, lengths=None):
    """torch's outputs and last state, of padded sequences as torch packs them."""
    if lengths is None:
        return m(x, state)
    rows = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, m.batch_first, enforce_sorted=False)
    y, state = m(rows, state)
    return torch.nn.utils.rnn.pad_packed_sequence(y, m.batch_first, total_length=STEPS)[0], state


def one_by_one(m, x, state=None, lengths=None):
    """The same, sequence by sequence without padding: packed ones have no forward derivative in torch."""
    if lengths is None:
        return m(x, state)
    time = 1 if m.batch_first else 0
    ys, states = [], []
    for b, n in enumerate(lengths):
        start = None if state is None else dg.tree.map_leaves(lambda s, b=b: s[:, b : b + 1].contiguous(), state)
        y, end = m(x.narrow(1 - time, b, 1).narrow(time, 0, int(n)), start)
        rest = torch.zeros_like(x.narrow(1 - time, b, 1).narrow(time, 0, STEPS - int(n))[..., :1])
        ys.append(torch.cat([y, rest.expand(*rest.shape[:-1], y.shape[-1])], time))
        states.append(end)
    if not isinstance(states[0], tuple):
        return torch.cat(ys, 1 - time), torch.cat(states, 1)
    return torch.cat(ys, 1 - time), tuple(torch.cat(parts, 1) for parts in zip(*states, strict=True))


def some(kind, k, n=3):
    """Every n-th of the settings, from another place on for each kind, and so often that all pairs are met."""
    return FLAGS[(k + list(KINDS).index(kind)) % n :: n]


@pytest.mark.parametrize("kind", KINDS)
def test_rules(kind):
    """The outputs, in float64 and float32, along one direction, K, and factors, and the pullback."""
    for flags in some(kind, 0, 5):
        ours, theirs, x, keywords = case(kind, flags)
        theirs_of = dict(keywords)
        if "state" in keywords:
            rounded = dg.tree.map_leaves(lambda s: s.astype(np.float32), keywords["state"])
            keywords["state"] = rounded  # of either precision
            theirs_of["state"] = tensors(dg.tree.map_leaves(lambda s: s.astype(np.float64), rounded))
        compare(ours, theirs, x, call=lambda m, x, k=theirs_of: one_by_one(m, x, **k)[0], **keywords)


@pytest.mark.parametrize("kind", KINDS)
def test_states_and_last_outputs(kind):
    """The last state, each sequence's own last output, and both along a state that moves."""
    for flags in some(kind, 1):
        ours, theirs, x, keywords = case(kind, flags)
        params = drawn(ours, RNG)
        theirs.double().load_state_dict({n: torch.from_numpy(a) for n, a in nn.to_torch(params, ours).items()})
        y, state = ours(params, x, return_state=True, **keywords)
        given = {k: tensors(v) if k == "state" else v for k, v in keywords.items()}
        want, their_state = packed(theirs, torch.from_numpy(x), **given)
        for a, b in zip(dg.tree.leaves((y, state)), dg.tree.leaves((want, their_state)), strict=True):
            np.testing.assert_allclose(a, b.detach().numpy(), atol=1e-12)
        settings = {name: getattr(ours, name) for name in ("num_layers", "bidirectional", "batch_first")}
        settings |= {"bias": ours.cell.bias, **KINDS[kind]}
        last = type(ours)(WIDTH, HIDDEN, last_only=True, **settings)(params, x, **keywords)
        h = (their_state[0] if isinstance(their_state, tuple) else their_state).detach().numpy()
        np.testing.assert_allclose(last, np.concatenate(h[-1 - ours.bidirectional :], axis=-1), atol=1e-12)
        if "state" in keywords:
            start, fixed = keywords.pop("state"), keywords
            moved = dg.tree.map_leaves(lambda s: RNG.standard_normal(s.shape), start)

            def of_state(s, ours=ours, params=params, x=x, fixed=fixed):
                return ours(params, x, state=s, return_state=True, **fixed)

            _, found = dg.jvp(of_state, (start,), (moved,))
            tuples = [tuple(tensors(tree)) if isinstance(tree, tuple) else (torch.from_numpy(tree),)
                      for tree in (start, moved)]  # fmt: skip

            def run(*parts, theirs=theirs, x=x, fixed=fixed):
                y, end = one_by_one(theirs, torch.from_numpy(x), parts if len(parts) > 1 else parts[0], **fixed)
                return y, *(end if isinstance(end, tuple) else (end,))

            _, want = torch.autograd.functional.jvp(run, *tuples)
            for a, b in zip(dg.tree.leaves(found), want, strict=True):
                np.testing.assert_allclose(a, b.numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_there_and_back(kind):
    for flags in some(kind, 2):
        ours, theirs, x, keywords = case(kind, flags)
        theirs = theirs.double()
        params = nn.from_torch(theirs, ours)
        given = {k: tensors(v) if k == "state" else v for k, v in keywords.items()}
        want = packed(theirs, torch.from_numpy(x), **given)[0].detach().numpy()
        np.testing.assert_allclose(ours(params, x, **keywords), want, atol=1e-12)
        again = nn.from_torch(nn.to_torch(params, ours), ours)
        np.testing.assert_array_equal(again.vector, params.vector)
    with pytest.raises(dg.LayoutError, match="l2"):
        nn.from_torch(theirs, type(ours)(WIDTH, HIDDEN, num_layers=3))
