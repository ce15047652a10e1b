"""What users bring to `dg.fit`: weighted validation sets, functions as models, callbacks that raise or add columns,
optimizers of their own, a closed log, Ctrl-C during a save; nothing is silently wrong, and no state is lost.
"""

import io
import itertools
import os
import signal
import sys

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import estimators, nn, online, optim
from dualgrad.training import resuming
from dualgrad.training.saved import require_saved

rng = dg.Rng(5)
X, CLASSES = rng.normal((17, 4, 3)), rng.integers(0, 3, (17, 4))
MASKS = {"none": None, "numbers": rng.uniform(0, 2, (17,)), "steps": rng.uniform(0, 1, (17, 4)) > 0.6}
MASKS |= {"late": np.arange(17) > 12}
LOSSES = {
    "plain": nn.cross_entropy,
    "weight": nn.cross_entropy.using(weight=np.array([1.0, 7.0, 0.3])),
    "ignored": nn.cross_entropy.using(ignore_index=1),
    "both": nn.cross_entropy.using(ignore_index=0, weight=np.array([1.0, 7.0, 0.3])),
    "sum": nn.cross_entropy.using(ignore_index=1, reduction="sum"),
}


def call(model=None, loss=nn.mse, data=None, **changed):
    """A call of fit, made anew: what it returns, and the parameters."""
    model = nn.Linear(3, 3) if model is None else model
    params = changed.pop("params", None)
    params = model.init(rng=1, dtype=np.float64) if params is None else params
    usual = {
        "estimator": estimators.Backprop(), "optimizer": optim.SGD(0.05, momentum=0.9), "epochs": 3, "batch_size": 5,
        "rng": 0, "progress": False,
    }  # fmt: skip
    data = (X[:, 0], X[:, 1]) if data is None else data
    return dg.fit(nn.Objective(model, loss), params, data, **usual | changed), params


# ---------------------------------------------------------------------- validation


