"""Particles that are moved by σ a bᵀ: exact means and variances over every sign, matrices not written out."""

import itertools
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, nn, online, testing
from dualgrad.online.evolution import perturbations
from dualgrad.online.evolution.shifted_matrix import ShiftedMatrix
from dualgrad.workers import Alone, digest, threads
from tests.support.checks import close
from tests.support.strict import DeviceArray, device, host

MAKE = {
    "ES": partial(online.EvolutionStrategies, sigma=0.3),
    "TES": partial(online.TruncatedES, sigma=0.3, window=1),
    "PES": partial(online.PersistentES, sigma=0.3, window=1),
    "NRES": partial(online.NoiseReuseES, sigma=0.3, window=1),
    "PES, analytic": partial(online.PersistentES, sigma=0.3, window=1, analytic=True),
}
every = pytest.mark.parametrize("name", MAKE)
PAIRS = [np.array(pair) for pair in itertools.product((-1.0, 1.0), repeat=2)]
LOW_RANK, SIGNS = directions.LowRank(), directions.Rademacher()


def nobody(matrix):
    raise AssertionError("a matrix was written out")


def low_rank(name, particles=2):
    return MAKE[name](particles, perturbations=LOW_RANK)


def gradients(learner, system, params, data, rng=0, **options):
    """The gradient of every window, as a vector; of strategies without windows, of every step."""
    learner.start(system, params, rng=rng, **options)
    found = [learner.step(x, y) or learner.close() for x, y in data]
    return [dg.Layout.of(params).vector(each.gradient) for each in found]


# ---------------------------------------------------------------------- means and variances, over every sign


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(("name", "direction", "steps"), [
    ("NRES", LOW_RANK, 3), ("NRES", SIGNS, 3), ("PES", LOW_RANK, 2), ("PES", SIGNS, 2), ("PES, analytic", LOW_RANK, 1),
])  # fmt: skip
def test_exact_on_quadratics(name, direction, steps, batched):
    def step(s, x, p):
        return 0.5 * s + x @ p["w"]

    system = online.System(step, lambda s, y, p: np.sum((s - y) ** 2, axis=-1), np.ones(1), batched=batched)
    params, data = {"w": np.array([[0.4], [-1.0]])}, [(np.array([1.0, t]), 2.0 * t) for t in range(steps)]
    whole = sum(gradients(online.RTRL(), system, params, data))
    learner = MAKE[name](2, perturbations=direction)
    moments = testing.exact_moments(lambda rng: sum(gradients(learner, system, params, data, rng)))
    close(moments.mean, whole, 1e-9)


@pytest.mark.parametrize("direction", [LOW_RANK, SIGNS])
def test_signs_have_less_variance_than_normals(direction):
    """(p - 1) ‖g‖² a pair where the loss is linear, and so for pairs of signs a bᵀ."""
    params, g = {"w": np.zeros((2, 2)), "b": np.zeros(2)}, np.array([1.0, -2.0, 0.5, 3.0, 1.5, -1.0])

    def loss(s, y, p):
        return s[..., 0] + np.einsum("...ij,ij->...", p["w"], g[:4].reshape(2, 2)) + p["b"] @ g[4:]

    system = online.System(lambda s, x, p: s, loss, np.ones(1), batched=True)
    learner = MAKE["NRES"](2, perturbations=direction)
    moments = testing.exact_moments(lambda rng: gradients(learner, system, params, [(None, None)], rng)[0])
    close(moments.mean, g, 1e-9)
    close(moments.variance.sum(), 5 * g @ g, 1e-9)


