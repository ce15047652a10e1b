"""Every loss in every setting, shape and reduction, with every kind of weights, is its formula in plain NumPy; slopes
are those of the formula's differences, and its gradient their transpose."""

import itertools
import math

import numpy as np
import pytest

import dualgrad as dg
from dualgrad import nn
from dualgrad.testing import check_jvp
from tests.support.loss_cases import loss_cases

CASES = list(loss_cases([np.float64]))
cases = pytest.mark.parametrize("case", CASES, ids=str)


def log_softmax(z):
    return z - np.log(np.sum(np.exp(z - z.max(-1, keepdims=True)), -1, keepdims=True)) - z.max(-1, keepdims=True)


def of_classes(case, x, own):
    """-Σ w_c t_c log p_c, and what each counts."""
    z, weight = log_softmax(x) if case.name == "cross_entropy" else x, own["weight"]
    weight = np.ones(x.shape[-1]) if weight is None else weight
    t, counts = case.target, np.ones(x.shape[:-1])
    if case.integer:
        kept = t != own["ignore_index"]
        counts = kept * weight[np.where(kept, t, 0)]
        t = kept[..., None] * (t[..., None] == np.arange(x.shape[-1]))
        kept = kept[..., None]
    else:
        kept = 1
    share = own.get("label_smoothing", 0)
    return -np.sum(weight * kept * ((1 - share) * t + share / x.shape[-1]) * z, -1), counts


def of_entries(case, x, own):
    """The losses of entries that are no loss of classes."""
    t, e = case.target, x - case.target if x.shape == case.target.shape else None
    if case.name == "bce_with_logits":
        p, w = (1 if own[name] is None else own[name] for name in ("pos_weight", "weight"))
        return w * (p * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x))
    if case.name == "gaussian_nll":
        n = t.shape[-1]
        m, v = (x[..., :n], x[..., n:]) if own["var"] is None else (x, own["var"] + 0 * x)
        v = np.maximum(np.exp(v) if own["log_var"] else v, own["eps"])
        return 0.5 * (np.log(v) + (m - t) ** 2 / v) + own["full"] * 0.5 * np.log(2 * np.pi)
    near = abs(e) < own.get("beta", own.get("delta", 0))
    return {
        "mse": lambda: e**2,
        "mae": lambda: abs(e),
        "huber": lambda: np.where(near, e**2 / 2, own["delta"] * (abs(e) - own["delta"] / 2)),
        "smooth_l1": lambda: np.where(near, e**2 / 2 / (own["beta"] or 1), abs(e) - own["beta"] / 2),
        "hinge": lambda: np.maximum(0, own["margin"] - t * x),
        "kl_div": lambda: np.exp(t) * (t - x) if own["log_target"] else t * (np.log(t) - x),
    }[case.name]()


def losses(case, x):
    """The losses by their formula, and what each counts in a mean."""
    if case.name in ("cross_entropy", "nll"):
        return of_classes(case, x, case.own)
    each = of_entries(case, x, case.own)
    return each, np.ones(each.shape)


def reduced(case, x, reduction, weights=None):
    each, counts = losses(case, x)
    if weights is not None:
        w = np.broadcast_to(weights.reshape(weights.shape + (1,) * (each.ndim - weights.ndim)), each.shape)
        each, counts = each * w, counts * w
    if reduction == "none":
        return each
    mass = {"sum": 1, "mean": counts.sum()}
    return each.sum() / (mass[reduction] if reduction in mass else counts.sum() * len(each) / each.size)


def weights_of(shape):
    """None, weights of the first axis, and a mask of all."""
    yield None
    yield np.random.default_rng(5).random(shape[:1])
    yield np.arange(math.prod(shape)).reshape(shape) % 3 != 1


