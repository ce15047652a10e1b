"""A run of `dg.fit` goes on from its checkpoint bit for bit, whatever the moment it was killed, in the middle of a save
too; Ctrl-C stops it between two updates; and it goes on from no checkpoint but its own.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from dualgrad.checkpoint import atomic
from dualgrad.training import resuming
from tests.support import strict
from tests.support.training import BATCHES, EPOCHS, alike, arguments, fitted, outcome

SHORT = {"epochs": 2, "batch_size": 9}  # three batches, the last of five examples


class Killed(BaseException):
    """What ends a run in the middle of anything."""


@pytest.fixture
def eager(monkeypatch):
    """A save after every update."""
    monkeypatch.setattr(resuming, "_SECONDS", 0)
    monkeypatch.setattr(resuming, "_SHARE", 0)


def moments(monkeypatch):
    """The moments at which a run may be killed, counted: before an update and a flush, before and after a rename."""
    seen, at = [], [None]

    def passing():
        seen.append(None)
        if len(seen) == at[0]:
            raise Killed

    def before(call):
        return lambda *args, **more: (passing(), call(*args, **more))[1]

    replace = os.replace
    monkeypatch.setattr(atomic.os, "replace", lambda *names: (passing(), replace(*names), passing()))
    monkeypatch.setattr(atomic.os, "fsync", before(lambda file: None))
    monkeypatch.setattr(estimators.ForwardGradient, "estimate", before(estimators.ForwardGradient.estimate))
    return seen, at


def test_a_run_that_is_killed_at_any_moment_goes_on_bit_for_bit(tmp_path, eager, monkeypatch):
    whole = fitted(**SHORT)
    seen, at = moments(monkeypatch)
    assert alike(fitted(**SHORT, checkpoint=tmp_path / "counted.npz"), whole)
    count = len(seen)
    assert count == 2 * 3 + 4 * (1 + 2 * 3 + 2)
    for k in range(1, count + 1):
        path = tmp_path / f"{k}.npz"
        at[0] = k
        seen.clear()
        monkeypatch.setattr(resuming, "_SECONDS", 0)
        with pytest.raises(Killed):
            fitted(**SHORT, checkpoint=path)
        at[0] = None
        monkeypatch.setattr(resuming, "_SECONDS", 60)
        assert alike(fitted(**SHORT, checkpoint=path), whole), k


def test_a_run_that_is_killed_again_and_again_comes_to_its_end(tmp_path, eager, monkeypatch):
    whole = fitted()
    seen, at = moments(monkeypatch)
    for lives in range(200):
        seen.clear()
        at[0] = 9 + lives % 5
        try:
            assert alike(fitted(checkpoint=tmp_path / "run.npz"), whole)
            break
        except Killed:
            continue
    assert 5 < lives < 199


@pytest.mark.parametrize("epochs", [(1, 2, 3), (0, 3, 3), (2, 2, 3)])
def test_epochs_count_from_the_start_of_the_run(tmp_path, epochs):
    whole = fitted()
    for upto in epochs:
        found = fitted(epochs=upto, checkpoint=tmp_path / "run.npz")
        assert len(found["rows"]) == upto
    assert alike(found, whole)
    with pytest.raises(ValueError, match=r"got epochs=1; .* has begun epoch 3"):
        fitted(epochs=1, checkpoint=tmp_path / "run.npz")


def test_a_run_that_is_complete_is_returned_at_once(tmp_path, monkeypatch):
    whole = fitted(checkpoint=tmp_path / "run.npz")
    stamp = (tmp_path / "run.npz").stat().st_mtime_ns
    monkeypatch.setattr(estimators.ForwardGradient, "estimate", None)
    assert alike(fitted(checkpoint=tmp_path / "run.npz"), whole)
    assert (tmp_path / "run.npz").stat().st_mtime_ns == stamp


CHILD = """
import os, signal, sys
from dualgrad.training import resuming
from tests.support import strict
from tests.support.training import fitted
resuming._SECONDS = resuming._SHARE = 0
if sys.argv[2] != "-":
    calls, replace = [], os.replace
    def replacing(*names):
        calls.append(names)
        if len(calls) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*names)
    os.replace = replacing
print("begun", flush=True)
fitted(checkpoint=sys.argv[1], epochs=15, early_stopping=None)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("moment", ["1", "30", 0.05])
def test_a_process_that_is_killed_goes_on(tmp_path, moment):
    path = tmp_path / "run.npz"
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", CHILD, str(path), moment if isinstance(moment, str) else "-"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)}) as child:
        assert child.stdout.readline() == b"begun\n"
        if not isinstance(moment, str):
            while not path.exists():
                time.sleep(0.001)
            time.sleep(moment)
            child.kill()
        assert child.wait() == -signal.SIGKILL
    assert path.exists() == (moment != "1")
    found = fitted(checkpoint=path, epochs=15, early_stopping=None)
    assert alike(found, fitted(epochs=15, early_stopping=None))
    assert os.listdir(tmp_path) == ["run.npz"]