@pytest.mark.parametrize("masked", MASKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_val_loss_is_that_of_all_examples_whatever_counts_in_a_batch(loss, masked):
    """Σ w ℓ / Σ w over all, with batches in which nothing counts."""
    classes = CLASSES.copy()
    classes[:3] = LOSSES[loss].given.get("ignore_index", 0)
    keywords = {} if MASKS[masked] is None else {"weights": MASKS[masked]}
    objective, trained = nn.Objective(nn.Linear(3, 3), LOSSES[loss]), (X[:, 0], np.full(17, 2))
    for size in (1, 3, 17):
        history, params = call(
            loss=LOSSES[loss], data=trained, validation=(X, classes, keywords), batch_size=size, epochs=1
        )
        expected = objective.bind(X, classes, **keywords)(params)
        assert history[-1]["val_loss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "given", [{"weights": np.zeros(17)}, {"weights": np.r_[-1.0, np.ones(16)]}], ids=["nothing", "negative"]
)
def test_a_validation_set_that_has_no_mean_is_told_at_once(given):
    params = nn.Linear(3, 3).init(rng=1, dtype=np.float64)
    before = params.copy()
    with pytest.raises(ValueError, match="weight"):
        call(params=params, validation=(X[:, 0], X[:, 1], given))
    assert (params.vector == before.vector).all()


# ---------------------------------------------------------------------- functions as models


def test_a_function_that_takes_train_is_told():
    seen = []

    def model(p, x, train=None, *, rng=None):
        seen.append((train, rng is not None))
        return x @ p["w"]

    params = {"w": np.zeros((3, 3))}
    call(model, params=params, validation=(X[:, 0], X[:, 1]), estimator=estimators.SPSA(), epochs=1)
    assert set(seen) == {(True, True), (False, False)}


def scaled(by=2.0, array=None, add=0.0, inner=None):
    def model(p, x, bias=add):
        found = x @ p["w"] * by + bias
        found = found if array is None else found + array
        return found if inner is None else inner(found)

    return model


MODELS = {
    "number": lambda: scaled(3.0), "array": lambda: scaled(array=np.arange(3.0)), "default": lambda: scaled(add=1.0),
    "inner": lambda: scaled(inner=lambda x: x + 1), "constant": lambda: scaled(inner=lambda x: x + 2),
    "code": lambda: lambda p, x: x @ p["w"], "plain": lambda: scaled(),
}  # fmt: skip


@pytest.mark.parametrize("one", MODELS)
def test_another_function_is_another_model(one, tmp_path):
    how = {"checkpoint": tmp_path / "run", "estimator": estimators.SPSA()}
    call(MODELS[one](), params={"w": np.zeros((3, 3))}, epochs=1, **how)
    for other, make in MODELS.items():
        params = {"w": np.zeros((3, 3))}
        if other == one:
            continue
        with pytest.raises(dg.CheckpointError, match="model"):
            call(make(), params=params, **how)
        assert not params["w"].any()
    call(MODELS[one](), params={"w": np.zeros((3, 3))}, **how)


@pytest.mark.parametrize("made", ["smaller", "without", "more"])
def test_parameters_of_another_model_are_refused_by_backprop_too(made):
    model = nn.Linear(3, 3)
    params = dict(model.init(rng=0, dtype=np.float64).items())
    params |= {"smaller": {"weight": np.zeros((3, 2)), "bias": np.zeros(2)}, "more": {"other": np.zeros(2)}}.get(
        made, {}
    )
    if made == "without":
        del params["bias"]
    with pytest.raises(dg.LayoutError, match="another model"):
        nn.Objective(model, nn.mse).bind(X[:, 0], X[:, 1]).vjp(params)


# ---------------------------------------------------------------------- callbacks and columns


@pytest.mark.parametrize("given", [print, None, [None], "print", {"a": print}, [int]], ids=str)
def test_callbacks_that_are_no_functions(given):
    learner = online.RTRL().start(
        online.System(lambda s, x, w: w * s + x, lambda s, y, w: np.sum((s - y) ** 2), np.zeros(1)), np.array([0.1])
    )
    for made in (lambda: call(callbacks=given), lambda: online.fit(learner, optim.SGD(0.1), (X, X), callbacks=given)):
        with pytest.raises(TypeError, match=r"got callbacks=.*expected a list of functions"):
            made()
    if given not in (None, {"a": print}):
        with pytest.raises(TypeError, match=r"got metrics=.*expected functions by name"):
            call(metrics=given, validation=(X[:, 0], X[:, 1]))


class BrokenError(RuntimeError):
    """What a user's function raises."""


def breaking(at):
    """A function that raises when it is called for the at-th time."""
    seen = itertools.count(1)

    def broken(*args, **kwargs):
        if next(seen) == at:
            raise BrokenError
        return 0.0

    return broken


@pytest.mark.parametrize("place", ["callback", "metric", "save", "observe"])
def test_an_error_from_anywhere_has_the_history(place, monkeypatch, tmp_path):
    how = {"validation": (X[:, 0], X[:, 1]), "batch_size": 17, "checkpoint": tmp_path / "run", "epochs": 4}
    broken = breaking(3)
    if place == "callback":
        how["callbacks"] = [broken]
    elif place == "metric":
        how["metrics"] = {"broken": broken}
    elif place == "save":
        save = resuming.save
        monkeypatch.setattr(resuming, "_SHARE", 0)
        monkeypatch.setattr(resuming, "save", lambda *args: (broken(), save(*args)))
    else:
        monkeypatch.setattr(optim.SGD, "observe", broken)
    with pytest.raises(BrokenError) as caught:
        call(**how)
    assert len(caught.value.history) in (1, 2, 3)
    assert "of fit, after" in caught.value.__notes__[-1]
    monkeypatch.undo()
    how |= {"callbacks": (), "metrics": {"broken": lambda p, t: 0.0} if place == "metric" else None}
    gone_on, whole = call(**how)[1], call(**how | {"checkpoint": None})[1]
    assert (gone_on.vector == whole.vector).all()


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_any_columns_make_a_table(seed):
    draws, history = np.random.default_rng(seed), dg.training.History()
    values = [None, 1.0, np.float32(2.5), np.nan, 3, "a\nb", np.eye(3), [1, 2]]
    for k in range(1, 4 + 20 * (seed % 2)):
        own = {name: values[draws.integers(len(values))] for name in "abcd" if draws.random() < 0.5}
        history.rows.append({"epoch": k, "loss": 1.0 / k} | own)
    names = list(dict.fromkeys(name for row in history for name in row))
    head, *lines = repr(history).splitlines()
    assert head.split() == names
    assert len(lines) == min(len(history), 21)
    assert {len(line) for line in lines} == {len(head)}
    assert history._repr_html_().count("<tr>") == 1 + len(lines)
    for name in names:
        assert [a is row.get(name) for a, row in zip(history[name], history, strict=True)] == [True] * len(history)
    with pytest.raises(KeyError, match="no column 'other'"):
        history["other"]


# ---------------------------------------------------------------------- objects of one's own


class Stepping:
    """Momentum by hand; its rate is no number where it is told so."""

    def __init__(self, decay, lr=0.01):
        self.decay, self.lr, self.velocity = decay, lr, np.zeros(12)

    def step(self, params, gradient):
        if self.decay:
            self.velocity = self.decay * self.velocity + gradient.vector
        params.vector[...] -= 0.01 * (self.velocity if self.decay else gradient.vector)


class Keeping(Stepping):
    def state_dict(self):
        return {"velocity": self.velocity}

    def load_state_dict(self, state):
        self.velocity = state["velocity"]


class Counted:
    """Backprop, divided by how often it was asked."""

    times = 0

    def estimate(self, objective, params, *, rng):
        self.times += 1
        found = estimators.Backprop().estimate(objective, params, rng=rng)
        found.gradient.vector[...] /= self.times
        return found


def test_a_state_that_no_checkpoint_would_keep_is_refused(tmp_path):
    for k, lost in enumerate([{"optimizer": Stepping(0.9)}, {"estimator": Counted()}]):
        call(**lost)  # without a checkpoint there is nothing to lose
        with pytest.raises(TypeError, match="which has no state_dict"):
            call(**lost, checkpoint=tmp_path / str(k))
    for make in (lambda: Stepping(0), lambda: Keeping(0.9)):
        path, whole = tmp_path / make().__class__.__name__, call(optimizer=make())[1]
        for epochs in (1, 3):
            params = call(optimizer=make(), epochs=epochs, checkpoint=path)[1]
        assert (params.vector == whole.vector).all()


class Averaging:
    """An average of the parameters after epochs, or of a learner's after rows."""

    def __init__(self, params):
        self.average = optim.Averaged(params, decay=0.5)
        self.state_dict, self.load_state_dict = self.average.state_dict, self.average.load_state_dict

    def __call__(self, after):
        self.average.update(after.params)


def averaged_by_fit(params, epochs, path):
    averaging = Averaging(params)
    call(params=params, epochs=epochs, checkpoint=path, callbacks=[print_nothing, averaging])
    return averaging


def averaged_by_online_fit(params, epochs, path):
    system = online.System(lambda s, x, w: w @ s + x, lambda s, y, w: np.sum((s - y) ** 2), np.zeros(3))
    learner = online.RTRL().start(system, params["weight"])
    averaging, stream = Averaging(learner.params), (X[:, 0], X[:, 1])
    how = {"every": 4, "steps": 5 * epochs, "checkpoint": path, "progress": False}
    online.fit(learner, optim.SGD(0.001), stream, **how, callbacks=[print_nothing, averaging])
    return averaging


def print_nothing(after):
    """A callback without a state."""


@pytest.mark.parametrize("run", [averaged_by_fit, averaged_by_online_fit])
def test_what_a_callback_gathers_is_in_the_checkpoint(run, tmp_path, monkeypatch):
    fresh = lambda: nn.Linear(3, 3).init(rng=1, dtype=np.float64)  # noqa: E731
    whole = run(fresh(), 3, None)
    for epochs in (1, 2, 3):
        averaging = run(fresh(), epochs, tmp_path / "run")
    assert averaging.average.updates == whole.average.updates > 1
    leaves = [np.asarray(getattr(one.average.params, "vector", one.average.params)) for one in (averaging, whole)]
    assert (leaves[0] == leaves[1]).all()
    monkeypatch.setattr(Averaging, "__init__", lambda self, params: setattr(self, "average", optim.Averaged(params)))
    with pytest.raises(dg.CheckpointError, match="the states of 1 callbacks; 0 of this call"):
        run(fresh(), 3, tmp_path / "run")


@pytest.mark.parametrize("other", [lambda t: 0.02, lambda t: 0.01 / t, 0.01], ids=["number", "code", "no function"])
def test_a_rate_that_is_another_function_is_another_rate(other, tmp_path):
    how = {"checkpoint": tmp_path / "run"}
    call(optimizer=optim.SGD(lambda t: 0.01), epochs=1, **how)
    with pytest.raises(dg.CheckpointError, match="lr"):
        call(optimizer=optim.SGD(other), **how)


@pytest.mark.parametrize(
    "lr", [None, [0.1], "fast", np.ones(2), lambda t: 0.5, np.float32(0.5)], ids=lambda lr: type(lr).__name__
)
def test_a_rate_that_is_no_number_is_no_column(lr):
    history = call(optimizer=Stepping(0, lr))[0]
    assert history[0].get("lr") == (0.5 if isinstance(lr, np.float32) else None)


def test_sizes_of_numpy_are_those_of_python(tmp_path):
    call(batch_size=np.int64(5), epochs=np.int32(1), checkpoint=tmp_path / "run")
    assert len(call(checkpoint=tmp_path / "run")[0]) == 3


def test_a_generator_without_a_seed_has_no_streams_in_words():
    with pytest.raises(ValueError, match=r"no streams to spawn: take dg\.Rng"):
        call(rng=np.random.Generator(np.random.RandomState(0)._bit_generator))


# ---------------------------------------------------------------------- what is outside of the program


class Closed(io.StringIO):
    """A log whose disk is full, or that is closed."""

    def __init__(self, terminal, error):
        super().__init__()
        self.terminal, self.error = terminal, error

    def isatty(self):
        if self.terminal is None:
            raise self.error
        return self.terminal

    def write(self, text):
        raise self.error


@pytest.mark.parametrize("terminal", [None, False, True])
@pytest.mark.parametrize("error", [OSError(28, "no space"), BrokenPipeError(), ValueError("closed file")], ids=repr)
def test_a_log_that_takes_nothing_ends_no_training(terminal, error, monkeypatch):
    if terminal is None and isinstance(error, OSError):
        monkeypatch.setattr(sys, "stderr", None)
    else:
        monkeypatch.setattr(sys, "stderr", Closed(terminal, error))
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    whole = call(progress=True)[1]
    assert (whole.vector == call()[1].vector).all()


@pytest.mark.parametrize("at", range(1, 6))
def test_ctrl_c_during_a_save_is_heard(at, monkeypatch, tmp_path):
    """The last save too, after which nothing is left to do."""
    monkeypatch.setattr(resuming, "_SHARE", 0)
    save, saves = resuming.save, itertools.count(1)

    def pressed(*args):
        save(*args)
        if next(saves) == at:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(resuming, "save", pressed)
    if at > 4:
        call(checkpoint=tmp_path / "run")
        return
    with pytest.raises(KeyboardInterrupt) as caught:
        call(checkpoint=tmp_path / "run")
    assert caught.value.history.stopped == "interrupted"
    assert (call(checkpoint=tmp_path / "run")[1].vector == call()[1].vector).all()


def test_a_checkpoint_stays_where_it_was_asked_for(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    call(checkpoint="run", callbacks=[lambda after: os.chdir(tmp_path / "elsewhere")])
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "run"]
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_state_that_is_not_whole_is_refused_and_nothing_changes(tmp_path):
    path = tmp_path / "run"
    call(checkpoint=path, epochs=1)
    state = dg.load(path)
    for name, bad in itertools.product(state, (..., "x")):
        dg.save(path, {key: value for key, value in (state | {name: bad}).items() if value is not ...})
        optimizer, params = optim.SGD(0.05, momentum=0.9), nn.Linear(3, 3).init(rng=1, dtype=np.float64)
        before = params.copy()
        if (name, bad) == ("stopped", "x"):
            continue
        with pytest.raises(dg.CheckpointError):
            call(checkpoint=path, params=params, optimizer=optimizer)
        assert (params.vector == before.vector).all()
        assert optimizer.steps == 0
    with pytest.raises(dg.CheckpointError, match="no checkpoint of other"):
        require_saved(state, "run", "other", {}, 0)
