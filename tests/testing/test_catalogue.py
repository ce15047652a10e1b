"""The estimators of the tutorial have the verdicts that it prints, and their planted faults are found."""

import pytest

from dualgrad.testing.fronts import FRONTS as PLAYED
from examples.verified.catalogue import ESTIMATORS, FRONTS, first, has_fault, judge, planted, program

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
every = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.name)

DOUBLE = {
    "torch": lambda torch, is_on: torch.set_default_dtype(torch.float64 if is_on else torch.float32),
    "jax": lambda jax, is_on: jax.config.update("jax_enable_x64", is_on),
}


@pytest.fixture(params=FRONTS)
def front(request):
    """The name of one, whose library is there, in double precision."""
    if request.param == "numpy":
        yield request.param
        return
    library = pytest.importorskip(request.param)
    DOUBLE[request.param](library, True)
    yield request.param
    DOUBLE[request.param](library, False)


@every
def test_an_estimator_has_the_verdict_that_the_tutorial_prints(front, estimator):
    assert judge(program(front, estimator.name), estimator, front)[0] == estimator.verdict


@every
def test_its_planted_fault_is_found(front, estimator):
    if not has_fault(front, estimator.name):
        assert estimator.verdict != "certified"
        return
    assert judge(planted(front, estimator.name), estimator, front)[0] == "refuted"


def test_the_first_program_prints_its_report(front):
    assert front in PLAYED
    assert "PASSED" in first(front)
    assert "got 2.66666" in first(front, fault=True)
