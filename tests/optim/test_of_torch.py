"""Schedules are torch's, step by step."""

import math

import pytest

from dualgrad import optim

torch = pytest.importorskip("torch")
rates = torch.optim.lr_scheduler

PAIRS = [
    (optim.linear(0.3), lambda o: rates.LinearLR(o)),
    (optim.linear(0.3, 0.5, 0.1, 7), lambda o: rates.LinearLR(o, 0.5, 0.1, 7)),
    (optim.step(0.3, 4), lambda o: rates.StepLR(o, 4)),
    (optim.step(0.3, 3, 0.7), lambda o: rates.StepLR(o, 3, 0.7)),
    (optim.multistep(0.3, (2, 7, 9)), lambda o: rates.MultiStepLR(o, [2, 7, 9])),
    (optim.cosine_restarts(0.3, 5), lambda o: rates.CosineAnnealingWarmRestarts(o, 5)),
    (optim.cosine_restarts(0.3, 3, 2, 0.01), lambda o: rates.CosineAnnealingWarmRestarts(o, 3, 2, 0.01)),
    (optim.cosine(0.3, 40, 0.02), lambda o: rates.CosineAnnealingLR(o, 40, 0.02)),
    (optim.exponential(0.3, 0.1), lambda o: rates.ExponentialLR(o, math.exp(-0.1))),
    *(
        (
            optim.one_cycle(0.3, 40, share, strategy, three_phase=three),
            lambda o, share=share, strategy=strategy, three=three: rates.OneCycleLR(
                o, 0.3, total_steps=40, pct_start=share, anneal_strategy=strategy, three_phase=three,
                cycle_momentum=False,
            ),
        )
        for share in (0.3, 0.25)
        for strategy in ("cos", "linear")
        for three in (False, True)
    ),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "make"), PAIRS, ids=lambda x: repr(x) if isinstance(x, optim.linear) else None)
@pytest.mark.filterwarnings("ignore")  # torch warns that rates are set before a step
def test_schedules(schedule, make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs, own = make(optimizer), []
    for _ in range(40):
        own.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert [schedule(t) for t in range(1, 41)] == pytest.approx(own, rel=1e-12, abs=1e-18)
