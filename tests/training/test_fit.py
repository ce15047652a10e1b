"""`dg.fit` is the loop that one would write, to the bit, for every estimator and optimizer; its history, validation,
early stopping and callbacks; and what it refuses leaves everything as it was.
"""

import builtins
import io
import sys

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from dualgrad.estimators.mezo import MeZO
from dualgrad.optim.hyperparameters import rate
from dualgrad.training import EarlyStopping
from tests.support.optimizers import MAKERS
from tests.support.training import ESTIMATORS, PLACES, X, Y, of_network, of_sequences, same


def hand_written(objective, params, data, *, estimator, optimizer, epochs, batch_size, rng, **how):
    """The loop, as docs/training.md and the docstring of fit have it; the mean loss of each epoch."""
    stream, draws = dg.Rng(rng).spawn(2)
    takes, losses = getattr(objective.model, "takes", ()), []
    train = {"train": True} if "train" in takes else {}
    for _ in range(epochs):
        total, seen = 0.0, 0
        for batch in objective.batches(*data, batch_size, rng=stream, **train, **how):
            if isinstance(estimator, MeZO) or isinstance(getattr(estimator, "base", None), MeZO):
                lr = rate(optimizer.lr, optimizer.steps + 1)
                estimate = estimator.step(batch, params, lr=lr, rng=draws)
                optimizer.steps += 1
            else:
                estimate = estimator.estimate(batch, params, rng=draws)
                if getattr(params, "buffers", None):
                    objective.model.update_buffers(params, batch.x, **batch.keywords())
                optimizer.step(params, estimate.gradient)
            n = dg.tree.leaves(batch.y)[0].shape[how.get("axis", 0)]
            total, seen = total + float(estimate.value) * n, seen + n
        losses.append(total / seen)
    return losses


def both(make, place, dtype=np.float64, make_optimizer=None, **how):
    """Fit and the hand-written loop: parameters and losses of each."""
    found = []
    for train in (dg.fit, hand_written):
        objective, data = place()
        params = objective.model.init(rng=1, dtype=dtype)
        data = tuple(a.astype(dtype) for a in data)
        settings = {"epochs": 2, "batch_size": 4, "rng": 7} | how
        settings |= {"axis": 1} if place is of_sequences else {}
        if train is dg.fit:
            settings |= {"progress": False}
        estimator, optimizer = make(), optim.SGD(0.05) if make_optimizer is None else make_optimizer()
        losses = train(objective, params, data, estimator=estimator, optimizer=optimizer, **settings)
        state = optimizer.state_dict()
        found.append((params, losses["loss"] if train is dg.fit else losses, state))
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_fit_is_the_loop_for_every_estimator(name, dtype):
    make, place = ESTIMATORS[name]
    if name == "MeZO.estimate":
        make = estimators.MeZO
    (params, losses, state), (expected, means, other) = both(make, PLACES[place], dtype)
    assert same(params, expected)
    assert params.dtype == dtype
    assert losses == means
    assert state["steps"] == other["steps"] == 8


@pytest.mark.parametrize("name", MAKERS)
def test_fit_is_the_loop_for_every_optimizer(name):
    make = lambda: estimators.ForwardGradient(directions.LowRank(), n=2)  # noqa: E731
    for how in ({}, {"shuffle": False, "drop_last": True}):
        (params, losses, state), (expected, means, other) = both(
            make, of_network, make_optimizer=lambda: MAKERS[name](optim.inverse_sqrt(0.05)), **how
        )
        assert same(params, expected)
        assert losses == means
        assert same(state, other)


# ---------------------------------------------------------------------- running statistics

NORMED = nn.Sequential(
    nn.Linear(3, 4), nn.Residual(nn.BatchNorm(4), nn.Dropout(0.3), nn.Linear(4, 4)), nn.ReLU(),
    nn.BatchNorm(4, momentum=0.3), nn.Linear(4, 2),
)  # fmt: skip
GATHERING = {
    "Backprop": estimators.Backprop, "ForwardJacobian": estimators.ForwardJacobian,
    "LowRank": lambda: estimators.ForwardGradient(directions.LowRank(), n=5),
    "signs": lambda: estimators.ForwardGradient(directions.Rademacher(), n=3),
    "Dodge": lambda: estimators.Dodge(estimators.Oracle(), 0.5),
    "Reptile": lambda: estimators.Reptile(2, 0.1),
    "Shared": lambda: estimators.Shared(estimators.ForwardGradient(directions.LowRank(), n=3), chunk=2),
}  # fmt: skip


