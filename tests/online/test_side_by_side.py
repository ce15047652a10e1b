"""Networks of particles: all at once they are what they are one after another, or a refusal that names why not."""

import copy
import pickle

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, nn, online
from dualgrad.nn.cells import Cell
from dualgrad.nn.recurrent import Recurrent
from dualgrad.online.evolution.paired_matrix import Paired, PairedMatrix
from dualgrad.tree import flatten
from dualgrad.workers import Alone, threads
from tests.support.checks import close
from tests.support.layers import LAYERS, LOSSES


class Mixing(nn.LSTMCell):
    """A cell of one's own that says what holds of it."""

    particles = True

    def step(self, p, state, x):
        h, c = super().step(p, state, x)
        return 0.5 * (h + state[0]), c


class Silent(nn.GRUCell):
    def step(self, p, state, x):
        return super().step(p, state, x)


class Scale(nn.Layer):
    def shapes(self):
        return {"scale": (3,)}

    def initial(self, name, shape, rng, dtype):
        return np.ones(shape, dtype)

    def forward(self, p, x):
        return x * p["scale"]


class Quartic(nn.losses.base.PlainLoss):
    """A loss of one's own, a number an example."""

    def evaluate(self, x, target):
        return np.sum((x - target) ** 4, axis=1), lambda: 4 * (x - target) ** 3


def stream(streams, size, y, dtype=np.float64):
    """Four inputs, of which one is a symbol, with one target."""
    lead = () if streams is None else (streams,)
    inputs = dg.Rng(5).normal((4, *lead, size), dtype=dtype)
    inputs[1] = np.broadcast_to(np.eye(size)[0], (*lead, size))
    return [(x, y) for x in inputs]


def run(network, params, data, strategy=online.PersistentES, perturbations=None, **options):
    """The estimates of an episode, as vectors, their values, and the states at its end."""
    window = {} if strategy is online.EvolutionStrategies else {"window": 2}
    es = strategy(6, sigma=0.1, perturbations=perturbations, **window).start(network, params, rng=3, **options)
    found = [each for x, y in data if (each := es.step(x, y)) is not None]
    found = found or [es.close()]
    kinds = {e.gradient.vector.dtype for e in found} | {e.value.dtype for e in found}
    states = es.state if "workers" in options else [es.state]
    if not network.batched:
        states = [[np.stack(leaves) for leaves in zip(*(flatten(s)[0] for s in unit), strict=True)] for unit in states]
    return [a for e in found for a in (e.gradient.vector, e.value)] + flatten(states)[0], kinds


def alike(cells, readout, loss, streams, y, dtype=np.float64, tolerance=1e-9, **kind):
    """Estimates and states of particles are the same together and alone."""
    networks = [online.Network(cells, readout, loss, streams, batched=batched) for batched in (True, False)]
    params = networks[0].init(rng=1, dtype=dtype)
    size = networks[0].cells[0].input_size
    (found, kinds), (expected, _) = (
        run(network, params, stream(streams, size, y, dtype), **kind) for network in networks
    )
    assert kinds == {np.dtype(dtype)}
    for a, b in zip(found, expected, strict=True):
        close(a, b, tolerance * max(1.0, float(np.max(np.abs(b)))))


CELLS = {
    "RNN": nn.RNNCell(2, 3),
    "RNN, relu": nn.RNNCell(2, 3, bias=False, nonlinearity="relu"),
    "GRU": nn.GRUCell(2, 3),
    "LSTM": nn.LSTMCell(2, 3),
    "LSTM, no bias": nn.LSTMCell(2, 3, bias=False),
    "leaky": nn.LeakyRNNCell(2, 3, leak=np.array([0.1, 0.5, 0.9])),
    "leaky, learned": nn.LeakyRNNCell(2, 3, leak="learned"),
    "one's own": Mixing(2, 3),
    "a stack": [nn.LeakyRNNCell(2, 4), nn.LSTMCell(4, 3), nn.GRUCell(3, 3)],
}
LABELS = {None: 1, 2: np.array([0, 1]), 1: np.array([1])}


