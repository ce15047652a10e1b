"""The page beside torch, asked of torch: its names and arguments, and what every program in its place gives."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg

torch = pytest.importorskip("torch")
rates = torch.optim.lr_scheduler

sys.path.append(str(Path(__file__).parents[2] / "docs"))

from beside_torch import checks, losses, names, probes, training  # noqa: E402

sys.path.pop()

STORED = names.stored()
ROWS = [row for row in [*checks.SAME["nn"], *losses.FUNCTIONS] if row.call and checks.ready(row)]


def test_the_names_are_those_of_torch():
    """All of this torch's; what an older one has not, the tables may have."""
    found = names.asked()
    for area in ("nn", "optim", "schedules"):
        assert found[area].keys() <= STORED[area].keys()
    if found["version"] == STORED["version"]:
        assert found == STORED


def tensors(inputs):
    """The same in torch, channels on axis 1."""
    made = {name: torch.from_numpy(a.copy()) for name, a in inputs.items()}
    return made | {name: made[name].movedim(-1, 1).contiguous() for name in probes.FIRST}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.torch)
def test_a_program_gives_what_torch_gives(row):
    if not hasattr(torch.nn, row.torch) and not hasattr(torch.nn.functional, row.torch):
        pytest.skip(f"torch {torch.__version__} has no {row.torch}")
    inputs, name = probes.inputs(), probes.moving(row)
    theirs, code = tensors(inputs), compile(row.call, "", "eval")
    scope = vars(torch.nn) | {"F": torch.nn.functional} | theirs
    back = (lambda y: y.movedim(1, -1)) if name in probes.FIRST else lambda y: y
    g = lambda a: back(eval(code, scope | {name: a}))  # noqa: E731
    f, a = probes.function(row, checks.SCOPE | inputs), inputs[name]
    moved = theirs[name].requires_grad_(theirs[name].is_floating_point())
    y = g(moved)
    np.testing.assert_allclose(f(a), y.detach().numpy(), rtol=1e-10, atol=1e-12)
    if moved.requires_grad:
        dy = np.random.default_rng(1).standard_normal(y.shape)
        own = torch.autograd.grad(y, moved, torch.from_numpy(dy))[0]
        gradient = dg.grad(lambda a: np.sum(dy * f(a)))(a)
        exact = 1e-7 if row.torch == "Hardsigmoid" else 1e-10  # whose slope of 1/6 torch has in float32
        np.testing.assert_allclose(gradient, back(own).numpy(), rtol=exact, atol=1e-12)


@pytest.mark.parametrize("row", [row for row in training.SCHEDULES if row.call], ids=lambda row: row.torch)
@pytest.mark.filterwarnings("ignore")  # torch warns of its own ways
def test_a_function_of_the_step_gives_torchs_rates(row):
    o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs, own = eval(row.call, vars(rates) | {"o": o, "rates": rates}), []
    for _ in range(30):
        own.append(o.param_groups[0]["lr"])
        o.step()
        theirs.step()
    rate = eval(row.here, checks.SCOPE | {"math": math})
    assert [rate(t) for t in range(1, 31)] == pytest.approx(own, rel=1e-12, abs=1e-15)