class Wrapped(nn.Layer):
    """A layer of one's own that says its statistics in `advance`, as those do that note nothing."""

    takes = frozenset({"train"})

    def buffers(self):
        return {"seen": ((), 0.0)}

    def forward(self, p, x, train=False):
        return x * 1.0

    def vjp(self, p, x, train=False):
        return x * 1.0, lambda dy: ({}, dy)

    def advance(self, p, x, train=True):
        p["seen"][...] += np.sum(x)
        return self.forward(p, x, train)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", GATHERING)
def test_running_statistics_are_those_of_update_buffers(name, own, dtype):
    """With the same masks, bit for bit, once a step, whatever passes the estimator makes."""
    model = nn.Sequential(NORMED, Wrapped()) if own else NORMED
    found = []
    for train in (dg.fit, hand_written):
        params = model.init(rng=0, dtype=dtype)
        more = {"progress": False} if train is dg.fit else {}
        train(
            nn.Objective(model, nn.mse), params, (X.astype(dtype), Y.astype(dtype)), estimator=GATHERING[name](),
            optimizer=optim.SGD(0.01), epochs=2, batch_size=7, rng=3, **more,
        )  # fmt: skip
        found.append(params)
    assert same(found[0], found[1])
    assert found[0].buffers.keys() == found[1].buffers.keys()
    for key, value in found[0].buffers.items():
        assert value.dtype == dtype
        assert np.array_equal(value, found[1].buffers[key]), key
        assert np.any(value != model.init(rng=0, dtype=dtype).buffers[key])


def test_no_pass_is_made_for_running_statistics(monkeypatch):
    passes = []
    forward, jvp = nn.BatchNorm.forward, nn.BatchNorm.jvp
    monkeypatch.setattr(nn.BatchNorm, "forward", lambda *a, **k: (passes.append("forward"), forward(*a, **k))[1])
    counted = lambda *a, **k: (passes.append("jvp"), jvp(*a, **k))[1]  # noqa: E731
    monkeypatch.setattr(nn.BatchNorm, "jvp", counted)
    monkeypatch.setattr(nn.BatchNorm, "lead", True)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Linear(4, 2))
    params = model.init(rng=0, dtype=np.float64)
    estimator = estimators.ForwardGradient(directions.LowRank())
    dg.fit(
        nn.Objective(model, nn.mse), params, (X, Y), estimator=estimator, optimizer=optim.SGD(0.1), epochs=3,
        batch_size=7, rng=0, progress=False,
    )  # fmt: skip
    assert passes == ["jvp"] * 6


