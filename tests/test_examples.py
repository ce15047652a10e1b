"""The main job starts from the command line and leaves what it promises: a table on the screen and a figure on disk."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[1]
PNG = b"\x89PNG\r\n\x1a\n"


def run(script, *arguments):
    """What the script prints; a failure shows it."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_digits_help_names_its_options():
    printed = run("digits.py", "--help")
    for option in ("--steps", "--seed", "--backend", "--checkpoint", "--resume", "--output"):
        assert option in printed


def test_digits_prints_its_table_and_saves_its_figure(tmp_path):
    printed = run("digits.py", "--steps", 5, "--output", tmp_path)
    for word in ("estimator", "steps", "accuracy", "seconds", "cosine", "LowRank"):
        assert word in printed
    figures = list(tmp_path.glob("*.png"))
    assert len(figures) == 1
    assert figures[0].read_bytes().startswith(PNG)
    assert str(figures[0]) in printed


@pytest.mark.gpu
def test_digits_on_a_gpu(tmp_path):
    if not pytest.importorskip("cupy").is_available():
        pytest.skip("CuPy finds no device")
    assert "LowRank" in run("digits.py", "--steps", 5, "--output", tmp_path, "--backend", "cupy")
