"""pytest fixtures, for a conftest.py that asks for them: ``pytest_plugins = ["dualgrad.testing.fixtures"]``.

Each is the function of the same name, with directions and samples seeded from the name of the test; a derivative that
no oracle can judge skips the test instead of passing it.
"""

import functools
import warnings
import zlib
from collections.abc import Callable

import pytest

from .. import testing
from ..random import Rng
from .report import Report


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> Rng:
    """An `Rng` seeded from the name of the test."""
    return Rng(zlib.crc32(request.node.nodeid.encode()))


def _skipping(check, rng):
    @functools.wraps(check)
    def checked(*args, **kwargs):
        report = check(*args, **({"rng": rng} | kwargs), raises=False)
        if report.failures:
            pytest.fail(str(report), pytrace=False)
        if not report.passed:
            pytest.skip(f"unchecked\n{report}")
        return report

    return checked


@pytest.fixture
def check_jvp(rng: Rng) -> Callable[..., Report]:
    """`dualgrad.testing.check_jvp`."""
    return _skipping(testing.check_jvp, rng)


@pytest.fixture
def check_vjp(rng: Rng) -> Callable[..., Report]:
    """`dualgrad.testing.check_vjp`."""
    return _skipping(testing.check_vjp, rng)


@pytest.fixture
def check_mean(rng: Rng) -> Callable[..., Report]:
    """`dualgrad.testing.check_mean`."""
    return _skipping(testing.check_mean, rng)


@pytest.fixture
def check_variance(rng: Rng) -> Callable[..., Report]:
    """`dualgrad.testing.check_variance`."""
    return _skipping(testing.check_variance, rng)


@pytest.fixture
def assert_moments() -> Callable[..., Report]:
    """`dualgrad.testing.assert_moments`; what cannot be certified skips the test."""

    @functools.wraps(testing.assert_moments)
    def checked(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", testing.UncheckedWarning)
            report = testing.assert_moments(*args, **kwargs)
        if not report.passed:
            pytest.skip(f"unchecked\n{report}")
        return report

    return checked