@pytest.mark.parametrize("streams", LABELS)
@pytest.mark.parametrize("name", CELLS)
def test_every_cell(name, streams):
    alike(CELLS[name], nn.Linear(3, 2), nn.cross_entropy, streams, LABELS[streams])
    alike(CELLS[name], [nn.Tanh(), nn.Linear(3, 2, bias=False)], nn.cross_entropy, streams, LABELS[streams],
          dtype=np.float32, tolerance=2e-3)  # fmt: skip


def plain_rows(layers):
    """Those of a catalogue whose inputs are rows, without the keywords that some are given."""
    for name, (layer, shape) in layers.items():
        layer = getattr(layer, "layer", layer)
        if len(shape) == 2 and 0 not in shape and not isinstance(layer, (Cell, Recurrent)):
            yield pytest.param(layer, shape, id=name)


ACCEPTED = (nn.Linear, nn.Activation, nn.LayerNorm, nn.BatchNorm, nn.Dropout, nn.GLU, nn.Softmax, nn.LogSoftmax,
            nn.Identity, nn.Sequential, nn.Residual, nn.Parallel)  # fmt: skip


def is_accepted(layer):
    inside = getattr(layer, "children", {}).values()
    return isinstance(layer, ACCEPTED) and getattr(layer, "dim", -1) < 0 and all(map(is_accepted, inside))


@pytest.mark.parametrize(("layer", "shape"), list(plain_rows(LAYERS)))
def test_every_layer_is_alike_or_refused(layer, shape):
    readout, (rows, n) = [nn.Linear(3, shape[1]), layer], shape
    params = layer.init(rng=0, dtype=np.float64)
    if not is_accepted(layer):
        with pytest.raises(NotImplementedError, match="batched=True with "):
            online.Network(nn.RNNCell(2, 3), readout, nn.mse, rows, batched=True)
        return
    y = np.zeros(layer(params, np.zeros((rows, n))).shape)
    alike(nn.RNNCell(2, 3), readout, nn.mse, rows, y)


@pytest.mark.parametrize("name", [name for name, (_, shape, _) in LOSSES.items() if len(shape) == 2])
def test_every_loss(name):
    loss, (rows, n), target = LOSSES[name]
    alike(nn.RNNCell(2, 3), nn.Linear(3, n), loss, rows, target)
    counts = loss.given.get("ignore_index") != target.flat[0]
    alike(nn.RNNCell(2, 3), nn.Linear(3, n), loss.using(reduction="sum"), None, target[0 if counts else 1])


def test_a_loss_of_ones_own():
    alike(nn.RNNCell(2, 3), [nn.Linear(3, 2), nn.Softmax()], Quartic(), 2, np.zeros((2, 2)))


STRATEGIES = [online.EvolutionStrategies, online.TruncatedES, online.NoiseReuseES, online.PersistentES]


@pytest.mark.parametrize("perturbations", [None, directions.Rademacher(), directions.LowRank()])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy(strategy, perturbations):
    """Also of one worker of several, whose particles are no pairs."""
    for options in ({}, {"workers": Alone(), "chunk": 4}):
        alike(CELLS["a stack"], [nn.LayerNorm(3), nn.Linear(3, 2)], nn.cross_entropy, 2, LABELS[2],
              strategy=strategy, perturbations=perturbations, **options)  # fmt: skip


def test_shared_out_they_are_the_same_to_the_last_bit():
    network = online.Network(nn.GRUCell(2, 3), nn.Linear(3, 2), nn.cross_entropy, batched=True)
    params, data = network.init(rng=1), stream(None, 2, 1, np.float32)

    def train(comm):
        return [a.tobytes() for a in run(network, params, data, workers=comm)[0][:4]]  # of two windows

    assert threads(3, train) == [train(Alone())] * 3


