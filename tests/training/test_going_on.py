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

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim
from dualgrad.checkpoint import atomic
from dualgrad.training import resuming
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
    monkeypatch.setattr(atomic.os, "fsync", before(os.fsync))
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
        with pytest.raises(Killed):
            fitted(**SHORT, checkpoint=path)
        at[0] = None
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
@pytest.mark.parametrize("moment", ["1", "30", 0.07])
def test_a_process_that_is_killed_goes_on(tmp_path, moment):
    path = tmp_path / "run.npz"
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", CHILD, str(path), moment if isinstance(moment, str) else "-"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)}) as child:
        assert child.stdout.readline() == b"begun\n"
        if not isinstance(moment, str):
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
