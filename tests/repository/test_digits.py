"""The main job, interrupted and resumed, ends bit-identical."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

SCRIPT = Path(__file__).parents[2] / "examples" / "digits.py"
STEPS = "250"


def start(folder, *arguments):
    command = [sys.executable, str(SCRIPT), "--steps", STEPS, "--output", str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    printed, errors = process.communicate(timeout=300)
    return process.returncode, printed, errors


def results(path):
    """Everything a checkpoint holds but the seconds."""
    runs = dg.load(path)["runs"]
    return {name: {k: v for k, v in run.items() if k != "seconds"} for name, run in runs.items()}


def assert_identical(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name]["params"].vector, b[name]["params"].vector)
        assert a[name]["curve"] == b[name]["curve"]
        assert a[name]["rng"] == b[name]["rng"]
        for moment in ("m", "v"):
            assert np.array_equal(a[name]["optimizer"][moment][0], b[name]["optimizer"][moment][0])


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_interrupted_and_resumed_it_ends_bit_identical(tmp_path):
    whole, broken = tmp_path / "whole.npz", tmp_path / "broken.npz"
    assert finish(start(tmp_path, "--checkpoint", str(whole)))[0] == 0
    process = start(tmp_path, "--checkpoint", str(broken))
    while "LowRank signs" not in (process.stderr.readline() or "LowRank signs"):
        pass
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, _, errors = finish(process)
    assert code == 1, errors
    assert re.search(r"stopped at step \d+ of .* --steps 250 --seed 0 --backend numpy --checkpoint .*--resume", errors)
    code, printed, errors = finish(start(tmp_path, "--checkpoint", str(broken), "--resume"))
    assert code == 0, errors
    assert "exact gradient" in printed
    assert_identical(results(whole), results(broken))


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    dg.save(path, {"settings": {"steps": 1, "seed": 9, "backend": "numpy"}, "runs": {}})
    code, _, errors = finish(start(tmp_path, "--checkpoint", str(path), "--resume"))
    assert code == 1
    assert "was made with" in errors


def test_an_existing_checkpoint_is_not_overwritten(tmp_path):
    path = tmp_path / "run.npz"
    path.write_text("precious")
    code, _, errors = finish(start(tmp_path, "--checkpoint", str(path)))
    assert code == 2
    assert "exists: go on with --resume" in errors
    code, _, errors = finish(start(tmp_path, "--checkpoint", str(path), "--resume"))
    assert code == 1
    assert errors.startswith("digits.py: ")
    assert path.read_text() == "precious"


def test_resume_needs_a_checkpoint(tmp_path):
    code, _, errors = finish(start(tmp_path, "--resume"))
    assert code == 2
    assert "--resume needs --checkpoint" in errors