def test_the_target_is_the_mean_over_these_signs():
    """Of any loss, with its mean as the value."""

    def loss(w):
        return np.exp(w[..., 0, 0] * w[..., 1, 1]) + w[..., 0, 0] * w[..., 0, 1] * w[..., 1, 0] + w[..., 0, 1] ** 3

    theta = {"w": np.array([[0.4, -1.0], [0.2, 0.3]])}
    system = online.System(lambda s, x, p: s, lambda s, y, p: loss(p["w"]), np.ones(1), batched=True)
    learner, v = low_rank("NRES"), np.array([np.outer(a, b) for a in PAIRS for b in PAIRS])
    for of_estimate, expected in (
        (
            lambda e: e.gradient["w"].reshape(-1),
            (np.mean(loss(theta["w"] + 0.3 * v)[:, None, None] * v, axis=0) / 0.3).reshape(-1),
        ),
        (lambda e: e.value, [np.mean(loss(theta["w"] + 0.3 * v))]),
    ):
        moments = testing.exact_moments(
            lambda rng, of=of_estimate: of(learner.start(system, theta, rng=rng).step(None, None))
        )
        close(moments.mean, expected, 1e-9)


# ---------------------------------------------------------------------- matrices that nobody writes out

x, x3, y = (dg.Rng(k).normal(shape) for k, shape in ((1, (4, 3)), (2, (5, 4, 3)), (3, (2, 4))))
FAST = {
    "a vector": lambda M: x[0] @ M,
    "rows": lambda M: x @ M,
    "rows for each": lambda M: x3 @ M,
    "many rows for each": lambda M: np.stack([x3, x3]) @ M,
    "np.matmul into an array": lambda M: np.matmul(x3, M, out=np.empty((5, 4, 2))),
    "a list": lambda M: [1.0, 2.0, 3.0] @ M,
    "M times a vector": lambda M: M @ y[:, 0],
    "M times columns": lambda M: M @ y,
    "transposed": lambda M: x3[..., :2] @ M.mT,
    "transposed twice": lambda M: M.mT.mT @ y,
    "one of them, or a row": lambda M: x @ M[1] if M.ndim == 3 else x @ M.T.T,
    "whole numbers": lambda M: np.arange(3) @ M,
    "shape": lambda M: (M.shape, M.ndim, len(M), M.size, str(M.dtype), np.shape(M)),
}
WRITTEN = {
    "asarray": np.asarray, "a copy": np.array, "plus": lambda M: 1 + M, "a product": lambda M: M * M, "sum": np.sum,
    "einsum": lambda M: np.einsum("...ij,ij->...", M, M if M.ndim == 2 else M[0]), "tanh": np.tanh,
    "M times M": lambda M: M.mT @ M, "a method": lambda M: M.sum(axis=-1), "stack": lambda M: np.stack([M, M]),
    "T": lambda M: M.T, "reshape": lambda M: M.reshape(-1),
    "a row": lambda M: M[..., 0, :], "concatenate": lambda M: np.concatenate([M, M], axis=-1),
}  # fmt: skip


def shifted(lead):
    rng = dg.Rng(5)
    a, b, w = rng.normal((*lead, 3)), rng.normal((*lead, 2)), rng.normal((3, 2))
    return ShiftedMatrix(w, dg.OuterProduct(a, b)), w + a[..., :, None] * b[..., None, :]


@pytest.mark.parametrize("lead", [(), (5,)])
@pytest.mark.parametrize("use", FAST | WRITTEN)
def test_a_shifted_matrix_is_the_matrix(use, lead, monkeypatch):
    M, dense = shifted(lead)
    if use in FAST:
        monkeypatch.setattr(ShiftedMatrix, "written", nobody)
    found, expected = (FAST | WRITTEN)[use](M), (FAST | WRITTEN)[use](dense)
    if use == "shape":
        assert found == expected
    else:
        assert np.shape(found) == np.shape(expected)
        close(np.asarray(found), expected, 1e-12)


