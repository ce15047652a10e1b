"""Shared: the same bits for any number of workers, the moments of what is shared, and errors of one that all raise."""

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, workers
from dualgrad.directions.base import as_direction
from dualgrad.estimators import SPSA, ActivationPerturbation, ForwardGradient, MeZO, Shared
from dualgrad.testing import assert_unbiased, assert_variance
from dualgrad.tree import leaves, map_leaves
from tests.support.sharing import LAYOUTS, NORMALS, SIGNS, InPlaceRun, Run, batch_of, every_direction, network, of_shard

DIRECTIONS = every_direction()
WHOLE = {"Along", "Orthogonal"}  # which are drawn all at once
FORWARD = partial(ForwardGradient, directions.LowRank(), n=5)
SHARED = {
    **{name: partial(ForwardGradient, direction, n=5) for name, direction in DIRECTIONS.items() if name not in WHOLE},
    "sum of blocks": partial(ForwardGradient, directions.Blocks(SIGNS), n=5, combine="sum"),
    "baseline of floats": partial(FORWARD, baseline=0.5),
    "shrunk": partial(FORWARD, shrink=True, baseline=0.9),
    "SPSA": partial(SPSA, n=5),
    "SPSA, normals": partial(SPSA, n=5, directions=NORMALS),
    "MeZO": partial(MeZO, n=5),
}
TOGETHER = [("array", np.float64, 2), ("tree", np.float32, 3), ("Params", np.float32, 7), ("Params", np.float64, 64)]
projecting = partial(ForwardGradient, directions.Orthogonal(), n=4, combine="project")


def among(size, make, count=2, kind=Run, params=lambda: None, **settings):
    """The digest after some steps, of each of several workers."""
    return workers.threads(size, lambda comm: kind(make(), comm, params(), **settings).steps(count))


# ---------------------------------------------------------------------- the same bits


@pytest.mark.parametrize("name", SHARED)
def test_the_bits_do_not_depend_on_how_many_workers_there_are(name):
    for layout, dtype, size in TOGETHER:
        params = partial(LAYOUTS[layout], dtype)
        make = SHARED[name]
        if name == "Scaled":  # by numbers that lie as the parameters do
            scale = map_leaves(lambda x: np.linspace(0.5, 1, x.size).reshape(x.shape), params())
            make = partial(ForwardGradient, directions.Scaled(SIGNS, scale), n=5)
        count = 1 if size == 64 else 2
        alone = Run(make, params=params()).steps(count)
        assert set(among(size, lambda make=make: make, count, params=params)) == {alone}, (layout, dtype, size)


@pytest.mark.parametrize(
    "kind", ["in place", "by shard", "baseline", "one shard", "along", "orthogonal", "projection", "exact"]
)
def test_so_it_is_of(kind):
    make, settings = FORWARD, {}
    if kind == "in place":
        make, settings = partial(MeZO, n=5, directions=SIGNS), {"kind": InPlaceRun}
    elif kind == "by shard":
        make = partial(ActivationPerturbation, n=2)
        settings = {"objective": batch_of, "params": lambda: network(np.float32), "shards": 5, "chunk": None}
    elif kind == "baseline":
        make = partial(FORWARD, baseline=LAYOUTS["Params"](np.float64))
    elif kind == "one shard":
        settings = {"shards": 1}
    elif kind == "along":
        make = partial(ForwardGradient, directions.Along(LAYOUTS["Params"](np.float64)))
    elif kind == "orthogonal":
        make, settings = partial(ForwardGradient, directions.Orthogonal(), n=3), {"chunk": 3}
    elif kind == "projection":
        make, settings = projecting, {"chunk": 4}
    else:
        settings = {"exact": True}
    (alone,) = among(1, lambda: make, **settings)
    for size in (2, 3, 7):
        assert set(among(size, lambda: make, **settings)) == {alone}, size


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_units_may_take_as_long_as_they_like(size):
    expected = Run(FORWARD).steps(3)
    assert set(among(size, lambda: FORWARD, 3, objective=partial(of_shard, nap=0.002))) == {expected}


@pytest.mark.parametrize("name", ["LowRank", "baseline of floats", "SPSA", "MeZO"])
@pytest.mark.parametrize("follows", [False, True])
def test_so_it_is_by_the_threads_of_an_executor(name, follows):
    alone, many = Run(SHARED[name]), Run(SHARED[name], objective=partial(of_shard, nap=0.001))
    with ThreadPoolExecutor(3) as executor:
        many.shared.workers = workers.Pool(executor, many.optimizer if follows else None)
        assert many.steps(2) == alone.steps(2)
        for run in (many, alone):  # which no replica can know of
            run.params.vector[...] *= 1.1
        assert many.steps(2) == alone.steps(2)
    assert pickle.dumps(many.state()) == pickle.dumps(alone.state())


