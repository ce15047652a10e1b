"""online.fit is the loop that it says, for every learner; and it goes on bit for bit, whatever the moment of a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import online, optim
from dualgrad.online import keeping
from tests.support.streams import EPISODE, LEARNERS, alike, begun, left, read, reader

STEPS = 2 * EPISODE + 4


def by_hand(learner, optimizer, stream, steps):
    """The loop of the docstring; the sum of all losses."""
    total = 0.0
    for t in range(steps):
        x, y, end = stream(t)
        found = [learner.step(x, y)]
        if (end or t == steps - 1) and hasattr(learner, "close"):
            found.append(learner.close())
        for estimate in found:
            if estimate is not None:
                optimizer.step(learner.params, estimate.gradient)
                total += float(estimate.value)
        if end:
            learner.reset()
    return total


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_follows_as_by_hand(name):
    first, second = begun(name), begun(name)
    total = by_hand(*first, STEPS)
    history = online.fit(*second, steps=STEPS, every=5, progress=False)
    assert alike(
        [first[0].params, first[0].state_dict(), first[1].state_dict()],
        [second[0].params, second[0].state_dict(), second[1].state_dict()],
    )
    assert history["step"] == [5, 10, 15, 16]
    assert history[-1]["episodes"] == STEPS // EPISODE
    assert history.stopped == "steps"
    if getattr(second[0], "window", 1) == 1:
        means = np.array(history["loss"])
        assert means @ np.diff([0, *history["step"]]) == pytest.approx(total)


def test_a_row_before_the_first_update_has_its_rate():
    leak = online.System(lambda s, x, w: w * s + x, lambda s, y, w: np.sum(s, axis=-1), np.zeros(1), batched=True)
    learner = online.EvolutionStrategies(2, 0.1).start(leak, np.array([0.5]), rng=0)
    optimizer = optim.SGD(optim.inverse_sqrt(0.5))
    history = online.fit(learner, optimizer, ([0.1] * 4, None), every=2, progress=False)
    assert history["lr"] == [0.5] * 3  # the window is closed, and the update made, after the last step
    assert history["loss"][:2] == [None, None]


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_goes_on_from_its_file(name, tmp_path, monkeypatch):
    """Stopped after so many steps, in the middle of windows and episodes too, and gone on with in new objects."""
    monkeypatch.setattr(keeping, "_PAUSE", 0)
    whole = begun(name)
    expected = left(*whole[:2], online.fit(*whole, steps=STEPS, every=4, progress=False))
    for k, cuts in enumerate([(0, 3, 13), (6, 8)]):
        for steps in (*cuts, STEPS):
            run = begun(name)
            history = online.fit(*run, steps=steps, every=4, checkpoint=tmp_path / f"{k}.npz", progress=False)
        assert alike(left(*run[:2], history), expected)


class Counting:
    """An iterator with a place."""

    def __init__(self, stream, length):
        self.stream, self.length, self.t = stream, length, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.t == self.length:
            raise StopIteration
        self.t += 1
        return self.stream(self.t - 1)

    def state_dict(self):
        return {"t": self.t}

    def load_state_dict(self, state):
        self.t = state["t"]


def test_arrays_functions_and_iterators_are_the_same_stream(tmp_path):
    expected = read(50, every=20)
    learner, optimizer, arrays = reader(50)
    rows = lambda t: tuple(a[t] for a in arrays)  # noqa: E731
    streams = {
        "function": lambda: rows, "generator": lambda: (rows(t) for t in range(50)),
        "list": lambda: [rows(t) for t in range(50)], "iterator": lambda: iter([rows(t) for t in range(50)]),
        "place": lambda: Counting(rows, 50),
    }  # fmt: skip
    for name, make in streams.items():
        learner, optimizer, _ = reader(50)
        steps = 50 if name == "function" else None
        history = online.fit(learner, optimizer, make(), steps=steps, every=20, progress=False)
        assert history.stopped == ("steps" if name == "function" else "stream")
        assert alike(left(learner, optimizer, history) | {"stopped": "stream"}, expected), name
    for steps in (17, None, None):
        learner, optimizer, _ = reader(50)
        history = online.fit(
            learner, optimizer, Counting(rows, 50), steps=steps, every=20, checkpoint=tmp_path / "run", progress=False
        )
    assert alike(left(learner, optimizer, history), expected)
    learner, optimizer, _ = reader(50)
    with pytest.raises(dg.DualgradError, match="generator cannot be gone on with"):
        online.fit(learner, optimizer, streams["generator"](), checkpoint=tmp_path / "other")


def test_saving_changes_no_number(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "_PAUSE", 0)
    monkeypatch.setattr(keeping, "_SAVES_APART", 0)
    plain = read(60)
    assert alike(read(60, checkpoint=tmp_path / "run.npz"), plain)
    stamp = (tmp_path / "run.npz").stat().st_mtime_ns
    assert alike(read(60, checkpoint=tmp_path / "run.npz"), plain)  # a run that is complete is returned at once
    assert (tmp_path / "run.npz").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("at", [1, 7, 40])
def test_ctrl_c_stops_between_two_steps_and_the_same_call_goes_on(tmp_path, at):
    learner, optimizer, arrays = reader(40, online.TruncatedBPTT(3))

    def stream(t):
        if t == at - 1:
            signal.raise_signal(signal.SIGINT)
        return tuple(a[t] for a in arrays)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=f"stopped after {at} steps") as caught:
        online.fit(learner, optimizer, stream, steps=40, every=5, checkpoint=tmp_path / "run", progress=False)
    assert learner.steps <= at
    assert len(caught.value.history) == at // 5
    assert signal.getsignal(signal.SIGINT) is before
    at = 0
    history = online.fit(learner, optimizer, stream, steps=40, every=5, checkpoint=tmp_path / "run", progress=False)
    expected = read(40, online.TruncatedBPTT(3), every=5)
    assert alike(left(learner, optimizer, history) | {"stopped": "stream"}, expected)


def test_callbacks_end_a_run_and_an_error_has_its_history():
    learner, optimizer, arrays = reader(50)
    seen = []
    history = online.fit(
        learner, optimizer, arrays, every=10, progress=False,
        callbacks=[lambda after: seen.append(after.step), lambda after: after.step == 30],
    )  # fmt: skip
    assert (seen, history.stopped, history[-1]["step"]) == ([10, 20, 30], "callback", 30)
    bad = arrays[0].copy()
    bad[25] = np.nan
    learner, optimizer, _ = reader(50)
    with pytest.raises(dg.NonFiniteError) as caught:
        online.fit(learner, optimizer, (bad, *arrays[1:]), every=10, progress=False)
    assert caught.value.history["step"] == [10, 20]


def test_a_line_a_row_in_a_log(capsys):
    learner, optimizer, arrays = reader(20)
    online.fit(learner, optimizer, arrays, every=10)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:3] for line in lines] == [["step", "10", "loss"], ["step", "20", "loss"]]


# ---------------------------------------------------------------------- what does not fit


def test_nonsense_is_refused(tmp_path):
    learner, optimizer, arrays = reader(10)
    before = learner.params.vector.copy()
    for words, given in (
        ("expected one of dg.online", (online.RTRL, optimizer, arrays, {})),
        ("has no system yet", (online.RTRL(), optimizer, arrays, {})),
        ("expected one of dg.optim", (learner, optim.Adam, arrays, {})),
        ("say how many with steps=", (learner, optimizer, lambda t: (0, 0), {})),
        ("stream of 1 arrays", (learner, optimizer, (arrays[0],), {})),
        ("as many steps in each", (learner, optimizer, (arrays[0], arrays[1][:-1]), {})),
        ("got stream=3", (learner, optimizer, 3, {})),
        ("step 0 of the stream is 1", (learner, optimizer, [[1], [2]].__iter__().__next__, {"steps": 3})),
        ("expected True or False", (learner, optimizer, iter([(arrays[0][0], 1, 2.0)]), {})),
        ("every", (learner, optimizer, arrays, {"every": 0})),
        ("steps", (learner, optimizer, arrays, {"steps": -1})),
        ("progress", (learner, optimizer, arrays, {"progress": 3})),
        ("checkpoint=3", (learner, optimizer, arrays, {"checkpoint": 3})),
        ("without state_dict", (learner, type("Own", (), {"step": print})(), arrays, {"checkpoint": "x"})),
    ):
        *three, options = given
        if "is 1" in words:
            three[2], words = (lambda t: 1), "step 0 of the stream is 1"
        with pytest.raises((TypeError, ValueError, dg.DualgradError), match=words.replace("(", r"\(")):
            online.fit(*three, **options)
    assert np.array_equal(learner.params.vector, before)


def test_the_file_of_another_call_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    read(40, checkpoint=path, steps=30)
    data = path.read_bytes()
    for words, change in (
        ("stream", lambda: read(41, checkpoint=path)),
        ("every", lambda: read(40, checkpoint=path, every=7)),
        ("estimator", lambda: read(40, online.NoBackTrack(2), checkpoint=path)),
        ("steps count from the run's start", lambda: read(40, checkpoint=path, steps=20)),
    ):
        with pytest.raises((dg.CheckpointError, ValueError), match=words):
            change()
    dg.save(path, {"kind": "other"})
    with pytest.raises(dg.CheckpointError, match="no checkpoint of online"):
        read(40, checkpoint=path)
    path.write_bytes(data)
    assert alike(read(40, checkpoint=path), read(40))


# ---------------------------------------------------------------------- killed

CHILD = """
import os, signal, sys
from dualgrad.online import keeping
from tests.support.streams import read
path, length, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
keeping._PAUSE = keeping._SAVES_APART = float(sys.argv[4])
if moment != "-":
    name, number = moment.split(":")
    calls, before = [], getattr(os, name)
    def killing(*args):
        calls.append(args)
        if len(calls) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return before(*args)
    setattr(os, name, killing)