@pytest.mark.parametrize("make", [lambda: estimators.SPSA(1e-6, n=3), lambda: MeZO(1e-6)])
def test_several_passes_of_a_step_count_once(make):
    """The statistics are those of the first pass, at parameters that are eps away."""
    params, expected = (NORMED.init(rng=0, dtype=np.float64) for _ in range(2))
    x, y = X[:7], Y[:7]
    dg.fit(
        nn.Objective(NORMED, nn.mse), params, (x, y), estimator=make(), optimizer=optim.SGD(0.1), epochs=1,
        batch_size=7, rng=0, progress=False,
    )  # fmt: skip
    data, _ = dg.Rng(0).spawn(2)
    (batch,) = nn.Objective(NORMED, nn.mse).batches(x, y, 7, rng=data, train=True)
    NORMED.update_buffers(expected, batch.x, **batch.keywords())
    for name, value in params.buffers.items():
        np.testing.assert_allclose(value, expected.buffers[name], rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------------- what is told of a run


def arguments(**changed):
    """A call of fit on the network, made anew."""
    objective, data = of_network()
    usual = {
        "objective": objective, "params": objective.model.init(rng=1, dtype=np.float64), "data": data, "epochs": 4,
        "estimator": estimators.Backprop(), "optimizer": optim.SGD(0.1), "batch_size": 5, "rng": 0, "progress": False,
    }  # fmt: skip
    return usual | changed


def share(prediction, target):
    return np.mean(prediction > target)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("size", [1, 3, 14, 50])
def test_validation_is_the_objective_on_all_examples_without_dropout(size, reduction):
    objective = nn.Objective(of_network()[0].model, nn.mse.using(reduction=reduction))
    given = arguments(objective=objective, validation=(X[3:], Y[3:]), metrics={"share": share}, batch_size=size)
    history = dg.fit(**given | {"optimizer": optim.SGD(0.001)})
    params, row = given["params"], history[-1]
    assert row["val_loss"] == pytest.approx(float(objective.bind(X[3:], Y[3:])(params)), rel=1e-12)
    assert row["share"] == pytest.approx(share(objective.model(params, X[3:]), Y[3:]), rel=1e-12)
    for batch_size in (size, None):
        found = dg.evaluate(objective, params, (X[3:], Y[3:]), batch_size=batch_size, metrics={"share": share})
        assert found == {name: pytest.approx(row[column], rel=1e-12) for name, column in
                         (("loss", "val_loss"), ("share", "share"))}  # fmt: skip


def test_the_best_is_that_of_validation_and_params_the_last(monkeypatch):
    kept = []
    given = arguments(
        optimizer=optim.SGD(optim.constant(0.3)), epochs=12, validation=(X[::-1], Y + 1),
        callbacks=[lambda after: kept.append(after.params.copy())],
    )  # fmt: skip
    history = dg.fit(**given)
    best = int(np.argmin(history["val_loss"]))
    assert history.best_epoch == best + 1 < 12
    assert same(history.best, kept[best])
    assert same(given["params"], kept[-1])
    assert not np.shares_memory(history.best.vector, given["params"].vector)


@pytest.mark.parametrize(
    ("values", "patience", "delta", "mode", "epochs"),
    [
        ([3, 2, 1, 1, 1, 0], 2, 0, "min", 5),
        ([3, 2, 1, 1, 1, 0], 3, 0, "min", 6),
        ([3, 2.9, 2.8, 2.7], 1, 0.5, "min", 2),
        ([1, 2, 3, 3, 2], 1, 0, "max", 4),
        ([float("nan"), 1, float("nan"), 0.5], 1, 0, "min", 1),
        ([1, float("nan"), 0.5, 2, 2], 2, 0, "min", 5),
    ],
)
def test_early_stopping(values, patience, delta, mode, epochs):
    left = iter([0, *values])  # the first is that of the trial before the run
    stopping = EarlyStopping(patience, delta, "told", mode)
    history = dg.fit(
        **arguments(
            validation=(X[:2], Y[:2]),
            metrics={"told": lambda p, y: next(left)},
            early_stopping=stopping,
            epochs=len(values),
        )
    )
    assert len(history) == epochs
    assert history.stopped == ("early stopping" if epochs < len(values) or patience < 3 and epochs == 5 else "epochs")
    usable = [v if v == v else (np.inf if mode == "min" else -np.inf) for v in values[:epochs]]
    if np.isfinite(usable).any():
        assert history.best_epoch == 1 + int((np.argmin if mode == "min" else np.argmax)(usable))


def test_callbacks_see_the_run_and_may_end_it():
    seen = []

    def callback(after):
        seen.append((after.epoch, len(after.history), after.params, after.optimizer, after.estimator))
        after.optimizer.lr = 0.1 / (1 + after.epoch)
        return np.bool_(after.epoch == 3)

    given = arguments(callbacks=[callback, lambda after: "no bool"])
    history = dg.fit(**given)
    assert [s[:2] for s in seen] == [(1, 1), (2, 2), (3, 3)]
    assert seen[0][2:] == (given["params"], given["optimizer"], given["estimator"])
    assert history.stopped == "callback"
    assert history["lr"] == [0.1, 0.05, 0.1 / 3]


def test_a_history_prints_as_a_table_and_shows_as_one():
    history = dg.fit(**arguments(validation=(X, Y), metrics={"a<b": share}, epochs=30))
    lines = repr(history).splitlines()
    assert lines[0].split() == ["epoch", "updates", "loss", "val_loss", "a<b", "lr", "seconds"]
    assert len(lines) == 23
    assert lines[-1] == f"stopped: epochs; best: epoch {history.best_epoch}"
    assert {len(line) for line in lines[:-1]} == {len(lines[0])}
    assert "<th>a&lt;b</th>" in history._repr_html_()
    assert history._repr_html_().count("<tr>") == 22
    assert [row["epoch"] for row in history] == history["epoch"] == list(range(1, 31))
    with pytest.raises(KeyError, match="no column 'acc'; the columns are"):
        history["acc"]
    assert repr(dg.fit(**arguments(epochs=0))) == "History of no epochs"


def test_a_history_is_plotted(monkeypatch):
    history = dg.fit(**arguments(validation=(X, Y), metrics={"share": share}))
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    figure = history.plot()
    assert [len(ax.lines) for ax in figure.axes] == [2, 1]
    assert figure.axes[0].lines[1].get_ydata().tolist() == history["val_loss"]
    matplotlib.pyplot.close(figure)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        history.plot()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("bars", [False, True])
def test_progress(monkeypatch, terminal, bars):
    """A log has a line an epoch, a terminal one bar, or without tqdm a line that is written anew."""
    if not bars:
        found = builtins.__import__
        without = lambda name, *a, **k: found("no." + name if name.startswith("tqdm") else name, *a, **k)  # noqa: E731
        monkeypatch.setattr(builtins, "__import__", without)
    elif terminal:
        pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    if terminal and not bars:
        clock = iter(range(10**6))
        monkeypatch.setattr("dualgrad.training.bars.time.monotonic", lambda: next(clock))
    dg.fit(**arguments(progress=True, validation=(X, Y)))
    text = sys.stderr.getvalue()
    if terminal and bars:
        assert "12/12" in text
        assert "val_loss" in text
        assert text.count("\n") == 1
    else:
        assert [line.rpartition("\r")[2][:9] for line in text.split("\n") if line] == [
            f"epoch {k}/4" for k in range(1, 5)
        ]
        assert ("update 2/3" in text) == terminal
    monkeypatch.setattr(sys, "stderr", Terminal())
    dg.fit(**arguments(progress=False))
    assert sys.stderr.getvalue() == ""


# ---------------------------------------------------------------------- parameters of other kinds


def test_a_function_with_a_tree_of_arrays():
    found = []
    for train in (dg.fit, hand_written):
        objective = nn.Objective(lambda p, x: np.tanh(x @ p["w"][0]) + p["b"], lambda a, b: np.mean((a - b) ** 2))
        params = {"w": [np.ones((3, 2)) / 7], "b": np.zeros(2)}
        more = {"progress": False} if train is dg.fit else {}
        train(
            objective, params, (X, Y), estimator=estimators.ForwardGradient(directions.Rademacher()),
            optimizer=optim.Adam(0.05), epochs=3, batch_size=4, rng=2, **more,
        )  # fmt: skip
        found.append(params)
    assert same(*found)
    assert np.any(found[0]["b"])


class Padded(nn.Layer):
    """The mean of the first entries of each example, as many as its length says, times a weight."""

    takes = by_example = frozenset({"lengths"})

    def shapes(self):
        return {"w": (2,)}

    def initial(self, name, shape, rng, dtype):
        return np.ones(shape, dtype)

    def forward(self, p, x, lengths):
        seen = np.arange(x.shape[1]) < lengths[:, None]
        return np.mean(x * seen, axis=1, keepdims=True) * p["w"]


def test_keywords_with_a_row_an_example_go_with_it():
    lengths, found = np.arange(14) % 4, []
    for train in (dg.fit, hand_written):
        objective = nn.Objective(nn.Sequential(Padded(), nn.Tanh()), nn.mse)
        params = objective.model.init(rng=0, dtype=np.float64)
        how = {"estimator": estimators.ForwardGradient(directions.Gaussian()), "optimizer": optim.Adam(0.05), "rng": 2}
        if train is dg.fit:
            keywords = {"lengths": lengths}
            history = dg.fit(
                objective, params, (X, Y, keywords), validation=(X, Y, keywords), epochs=3, batch_size=4,
                progress=False, **how,
            )  # fmt: skip
            expected = float(objective.bind(X, Y, lengths=lengths)(params))
            assert history[-1]["val_loss"] == pytest.approx(expected, rel=1e-12)
        else:
            train(objective, params, (X, Y), epochs=3, batch_size=4, lengths=lengths, **how)
        found.append(params)
    assert same(*found)
    assert np.all(found[0].vector != 1)


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize("bad", [1, 4, 9])
@pytest.mark.parametrize("where", ["loss", "statistics", "step"])
def test_after_an_error_all_is_as_the_updates_before_have_left_it(where, bad, monkeypatch):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.ReLU(), nn.Linear(4, 2))
    given = arguments(objective=nn.Objective(model, nn.mse), params=model.init(rng=0, dtype=np.float64))
    kept, made = [], []
    owner, name = (optim.SGD, "step") if where == "step" else (estimators.Backprop, "estimate")
    step = getattr(owner, name)

    def failing(*args, **kwargs):
        kept.append((given["params"].copy(), given["optimizer"].steps))
        made.append(None)
        if len(made) == bad:
            if where == "statistics":
                monkeypatch.setattr(dg.nn.norms.np, "var", lambda *a, **k: np.full(4, np.inf))
            else:
                raise dg.NonFiniteError("as asked for")
        return step(*args, **kwargs)

    monkeypatch.setattr(owner, name, failing)
    with pytest.raises(dg.NonFiniteError) as caught:
        dg.fit(**given)
    params, steps = kept[-1]
    assert same(given["params"], params)
    assert all(np.array_equal(b, params.buffers[k]) for k, b in given["params"].buffers.items())
    assert given["optimizer"].steps == steps == bad - 1
    assert len(caught.value.history) == (bad - 1) // 3
    assert f"in epoch {1 + (bad - 1) // 3} of fit, after {bad - 1} updates" in caught.value.__notes__[-1]


