"""What torch and Keras call it: each such name is none of ours, and the error says what is, which there is."""

import inspect
import pickle
import re

import pytest

import dualgrad as dg
from dualgrad import nn, optim, torch_names

LINEAR, ADAM = nn.Linear(2, 1), optim.Adam()
OWNERS = [
    (nn, "NN"), (optim, "OPTIM"), (nn.Layer(), "LAYER"), (nn.Sequential(LINEAR), "LAYER"), (ADAM, "OPTIMIZER"),
    (optim.KalmanQDOP(prior=1.0), "OPTIMIZER"),
]  # fmt: skip
each = pytest.mark.parametrize(("owner", "table"), OWNERS, ids=lambda a: a if isinstance(a, str) else None)
SCOPE = {"dg": dg, "nn": nn, "optim": optim, "params": LINEAR.init(rng=0), "model": LINEAR, "optimizer": ADAM}


def resolved(cure):
    """Every dotted name in a cure that begins with one of ours."""
    for name in re.findall(r"\b((?:" + "|".join(SCOPE) + r")(?:\.\w+)+)", cure):
        thing = SCOPE[name.partition(".")[0]]
        for part in name.split(".")[1:]:
            thing = getattr(thing, part)
        yield name, thing


@each
def test_the_error_is_the_cure(owner, table):
    cures = getattr(torch_names, table)
    for name, cure in cures.items():
        if isinstance(owner, nn.Container) and hasattr(owner, name):
            assert name in ("children", "_shapes", "forward")
            continue
        with pytest.raises(AttributeError, match=rf"has no attribute '{name}': {re.escape(cure)}$"):
            getattr(owner, name)
    with pytest.raises(AttributeError, match=r"has no attribute 'nonsense'$"):
        owner.nonsense  # noqa: B018


@pytest.mark.parametrize("table", ["NN", "OPTIM", "LAYER", "OPTIMIZER"])
def test_what_a_cure_names_is_there(table):
    found = [name for cure in getattr(torch_names, table).values() for name, _ in resolved(cure)]
    assert len(found) > 1
    for kind, names in ((nn.Layer, torch_names.LAYER), (optim.Adam, torch_names.OPTIMIZER)):
        assert not [name for name in names if name in vars(kind) and inspect.isfunction(vars(kind)[name])]


def test_what_is_asked_for_in_silence_is_still_missing():
    for owner in (LINEAR, ADAM, nn, optim):
        assert getattr(owner, "zero_grad", None) is None
    assert repr(pickle.loads(pickle.dumps(LINEAR))) == repr(LINEAR)
    assert repr(pickle.loads(pickle.dumps(ADAM))) == repr(ADAM)


def test_a_gradient_is_taken_from_its_estimate():
    params, loss = LINEAR.init(rng=0), lambda p: (p["weight"] ** 2).sum()
    for tree in (params, dict(params)):
        estimate = dg.estimators.SPSA().estimate(loss, tree, rng=0)
        with pytest.raises(TypeError, match=r"expected its \.gradient"):
            ADAM.step(tree, estimate)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Lion])
def test_an_optimizer_is_given_its_parameters_with_a_step(kind):
    params = LINEAR.init(rng=0)
    for given in (params, params.values(), dict(params)):
        with pytest.raises(ValueError, match=r"parameters come with step\(params, gradient\)"):
            kind(given)


@pytest.mark.parametrize("name", ["nothing", "evaluate"])
def test_a_loss_or_a_model_without_a_pullback_is_named(name):
    how = {"nothing": (nn.Linear(2, 1), lambda a, b: ((a - b) ** 2).mean()), "evaluate": (lambda p, x: x, nn.mse)}
    batch = nn.Objective(*how[name]).bind([[1.0, 2.0]], [[3.0]])
    with pytest.raises(dg.DualgradError, match="or a ForwardGradient, which need none"):
        dg.estimators.Backprop().estimate(batch, LINEAR.init(rng=0), rng=0)