@cases
def test_value_slopes_and_gradient(case):
    rng = np.random.default_rng(3)
    dx, h = rng.standard_normal((3, *case.x.shape)), 1e-6
    if case.name == "gaussian_nll" and case.own["var"] is None and not case.own["log_var"]:
        dx = np.where(np.arange(case.x.shape[-1]) < case.target.shape[-1], dx, 0)  # the rest has a kink at eps
    far = abs(case.x - 1e-5 - case.target) > 2e-5 if case.x.shape == case.target.shape else True
    dx = np.where(far, dx, 0)
    for weights in weights_of(losses(case, case.x)[0].shape):
        for reduction in case.loss.reductions:
            value = case.loss(case.x, case.target, reduction, weights=weights)
            np.testing.assert_allclose(value, reduced(case, case.x, reduction, weights), 1e-12, 1e-14)
            along = lambda d, r=reduction, w=weights: (  # noqa: E731
                (reduced(case, case.x + h * d, r, w) - reduced(case, case.x - h * d, r, w)) / (2 * h)
            )
            again, slopes = case.loss.jvp(case.x, case.target, dx, reduction, weights)
            np.testing.assert_array_equal(again, value)
            np.testing.assert_allclose(slopes, [along(d) for d in dx], 1e-6, 1e-7)
            called = dg.jvp(lambda x, r=reduction, w=weights: case.loss(x, case.target, r, weights=w), (case.x,), (dx,))
            np.testing.assert_array_equal(called[1], slopes)
            again, pull = case.loss.vjp(case.x, case.target, reduction, weights)
            u = rng.standard_normal(np.shape(value))
            np.testing.assert_array_equal(again, value)
            np.testing.assert_allclose(
                np.sum(pull(u) * dx, axis=tuple(range(1, dx.ndim))),
                np.sum(u * slopes, axis=tuple(range(1, np.ndim(slopes)))), 1e-10, 1e-12,
            )  # fmt: skip


@cases
def test_the_numbers_of_examples_have_the_loss_as_their_mean_or_sum(case):
    for weights, reduction in itertools.product(weights_of(losses(case, case.x)[0].shape), case.loss.reductions):
        loss = case.loss.using(reduction=reduction)
        each = loss.per_example(case.x, case.target, weights)
        assert each.shape == (case.x.shape[:-1] or losses(case, case.x)[0].shape)
        if reduction != "none":
            found = each.sum() if reduction == "sum" else each.mean()
            np.testing.assert_allclose(found, loss(case.x, case.target, weights=weights), 1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "nll"])
@pytest.mark.parametrize("ignored", [-100, 3])
def test_ignored_targets_count_nothing_whatever_stands_there(name, ignored):
    """Not even a NaN or an infinity in the logits, in a value, a slope or a gradient."""
    loss, y = getattr(nn, name).using(ignore_index=ignored), np.array([0, ignored, 1, ignored])
    z, dz = np.random.default_rng(0).standard_normal((2, 4, 3))
    bad, dbad = z.copy(), dz.copy()
    bad[1], bad[3], dbad[1] = np.nan, np.inf, np.nan
    kept = y != ignored
    for reduction in ("mean", "sum"):
        expected = loss.jvp(z[kept], y[kept], dz[kept], reduction)
        for found in (loss.jvp(z, y, dz, reduction), dg.jvp(lambda z, r=reduction: loss(z, y, r), (z,), (dz,))):
            np.testing.assert_allclose(found, expected, rtol=1e-14)
        with np.errstate(invalid="ignore"):
            assert abs(loss(bad, y, reduction) - expected[0]) < 1e-14
            np.testing.assert_allclose(
                loss.vjp(z, y, reduction)[1](1.0)[kept], loss.vjp(z[kept], y[kept], reduction)[1](1.0)
            )
        assert not loss.vjp(z, y, reduction)[1](1.0)[~kept].any()
    wide = np.zeros((1, 200))
    assert nn.cross_entropy(np.vstack([wide, wide]), np.array([-100, 3])) == nn.cross_entropy(wide, np.array([3]))


def test_weights_of_0_beside_infinite_losses():
    x = np.array([[np.inf, 1.0], [2.0, 3.0]])
    mask = np.array([False, True])
    for loss in (nn.mse, nn.mae, nn.huber, nn.smooth_l1):
        y = np.zeros((2, 2))
        value, slope = dg.jvp(lambda x, f=loss: f(x, y, weights=mask), (x,), (np.ones((2, 2)),))  # noqa: B023
        expected = dg.jvp(lambda x, f=loss: f(x, y[1:]), (x[1:],), (np.ones((1, 2)),))  # noqa: B023
        np.testing.assert_allclose((value, slope), expected)
        assert np.isfinite(loss.vjp(x, y, "mean", mask)[1](1.0)).all()
    z = np.array([[0.0, -np.inf, 1.0], [0.0, 1.0, 2.0]])
    weight = np.array([1.0, 0.0, 1.0])
    assert nn.cross_entropy(z, np.array([1, 0]), weight=weight) == nn.cross_entropy(z[1:], np.array([0]))