@pytest.mark.parametrize("lead", [(), (5,)])
def test_nothing_writes_into_a_shifted_matrix(lead):
    def change(M):
        M += 1

    M, before = shifted(lead)
    for write in (
        lambda: M.__setitem__(0, 1.0), lambda: change(M), lambda: np.add(1, 1, out=M), lambda: np.exp(M, out=M),
        lambda: np.matmul(x, x.T, out=M), lambda: np.sum(M, axis=0, out=M), lambda: M.fill(0), lambda: M.sort(),
        lambda: np.copyto(M, 0), lambda: np.add.at(M, 0, 1), lambda: np.asarray(M).__setitem__(0, 1.0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"cannot be written into|read-only"):
            write()
    close(np.asarray(M), before, 0)
    for wrong in (lambda: np.zeros(7) @ M, lambda: M @ np.zeros((4, 7)), lambda: np.float64(2) @ M):
        with pytest.raises(ValueError, match="matmul"):
            wrong()
    with pytest.raises(ValueError, match=r"got out of shape \(7,\)"):
        np.matmul(x, M, out=np.empty(7))
    with pytest.raises(AttributeError):
        M.weight  # noqa: B018
    assert repr(M) == f"ShiftedMatrix(float64{[*lead, 3, 2]})"


# ---------------------------------------------------------------------- whole systems


def policy(batched=True):
    def step(s, x, p):
        return 0.9 * s + np.tanh(((s + x)[..., None, :] @ p["w"])[..., 0, :] + p["b"])

    return online.System(step, lambda s, y, p: np.sum((s - y) ** 2, -1), np.zeros(6), batched=batched)


def policy_params():
    return {"w": dg.Rng(5).normal((6, 6)) / 3, "b": np.ones(6)}


DATA = [(0.1 * t, np.linspace(0, 1, 6)) for t in range(4)]


@every
def test_a_batch_is_its_particles_and_both_are_those_of_written_matrices(name, monkeypatch):
    found = []
    for batched in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(ShiftedMatrix, "written", nobody)
            found.append(gradients(low_rank(name, 6), policy(batched), policy_params(), DATA))
    monkeypatch.setattr(perturbations, "ShiftedMatrix", lambda w, shift: w + shift.dense())
    found.append(gradients(low_rank(name, 6), policy(), policy_params(), DATA))
    for each in found[1:]:
        close(np.array(each), np.array(found[0]), 1e-10)


@pytest.mark.parametrize("streams", [None, 3])
@pytest.mark.parametrize("cell", [nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.LeakyRNNCell])
def test_networks_do_not_write_their_matrices_out(cell, streams, monkeypatch):
    readout = [nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)]
    network = online.Network([cell(2, 5), nn.RNNCell(5, 5)], readout, nn.cross_entropy, streams)
    inputs = dg.Rng(3).normal((4, 2) if streams is None else (4, streams, 2))
    data = [(each, 1 if streams is None else np.array([0, 2, 1])) for each in inputs]
    params, found = network.init(rng=0, dtype=np.float64), []
    for kind in (ShiftedMatrix, lambda w, shift: w + shift.dense()):
        monkeypatch.setattr(perturbations, "ShiftedMatrix", kind)
        with monkeypatch.context() as patch:
            patch.setattr(ShiftedMatrix, "written", nobody)
            for given in (params, dict(reversed(params.items()))):
                learner = low_rank("PES", 4).start(network, given, rng=0)
                steps = [learner.step(*each).gradient for each in data]
                found.append(np.array([[steps[t][name].sum() for name in params] for t in range(4)]))
    for each in found[1:]:
        close(each, found[0], 1e-10)


def test_buffers_stay_with_the_parameters():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Linear(4, 1))
    params = model.init(rng=0, dtype=np.float64)
    params.buffers["1.running_mean"][:] = 7.0
    seen = []

    def loss(s, y, p):
        seen.append(p["net"].buffers["1.running_mean"][0])
        return float(np.sum(model(p["net"], x, train=False)))

    system = online.System(lambda s, x, p: s, loss, np.zeros(1))
    low_rank("ES").start(system, {"net": params, "rate": np.array(0.1)}, rng=0).step(None, None)
    assert seen == [7.0, 7.0]