# ---------------------------------------------------------------------- Ctrl-C


class Pressing(estimators.ForwardGradient):
    """An estimator beside which somebody presses Ctrl-C, some times, in the middle of one of its estimates."""

    circumstances = ("times", "at")

    def __init__(self, times, at=6):
        super().__init__(directions.LowRank(), n=3, baseline=0.5)
        self.times, self.at, self.done = times, at, False

    def estimate(self, *args, **kwargs):
        self.done = False
        if self.made + 1 == self.at:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
        found = super().estimate(*args, **kwargs)
        self.done = True
        return found


@pytest.mark.parametrize("at", [1, 4, 6, EPOCHS * BATCHES])
def test_ctrl_c_stops_between_two_updates_and_the_same_call_goes_on(tmp_path, at):
    whole, handler = fitted(estimator=Pressing(0)), signal.getsignal(signal.SIGINT)
    given = arguments(estimator=Pressing(1, at), checkpoint=tmp_path / "run.npz")
    with pytest.raises(KeyboardInterrupt, match=f"stopped after {at} updates") as caught:
        dg.fit(**given)
    assert given["estimator"].done
    assert given["optimizer"].steps == at
    assert caught.value.history.stopped == "interrupted"
    assert len(caught.value.history) == (at - 1) // BATCHES
    assert signal.getsignal(signal.SIGINT) is handler
    again = outcome(given, dg.fit(**given))  # the same objects, as in a notebook
    assert alike(again, whole)
    assert alike(fitted(estimator=Pressing(0), checkpoint=tmp_path / "run.npz"), whole)


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    handler, given = signal.getsignal(signal.SIGINT), arguments(estimator=Pressing(2))
    with pytest.raises(KeyboardInterrupt):
        dg.fit(**given)
    assert not given["estimator"].done
    assert given["optimizer"].steps == 5
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_thread_leaves_ctrl_c_alone():
    found, whole = [], fitted()
    thread = threading.Thread(target=lambda: found.append(fitted()))
    thread.start()
    thread.join()
    assert alike(found[0], whole)


# ---------------------------------------------------------------------- no checkpoint but its own

MODEL = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm(6, momentum=0.2), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 3))
WIDER = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm(7), nn.ReLU(), nn.Dropout(0.3), nn.Linear(7, 3))
USUAL = arguments()
(X, Y), MEAN = USUAL["data"], USUAL["objective"]
OTHER = {
    "data": lambda: {"data": (X + 1, Y)},
    "data.y": lambda: {"data": (X, Y[::-1])},
    "validation": lambda: {"validation": (X, Y)},
    "batch_size": lambda: {"batch_size": 7},
    "shuffle": lambda: {"shuffle": False},
    "drop_last": lambda: {"drop_last": True},
    "seed": lambda: {"rng": 5},
    "lr": lambda: {"optimizer": optim.Adam(0.05)},
    "optimizer": lambda: {"optimizer": optim.SGD(optim.cosine(0.05, steps=12))},
    "steps": lambda: {"optimizer": optim.Adam(optim.cosine(0.05, steps=13))},
    "betas": lambda: {"optimizer": optim.Adam(optim.cosine(0.05, steps=12), betas=(0.8, 0.9))},
    "estimator": lambda: {"estimator": estimators.Backprop()},
    "baseline": lambda: {"estimator": estimators.ForwardGradient(directions.LowRank(), n=3, baseline=0.4)},
    "momentum": lambda: {"objective": nn.Objective(MODEL, nn.cross_entropy)},
    "params": lambda: {"objective": nn.Objective(WIDER, nn.cross_entropy), "params": WIDER.init(rng=1)},
    "loss": lambda: {"objective": nn.Objective(MEAN.model, nn.cross_entropy.using(label_smoothing=0.1))},
    "dtypes": lambda: {"params": MEAN.model.init(rng=1, dtype=np.float64)},
    "metrics": lambda: {"metrics": {"share": nn.accuracy}},
    "watched": lambda: {"early_stopping": dg.training.EarlyStopping(3, metric="accuracy", mode="max")},
}


