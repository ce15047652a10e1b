"""`Objective.batches`: every example once an epoch, keywords beside their examples, on any axis and device; the place
in an epoch that is under way is part of the stream's state.
"""

import itertools

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from tests.support import strict

SIZES = [
    (n, size, drop) for n in (1, 5, 12) for size in (1, 4, 5, 12, 20) for drop in (False, True) if size <= n or not drop
]


class Sliced(nn.Layer):
    """A layer of one's own: a tree for its input, and a keyword with a row an example."""

    takes = by_example = frozenset({"lengths"})

    def forward(self, p, x, lengths=None):
        return x["a"]


SLICED = nn.Objective(nn.Sequential(Sliced()), lambda a, b: np.mean(a) + np.mean(b))


def data(n, axis=0):
    """A tree of inputs, and a target, which say at every entry which example it is of."""
    number = np.arange(float(n))
    wide = np.moveaxis(np.tile(number, (2, 3, 1)), 2, axis)
    return {"a": wide, "b": (np.float32(2) * wide, None)}, number


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("n", "size", "drop"), SIZES)
def test_every_example_is_there_once_with_all_that_belongs_to_it(n, size, drop, axis, shuffle):
    rng, orders, (x, y) = dg.Rng(2), [], data(n, axis)
    how = {"shuffle": shuffle, "drop_last": drop, "axis": (axis, 0), "rng": rng}
    for _ in range(3):
        seen = []
        for batch in SLICED.batches(x, y, size, lengths=10 * y, **how):
            expected, _ = data(n, 0)
            chosen = batch.y.astype(int)
            assert np.array_equal(batch.x["a"], np.moveaxis(expected["a"][chosen], 0, axis))
            assert np.array_equal(batch.x["b"][0], 2 * batch.x["a"])
            assert batch.x["b"][0].dtype == x["b"][0].dtype
            assert np.array_equal(batch.kwargs["lengths"], 10 * batch.y)
            seen.append(batch.y.tolist())
        assert [len(s) for s in seen] == ([size] * (n // size) + [n % size] * (n % size > 0 and not drop))
        flat = list(itertools.chain(*seen))
        assert len(set(flat)) == len(flat)
        orders.append(flat)
    if not shuffle:
        assert orders == [list(range(len(orders[0])))] * 3
    elif n == 12:
        assert orders[0] != orders[1] != orders[2]


def test_every_order_is_equally_likely():
    """Of four examples, the 24 orders: χ² of 3,000 epochs within five deviations of its mean."""
    x, rng, found = np.arange(4.0), dg.Rng(0), {}
    objective = nn.Objective(lambda p, x: x, lambda a, b: np.mean(a))
    for _ in range(3000):
        order = tuple(float(batch.x[0]) for batch in objective.batches(x, x, 1, rng=rng))
        found[order] = found.get(order, 0) + 1
    chi = sum((count - 125) ** 2 / 125 for count in found.values())
    assert len(found) == 24
    assert abs(chi - 23) < 5 * np.sqrt(46)


# ---------------------------------------------------------------------- the place in an epoch

DROPOUT = nn.Objective(nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)), nn.mse)
X, Y = np.random.default_rng(0).standard_normal((11, 3)), np.zeros((11, 2))


def epochs(rng, count, size=4):
    """The losses of all batches, with draws of one's own between them: of a model whose masks are of the stream."""
    params = DROPOUT.model.init(rng=0, dtype=np.float64)
    for _ in range(count):
        for batch in DROPOUT.batches(X, Y, size, rng=rng, train=True):
            yield float(batch(params)) + float(rng.normal())
        yield None


@pytest.mark.parametrize("stop", range(14))
def test_an_epoch_goes_on_where_the_stream_was_saved(tmp_path, stop):
    whole = list(epochs(dg.Rng(3), 3))
    rng = dg.Rng(3)
    begun = list(itertools.islice(epochs(rng, 3), stop))
    dg.save(tmp_path / "rng.npz", rng.state_dict())
    again = dg.Rng(99)
    again.load_state_dict(dg.load(tmp_path / "rng.npz"))
    left = 3 - begun.count(None)
    assert begun + list(epochs(again, left)) == whole
    assert "epochs" not in again.state_dict()
    assert begun + list(epochs(rng, left)) == whole  # and in the same program, where the loop was left