def test_so_it_is_by_processes_also_in_place_and_after_a_pause():
    """A worker that has missed more steps than are sent is sent the parameters."""
    alone, many = Run(FORWARD), Run(FORWARD)
    moved, moving = (InPlaceRun(partial(MeZO, n=3)) for _ in range(2))
    with ProcessPoolExecutor(2) as executor:
        pool = workers.Pool(executor, many.optimizer)
        moving.shared.workers = workers.Pool(executor)
        assert moving.steps(3) == moved.steps(3)
        for steps, comm in ((2, pool), (20, workers.Alone()), (2, pool)):
            many.shared.workers = comm
            assert many.steps(steps) == alone.steps(steps)


def test_another_chunk_and_another_number_of_shards_are_another_result():
    found = [Run(FORWARD, chunk=chunk, shards=shards).steps(2) for chunk in (1, 2, 5) for shards in (1, 2)]
    assert len(set(found)) == len(found)


# ---------------------------------------------------------------------- the right sum


def stated(direction, n, chunk, g, w, rng):
    """(1/n) Σ (g·v) v over chunks from named streams; of directions that belong together, over the rows of all."""
    apart, total = as_direction(direction).apart, np.zeros_like(g)
    for k, start in enumerate(range(0, n, chunk)):
        some = slice(start, min(start + chunk, n))
        if apart:
            V = direction.sample(w, rng=rng.named("directions", 0, k), n=some.stop - start)
        else:
            V = direction.sample(w, rng=rng.named("directions", 0), n=n)[some]
        total += (V @ g) @ V
    return total / n


@pytest.mark.parametrize("name", sorted(set(DIRECTIONS) - WHOLE))
@pytest.mark.parametrize("exact", [False, True])
def test_it_is_the_sum_over_chunks_of_named_streams(name, exact):
    w, g, direction = LAYOUTS["array"](np.float64), np.linspace(-2, 3, 12), DIRECTIONS[name]
    if exact and not direction.portable:
        with pytest.raises(ValueError, match="expected directions that are the same on every CPU"):
            Shared(ForwardGradient(direction, n=5), exact=True)
        return
    shared = Shared(ForwardGradient(direction, n=5), shards=2, chunk=2, exact=exact)
    found = shared.estimate(lambda j: lambda x: (0.5 + j) * np.sum(x * g), w, rng=3)
    expected = direction.finish(stated(direction, 5, 2, g, w, dg.Rng(3)), None)
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-12, atol=1e-12)
    assert found.value == np.mean([0.5, 1.5]) * np.sum(w * g)
    assert found.cost == 3 + 5 * (direction.cost - 1)


class Whole:
    """A shared estimator of a loss that is given whole: shards of it differ, and their mean is it."""

    def __init__(self, shared):
        self.shared, self.value_is_loss = shared, shared.value_is_loss

    def estimate(self, objective, params, *, rng):
        return self.shared.estimate(lambda j: lambda x: objective(x) + (2 * j - 1) * np.sum(x**2), params, rng=rng)

    def expectation(self, g, objective, params):
        return self.shared.expectation(g, lambda j: objective, params)

    def variance(self, g, objective, params):
        return self.shared.variance(g, lambda j: objective, params)


MOMENTS = [
    ForwardGradient(SIGNS, n=2), ForwardGradient(NORMALS), ForwardGradient(directions.Hadamard(), n=2), SPSA(0.1, n=2),
    ForwardGradient(directions.Blocks(SIGNS), n=2, combine="sum"), ForwardGradient(SIGNS, n=2, baseline=np.ones(2)),
    ForwardGradient(SIGNS, n=2, shrink=True), MeZO(0.1, directions=SIGNS),
]  # fmt: skip


@pytest.mark.parametrize(("base", "shards"), [(MOMENTS[0], 1), *((base, 2) for base in MOMENTS)], ids=repr)
def test_mean_and_variance_are_those_of_what_is_shared(base, shards):
    shared = Shared(base, shards=shards, chunk=1)
    estimator, w = shared if shards == 1 else Whole(shared), np.array([0.4, -0.9])
    cubic, quadratic = lambda x: np.sum(x**3) + x[0] * x[1], lambda x: np.sum(x**2) + x[0] * x[1]
    assert_unbiased(estimator, cubic, w, points=1)
    assert_variance(estimator, quadratic, w, points=1)


