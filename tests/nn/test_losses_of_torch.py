"""Every loss in every setting and reduction is torch's: value, slopes along K directions, gradient, second derivatives,
targets that move, and logits that are large or infinite."""

import functools

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from tests.support.loss_cases import loss_cases

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore")  # torch warns of its own ways
NAMES = {"bce_with_logits": "binary_cross_entropy_with_logits", "mae": "l1_loss", "nll": "nll_loss", "mse": "mse_loss",
         "huber": "huber_loss", "smooth_l1": "smooth_l1_loss"}  # fmt: skip


def reference(case, reduction, x, target):
    """What torch makes of tensors; classes are its second axis."""
    given = {
        name: torch.as_tensor(np.asarray(v), dtype=x.dtype) if "weight" in name or name == "var" else v
        for name, v in case.settings.items()
    } | {"reduction": reduction}
    if case.name == "hinge":
        return F.margin_ranking_loss(x, torch.zeros_like(x), target, margin=case.own["margin"], reduction=reduction)
    if case.name == "gaussian_nll":
        var, log_var = given.pop("var", None), given.pop("log_var", False)
        if var is None:
            x, var = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return F.gaussian_nll_loss(x, target, torch.exp(var) if log_var else var.expand(x.shape), **given)
    function = getattr(F, NAMES.get(case.name, case.name))
    if case.name in ("cross_entropy", "nll") and x.ndim > 2:
        x, target = x.movedim(-1, 1), target if case.integer else target.movedim(-1, 1)
    return function(x, target, **given)


def close(found, expected, dtype):
    assert found.dtype == dtype
    rtol = 1e-11 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol, rtol * (1 + float(expected.abs().max())))


def compared(case, reduction, also_target=True):
    """Value, slopes and cotangent of a case beside torch's."""
    dtype, rng = case.x.dtype.type, np.random.default_rng(1)
    dx = rng.standard_normal((2, *case.x.shape)).astype(dtype)
    x, target = torch.from_numpy(case.x), torch.as_tensor(case.target)
    theirs = functools.partial(reference, case, reduction)
    value, slopes = dg.jvp(lambda x: case.loss(x, case.target, reduction), (case.x,), (dx,))
    close(value, theirs(x, target), dtype)
    # whose forward mode has a variance below eps stand still, where its gradient moves it
    push = torch.autograd.functional.jvp if case.name == "gaussian_nll" else torch.func.jvp
    for d, slope in zip(dx, slopes, strict=True):
        exact = push(lambda x: theirs(x, target), (x,), (torch.from_numpy(d),))[1]
        close(slope, exact, dtype)
        close(dg.jvp(lambda x: case.loss(x, case.target, reduction), (case.x,), (d,))[1], exact, dtype)
    value, pull = case.loss.vjp(case.x, case.target, reduction)
    u = rng.standard_normal(np.shape(value)).astype(dtype)
    leaf = x.clone().requires_grad_()
    close(pull(u), torch.autograd.grad(theirs(leaf, target), leaf, torch.from_numpy(np.asarray(u)))[0], dtype)
    if also_target and not case.integer:
        dt = dx[0, ..., : target.shape[-1]]
        found = dg.jvp(lambda t: case.loss(case.x, t, reduction), (case.target,), (dt,))[1]
        close(found, torch.func.jvp(lambda t: theirs(x, t), (target,), (torch.from_numpy(dt),))[1], dtype)


@pytest.mark.parametrize("case", list(loss_cases()), ids=str)
def test_it_is_torchs(case):
    for reduction in case.loss.reductions:
        compared(case, reduction, also_target=case.name != "hinge")


@pytest.mark.parametrize("case", [c for c in loss_cases([np.float64], [1e4]) if c.name != "gaussian_nll"], ids=str)
def test_far_from_0_it_is_torchs(case):
    for reduction in ("mean", "none"):
        compared(case, reduction, also_target=False)


@pytest.mark.parametrize("case", [c for c in loss_cases([np.float64]) if c.x.size <= 24], ids=str)
def test_second_derivatives(case):
    x, target = torch.from_numpy(case.x), torch.as_tensor(case.target)
    found = dg.hessian(lambda x: case.loss(x, case.target))(case.x)
    exact = torch.autograd.functional.hessian(lambda x: reference(case, "mean", x, target), x)
    close(found, exact, np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinite_logits(dtype):
    z = np.array([[0.0, -np.inf, 1.0], [2.0, 1.0, -np.inf]], dtype)
    y = np.array([0, 1])
    for loss, theirs in ((nn.cross_entropy, F.cross_entropy), (nn.nll, F.nll_loss)):
        for reduction in ("mean", "sum", "none"):
            close(loss(z, y, reduction), theirs(torch.from_numpy(z), torch.from_numpy(y), reduction=reduction), dtype)
    z, t = np.array([np.inf, -np.inf, 3.0], dtype), np.array([1.0, 0.0, 0.5], dtype)
    exact = F.binary_cross_entropy_with_logits(torch.from_numpy(z[2:]), torch.from_numpy(t[2:]))
    close(nn.bce_with_logits(z, t, "sum"), exact, dtype)  # which torch makes NaN of


def test_the_mean_of_nothing_is_nan_there_and_an_error_here():
    z, y = np.zeros((2, 3)), np.full(2, -100)
    assert torch.isnan(F.cross_entropy(torch.from_numpy(z), torch.from_numpy(y)))
    with pytest.raises(ValueError, match=r"nn.cross_entropy: no target counts in the mean, since each is ignored"):
        nn.cross_entropy(z, y)
    assert nn.cross_entropy(z, y, "sum") == 0