def test_epochs_over_other_data_keep_places_of_their_own():
    rng, objective = dg.Rng(0), nn.Objective(lambda p, x: x, lambda a, b: np.mean(a))
    x, seen = np.arange(6.0), []
    for batch in objective.batches(x, x, 2, rng=rng):
        inner = [b.x.tolist() for b in objective.batches(x[:4], x[:4], 2, rng=rng)]
        assert sorted(itertools.chain(*inner)) == [0, 1, 2, 3]
        seen += batch.x.tolist()
    assert sorted(seen) == x.tolist()


def test_two_epochs_of_the_same_stream_at_once_are_told():
    rng, objective = dg.Rng(0), nn.Objective(lambda p, x: x, lambda a, b: np.mean(a))
    x = np.arange(6.0)
    first, second = (objective.batches(x, x, 1, rng=rng) for _ in range(2))
    next(first), next(second)
    with pytest.raises(dg.DualgradError, match="goes on elsewhere"):
        next(first)
    next(second)
    rng.load_state_dict(rng.state_dict())
    with pytest.raises(dg.DualgradError, match="goes on elsewhere"):
        next(second)


def test_an_int_is_the_same_order_each_time_and_a_generator_another():
    x, objective = np.arange(9.0), nn.Objective(lambda p, x: x, lambda a, b: np.mean(a))
    orders = lambda rng: [b.x[0] for b in objective.batches(x, x, 1, rng=rng)]  # noqa: E731
    assert orders(3) == orders(3) != orders(4)
    generator = np.random.default_rng(3)
    assert orders(generator) != orders(generator)


@pytest.mark.parametrize("epochs", [{"a": [1]}, {"a": [1, -1]}, {"a": [1.5, 2]}, [1], {"a": None}])
def test_a_damaged_place_is_refused(epochs):
    rng = dg.Rng(0)
    rng.normal(3)
    before = rng.state_dict()
    with pytest.raises(ValueError, match="damaged"):
        rng.load_state_dict(dg.Rng(1).state_dict() | {"epochs": epochs})
    assert rng.state_dict() == before


# ---------------------------------------------------------------------- devices, and what is refused


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_of_what_lives_on_a_device_are_there(shuffle):
    x, y = strict.device(X), strict.device(Y)
    host, there = (list(DROPOUT.batches(*a, 4, rng=1, shuffle=shuffle)) for a in ((X, Y), (x, y)))
    for a, b in zip(host, there, strict=True):
        assert isinstance(b.x, strict.DeviceArray)
        assert np.array_equal(strict.host(b.x), a.x)


def test_lists_are_taken_as_arrays():
    batches = list(DROPOUT.batches(X.tolist(), Y.tolist(), 4, shuffle=False))
    assert [np.array_equal(b.x, X[k : k + 4]) for b, k in zip(batches, (0, 4, 8), strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"y": Y[:10]}, dg.ShapeError, "x with 11 examples and y with 10"),
        ({"x": X[:0], "y": Y[:0]}, dg.ShapeError, "without examples"),
        ({"y": np.float64(1)}, dg.ShapeError, r"y of shape \(\)"),
        ({"size": 0}, ValueError, "got size=0"),
        ({"size": 2.5}, ValueError, "got size=2.5"),
        ({"size": 12, "drop_last": True}, ValueError, "would have no batch; expected at most 11"),
        ({"rng": None}, TypeError, "shuffled batches need randomness"),
        ({"shuffle": "no"}, ValueError, "got shuffle='no'"),
        ({"axis": -1}, ValueError, "got axis=-1"),
        ({"axis": 2}, dg.ShapeError, "along axis 2"),
        ({"weights": np.ones(3)}, dg.ShapeError, "weights with 3"),
        ({"x": "text"}, TypeError, "got an input"),
    ],
)
def test_what_makes_no_batches_is_told_at_once(given, error, words):
    usual = {"x": X, "y": Y, "size": 4, "rng": 0} | given
    with pytest.raises(error, match=words):
        DROPOUT.batches(**usual)
