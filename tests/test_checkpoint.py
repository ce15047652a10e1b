"""save and load: what goes in comes out; damage is refused; a kill in mid-save leaves the old file."""

import copy
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import directions, estimators, nn, optim


def test_a_tree_comes_back_as_it_went_in(tmp_path):
    rng = dg.Rng(3)
    rng.normal(5)
    tree = {
        "params": dg.Params({"weight": np.arange(6.0, dtype=np.float32).reshape(2, 3), "bias": np.ones(3, np.float32)}),
        "rng": rng.state_dict(), "step": 7, "name": "ünï", "rate": 0.1, "flag": True, "nothing": None,
        "list": [1, [2.5, np.arange(3)], (np.float32(1.5),)], "complex": np.array([1 + 2j]), "empty": {},
        "inf": float("inf"),
    }  # fmt: skip
    dg.save(tmp_path / "run.npz", tree)
    back = dg.load(tmp_path / "run.npz")
    assert list(back) == list(tree)
    assert isinstance(back["params"], dg.Params)
    assert back["params"].layout == tree["params"].layout
    assert np.array_equal(back["params"].vector, tree["params"].vector)
    assert back["params"].dtype == np.float32
    for name in ("rng", "step", "name", "rate", "flag", "nothing", "empty", "inf"):
        assert back[name] == tree[name]
    assert isinstance(back["list"][2], tuple)
    assert back["list"][2][0].dtype == np.float32
    assert np.array_equal(back["complex"], tree["complex"])
    other = dg.Rng(9)
    other.load_state_dict(back["rng"])
    assert np.array_equal(other.normal(4), rng.normal(4))
    assert os.listdir(tmp_path) == ["run.npz"]


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (object(), r"tree\['a'\] is a object"),
        ({1: 2}, "keys that are not strings"),
        (np.array([None]), "is a ndarray"),
        ({1, 2}, "is a set"),
    ],
)
def test_what_cannot_be_saved_is_named_and_the_old_file_stays(tmp_path, bad, where):
    path = tmp_path / "run.npz"
    dg.save(path, {"step": 1})
    with pytest.raises(TypeError, match=where):
        dg.save(path, {"a": bad})
    assert dg.load(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["run.npz"]


def test_a_dual_cannot_be_saved(tmp_path):
    with pytest.raises(TypeError, match="is a Dual"):
        dg.derivative(lambda x: dg.save(tmp_path / "x.npz", {"x": x}))(1.0)


def test_damaged_truncated_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    dg.save(path, {"w": np.arange(2000.0), "step": 1})
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(dg.CheckpointError, match="damaged, truncated, or not a checkpoint"):
            dg.load(path)
    for place in range(200, len(whole) - 200, 997):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            back = dg.load(path)
        except dg.CheckpointError:
            continue
        assert np.array_equal(back["w"], np.arange(2000.0))  # the flipped byte was in padding
    np.savez(path, a=np.ones(2))
    with pytest.raises(dg.CheckpointError, match="not a checkpoint of dualgrad"):
        dg.load(path)
    np.save(tmp_path / "plain.npy", np.ones(2))
    with pytest.raises(dg.CheckpointError, match="not a checkpoint of dualgrad"):
        dg.load(tmp_path / "plain.npy")
    np.savez(path, dualgrad=np.array('{"format": "dualgrad-checkpoint-99", "tree": {}}'))
    with pytest.raises(dg.CheckpointError, match="this version reads"):
        dg.load(path)
    np.savez(path, dualgrad=np.array([object()], dtype=object))
    with pytest.raises(dg.CheckpointError, match="pickle"):
        dg.load(path)
    with pytest.raises(FileNotFoundError):
        dg.load(tmp_path / "nowhere.npz")


KILLED = """
import sys, numpy as np, dualgrad as dg
path, k = sys.argv[1], 0
dg.save(path, {"k": k, "w": np.full(400_000, k)})
print("first", flush=True)
while True:
    k += 1
    dg.save(path, {"k": k, "w": np.full(400_000, k)})
"""


KILLED_BEFORE_RENAME = """
import os, signal, sys, dualgrad as dg
os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
dg.save(sys.argv[1], {"k": 2})
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("delay", [0.005, 0.017, 0.031, 0.053])
def test_a_kill_in_mid_save_leaves_a_whole_checkpoint(tmp_path, delay):
    path = tmp_path / "run.npz"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    back = dg.load(path)
    assert np.array_equal(back["w"], np.full(400_000, back["k"]))


def test_a_kill_between_write_and_rename_keeps_the_old_file(tmp_path):
    path = tmp_path / "run.npz"
    dg.save(path, {"k": 1})
    done = subprocess.run([sys.executable, "-c", KILLED_BEFORE_RENAME, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert dg.load(path) == {"k": 1}


@pytest.mark.parametrize("make", [lambda: optim.Adam(1e-2), lambda: optim.SGD(1e-3, momentum=0.9)])
def test_resumed_training_is_bit_identical(tmp_path, make):
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    data = np.random.default_rng(0)
    batch = nn.Objective(model, nn.cross_entropy).bind(
        data.standard_normal((9, 6)).astype(np.float32), np.arange(9) % 3
    )
    estimator = estimators.ForwardGradient(directions.LowRank(), n=2)

    def train(params, optimizer, rng, steps):
        for _ in range(steps):
            optimizer.step(params, estimator.estimate(batch, params, rng=rng).gradient)

    params, optimizer, rng = model.init(rng=0), make(), dg.Rng(1)
    train(params, optimizer, rng, 5)
    dg.save(tmp_path / "run.npz", {"params": params, "optimizer": optimizer.state_dict(), "rng": rng.state_dict()})
    train(params, optimizer, rng, 5)
    state = dg.load(tmp_path / "run.npz")
    resumed, again, stream = state["params"], make(), dg.Rng(0)
    again.load_state_dict(state["optimizer"])
    stream.load_state_dict(state["rng"])
    train(resumed, again, stream, 5)
    assert np.array_equal(resumed.vector, params.vector)


def test_every_flipped_bit_is_harmless_or_refused(tmp_path):
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    dg.save(good, {"w": np.arange(4.0), "n": 3})
    raw, rng = good.read_bytes(), np.random.default_rng(0)
    for place in range(len(raw)):
        damaged = bytearray(raw)
        damaged[place] ^= 1 << int(rng.integers(8))
        bad.write_bytes(damaged)
        try:
            tree = dg.load(bad)
        except dg.CheckpointError:
            continue
        assert tree["n"] == 3
        assert np.array_equal(tree["w"], np.arange(4.0))


def test_links_and_permissions_are_kept(tmp_path):
    path, link = tmp_path / "run.npz", tmp_path / "latest.npz"
    dg.save(path, {"step": 1})
    path.chmod(0o600)
    link.symlink_to(path)
    dg.save(link, {"step": 2})
    assert link.is_symlink()
    assert dg.load(path) == {"step": 2}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_directory_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(IsADirectoryError, match="name of a file"):
        dg.save(tmp_path, {"step": 1})
    assert os.listdir(tmp_path) == []


def test_threads_may_save_side_by_side(tmp_path):
    mask = os.umask(0o022)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda k: dg.save(tmp_path / "run.npz", {"step": k}), range(100)))
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)
    assert dg.load(tmp_path / "run.npz")["step"] in range(100)
    assert os.listdir(tmp_path) == ["run.npz"]


def test_buffers_are_kept_beside_the_parameters(tmp_path):
    model = dg.nn.Sequential(dg.nn.Linear(2, 3), dg.nn.BatchNorm(3))
    params, x = model.init(rng=0), np.eye(2, dtype=np.float32)
    model.update_buffers(params, x)
    dg.save(tmp_path / "run.npz", params)
    found = dg.load(tmp_path / "run.npz")
    assert {k: v.tobytes() for k, v in found.buffers.items()} == {k: v.tobytes() for k, v in params.buffers.items()}
    assert np.array_equal(model(found, x), model(params, x))
    again = copy.deepcopy(params)
    model.update_buffers(again, x)
    assert np.array_equal(model(found, x), model(params, x))