def test_guesses_by_shard_are_unbiased():
    params = dg.Params({"weight": np.array([[0.3], [-0.7]]), "bias": np.array([0.2])})
    x, y = np.array([[1.0, 2.0], [-0.5, 0.3]]), np.array([[0.1], [0.4]])
    objective = nn.Objective(nn.Linear(2, 1), nn.mse)
    shared = Shared(ActivationPerturbation("signs"), shards=2)
    exact = estimators.Backprop().estimate(objective.bind(x, y), params).gradient

    def run(rng):
        return shared.estimate(lambda j: objective.bind(x[j : j + 1], y[j : j + 1]), params, rng=rng).gradient.vector

    assert_unbiased(run, expectation=exact.vector)


# ---------------------------------------------------------------------- an error of one is an error of all


def fails(how, step, shard):
    """The loss of a shard, of which that of the last fails at step 2 in some way."""
    good = of_shard(step, shard)
    if step != 2 or shard != 1:
        return good
    return {
        "raises": partial(_raises),
        "is NaN": lambda w: good(w) * np.nan,
        "is infinite": lambda w: good(w) * np.inf,
        "is a vector": lambda w: good(w) * np.ones(2),
        "is nothing": lambda w: None,
        "is no function": 3.0,
    }[how]


def _raises(w):
    raise ZeroDivisionError("of one's own")


FAULTS = {
    "raises": (dg.DualgradError, r"worker \d of 3: ZeroDivisionError: of one's own; no gradient was made on any"),
    "is NaN": (dg.NonFiniteError, r"(worker \d of 3: )?estimate 3 of (Shared|MeZO).*the loss is nan"),
    "is infinite": (dg.NonFiniteError, r"the loss is -?inf"),
    "is a vector": (dg.ShapeError, r"expected a scalar loss"),
    "is nothing": (dg.DualgradError, r"TypeError: .*returned None"),
    "is no function": (dg.DualgradError, r"objective\(1\) gave 3.0"),
}


@pytest.mark.parametrize("make", [partial(FORWARD, baseline=0.5), partial(SPSA, n=5), "in place"], ids=repr)
@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_all_raise_the_error_of_one_and_nothing_has_moved(make, how):
    if make == "in place":
        kind, make = InPlaceRun, partial(MeZO, n=5)
    else:
        kind = Run
    expected = kind(make).steps(4)

    def train(comm):
        run = kind(make, comm)
        run.steps(2)
        before = pickle.dumps(run.state())
        run.objective = partial(fails, how)
        with pytest.raises(FAULTS[how][0], match=FAULTS[how][1]) as raised:
            run.step()
        assert pickle.dumps(run.state()) == before
        run.objective = of_shard
        return type(raised.value), str(raised.value), run.steps(2)

    found = set(workers.threads(3, train))
    assert len(found) == 1
    assert found.pop()[2] == expected


def test_an_error_in_a_worker_of_an_executor_comes_back():
    run = Run(partial(FORWARD, baseline=0.5))
    with ThreadPoolExecutor(2) as executor:
        run.shared.workers = workers.Pool(executor, run.optimizer)
        run.steps(2)
        before = pickle.dumps(run.state())
        for how, error in (
            ("raises", ZeroDivisionError),
            ("is NaN", dg.NonFiniteError),
            ("is a vector", dg.ShapeError),
        ):
            run.objective = partial(fails, how)
            with pytest.raises(error):
                run.step()
            assert pickle.dumps(run.state()) == before
        run.objective = of_shard
        assert run.steps(2) == Run(partial(FORWARD, baseline=0.5)).steps(4)


@pytest.mark.parametrize("size", [1, 2])
def test_an_objective_that_draws_from_the_common_stream_is_refused(size):
    def train(comm):
        run = Run(FORWARD, comm)
        run.objective = lambda step, shard: lambda w: of_shard(step, shard)(w) * run.rng.uniform()
        with pytest.raises(dg.DualgradError, match=r"give it one of its own, rng.named\('dropout', step, shard\)"):
            run.step()

    workers.threads(size, train)


# ---------------------------------------------------------------------- workers that differ