BATCHNORM = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm(2))
REFUSED = {
    "got objective=": (TypeError, lambda: {"objective": of_network()[0].bind(X, Y)}),
    "got data that is a": (TypeError, lambda: {"data": X}),
    "For a loader of batches": (TypeError, lambda: {"data": ((X, Y) for _ in range(3))}),
    "list of 14; expected": (TypeError, lambda: {"data": list(zip(X, Y, strict=True))}),
    "called as f.after.": (TypeError, lambda: {"callbacks": print}),
    "expected a list of functions": (TypeError, lambda: {"callbacks": [print, object()]}),
    "expected functions by name": (TypeError, lambda: {"validation": (X, Y), "metrics": [share]}),
    r"axis=\(1, 0\)": (dg.ShapeError, lambda: {"data": (np.ones((5, 14, 3)), Y)}),
    "data that is a tuple of 1": (TypeError, lambda: {"data": (X,)}),
    "x with 14 examples and y with 13": (dg.ShapeError, lambda: {"data": (X, Y[1:])}),
    "got estimator=": (TypeError, lambda: {"estimator": estimators.Backprop}),
    "give it to dg.online.fit": (TypeError, lambda: {"estimator": dg.online.RTRL()}),
    "expected shards=1": (ValueError, lambda: {"estimator": estimators.Shared(estimators.SPSA(), shards=2)}),
    "got optimizer=": (TypeError, lambda: {"optimizer": 0.1}),
    "or estimators.SPSA": (TypeError, lambda: {"estimator": MeZO(), "optimizer": optim.Adam()}),
    r"got SGD\(lr=0.1, momentum=0.9": (TypeError, lambda: {"estimator": MeZO(), "optimizer": optim.SGD(0.1, 0.9)}),
    "weight_decay=0.1": (TypeError, lambda: {"estimator": MeZO(), "optimizer": optim.SGD(0.1, weight_decay=0.1)}),
    "clip_norm=1": (TypeError, lambda: {"estimator": MeZO(), "optimizer": optim.SGD(0.1, clip_norm=1)}),
    "got epochs=-1": (ValueError, lambda: {"epochs": -1}),
    "got batch_size=0": (ValueError, lambda: {"batch_size": 0}),
    "pass rng=": (TypeError, lambda: {"rng": None}),
    "which are taken on a validation set": (ValueError, lambda: {"metrics": {"share": share}}),
    r"got metrics\['loss'\]": (ValueError, lambda: {"validation": (X, Y), "metrics": {"loss": share}}),
    "which watches 'val_loss'": (ValueError, lambda: {"early_stopping": 3}),
    "got patience=0": (ValueError, lambda: {"early_stopping": 0, "validation": (X, Y)}),
    "share gave": (TypeError, lambda: {"validation": (X, Y), "metrics": {"share": lambda p, y: p}}),
    "got the keyword 'lengths'": (TypeError, lambda: {"data": (X, Y, {"lengths": np.ones(14, int)})}),
    "validation that is": (TypeError, lambda: {"validation": X}),
    "expected .*, 3": (dg.ShapeError, lambda: {"validation": (X[:, :2], Y)}),
    "a leaf of float": (TypeError, lambda: {"params": {"w": 1.0}}),
    "which params do not have": (
        TypeError,
        lambda: {
            "objective": nn.Objective(BATCHNORM, nn.mse),
            "params": dg.Params(dict(BATCHNORM.init(rng=0, dtype=np.float64))),
        },
    ),
    "got checkpoint=3": (TypeError, lambda: {"checkpoint": 3}),
    "got progress='yes'": (ValueError, lambda: {"progress": "yes"}),
    "got axis=": (ValueError, lambda: {"axis": "first"}),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_does_not_fit_is_told_before_the_first_update(words):
    error, changed = REFUSED[words]
    given = arguments(**changed())
    before = [np.copy(leaf) for leaf in dg.tree.leaves(given["params"])]
    with pytest.raises(error, match=words):
        dg.fit(**given)
    assert all(np.array_equal(a, b) for a, b in zip(before, dg.tree.leaves(given["params"]), strict=True))
    assert getattr(given["optimizer"], "steps", 0) == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"patience": 0}, "got patience=0"),
        ({"min_delta": -1}, "got min_delta=-1"),
        ({"mode": "least"}, "got mode='least'"),
    ],
)
def test_early_stopping_has_settings_that_fit(given, words):
    with pytest.raises(ValueError, match=words):
        EarlyStopping(**{"patience": 1} | given)
