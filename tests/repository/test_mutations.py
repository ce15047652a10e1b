"""The mutation score of the kit: every planted fault is caught, and none of the correct twins is accused."""

import pytest

from tests.support.mutations import MUTATIONS, caught

each = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.kind}: {m.name}")


@each
def test_the_fault_is_caught(mutation):
    assert caught(mutation, wrong=True)


@each
def test_its_correct_twin_passes(mutation):
    assert not caught(mutation, wrong=False)


def test_faults_of_every_kind_are_planted():
    """At least 60, and of every kind that the kit is for; docs/verification.md counts what is caught."""
    assert len(MUTATIONS) >= 60
    kinds = {m.kind.split(": ")[1] for m in MUTATIONS}
    assert kinds >= {
        "sign", "missing term", "wrong axis", "wrong broadcast", "conjugate forgotten", "second order dropped",
        "nonlinear in the tangent", "1e-4 relative", "bias of 1 %", "variance off", "forgotten rescaling",
        "correlated directions", "reused seed", "wrong antithetic pairing", "reset forgotten", "far out",
        "stopping time", "cut", "second step", "other points", "habits", "covariance",
    }  # fmt: skip
