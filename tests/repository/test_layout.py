"""The tests lie where the code lies: tests/nn for dualgrad/nn, tests/ for the modules beside the rooms.

tests/repository holds the tests of the documentation, the examples, the sizes and the checks themselves, tests/support
what several test modules use.
"""

import importlib
import re
import types
from pathlib import Path

import pytest

import dualgrad as dg
from dualgrad.tables import RULES
from tests.support.catalogue import CATALOGUE

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "dualgrad"
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
OTHER = {"repository", "support"}
MODULES = sorted(TESTS.rglob("test_*.py"))
ACROSS = {"device_training", "everyday", "object_arrays", "refusals", "resuming", "soak"}  # tests of several rooms

named = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(TESTS).as_posix())


def room_of(thing):
    """The room that makes a public name: "nn" for dg.nn and for dg.nn.Linear, "dual" for dg.Dual."""
    module = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", None) or ""
    return module.removeprefix("dualgrad.").partition(".")[0]


def rooms_used(text):
    """The rooms whose names a text uses; functions of NumPy that have rules are names of rules, eigh of coincidence."""
    found = set(re.findall(r"\b(?:dg|dualgrad)\.(\w+)", text))
    for names in re.findall(r"from dualgrad import (.+)", text):
        found.update(names.split(", "))
    used = {room_of(getattr(dg, name)) for name in found if hasattr(dg, name)} | found & ROOMS
    rules = {function.__name__ for function in RULES if hasattr(function, "__name__")}
    of_numpy = set(re.findall(r"\bnp\.(?:\w+\.)?(\w+)", text))
    return used | ({"rules"} if rules & of_numpy else set()) | ({"coincidence"} if "eigh" in of_numpy else set())


def test_every_folder_is_a_room_and_every_room_has_its_tests():
    folders = {path.name for path in TESTS.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders - OTHER == ROOMS
    assert {path.parent for path in MODULES} == {TESTS, *(TESTS / name for name in folders - {"support"})}


@named
def test_a_module_tests_the_room_it_lies_in(path):
    """A module in tests/ bears the name of one in dualgrad/, or is in the list of those that cross rooms."""
    if path.parent == TESTS:
        name = path.stem.removeprefix("test_")
        assert (PACKAGE / f"{name}.py").exists() or name in ACROSS
    elif path.parent.name not in OTHER:
        assert path.parent.name in rooms_used(path.read_text("utf-8"))


def test_what_a_text_uses_is_found():
    assert rooms_used("from dualgrad import nn, optim\ndg.grad(dg.directions.Gaussian()); np.add") == {
        "nn", "optim", "transforms", "directions", "rules",
    }  # fmt: skip
    assert rooms_used("import numpy as np; np.testing, dg.ShapeError") == {"errors"}


def test_helpers_live_in_support_and_no_test_module_is_one():
    others = {p.relative_to(TESTS).as_posix() for p in TESTS.rglob("*.py") if p.parent != TESTS / "support"}
    others -= {path.relative_to(TESTS).as_posix() for path in MODULES}
    others -= {name for name in others if name.endswith("__init__.py") or name.startswith("support/mutations/")}
    assert others == {"conftest.py", "typing_user.py"}
    for path in TESTS.rglob("*.py"):
        assert not re.search(r"^\s*(from|import) .*\btest_\w+", path.read_text("utf-8"), re.M), path


def test_the_catalogue_lists_the_rows_of_every_module_of_samples():
    """Those of SciPy excepted, which may be missing."""
    paths = [p for p in (TESTS / "support").glob("samples_*.py") if p.stem != "samples_scipy"]
    modules = [importlib.import_module(f"tests.support.{path.stem}") for path in paths]
    assert {id(row) for module in modules for row in module.ROWS} == {id(row) for row in CATALOGUE}
    assert sum(len(module.ROWS) for module in modules) == len(CATALOGUE)
