"""The digest of a run's code: it changes with all that the run is made by, and with nothing else."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from lab import sources

SCRIPT = '''
"""What it is about."""
import shared
from package import square as power

RATE, OTHER = 0.1, 3  # a rate
BY_NAME = {"plus": lambda x: x + step(1)}


def training(x, seed):
    """A run."""
    return [power(x) * RATE, BY_NAME["plus"](x), shared.loss(x), Made().value]


def step(x, draw=0):
    return x + draw


def draw(runs):
    return 7


class Made:
    """Of a constant."""

    value = 2


def tables(runs):
    return OTHER
'''
SHARED = "FACTOR = 2\n\n\ndef loss(x):\n    return FACTOR * x\n\n\ndef other(x):\n    return x\n"
PACKAGE = "from .inner import square\n"
INNER = "def square(x):\n    return x * x\n"


class Script:
    """Examples of three files, and the digest of their run."""

    def __init__(self, root, monkeypatch):
        self.files = {
            "script.py": SCRIPT,
            "shared.py": SHARED,
            "package/__init__.py": PACKAGE,
            "package/inner.py": INNER,
        }
        self.root = root
        (root / "package").mkdir()
        monkeypatch.setattr(sources, "EXAMPLES", root)

    def digest(self):
        for name, text in self.files.items():
            (self.root / name).write_text(text)
        sources._module.cache_clear()
        seen = {}
        sources._follow(self.root / "script.py", "training", seen)
        return tuple(sorted(seen.items()))

    def changed(self, name, old, new):
        assert old in self.files[name]
        before, kept = self.digest(), self.files[name]
        self.files[name] = kept.replace(old, new)
        after = self.digest()
        self.files[name] = kept
        return before != after


@pytest.fixture
def script(tmp_path, monkeypatch):
    return Script(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script.py", "power(x) * RATE", "power(x) + RATE"), ("script.py", "RATE, OTHER = 0.1", "RATE, OTHER = 0.2"),
        ("script.py", "x + step(1)", "x - step(1)"), ("script.py", "    return x + draw\n", "    return draw\n"),
        ("script.py", "value = 2", "value = 3"), ("shared.py", "FACTOR * x", "FACTOR + x"),
        ("shared.py", "FACTOR = 2", "FACTOR = 3"), ("package/inner.py", "x * x", "x**2"),
    ],
)  # fmt: skip
def test_what_a_run_is_made_by(name, old, new, script):
    assert script.changed(name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script.py", "A run.", "One run."), ("script.py", "Of a constant.", "Of 2."), ("script.py", "  # a rate", ""),
        ("script.py", "return [power(x) * RATE, ", "return [\n        power(x) * RATE,\n        "),
        ("script.py", "def tables(runs):\n    return OTHER", "def tables(runs):\n    return 0"),
        ("script.py", "return 7", "return 8"),
        ("shared.py", "    return x\n", "    return -x\n"),
    ],
)  # fmt: skip
def test_words_layout_and_what_is_made_of_runs_are_no_part_of_it(name, old, new, script):
    assert not script.changed(name, old, new)


def test_every_study_has_a_digest():
    import text_prediction

    found = sources.digest(text_prediction.training)
    assert len(found) == 8
    assert int(found, 16) >= 0