print("begun", flush=True)
read(length, checkpoint=path, every=1000)
"""


def child_of(path, length, moment, pause):
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", CHILD, *map(str, (path, length, moment, pause))]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)})
    assert child.stdout.readline() == b"begun\n"
    return child


def killed_in_turn(path, length, pause, moments):
    """Runs that are killed, one after another, each going on from what the one before has left."""
    for moment in moments:
        in_save = isinstance(moment, str)
        with child_of(path, length, moment if in_save else "-", pause) as child:
            if not in_save:
                time.sleep(moment)
                child.kill()
            assert child.wait() in (-signal.SIGKILL, 0)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_process_that_is_killed_goes_on(tmp_path):
    path = tmp_path / "run.npz"
    killed_in_turn(path, 400, 0.0, ["replace:30", 0.05])
    assert 0 < dg.load(path)["step"] < 400
    assert alike(read(400, checkpoint=path, every=1000), read(400, every=1000))
    assert os.listdir(tmp_path) == ["run.npz"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_stream_of_100000_steps_whose_reader_is_killed_ten_times(tmp_path):
    path, rng = tmp_path / "run.npz", np.random.default_rng(0)
    moments = [
        float(s) if k % 2 else f"{('fsync', 'replace')[k % 4 // 2]}:{3 + k}"
        for k, s in enumerate(rng.uniform(0.2, 2.0, 10))
    ]
    killed_in_turn(path, 100_000, 0.05, moments)
    assert 1000 < dg.load(path)["step"] < 100_000
    assert alike(read(100_000, checkpoint=path, every=1000), read(100_000, every=1000))
    assert os.listdir(tmp_path) == ["run.npz"]
