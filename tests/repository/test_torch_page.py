"""The page beside torch, without torch: its tables are so, a fault in one is noticed, and every program runs."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn, optim
from dualgrad.torch_names import NN, OPTIM

sys.path.append(str(Path(__file__).parents[2] / "docs"))

import make_torch
from beside_torch import checks, habits, losses, names, probes, training
from beside_torch.rows import Row, absent

sys.path.pop()

STORED = names.stored()
PROGRAMS = [row for row in [*checks.SAME["nn"], *losses.FUNCTIONS] if row.call and checks.ready(row)]
RATES = [row for row in training.SCHEDULES if row.call]
COUNTERPARTS = [(area, row) for area, rows in checks.SAME.items() for row in rows if row.is_name]
HABITS = [row for rows in habits.HABITS.values() for row in rows if checks.ready(row)]


def said(row, area="nn"):
    """What is wrong with a row in the place of torch's Linear, or of another that it names."""
    return list(checks._row(row, STORED[area].get(row.torch, {})))


def test_the_tables_are_so_and_the_page_is_theirs():
    assert list(checks.problems(STORED)) == []
    assert make_torch.PAGE.read_text("utf-8") == make_torch.render(STORED)


def test_a_name_of_torch_that_is_another_here_says_so_where_it_is_missed():
    for area, module, cures in (("nn", nn, NN), ("optim", optim, OPTIM), ("schedules", optim, OPTIM)):
        others = [row for row in checks.SAME[area] if row.is_name and not hasattr(module, row.torch)]
        assert others or area == "optim"
        assert not [row.torch for row in others if not re.search(rf"\b{row.here}\b", cures.get(row.torch, ""))]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (Row("Linear", "nn.Linear", test="weights"), None),
        (Row("Linear", "nn.Lineal", test="weights"), "no nn.Lineal"),
        (Row("Linear", "nn.Linear", test="lengths"), "no test 'lengths'"),
        (Row("Linear", "nn.Linear", test="optimizers"), "test_optim.py has no Linear"),
        (Row("Linear", "nn.Linear", test="weights", without={"bias": "why"}), "Linear has bias"),
        (Row("Linear", "nn.Linear", test="weights", renamed={"bias": "offset"}), "has no bias"),
        (Row("Linear", "nn.Linear", test="weights", without={"rank": "why"}), "Linear has no rank"),
        (Row("Flatten", "nn.Flatten", test="weights", without={"start_dim": "why"}), "has no end_dim"),
        (Row("Softsign", "x / (1 + abs(x))"), "compared with nothing"),
        (Row("Softsign", "nn.Soft()({}, x)", call="Softsign()(x)"), "no nn.Soft"),
        (Row("Softsign", "nn.ELU(beta=1)({}, x)", call="Softsign()(x)"), r"no nn.ELU\(beta\)"),
        (Row("Softsign"), "no word"),
    ],
)
def test_a_row_that_is_not_so_is_noticed(row, says):
    found = said(row)
    assert bool(found) == (says is not None)
    if says:
        assert re.search(says, found[0])


def test_names_that_are_left_out_are_noticed(monkeypatch):
    theirs = {"Linear": {}, "Fresh": {}}
    rows = [Row("Linear", "nn.Linear"), *absent("Linear Gone", "why")]
    found = list(checks._names("nn", rows, theirs))
    assert [text.split(",")[0] for text in found] == [
        "torch has Fresh", "the tables have Gone", "the tables have Linear 2 times",
    ]  # fmt: skip
    monkeypatch.setattr(nn, "__all__", [*nn.__all__, "Fresh"])
    monkeypatch.setattr(nn, "Fresh", type("Fresh", (nn.Tanh,), {}), raising=False)
    assert list(checks._ours()) == ["nn.Fresh is beside nothing of torch's, nor alone"]
    monkeypatch.setattr(checks, "ALONE", checks.ALONE | {"nn.Linear": "", "nn.Fresh": "", "nn.Gone": ""})
    assert sorted(checks._ours()) == [
        "nn.Linear is alone, and beside something of torch's", "there is no nn.Gone, which the table has alone",
    ]  # fmt: skip


def test_other_defaults_are_told():
    theirs = {"alpha": "2.0", "inplace": "False"}
    assert checks.defaults(Row("ELU", "nn.ELU"), theirs) == {"alpha": ("1.0", "2.0")}
    assert checks.defaults(Row("ELU", "nn.ELU"), {"alpha": "1"}) == {}
    assert checks.defaults(Row("ELU", "nn.ELU"), {"alpha": ""}) == {"alpha": ("1.0", "")}
    assert checks.defaults(Row("HuberLoss", "nn.Huber"), {"delta": "0.5"}) == {"delta": ("1.0", "0.5")}


