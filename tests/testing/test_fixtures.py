"""The pytest fixtures, in a pytest of their own: they pass, fail and skip as the reports say."""

import subprocess
import sys
from importlib.metadata import entry_points

CONFTEST = 'pytest_plugins = ["dualgrad.testing.fixtures"]\n'
TESTS = """
import numpy as np

def test_right(check_jvp):
    assert check_jvp(np.sin, (np.ones(2),)).passed

def test_wrong(check_jvp):
    import dualgrad as dg
    f = dg.custom_jvp(lambda x: x**2)
    f.defjvp(lambda p, t: (p[0] ** 2, p[0] * t[0]))
    check_jvp(f, (np.ones(2),))

def test_kink(check_jvp):
    check_jvp(np.abs, (0.0,))

def test_layer(check_vjp):
    import dualgrad as dg
    check_vjp(dg.nn.Tanh(), {}, np.ones((2, 2)))

def test_samples(check_mean, check_variance):
    check_mean(lambda r: r.normal(), 0.0)
    check_variance(lambda r: r.normal(), 0.0, 1.0)

def test_the_seed_is_the_name_of_the_test(rng):
    import zlib
    name = b"test_them.py::test_the_seed_is_the_name_of_the_test"
    assert rng.normal() == type(rng)(zlib.crc32(name)).normal()
"""


def run(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_them.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout


def test_fixtures_pass_fail_and_skip(tmp_path):
    text = run(tmp_path)
    assert "1 failed, 4 passed, 1 skipped" in text
    assert "check_jvp of <lambda>: FAILED" in text
    assert "a kink at the result: slopes" in text
    assert "def checked" not in text  # the report, not our own frames


def test_the_plugin_is_opt_in():
    assert not [e for e in entry_points(group="pytest11") if "dualgrad" in e.value]