@every
def test_workers_and_files(name, tmp_path):
    """The same bits for any number of workers; and after a save, of which the noise of a matrix is a and b."""

    def run(workers):
        path = tmp_path / f"{workers.size}.{workers.rank}.npz"
        learner, again = (
            low_rank(name, 6).start(policy(), policy_params(), rng=seed, workers=workers, chunk=2) for seed in (0, 9)
        )
        first = learner.step(*DATA[0])
        dg.save(path, learner.state_dict())
        again.load_state_dict(dg.load(path))
        last = [each.step(*DATA[1]) or each.close() for each in (learner, again)]
        assert digest(last[0].gradient) == digest(last[1].gradient)
        assert learner.memory["noise"].shape == (3, 6 + 6 + 6)
        return digest([] if first is None else first.gradient), digest(last[0].gradient)

    assert len({run(Alone()), *threads(2, run), *threads(3, run)}) == 1


def module_step(s, x, p):
    return s + x @ p["w"]


def module_loss(s, y, p):
    return float(np.sum(s**2))


def test_shifted_matrices_go_to_processes_and_into_states():
    alone, params = online.System(module_step, module_loss, np.zeros(2)), {"w": np.eye(2)}
    data = [(np.ones(2), None)] * 2
    with ProcessPoolExecutor(1) as pool:
        found = [gradients(low_rank("PES", 4), alone, params, data, executor=each) for each in (None, pool)]
    assert np.array_equal(*found)
    held = online.System(
        lambda s, x, p: {"w": p, "sum": s["sum"] + s["w"]}, lambda s, y, p: np.sum(s["sum"], (-1, -2)),
        {"w": np.zeros((2, 2)), "sum": np.zeros((2, 2))}, batched=True,
    )  # fmt: skip
    learner = low_rank("NRES", 4).start(held, np.eye(2), rng=0)
    learner.step(None, None)
    assert type(learner.state["w"]) is np.ndarray
    learner.state["w"][:] = 0


def test_kernels_and_vectors_are_written_out_and_keep_their_precision():
    params = {"k": np.ones((2, 3, 4), np.float32), "w": np.ones((3, 2)), "c": np.float32(1.0)}
    seen = []

    def step(s, x, p):
        seen.append({name: (type(leaf).__name__, leaf.dtype.name, leaf.shape) for name, leaf in p.items()})
        return s + np.sum(p["k"]) + np.sum(p["w"]) + p["c"]

    system = online.System(step, lambda s, y, p: np.sum(s), np.zeros(1))
    gradient = online.PersistentES(2, 0.1, 1, perturbations=LOW_RANK).start(system, params, rng=0).step(None, None)
    assert seen[0] == {
        "k": ("ndarray", "float32", (2, 3, 4)), "w": ("ShiftedMatrix", "float64", (3, 2)),
        "c": ("float32", "float32", ()),
    }  # fmt: skip
    assert {name: leaf.dtype.name for name, leaf in gradient.gradient.items()} == {
        "k": "float32",
        "w": "float64",
        "c": "float32",
    }


def test_particles_on_a_device():
    found = []
    for put in (np.asarray, device):
        system = online.System(policy().step, policy().loss, put(np.zeros(6)), batched=True)
        params = {name: put(leaf) for name, leaf in policy_params().items()}
        es = low_rank("PES", 4).start(system, params, rng=0)
        found.append(es.step(0.1, put(np.ones(6))).gradient["w"])
    assert isinstance(found[1], DeviceArray)
    close(found[0], host(found[1]), 1e-12)


def test_other_perturbations_are_refused_and_older_states_are_those_of_normals():
    for wrong in (directions.LowRank, directions.Sphere(), directions.Coordinate(), "signs", 3):
        with pytest.raises(TypeError, match="expected None for normals"):
            online.NoiseReuseES(2, 0.1, 1, wrong)
    normals = online.NoiseReuseES(4, 0.1, 1).start(policy(), policy_params(), rng=0)
    saved = normals.state_dict()
    older = {name: value for name, value in saved.items() if name not in ("version", "share")}
    older["estimator"] = {name: value for name, value in saved["estimator"].items() if name != "perturbations"}
    normals.load_state_dict(older)
    with pytest.raises(dg.LayoutError, match="perturbations"):
        low_rank("NRES", 4).start(policy(), policy_params(), rng=0).load_state_dict(older)
