"""``import dualgrad`` brings what differentiates; the rooms come when they are asked for, and are the same then."""

import subprocess
import sys
from pathlib import Path

import pytest

import dualgrad as dg

ROOT = Path(dg.__file__).parents[1]
LATER = ["directions", "estimators", "nn", "online", "optim", "testing", "tracing", "checkpoint"]


def said(program):
    """What a program prints in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True).stdout


def test_the_rooms_are_not_imported_before_they_are_asked_for():
    program = "import sys, numpy; before = set(sys.modules); import dualgrad; print(*(set(sys.modules) - before))"
    new = set(said(program).split())
    assert not {f"dualgrad.{name}" for name in LATER} & new
    assert not {name for name in new if name.startswith(("numpy.random", "numpy.typing", "numpy.ma"))}
    assert not {"hashlib", "tracemalloc", "dataclasses"} & new


def test_every_public_name_is_there():
    program = """
        import dualgrad as dg
        names = [name for name in dg.__all__ if not hasattr(dg, name)]
        from dualgrad import *
        print(names, set(dg.__all__) - set(globals()), set(dir(dg)) ^ {*dg.__all__, "__version__"})
    """
    assert said("\n".join(map(str.strip, program.splitlines()))).strip() == "[] set() set()"


@pytest.mark.parametrize("name", dg.__all__)
def test_a_name_that_came_later_is_the_module_s_own(name):
    home = dg._LATER.get(name, "")
    if home is None:
        assert getattr(dg, name) is sys.modules[f"dualgrad.{name}"]
    elif home:
        assert getattr(dg, name) is getattr(sys.modules[f"dualgrad.{home}"], name)
    else:
        assert name in vars(dg)


def test_a_room_that_is_first_imported_in_a_block_keeps_its_rules():
    program = """
        import numpy as np, dualgrad as dg
        with dg.extend.rules_restored():
            room = dg.nn
        print(round(float(dg.derivative(room.normal.ndtr)(np.array(0.0))), 4), dg.extend._blocks)
    """
    assert said("\n".join(line[8:] for line in program.splitlines())).strip() == "0.3989 []"