REFUSED = {
    "weight of other classes": (lambda: nn.cross_entropy(np.ones((1, 3)), [0], weight=[1.0]), r"weight of shape \(1,"),
    "weight below 0": (lambda: nn.nll.using(weight=[1, -1]), r"got weight=\[1, -1\]; expected None, or a number per"),
    "ignore_index": (lambda: nn.nll.using(ignore_index=1.5), "got ignore_index=1.5; expected a whole number"),
    "no class to ignore": (lambda: nn.cross_entropy(np.ones((1, 2)), np.ones((1, 2)), ignore_index=0), "no class to"),
    "pos_weight": (lambda: nn.bce_with_logits(np.ones(3), np.ones(3), pos_weight=np.ones(2)), r"pos_weight of shape"),
    "beta": (lambda: nn.smooth_l1.using(beta=-1), "got beta=-1; expected a number that is not negative"),
    "signs": (lambda: nn.hinge(np.ones(2), np.array([0, 1])), "targets 0 to 1; expected -1 and 1"),
    "probabilities": (lambda: nn.kl_div(np.ones(2), np.array([-0.5, 1])), "targets from -0.5; expected probabilities"),
    "variances": (lambda: nn.gaussian_nll(-np.ones((1, 2)), np.ones((1, 1))), "variances from -1.0; expected none"),
    "two variances": (lambda: nn.gaussian_nll(np.ones(2), np.ones(2), var=1, log_var=True), "give var as it is"),
    "halves": (lambda: nn.gaussian_nll(np.ones((1, 3)), np.ones((1, 2))), r"expected \(..., 2n\), the means and"),
    "batchmean": (lambda: nn.mse.using(reduction="batchmean"), "got reduction='batchmean'; expected 'mean', 'sum' or"),
    "all ignored": (lambda: nn.nll(np.ones((1, 3)), np.array([-100])), "no target counts in the mean"),
    "all of weight 0": (lambda: nn.nll(np.ones((1, 2)), [0], weight=[0, 1]), "no target counts in the mean"),
    "classes": (lambda: nn.nll(np.ones((2, 3)), np.array([-100, 3])), "got classes 3 to 3; expected 0 to 2"),
    "weights": (lambda: nn.mse(np.ones((3, 2)), np.ones((3, 2)), weights=np.ones(2)), r"expected \(3,\) or \(3, 2\)"),
    "one weight": (lambda: nn.mse(np.ones(3), np.ones(3), weights=0.5), r"weights of shape \(\); expected \(3,\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_by_name(name):
    call, says = REFUSED[name]
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize("name", sorted({case.name for case in CASES}))
def test_no_examples_have_a_sum(name):
    case = next(case for case in CASES if case.name == name and case.x.ndim == 2)
    x, target = case.x[:0], case.target[:0]
    assert case.loss(x, target, "sum") == 0
    assert len(case.loss(x, target, "none")) == len(case.loss.per_example(x, target)) == 0
    with pytest.raises(dg.ShapeError, match="no examples have no mean"):
        case.loss(x, target)


def test_settings_are_differentiated():
    """A weight per class, variances and a width are parameters like others."""
    z, y = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, 2, 1, 2])
    for f, at in (
        (lambda w: nn.cross_entropy(z, y, weight=w, label_smoothing=0.1), np.array([0.5, 2.0, 1.0])),
        (lambda w: nn.cross_entropy.using(weight=w)(z, y, weights=np.arange(4.0)), np.array([0.5, 2.0, 1.0])),
        (lambda p: nn.bce_with_logits(z, 0 * z + 0.3, pos_weight=p), np.array([0.5, 2.0, 1.0])),
        (lambda v: nn.gaussian_nll(z, 0 * z, var=v), np.array([0.5, 2.0, 1.0])),
        (lambda b: nn.smooth_l1(z, 0 * z, beta=b), np.array(0.7)),
    ):
        assert check_jvp(f, (at,)).passed


def test_a_probability_of_0_moves_as_steeply_as_it_does():
    x, t = np.log([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 0.0])
    each, slopes = dg.jvp(lambda t: nn.kl_div(x, t, "none"), (t,), (np.array([1.0, 1.0, 0.0]),))
    np.testing.assert_allclose(each, [0, -x[1], 0])
    np.testing.assert_allclose(slopes, [-np.inf, 1 - x[1], 0])


@pytest.mark.parametrize("case", {case.name: case for case in CASES if case.x.ndim == 2}.values(), ids=str)
def test_series_and_traces(case):
    v = np.random.default_rng(0).standard_normal(case.x.shape)
    f = lambda x: case.loss(x, case.target, weights=np.arange(len(x)))  # noqa: E731
    first = lambda t: dg.jvp(lambda t: f(case.x + t * v), (t,), (1.0,))[1]  # noqa: E731
    series = dg.taylor(f, case.x, v, order=2)
    np.testing.assert_allclose(series[:2], [f(case.x), first(0.0)], 1e-12)
    second = dg.jvp(first, (0.0,), (1.0,))[1]
    np.testing.assert_allclose(series[2], second / 2, 1e-10, 1e-13)
    np.testing.assert_allclose(dg.trace(f, (case.x,), (v,)).tangent, first(0.0), 1e-12)
