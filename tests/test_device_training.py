"""A training step on a device array: the same numbers as on the host, and no mixing of the two."""

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, online, optim
from tests.support.strict import DeviceArray, device, host

MODEL = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3))
X, Y = np.random.default_rng(0).standard_normal((7, 6)), np.arange(7) % 3
ESTIMATORS = [
    estimators.ForwardGradient(directions.Rademacher()),
    estimators.ForwardGradient(directions.Gaussian(), n=3),
    estimators.ForwardGradient(directions.LowRank()),
    estimators.ForwardGradient(directions.LowRank(), n=4),
    estimators.Backprop(),
    estimators.ForwardJacobian(chunk=40),
    estimators.ForwardGradient(directions.Blocks(directions.Rademacher()), n=3, combine="sum"),
    estimators.ForwardGradient(directions.Hadamard(low_rank=True), n=3, combine="project"),
    estimators.ForwardGradient(directions.Orthogonal(), n=3, combine="project"),
    estimators.ForwardGradient(directions.LowRank(), shrink=True),
    estimators.SPSA(1e-3, n=2),
]


@pytest.mark.parametrize(
    "make",
    [
        lambda: estimators.ForwardGradient(directions.Rademacher(), baseline=0.5),
        lambda: estimators.ForwardGradient(directions.Scaled(directions.Sphere(), start(np.ones_like)), n=2),
        lambda: estimators.Dodge(
            [estimators.Oracle(previous=True), estimators.ForwardGradient(directions.LowRank())], 0.5
        ),
    ],
    ids=["baseline", "scaled", "dodge"],
)
def test_estimators_with_arrays_of_their_own_on_a_device(make):
    ours, theirs, rngs = make(), make(), (dg.Rng(1), dg.Rng(1))
    here, there = start(np.array), start(device)
    for _ in range(3):
        a = ours.estimate(batch(np.array), here, rng=rngs[0])
        b = theirs.estimate(batch(device), there, rng=rngs[1])
        assert isinstance(b.gradient.vector, DeviceArray)
        np.testing.assert_allclose(host(b.gradient.vector), a.gradient.vector, rtol=1e-10, atol=1e-12)


def test_mezo_moves_a_device_array():
    here, there = start(np.array), start(device)
    for params, on in ((here, np.array), (there, device)):
        estimators.MeZO(n=2).step(batch(on), params, lr=0.01, rng=0)
    np.testing.assert_allclose(host(there.vector), here.vector, rtol=1e-10, atol=1e-13)


def batch(on):
    return nn.Objective(MODEL, nn.cross_entropy).bind(on(X), on(Y) if on is not device else DeviceArray(Y.copy()))


def start(on):
    params = MODEL.init(rng=0, dtype=np.float64)
    return dg.Params.from_vector(params.layout, on(params.vector))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize("make", [lambda: optim.SGD(0.1, momentum=0.9), lambda: optim.Adam(0.01)], ids=["SGD", "Adam"])
def test_training_and_resuming_on_a_device(estimator, make, tmp_path):
    here, there, ours, theirs = start(np.array), start(device), make(), make()
    rngs = dg.Rng(1), dg.Rng(1)
    for step in range(4):
        if step == 2:  # saved, and loaded into a new optimizer and new parameters
            dg.save(tmp_path / "run.npz", {"params": there, "optimizer": theirs.state_dict()})
            state = dg.load(tmp_path / "run.npz")
            there = dg.Params.from_vector(there.layout, device(state["params"].vector))
            theirs = make()
            theirs.load_state_dict(state["optimizer"])
        a = estimator.estimate(batch(np.array), here, rng=rngs[0])
        b = estimator.estimate(batch(device), there, rng=rngs[1])
        np.testing.assert_allclose(host(b.gradient.vector), a.gradient.vector, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(host(b.value), a.value, rtol=1e-12)
        ours.step(here, a.gradient)
        theirs.step(there, b.gradient)
        assert isinstance(there.vector, DeviceArray)
    np.testing.assert_allclose(host(there.vector), here.vector, rtol=1e-9, atol=1e-12)


LEARNERS = [
    online.RTRL(), online.NoBackTrack(), online.NoBackTrack(2, split=True), online.UORO(), online.KroneckerRTRL(),
    online.SnAp(), online.OnlineForwardGradient(directions.Rademacher(), n=2), online.TruncatedBPTT(1),
]  # fmt: skip


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
@pytest.mark.parametrize("cell", [nn.LeakyRNNCell(3, 2, leak=0.7), nn.GRUCell(3, 2), nn.LSTMCell(3, 2)], ids=repr)
def test_learning_online_on_a_device(cell, learner):
    network = online.Network(cell, nn.Linear(2, 4), nn.cross_entropy)
    ours = network.init(rng=0, dtype=np.float64)
    buffers = {name: device(b) for name, b in ours.buffers.items()}
    theirs = dg.Params.from_vector(ours.layout, device(ours.vector), buffers)
    found = []
    for params, on in ((ours, np.array), (theirs, device)):
        kalman = optim.KalmanQDOP(prior=1.0)
        learner.start(network, params, rng=1)
        for x in np.eye(3):
            estimate = learner.step(on(x), np.array(1) if on is not device else DeviceArray(np.array(1)))
            kalman.step(params, estimate.gradient)
        found.append(estimate.gradient.vector)
    assert isinstance(found[1], DeviceArray)
    np.testing.assert_allclose(host(found[1]), found[0], rtol=1e-10, atol=1e-12)
