"""Hypothesis profiles (CI runs the same examples every time), and ``--full`` for what takes long."""

import gc
import os
import signal

import pytest
from hypothesis import settings

from dualgrad.extend import rules_restored
from tests.support import of_numpy  # noqa: F401  (before any test module imports dualgrad.scipy)

settings.register_profile("dev", max_examples=4, deadline=None)
settings.register_profile("lean", max_examples=3, deadline=None, derandomize=True)  # other versions of NumPy
settings.register_profile("ci", max_examples=8, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=100, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="also run the tests marked slow, and the fuzzer ten times longer"
    )


def pytest_configure(config):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started deaf to Ctrl-C
    if config.getoption("--full"):
        os.environ["DUALGRAD_FULL"] = "1"  # for `draws.examples`


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Tens of thousands of tests are collected, and live until the end: the garbage collector, which would read through
    them again and again, waits until they are there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --full"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    """Hypothesis hangs one more settings object onto a parametrised test at every case, and reads through all of them:
    a thousand are too many for Python's stack."""
    name = "_hypothesis_internal_use_settings"
    test, settings_before = getattr(item, "obj", None), getattr(getattr(item, "obj", None), name, None)
    try:
        return (yield)
    finally:
        if settings_before is not None:
            setattr(test, name, settings_before)


@pytest.fixture
def tables():
    """The rule tables, put back afterwards."""
    with rules_restored():
        yield
