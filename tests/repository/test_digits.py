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
    assert type(a) is type(b), where
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
