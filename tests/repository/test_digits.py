"""The scripts that train a model, killed at some moment and called again, end bit-identical."""

import os
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

EXAMPLES = Path(__file__).parents[2] / "examples"


def start(script, *arguments):
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    printed, errors = process.communicate(timeout=300)
    return process.returncode, printed, errors


def results(path):
    """Everything a checkpoint holds but the seconds."""

    def timeless(tree):
        if isinstance(tree, dict):
            return {k: timeless(v) for k, v in tree.items() if k != "seconds"}
        return [timeless(v) for v in tree] if isinstance(tree, (list, tuple)) else tree

    return timeless(dg.load(path))


def assert_same(a, b, where="checkpoint"):
    assert isinstance(a, type(b)), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}[{key!r}]")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for k, pair in enumerate(zip(a, b, strict=True)):
            assert_same(*pair, f"{where}[{k}]")
    elif isinstance(a, dg.Params):
        assert_same(a.vector, b.vector, where)
        assert_same(dict(a.buffers or {}), dict(b.buffers or {}), where)
    else:
        assert np.array_equal(a, b), where


SCRIPTS = {"digits.py": "16", "mlp.py": "6", "cnn.py": "2", "lstm.py": "1", "transformer.py": "2"}  # epochs


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("script", [pytest.param("digits.py", marks=pytest.mark.slow), *list(SCRIPTS)[1:]])
def test_killed_and_called_again_it_ends_bit_identical(script, tmp_path):
    output = ["--output", tmp_path] if script == "digits.py" else ["--directions", "2"]
    arguments = ["--epochs", SCRIPTS[script], *output, "--checkpoint"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    running = start(script, *arguments, whole)
    killed = start(script, *arguments, broken)
    while not broken.exists() and killed.poll() is None:
        time.sleep(0.01)
    time.sleep(0.3 * np.random.default_rng(len(script)).random())
    killed.send_signal(signal.SIGKILL)
    assert finish(killed)[0] == -signal.SIGKILL
    code, printed, errors = finish(start(script, *arguments, broken))
    assert code == 0, errors
    assert "accuracy" in printed
    code, _, errors = finish(running)
    assert code == 0, errors
    names = sorted(p.name for p in whole.iterdir()) if whole.is_dir() else [""]
    assert len(names) == (4 if script == "digits.py" else 1)
    for name in names:
        assert_same(results(whole / name), results(broken / name))


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "digits.py"])
def test_a_model_takes_a_screen(script):
    assert len((EXAMPLES / script).read_text("utf-8").splitlines()) <= 40


def test_what_is_no_checkpoint_is_kept(tmp_path):
    path = tmp_path / "dense-signs.npz"
    path.write_text("precious")
    code, _, errors = finish(start("digits.py", "--checkpoint", tmp_path, "--output", tmp_path))
    assert code == 1
    assert errors.splitlines()[-1].startswith("digits.py: ")
    assert path.read_text() == "precious"
