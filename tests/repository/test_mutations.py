"""The mutation score of the kit: every planted fault is caught, and none of the correct twins is accused."""

from collections import Counter

import pytest

from tests.support.mutations import MUTATIONS, caught

each = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.kind}: {m.name}")


@each
def test_the_fault_is_caught(mutation):
    assert caught(mutation, wrong=True)


@each
def test_its_correct_twin_passes(mutation):
    assert not caught(mutation, wrong=False)


def test_the_score():
    """At least 60 faults, of every kind that the kit is for; printed by ``pytest -s`` and in docs/verification.md."""
    planted = Counter(m.kind for m in MUTATIONS)
    score = sum(caught(m, wrong=True) for m in MUTATIONS)
    accused = sum(caught(m, wrong=False) for m in MUTATIONS)
    print(f"\nmutation score: {score} of {len(MUTATIONS)} faults caught, {accused} of {len(MUTATIONS)} twins accused")
    assert score == len(MUTATIONS) >= 60
    assert accused == 0
    kinds = {kind.split(": ")[1] for kind in planted}
    assert kinds >= {
        "sign", "missing term", "wrong axis", "wrong broadcast", "conjugate forgotten", "second order dropped",
        "nonlinear in the tangent", "1e-4 relative", "bias of 1 %", "variance off", "forgotten rescaling",
        "correlated directions", "reused seed", "wrong antithetic pairing", "reset forgotten",
    }  # fmt: skip