@pytest.mark.parametrize(("area", "row"), COUNTERPARTS, ids=lambda one: getattr(one, "torch", one))
def test_by_position_an_argument_is_torchs_or_refused(area, row):
    assert checks.mistaken(row, STORED[area][row.torch]) == ""


def test_an_argument_that_would_be_another_by_position_is_noticed():
    theirs = STORED["optim"]["SGD"]
    swapped = dict(sorted(theirs.items(), key=lambda pair: pair[0] == "momentum"))
    assert checks.mistaken(Row("SGD", "optim.SGD"), theirs) == ""
    assert checks.mistaken(Row("SGD", "optim.SGD"), swapped) == (
        "SGD: by position torch's dampening is the momentum of optim.SGD"
    )
    row = Row("GroupNorm", "nn.GroupNorm", renamed={"groups": "num_groups"})
    assert "torch's eps" in checks.mistaken(row, {"eps": "", "groups": ""})
    assert checks.mistaken(row, {"groups": "", "num_channels": "", "eps": "", "affine": ""}) == ""


@pytest.mark.parametrize(
    "loss", [loss for name in nn.__all__ if isinstance(loss := getattr(nn, name), nn.Loss)], ids=repr
)
def test_a_loss_has_no_fourth_argument(loss):
    """Which is a setting in torch.nn.functional, another for every loss."""
    with pytest.raises(TypeError, match="positional"):
        loss(np.ones((2, 3)), np.zeros((2, 3)), "mean", 2.0)


@pytest.mark.parametrize("row", PROGRAMS, ids=lambda row: row.torch)
def test_a_program_has_the_tangent_that_differences_have(row):
    inputs = probes.inputs()
    f, a = probes.function(row, checks.SCOPE | inputs), inputs[probes.moving(row)]
    if a.dtype.kind != "f":
        assert f(a).size
        return
    v, h = np.random.default_rng(1).standard_normal(a.shape), 1e-5
    y, dy = dg.jvp(f, (a,), (v,))
    np.testing.assert_allclose(y, f(a), rtol=1e-14)
    np.testing.assert_allclose(dy, (f(a + h * v) - f(a - h * v)) / (2 * h), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("row", RATES, ids=lambda row: row.torch)
def test_a_schedule_is_taken_by_an_optimizer(row):
    rate, x = eval(row.here, checks.SCOPE), np.zeros(2)
    optimizer, total = optim.SGD(lr=rate), 0.0
    for t in range(1, 20):
        optimizer.step(x, np.ones(2))
        total += rate(t)
    np.testing.assert_allclose(x, -total, rtol=1e-12)


@pytest.mark.parametrize("row", HABITS, ids=lambda row: row.torch)
def test_a_habit_is_a_program_that_runs(row, tmp_path):
    rng, x, y = dg.Rng(0), probes.inputs()["x"], np.zeros((4, 3))
    model = nn.Linear(6, 3)
    params = model.init(rng=0, dtype=np.float64)
    scope = checks.SCOPE | {
        "model": model, "params": params, "x": x, "y": y, "rng": rng, "path": str(tmp_path / "run.npz"),
        "objective": nn.Objective(model, nn.mse).bind(x, y), "gradient": params.zeros_like(),
        "estimator": dg.estimators.ForwardGradient(directions=dg.directions.LowRank()),
    }  # fmt: skip
    exec(row.here, scope)


def test_a_test_has_a_name_that_it_writes_out_or_puts_together():
    text = 'getattr(nn, f"MaxPool{n}d"), [f"{kind}Pad{n}d" for ...], nn.ReLU(), f"{a}{b}"'
    found = ["MaxPool1d", "MaxPool2d", "ZeroPad3d", "ReLU"]
    assert [name for name in [*found, "ReLU6", "AvgPool1d", "MaxPool", "Mish"] if checks._has(text, name)] == found


def test_what_a_program_names_is_found():
    program = "nn.Objective(f, loss=nn.mse).batches(x, size=2)(np.pad(x, mode='edge'))"
    assert checks.mentioned(program) == {
        "nn.Objective", "nn.Objective(loss)", "nn.mse", "nn.Objective.batches", "nn.Objective.batches(size)", "np.pad",
        "np.pad(mode)",
    }  # fmt: skip
    assert checks.unresolved("nn.Linear(2, size=3) + optim.Adam(lr=1).jump() + dg.nn.mse") == {
        "nn.Linear(size)", "optim.Adam.jump",
    }  # fmt: skip