@pytest.mark.parametrize("what", OTHER)
def test_a_checkpoint_of_another_call_is_refused_and_nothing_changes(tmp_path, what):
    path = tmp_path / "run.npz"
    fitted(epochs=1, checkpoint=path)
    kept, given = path.read_bytes(), arguments(checkpoint=path, **OTHER[what]())
    states = lambda: [given["params"].copy(), given["optimizer"].state_dict(), given["estimator"].state_dict()]  # noqa: E731
    before = states()
    with pytest.raises(dg.CheckpointError, match=what.rpartition(".")[2]):
        dg.fit(**given)
    assert alike(states(), before)
    assert path.read_bytes() == kept


def test_what_makes_no_difference_may_change(tmp_path):
    whole = fitted(early_stopping=None)
    fitted(epochs=1, checkpoint=tmp_path / "run.npz")
    changed = {"callbacks": [lambda after: None], "early_stopping": 50}
    found = fitted(checkpoint=tmp_path / "run.npz", rng=dg.Rng(4), **changed)
    assert alike(found, whole)


def test_a_rate_that_a_callback_changes_goes_on(tmp_path):
    """In new objects, and in those of the run itself, as in a notebook."""

    def halve(after):
        after.optimizer.lr *= 0.5

    usual = {"callbacks": [halve], "early_stopping": None, "epochs": 5}
    whole = fitted(optimizer=optim.Adam(0.04), **usual)
    assert [row["lr"] for row in whole["rows"]] == [0.04, 0.02, 0.01, 0.005, 0.0025]
    optimizer = optim.Adam(0.04)
    for epochs, own in ((1, optimizer), (2, optimizer), (3, optim.Adam(0.04)), (4, optim.Adam(0.04)), (5, optimizer)):
        if epochs == 5:
            own.lr = 0.0025  # as the run left it
        found = fitted(optimizer=own, checkpoint=tmp_path / "run.npz", **usual | {"epochs": epochs})
    assert alike(found, whole)


def test_a_run_that_a_callback_ended_goes_on_where_there_are_more_epochs(tmp_path):
    end = {"callbacks": [lambda after: after.epoch == 2], "early_stopping": None, "checkpoint": tmp_path / "run.npz"}
    for epochs, made, stopped in ((5, 2, "callback"), (5, 2, "callback"), (6, 6, "epochs")):
        found = fitted(epochs=epochs, **end)
        assert len(found["rows"]) == made
        assert found["stopped"] == stopped
    whole = fitted(epochs=6, early_stopping=None)
    assert alike(found, whole)


def test_a_run_that_stopped_early_goes_on_with_more_patience(tmp_path):
    usual = {"epochs": 12, "optimizer": None, "checkpoint": tmp_path / "run.npz"}
    made = []
    for patience in (1, 1, 2, 12):
        found = fitted(**usual | {"optimizer": optim.SGD(0.5), "early_stopping": patience})
        made.append(len(found["rows"]))
    assert made[0] == made[1] < made[2] < made[3] == 12
    assert alike(found, fitted(epochs=12, optimizer=optim.SGD(0.5), early_stopping=None))


@pytest.mark.parametrize("tree", [{"params": np.ones(3)}, [1.0], {"kind": "dualgrad.fit", "version": 2}])
def test_a_file_of_another_kind_is_refused(tmp_path, tree):
    dg.save(tmp_path / "run.npz", tree)
    with pytest.raises(dg.CheckpointError, match=r"no checkpoint of fit|of version 2"):
        fitted(checkpoint=tmp_path / "run.npz")


def test_a_checkpoint_that_cannot_be_written_is_told_before_the_first_update(tmp_path):
    given = arguments(checkpoint=tmp_path / "no such folder" / "run.npz")
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        dg.fit(**given)
    assert given["optimizer"].steps == 0


@pytest.mark.parametrize("estimator", [estimators.Backprop, lambda: estimators.ForwardGradient(directions.LowRank())])
def test_a_run_on_a_device_goes_on_there(tmp_path, estimator):
    def there(**more):
        given = arguments(estimator=estimator(), optimizer=optim.Adam(0.01), early_stopping=None, **more)
        x, y = map(strict.device, given["data"])
        params = given["params"].to(SimpleNamespace(asarray=strict.device))
        history = dg.fit(**given | {"params": params, "data": (x, y), "validation": (x, y)})
        assert isinstance(params.vector, strict.DeviceArray)
        assert isinstance(history.best.vector, strict.DeviceArray)
        numbers = [params.vector, history.best.vector, *params.buffers.values()]
        return [strict.host(a) for a in numbers], history["val_loss"], history["accuracy"]

    whole = there()
    there(epochs=1, checkpoint=tmp_path / "run.npz")
    assert alike(there(checkpoint=tmp_path / "run.npz"), whole)