def test_parameters_as_a_dict_and_changes_between_windows():
    networks = [online.Network(nn.GRUCell(2, 3), nn.Linear(3, 2), nn.mse, batched=b) for b in (True, False)]
    found = []
    for network in networks:
        params = {name: a.copy() for name, a in network.init(rng=1, dtype=np.float64).items()}
        es = online.PersistentES(4, 0.1, window=2).start(network, params, rng=0)
        for x, y in stream(None, 2, np.zeros(2)) * 2:
            if (estimate := es.step(x, y)) is not None:
                for name, g in estimate.gradient.items():
                    params[name] -= 0.1 * g
        found.append(np.concatenate([params[name].reshape(-1) for name in params]))
    close(*found, 1e-12)


# ---------------------------------------------------------------------- W ± E


def test_a_matrix_that_is_not_written_out_is_that_matrix():
    rng = np.random.default_rng(0)
    W, E, F = rng.normal(size=(4, 3)), rng.normal(size=(2, 4, 3)), rng.normal(size=(3, 4, 3))
    for below in (E, F):
        M = PairedMatrix(W, Paired(E, below))
        whole, K = np.concatenate([W + E, W - below]), 2 + len(below)
        assert M.shape == whole.shape
        for y in (M.written(), np.asarray(M), M + 0, copy.deepcopy(M), pickle.loads(pickle.dumps(M)), M.mT.mT):
            close(np.asarray(y), whole, 1e-12)
        close(np.asarray(M.shift[1:3].dense()), np.concatenate([E, -below])[1:3], 0)
        sparse = np.eye(4)[[1, 1]]
        for x in (rng.normal(size=(2, 4)), rng.normal(size=(K, 2, 4)), sparse, np.zeros((2, 4)), np.zeros((K, 0, 4))):
            close(x @ M, x @ whole, 1e-12)
            if x.ndim == 3:
                close(M.mT @ np.swapaxes(x, 1, 2), np.swapaxes(whole, 1, 2) @ np.swapaxes(x, 1, 2), 1e-12)
        close(sparse[0] @ M, sparse[0] @ whole, 1e-12)
        with pytest.raises(ValueError, match="cannot be written into"):
            M[0] = 1


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(("cells", "readout", "loss", "message"), [
    (Silent(2, 3), nn.Linear(3, 2), nn.mse, "Silent"),
    (nn.GRUCell(2, 3), [Scale(), nn.Linear(3, 2)], nn.mse, "Scale"),
    (nn.GRUCell(2, 3), nn.Residual(nn.Sequential(nn.PReLU())), nn.mse, "PReLU"),
    (nn.GRUCell(2, 3), nn.Softmax(1), nn.mse, "Softmax"),
    (nn.GRUCell(2, 3), nn.Linear(3, 2), nn.mse.using(reduction="none"), "a mean or a sum"),
])  # fmt: skip
def test_what_has_no_particles_is_refused_by_name(cells, readout, loss, message):
    online.Network(cells, readout, loss)
    with pytest.raises(NotImplementedError, match=message):
        online.Network(cells, readout, loss, batched=True)


def test_a_false_promise_is_found_out():
    class Meaned(Mixing):
        particles = True

        def step(self, p, state, x):
            h, c = super().step(p, state, x)
            return h - np.mean(h, axis=0), c  # over particles, where these are in front

    network = online.Network(Meaned(2, 3), nn.Linear(3, 2), nn.mse, 2, batched=True)
    es = online.PersistentES(4, 0.1, window=1).start(network, network.init(rng=0), rng=0)
    with pytest.raises(dg.DualgradError, match="goes elsewhere in a batch"):
        es.step(np.ones((2, 2)), np.ones((2, 2)))


def test_batched_is_a_flag_and_no_matter_to_others():
    with pytest.raises(ValueError, match="batched"):
        online.Network(nn.GRUCell(2, 3), nn.Linear(3, 2), nn.mse, batched="all")
    networks = [online.Network(nn.GRUCell(2, 3), nn.Linear(3, 2), nn.mse, batched=b) for b in (True, False)]
    params = networks[0].init(rng=0)
    gradients = [online.RTRL().start(net, params).step(np.ones(2), np.ones(2)).gradient.vector for net in networks]
    assert gradients[0].tolist() == gradients[1].tolist()
    assert repr(networks[0]).endswith("batched=True)")
