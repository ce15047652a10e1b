"""A training run that is killed again and again ends as if it had never been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg

RUN = """
import os, sys
import numpy as np
import dualgrad as dg
from dualgrad import directions, estimators, nn, optim

path, steps = sys.argv[1], 60
x = dg.Rng(5).normal((32, 8), dtype=np.float32)
y = np.arange(32) % 3
model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 3))
objective = nn.Objective(model, nn.cross_entropy)
estimator = estimators.ForwardGradient(directions.LowRank(), n=2)
optimizer = optim.Adam(optim.warmup(5, then=optim.cosine(3e-2, steps=steps)))
params, rng, step = model.init(rng=0), dg.Rng(1), 0
if os.path.exists(path):
    saved = dg.load(path)
    params, step = saved["params"], saved["step"]
    optimizer.load_state_dict(saved["optimizer"])
    rng.load_state_dict(saved["rng"])
print("ready", flush=True)
while step < steps:
    rows = rng.permutation(len(x))[:16]
    batch = objective.bind(x[rows], y[rows], train=True, rng=rng)
    optimizer.step(params, estimator.estimate(batch, params, rng=rng).gradient)
    model.update_buffers(params, x[rows], rng=rng)
    step += 1
    if step % 3 == 0:
        state = {"params": params, "optimizer": optimizer.state_dict(), "rng": rng.state_dict(), "step": step}
        dg.save(path, state)
"""


def begin(path):
    """The run, from its last checkpoint on, when all is imported."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(path)], stdout=subprocess.PIPE, cwd=Path(dg.__file__).parents[1]
    )
    assert process.stdout.readline() == b"ready\n", f"the run does not go on from {path}"
    return process


def finish(process):
    process.stdout.close()
    return process.wait()


def soak(folder, kills):
    """Kill the run so often, at random moments; it begins anew when it has ended. How many kills fell into a save."""
    whole, path = folder / "whole.npz", folder / "killed" / "run.npz"
    path.parent.mkdir()
    process, start = begin(whole), time.perf_counter()
    assert finish(process) == 0
    seconds, rng, killed, saving = time.perf_counter() - start, np.random.default_rng(0), 0, 0
    while killed < kills or process.returncode:
        process = begin(path)
        if killed < kills:
            time.sleep(rng.uniform(0, seconds))
            process.send_signal(signal.SIGKILL)
        if finish(process):
            assert process.returncode == -signal.SIGKILL
            killed += 1
            saving += len(os.listdir(path.parent)) > path.exists()
        else:
            same = path.read_bytes() == whole.read_bytes()
            assert same, f"after {killed} kills the checkpoint is not, bit for bit, that of the run without one"
            assert os.listdir(path.parent) == ["run.npz"]
            if killed < kills:
                path.unlink()
    return saving


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path, kills):
    saving = soak(tmp_path, kills)
    assert saving > 0 or kills < 100  # some of the kills fall into dg.save
    print(f"{kills} kills survived, {saving} of them in mid-save")
