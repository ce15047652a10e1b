"""Schedules, groups of parameters and averages are torch's, step by step."""

import fnmatch
import math

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import optim
from tests.support.optimizers import MAKERS

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
    (optim.exponential(0.3, decay=0.1), lambda o: rates.ExponentialLR(o, math.exp(-0.1))),
    *(
        (
            optim.one_cycle(0.3, 40, pct_start=share, anneal_strategy=strategy, three_phase=three),
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


@pytest.mark.parametrize("seed", range(60))
def test_plateau(seed):
    rng = np.random.default_rng(seed)
    mode, kind = ("min", "max")[seed % 2], ("rel", "abs")[seed // 2 % 2]
    least, threshold = float(rng.choice([0, 0.05, 0.4])), float(rng.choice([0, 1e-4, 0.1]))
    patience, cooldown = int(rng.integers(0, 4)), int(rng.integers(0, 4))
    values = np.round(rng.standard_normal(50), 1) + rng.choice([0, 3, -3])
    values[rng.integers(50, size=3)] = math.nan
    ours = optim.plateau(0.3, mode, 0.5, patience, threshold, kind, cooldown, least)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = rates.ReduceLROnPlateau(optimizer, mode, 0.5, patience, threshold, kind, cooldown, least)
    for value in values:
        ours.observe(value)
        theirs.step(value)
        assert ours(1) == optimizer.param_groups[0]["lr"]


def test_the_defaults_of_plateau_are_torchs():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs, ours = rates.ReduceLROnPlateau(optimizer), optim.plateau(0.3)
    for name in ("factor", "patience", "threshold", "threshold_mode", "cooldown", "mode", "eps"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert theirs.min_lrs == [ours.min_lr]


@pytest.mark.parametrize("decay", [0.999, 0.5, 0.3, 0.0, 1.0, None])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_averages(decay, dtype):
    average = torch.optim.swa_utils
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).to(dtype)
    made = {} if decay is None else {"multi_avg_fn": average.get_ema_multi_avg_fn(decay)}
    theirs = average.AveragedModel(module, **made)

    def as_ours(of):
        buffers = {k: v.numpy().copy() for k, v in of.named_buffers() if v.is_floating_point()}
        return dg.Params({k: v.detach().numpy() for k, v in of.named_parameters()}, buffers)

    ours = optim.Averaged(as_ours(module), decay=decay)
    for _ in range(5):
        with torch.no_grad():
            for p in [*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())]:
                p.copy_(torch.randn_like(p))
        theirs.update_parameters(module)
        ours.update(as_ours(module))
        expected = as_ours(theirs.module)
        rtol = 1e-6 if dtype == torch.float32 else 1e-14
        np.testing.assert_allclose(ours.params.vector, expected.vector, rtol=rtol, atol=rtol)
        assert all(np.array_equal(ours.params.buffers[k], expected.buffers[k]) for k in expected.buffers)


# what a group may set, as torch has it (of an optimizer that has it)
GROUPED = {
    "SGD": ("SGD", ["lr", "weight_decay", "maximize"]),
    "SGD with all": ("SGD", ["lr", "weight_decay", "maximize", "momentum", "dampening"]),
    "Adam with all": ("Adam", ["lr", "weight_decay", "maximize", "betas", "eps", "amsgrad"]),
    "AdamW": ("AdamW", ["lr", "weight_decay", "betas", "eps"]),
    "NAdam": ("NAdam", ["lr", "weight_decay", "betas", "momentum_decay"]),
    "RAdam": ("RAdam", ["lr", "weight_decay", "betas", "eps"]),
    "Adagrad": ("Adagrad", ["lr", "weight_decay", "lr_decay", "eps"]),
    "RMSprop with all": ("RMSprop", ["lr", "weight_decay", "alpha", "momentum", "centered", "eps"]),
}
CHOICES = {
    "lr": [0.05, 0.002, 0], "weight_decay": [0, 0.3], "maximize": [True, False], "momentum": [0.5, 0.8],
    "dampening": [0, 0.4], "betas": [(0.7, 0.9), (0.3, 0.99)], "eps": [1e-3], "amsgrad": [True, False],
    "momentum_decay": [0.02], "lr_decay": [0.1], "alpha": [0.8], "centered": [True, False],
}  # fmt: skip


@pytest.mark.parametrize("clip", [{}, {"clip_norm": 0.5}])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", GROUPED)
def test_groups(name, seed, clip):
    """Random settings of random patterns: torch's param_groups; frozen ones do not require a gradient."""
    kind, allowed = GROUPED[name]
    rng, shapes = np.random.default_rng([seed, len(name)]), {"0.weight": (3, 2), "0.bias": (2,), "1.weight": (2, 2)}
    start = {k: rng.standard_normal(shape) for k, shape in shapes.items()}
    groups = {
        str(pattern): {k: CHOICES[k][rng.integers(len(CHOICES[k]))] for k in rng.permutation(allowed)[:2].tolist()}
        for pattern in rng.permutation(["*.bias", "0.*", "*weight", "1.*"])[:2]
    }
    ours = MAKERS[name](**clip, groups=groups)
    usual = {k: getattr(ours, k) for k in {f for _, some in GROUPED.values() for f in some} if hasattr(ours, k)}
    begin = {"initial_accumulator_value": ours.initial_accumulator_value} if kind == "Adagrad" else {}
    leaves = {k: torch.tensor(x, requires_grad=True) for k, x in start.items()}
    merged = {k: usual.copy() for k in shapes}
    for (pattern, own), k in ((pair, k) for pair in groups.items() for k in shapes):
        merged[k] |= own if fnmatch.fnmatchcase(k, pattern) else {}
    moving = [k for k in shapes if merged[k]["lr"] != 0]
    if not moving:
        return
    theirs = getattr(torch.optim, kind)([{"params": [leaves[k]], **merged[k]} for k in moving], **begin)
    params = dg.Params(start) if seed % 2 else {k: x.copy() for k, x in start.items()}
    for _ in range(5):
        gradient = {k: rng.standard_normal(shape) for k, shape in shapes.items()}
        for k in moving:
            leaves[k].grad = torch.tensor(gradient[k])
        if clip:
            torch.nn.utils.clip_grad_norm_([leaves[k] for k in moving], clip["clip_norm"])
        theirs.step()
        ours.step(params, gradient)
        for k in shapes:
            rtol = 1e-7 if kind == "NAdam" else 1e-10  # whose product torch has in float32
            np.testing.assert_allclose(params[k], leaves[k].detach().numpy(), rtol=rtol, atol=rtol)
    assert ours.frozen(params) == tuple(k for k in shapes if k not in moving)