OTHERS = {
    "chunk": ({"chunk": 3}, dg.LayoutError, "worker 1 of 3 has, where worker 0 has another: chunk=3"),
    "shards": ({"shards": 3}, dg.LayoutError, "worker 1 of 3 .*shards=3"),
    "check": ({"check": 7}, dg.LayoutError, "worker 1 of 3 .*check=7"),
    "seed": ({"seed": 9}, dg.LayoutError, "worker 1 of 3 .*seed.entropy=9"),
    "exact": ({"exact": True}, dg.LayoutError, "worker 1 of 3 .*exact=True"),
    "directions": ({"make": partial(ForwardGradient, SIGNS, n=5)}, dg.LayoutError, "worker 1 of 3 .*Rademacher"),
    "n": ({"make": partial(FORWARD, n=4)}, dg.LayoutError, "worker 1 of 3 .*n=4"),
    "dtype": ({"params": LAYOUTS["Params"](np.float32)}, dg.LayoutError, "worker 1 of 3 .*float32"),
    "layout": ({"params": LAYOUTS["array"](np.float64)}, dg.LayoutError, "worker 1 of 3 .*parameters"),
    "params": (
        {"params": dg.Params({"w": np.ones((2, 4)), "b": np.ones(4)})},
        dg.DriftError,
        "worker 1 of 3 has drifted: before step 0",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_worker_that_differs_is_named(what):
    changed, error, message = OTHERS[what]

    def train(comm):
        run = Run(**{"make": FORWARD, "comm": comm} | (changed if comm.rank == 1 else {}))
        before = workers.digest(run.params)
        with pytest.raises(error, match=message) as raised:
            run.step()
        assert workers.digest(run.params) == before
        assert run.shared.made == 0
        return str(raised.value)

    assert len(set(workers.threads(3, train))) == 1


def test_drift_is_found_at_the_next_check():
    def train(comm):
        run = Run(FORWARD, comm, check=3)
        run.steps(4)
        if comm.rank == 2:
            run.params.vector[5] += 1e-9
        run.steps(2)
        with pytest.raises(dg.DriftError, match=r"worker 2 of 4 has drifted: before step 6 .* take exact=True"):
            run.step()
        return True

    assert all(workers.threads(4, train))


# ---------------------------------------------------------------------- what is sent, and what is refused


class Counting:
    """Workers that note how many bytes each sends."""

    def __init__(self, comm):
        self.comm, self.rank, self.size, self.sent = comm, comm.rank, comm.size, []

    def allgather(self, sendobj):
        self.sent.append(len(pickle.dumps(sendobj)))
        return self.comm.allgather(sendobj)


def test_a_step_sends_hundreds_of_bytes_for_hundreds_of_thousands_of_parameters():
    layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
    objective = nn.Objective(nn.Sequential(*layers), nn.cross_entropy)
    batch = objective.bind(np.ones((1, 784), np.float32), np.zeros(1, int))

    def train(comm):
        counting, params = Counting(comm), objective.model.init(rng=0)
        shared = Shared(ForwardGradient(directions.LowRank(), n=32), counting, check=2)
        for _ in range(2):
            shared.estimate(batch, params, rng=0)
        return params.size, counting.sent

    for size, (at_check, plain) in workers.threads(2, train):
        assert size == 669_706
        assert 8 * 16 < plain < 1000  # each pushes a half of the slopes
        assert plain < at_check < 3000


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Run(partial(ForwardGradient, directions.Orthogonal(), n=5)).step(), ValueError,
            "needs all 5 directions at once: take chunk=5",
        ),
        (lambda: Run(partial(ForwardGradient, DIRECTIONS["Along"], n=5)).step(), ValueError, "there is one direction"),
        (lambda: Shared(projecting(), chunk=2), ValueError, "needs all 4 directions at once: take chunk=4"),
        (lambda: Shared(estimators.Backprop()), TypeError, "that slopes are enough to make"),
        (lambda: Shared(ActivationPerturbation(), chunk=2), ValueError, "whose units are shards: leave it out"),
        (lambda: Shared(FORWARD(shrink=True), exact=True), ValueError, "neither baseline, shrink nor projection"),
        (lambda: Shared(FORWARD(), workers=3), TypeError, "expected workers: an object with rank, size and allgather"),
        (lambda: Shared(FORWARD(), shards=0), ValueError, "shards"),
        (lambda: Shared(FORWARD(), chunk=1.5), (TypeError, ValueError), "chunk"),
        (lambda: Shared(FORWARD()).step(of_shard(0, 0), np.ones(2), lr=1, rng=0), TypeError, "only MeZO does"),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_is_refused_in_words(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_states_are_those_of_the_run_and_a_repr_names_what_counts():
    run = Run(partial(FORWARD, baseline=0.5), journal=None)
    assert "shards=2, chunk=2" in repr(run.shared)
    run.steps(3)
    again = Run(partial(FORWARD, baseline=0.5), check=7).load(pickle.loads(pickle.dumps(run.state())))
    assert again.steps(2) == run.steps(2)
    assert [leaf.tolist() for leaf in leaves(again.params)] == [leaf.tolist() for leaf in leaves(run.params)]
