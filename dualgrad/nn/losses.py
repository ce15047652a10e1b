"""Losses: functions of a prediction and a target, with rules like those of a layer."""

import functools
import math

import numpy as np

from ..dual import Dual, lead_of, lift, primal
from ..errors import ShapeError
from ..exponentials import entry, exponentials, from_the_largest, replaced
from ..inputs import as_input
from ..rules.absorb import product, quietly
from ..rules.declare import nested_as
from ..slopes import logistic, softplus
from ..zero import ZERO
from .lead import by_direction, forget_rules_of_others, is_ours, takes_lead
from .settings import POSITIVE, SHARE


class Loss:
    """What losses share: the reduction over examples, weights, and jvp where the prediction is a Dual.

    A loss defines ``evaluate(prediction, target, **settings) -> each, slope``: one number per example, and a function
    that returns its derivative from the same intermediates; ``check(prediction, target)``; and the names of its own
    keywords, with their defaults, in ``settings``, and functions ``name, value -> value`` that check some of them, in
    ``fits``. One that has a ``jvp(prediction, target, dprediction, reduction, weights)`` of its own is given one
    direction at a time unless its class says ``lead = True``, as a `Layer` is.

    Every loss is called ``loss(prediction, target, reduction="mean", weights=None)``: reduction "mean", "sum" or
    "none" over the examples, and ``weights``, or a boolean mask, of one number per example: each loss is multiplied by
    its weight, and the mean is Σ w ℓ / Σ w. ``loss.using(...)`` is the same loss with other defaults.

    Value, tangent and cotangent are in the precision of the prediction, whatever that of target and weights.

    Raises
    ------
    ValueError
        For settings out of range, weights that are not finite, and a mean with weights that are negative or all 0.
    TypeError
        For predictions that are not floating numbers, or complex ones.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> x, y = np.array([[1.0, 3.0], [0.0, 0.0]]), np.ones((2, 2))
    >>> dg.nn.mse(x, y, reduction="none")
    array([2., 1.])
    >>> dg.nn.mse(x, y, weights=np.array([True, False]))
    np.float64(2.0)
    >>> dg.nn.mse.using(reduction="sum")(x, y)
    np.float64(3.0)
    """

    settings = {}  # noqa: RUF012  (a table, not state)
    fits = {}  # noqa: RUF012  (a table, not state)
    reduction, given = "mean", {}
    lead = True
    _of_arrays = False  # whether prediction and target are arrays, and nothing else that a loss of one's own may take

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        forget_rules_of_others(cls, Loss, "evaluate")
        cls._of_arrays = is_ours(cls, "evaluate")

    def __init__(self, reduction="mean", **settings):
        self.reduction = _reduction(reduction)
        self.given = self._known(settings)

    def __repr__(self):
        given = ({} if self.reduction == "mean" else {"reduction": self.reduction}) | self.given
        return f"nn.{type(self).__name__}" + (f".using({given})" if given else "")

    def __reduce__(self):
        return _named, (type(self).__name__, {"reduction": self.reduction} | self.given)

    def using(self, **defaults):
        """The same loss with other defaults: ``nn.cross_entropy.using(label_smoothing=0.1)``."""
        return type(self)(**{"reduction": self.reduction} | self.given | defaults)

    def _known(self, settings):
        """The settings as numbers that fit their names in ``fits``; a name that is not in ``settings`` is an error."""
        unknown = settings.keys() - self.settings
        if unknown:
            raise TypeError(f"{self!r} got the keyword {min(unknown)!r}; expected {sorted(self.settings)}")
        return {name: self.fits[name](name, v) if name in self.fits else v for name, v in settings.items()}

    def __call__(self, prediction, target, reduction=None, weights=None, **settings):
        reduction = self.reduction if reduction is None else _reduction(reduction)
        prediction, target, weights, settings = self._given(prediction, target, reduction, weights, settings)
        others = target, weights, *settings.values(), *self.given.values()
        if type(prediction) is not Dual or any(isinstance(a, Dual) for a in others):  # whose tangents the engine knows
            return self._by_engine(prediction, target, reduction, weights, settings)
        lead_of(prediction)
        y, dy = self.push(prediction.primal, target, prediction.tangent, reduction, weights, **settings)
        return y if dy is ZERO else Dual(y, nested_as(y, dy), prediction.level)

    def _by_engine(self, prediction, target, reduction, weights, settings):
        """The loss operation by operation; traced, it is one."""
        moving = [v for v in (prediction, target, weights, *settings.values()) if isinstance(v, Dual)]
        top = max(moving, key=lambda v: v.level, default=None)
        if top is None or type(top) is Dual or any(isinstance(v, Dual) for v in self.given.values()):
            return self.forward(prediction, target, reduction, weights, **settings)
        given = {"reduction": reduction} if reduction != self.reduction else {}
        given |= settings if weights is None else {"weights": weights} | settings
        forward = functools.partial(self.forward, reduction=reduction, weights=weights)
        return top.through(self, forward, prediction, target, **given)

    def _given(self, prediction, target, reduction, weights, settings):
        """Prediction, target and weights as arrays, and the settings: checked."""
        if self._of_arrays:
            prediction = as_input(prediction, self, "a prediction", "f")
            target = as_input(target, self, "a target", "biuf")
        else:
            prediction, target = lift(prediction), lift(target)
        self.check(primal(prediction), target)
        examples = self.examples(primal(prediction), target)
        if weights is not None:
            weights = as_input(weights, self, "weights", "biuf")
            if weights.shape != examples:
                raise ShapeError(f"{self!r} got weights of shape {weights.shape}; expected {examples}, one an example")
            _check_weights(self, weights, reduction, primal(prediction).dtype)
        if reduction == "mean" and 0 in examples:
            raise ShapeError(f"{self!r} got a prediction of shape {np.shape(prediction)}; no examples have no mean")
        return prediction, target, weights, self._known(settings) if settings else settings

    def check(self, prediction, target):
        """Raise unless prediction and target fit each other; a loss of one's own may leave it out."""

    def _evaluated(self, prediction, target, settings):
        """`evaluate` with the settings, and with a target of the prediction's shape in its precision."""
        if self._of_arrays and target.ndim == prediction.ndim:
            target = _as(target, prediction)
        return self.evaluate(prediction, target, **{**self.settings, **self.given, **settings})

    def examples(self, prediction, target):
        """The shape of the losses of the examples."""
        return prediction.shape[:-1]

    def forward(self, prediction, target, reduction=None, weights=None, **settings):
        """The loss of plain predictions."""
        each, _ = self._evaluated(prediction, target, settings)
        return _reduce(each, self.reduction if reduction is None else reduction, weights)

    def push(self, prediction, target, dprediction, reduction=None, weights=None, **settings):
        """The loss and its tangent by `jvp`: direction by direction, unless its class takes K at once."""
        if takes_lead(self):
            return self.jvp(prediction, target, dprediction, reduction, weights, **settings)
        rule = lambda x, dx: self.jvp(x, target, dx, reduction, weights, **settings)  # noqa: E731
        return by_direction(rule, self)(prediction, dprediction)

    def jvp(self, prediction, target, dprediction, reduction=None, weights=None, **settings):
        """The loss and its tangent, ⟨slope, dprediction⟩ for every example."""
        each, slope = self._evaluated(prediction, target, settings)
        reduction = self.reduction if reduction is None else reduction
        if dprediction is ZERO:
            return _reduce(each, reduction, weights), ZERO
        d = np.sum(slope() * dprediction, axis=-1)
        return _reduce(each, reduction, weights), _reduce(d, reduction, weights, each.ndim)

    def vjp(self, prediction, target, reduction=None, weights=None, **settings):
        """The loss, and its pullback: a cotangent of the loss to one of the prediction."""
        reduction = self.reduction if reduction is None else _reduction(reduction)
        prediction, target, weights, settings = self._given(prediction, target, reduction, weights, settings)
        each, slope = self._evaluated(prediction, target, settings)
        if weights is None:
            share = 1 / each.size if reduction == "mean" else 1
        else:
            share = _as(weights, each)
            share = share / np.sum(share) if reduction == "mean" else share

        def pullback(dy):
            scale = dy * share
            return (scale[..., None] if np.ndim(scale) else scale) * slope()

        return _reduce(each, reduction, weights), pullback


def _reduction(reduction):
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise ValueError(f"got reduction={reduction!r}; expected 'mean', 'sum' or 'none'")
    return reduction


def _check_weights(loss, weights, reduction, kind):
    """Finite numbers; for a mean, not negative, and not all 0. On a device, looking would cost a wait."""
    w = primal(weights)
    if w.__class__ is not np.ndarray:
        return
    if w.dtype != kind:
        with np.errstate(over="ignore"):
            w = w.astype(kind)
    mass, least = w.sum(dtype=np.float64), w.min(initial=0)
    if not math.isfinite(mass):
        raise ValueError(f"{loss!r} got weights that sum to {mass}; expected finite numbers")
    if reduction == "mean" and w.size and (least < 0 or mass == 0):
        raise ValueError(
            f"{loss!r} got weights from {least} that sum to {mass}; a mean is over weights that are not negative, nor "
            "all 0: reduction='sum' or 'none' takes any"
        )


def _as(a, like):
    """An array in the precision of another: targets as the prediction, weights or a mask as the losses."""
    kind = primal(like).dtype
    return a if a.dtype == kind else a.astype(kind)


def _reduce(each, reduction, weights=None, ndim=None):
    """Mean or sum over examples, the last ``ndim`` axes (a lead axis stays)."""
    ndim = each.ndim if ndim is None else ndim
    if weights is not None:
        weights = _as(weights, each)
        each = quietly(product, each, weights)
    if reduction == "none":
        return each
    total = np.sum(each, axis=tuple(range(-ndim, 0))) if ndim else each
    if reduction == "sum":
        return total
    mass = math.prod(each.shape[each.ndim - ndim :]) if weights is None else np.sum(weights)
    return total / mass


def _check_classes(loss, z, target):
    """Integer classes, in range."""
    if target.dtype.kind not in "iu":
        raise TypeError(f"{loss!r} takes integer classes of shape {z.shape[:-1]}; got {target.dtype}")
    if target.__class__ is np.ndarray and not np.all((target >= 0) & (target < z.shape[-1])):
        low, high = target.min(), target.max()
        raise ValueError(f"{loss!r} got classes {low} to {high}; expected 0 to {z.shape[-1] - 1}")


def _check_pair(loss, x, target):
    """A prediction and a target of one shape."""
    if np.ndim(x) == 0 or np.shape(target) != x.shape or not x.shape[-1]:
        raise ShapeError(f"{loss!r} got a prediction of shape {np.shape(x)} and a target of shape {np.shape(target)}")


class cross_entropy(Loss):  # noqa: N801  (a function to its users)
    """ℓ = log Σ eᶻ - z_y ;  dℓ = ⟨softmax z - y, dz⟩.

    Parameters
    ----------
    prediction : logits z, shape ``(..., classes)``
    target : integer classes, shape ``(...)``, or distributions, shape ``(..., classes)``
    reduction, weights
        As for every `Loss`.
    label_smoothing : float
        The share of the target that is spread evenly over all classes.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    ValueError
        When a class is out of range.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.cross_entropy(np.zeros((2, 4)), np.array([0, 3]))
    np.float64(1.3862943611198906)
    """

    settings = {"label_smoothing": 0.0}  # noqa: RUF012  (a table, not state)
    fits = {"label_smoothing": SHARE}  # noqa: RUF012  (a table, not state)
    lead = True

    def check(self, z, target):
        if np.ndim(z) == 0 or not z.shape[-1]:
            raise ShapeError(f"cross_entropy got logits of shape {np.shape(z)}; expected (..., classes)")
        if target.shape not in (z.shape, z.shape[:-1]):
            raise ShapeError(f"cross_entropy got logits of shape {z.shape} and targets of shape {target.shape}")
        if target.ndim < z.ndim:
            _check_classes(self, z, target)

    def evaluate(self, z, target, label_smoothing):
        at, shifted, e, rest = exponentials(z)
        mass = 1 if target.ndim < z.ndim else np.sum(target, axis=-1, keepdims=True)
        mass = (1 - label_smoothing) * mass + label_smoothing

        def slope():
            """p - t, at the largest p as (1 - t) - (1 - p)."""
            t, share = _distribution(z, target, label_smoothing), mass / (1 + rest)
            return replaced(share * e - t, at, (mass - entry(t, at)) - share * rest)

        return (np.log1p(rest) * mass)[..., 0] - _at(shifted, target, z.ndim, label_smoothing), slope

    def jvp(self, z, target, dz, reduction=None, weights=None, **settings):
        """⟨p - t, dz⟩, with dz measured from that of the largest logit: Σ (p - t) = 0."""
        plain = z.__class__ is dz.__class__ is target.__class__ is np.ndarray and target.ndim < z.ndim
        if plain and reduction == "mean" and weights is None and not (settings or self.given):
            return _mean_of_classes(z, target, dz)
        return super().jvp(z, target, dz if dz is ZERO else from_the_largest(z, dz), reduction, weights, **settings)


def _mean_of_classes(z, target, dz):
    """The mean of log Σ eˢ - s_y, and of ⟨eˢ, ds⟩ / Σ eˢ - ds_y, for classes y of plain logits. s and ds are measured
    from the largest logit, whose e⁰ = 1 is no part of the rest."""
    rows, y, shape = np.arange(target.size), target.reshape(-1), (target.size, z.shape[-1])
    z, dz = z.reshape(shape), dz.reshape(dz.shape[: dz.ndim - z.ndim] + shape)
    top = z.argmax(-1)
    s, ds = z - z[rows, top, None], dz - dz[..., rows, top, None]
    e = np.exp(s)
    e[rows, top] = 0
    rest = e.sum(-1)
    each, slopes = np.log1p(rest) - s[rows, y], (e * ds).sum(-1) / (1 + rest) - ds[..., rows, y]
    return each.sum() / len(y), slopes.sum(-1) / len(y)


def _at(z, target, ndim, smoothing):
    """z_y: the entry of each example's class, or its mean under the target distribution."""
    if target.ndim == ndim:
        found = np.sum(quietly(product, z, target), axis=-1)
    else:
        rows = z.reshape((target.size, z.shape[-1]))
        found = rows[np.arange(target.size, like=primal(z)), target.reshape(-1)].reshape(z.shape[:-1])
    return found if not smoothing else (1 - smoothing) * found + smoothing * np.mean(z, axis=-1)


def _distribution(z, target, smoothing):
    """The target as distributions over classes, scaled as softmax is."""
    if target.ndim < z.ndim:
        target = (target[..., None] == np.arange(z.shape[-1], like=primal(z))).astype(primal(z).dtype)
    return target if not smoothing else (1 - smoothing) * target + smoothing / z.shape[-1]


class nll(Loss):  # noqa: N801
    """ℓ = -z_y for log-probabilities z ;  dℓ = -dz_y.

    Parameters
    ----------
    prediction : log-probabilities, shape ``(..., classes)``, as `LogSoftmax` gives them
    target : integer classes, shape ``(...)``
    reduction, weights
        As for every `Loss`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.nll(np.log(np.array([[0.25, 0.75]])), np.array([0]))
    np.float64(1.3862943611198906)
    """

    def check(self, z, target):
        if np.ndim(z) == 0 or np.shape(target) != z.shape[:-1]:
            raise ShapeError(
                f"nll got log-probabilities of shape {np.shape(z)} and targets of shape {np.shape(target)}"
            )
        _check_classes(self, z, target)

    def evaluate(self, z, target):
        return -_at(z, target, z.ndim, 0.0), lambda: -1.0 * _distribution(z, target, 0.0)


class mse(Loss):  # noqa: N801
    """ℓ = mean (x - y)² over features ;  dℓ = ⟨2 (x - y) / features, dx⟩; the mean over all is torch's MSELoss.

    Raises
    ------
    ShapeError
        When the shapes differ.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.mse(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    np.float64(2.0)
    """

    def check(self, x, target):
        _check_pair(self, x, target)

    def evaluate(self, x, target):
        error = x - target
        return np.mean(error * error, axis=-1), lambda: 2 / x.shape[-1] * error


class mae(Loss):  # noqa: N801
    """ℓ = mean of abs(x - y) over features ;  dℓ = ⟨sign(x - y) / features, dx⟩, with sign 0 = 0; torch's L1Loss.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.mae(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    np.float64(1.0)
    """

    def check(self, x, target):
        _check_pair(self, x, target)

    def evaluate(self, x, target):
        error = x - target
        return np.mean(np.abs(error), axis=-1), lambda: np.sign(primal(error)) / x.shape[-1]


class huber(Loss):  # noqa: N801
    """ℓ = mean of e²/2, or δ (abs(e) - δ/2) where abs(e) > δ, e = x - y ;  dℓ = ⟨clip(e, -δ, δ) / features, dx⟩.

    Parameters
    ----------
    prediction, target : arrays of one shape
    reduction, weights
        As for every `Loss`.
    delta : float

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.huber(np.array([[1.0, 4.0]]), np.array([[1.0, 1.0]]))
    np.float64(1.25)
    """

    settings = {"delta": 1.0}  # noqa: RUF012  (a table, not state)
    fits = {"delta": POSITIVE}  # noqa: RUF012  (a table, not state)

    def check(self, x, target):
        _check_pair(self, x, target)

    def evaluate(self, x, target, delta):
        error = x - target
        e = primal(error)
        near, sign = np.abs(e) <= delta, np.sign(e)
        each = np.where(near, 0.5 * error * error, delta * (sign * error - 0.5 * delta))
        return np.mean(each, axis=-1), lambda: np.where(near, error, delta * sign) / x.shape[-1]


class bce_with_logits(Loss):  # noqa: N801
    """ℓ = mean of log(1 + eᶻ) - z t over features ;  dℓ = ⟨(σ(z) - t) / features, dz⟩.

    Parameters
    ----------
    prediction : logits z
    target : probabilities t, of the same shape
    reduction, weights
        As for every `Loss`.

    Raises
    ------
    ValueError
        For targets outside of [0, 1].

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.nn.bce_with_logits(np.zeros((2, 1)), np.array([[0.0], [1.0]]))
    np.float64(0.6931471805599453)
    """

    def check(self, z, target):
        _check_pair(self, z, target)
        if target.__class__ is np.ndarray and not np.all((target >= 0) & (target <= 1)):
            raise ValueError(f"{self!r} got targets {target.min()} to {target.max()}; expected 0 to 1")

    def evaluate(self, z, target):
        right = primal(z) > 0
        each = quietly(product, z, np.where(right, 1 - target, -target)) + softplus(np.where(right, -z, z))

        def slope():
            """σ(z) - t, as (1 - t) - σ(-z) where σ is near 1."""
            return np.where(right, (1 - target) - logistic(-z), logistic(z) - target) / z.shape[-1]

        return np.mean(each, axis=-1), slope


cross_entropy, nll, mse, mae, huber, bce_with_logits = (
    loss() for loss in (cross_entropy, nll, mse, mae, huber, bce_with_logits)
)


def _named(name, settings):
    """A loss by its name, for pickle: a module's name is that of the loss, not of its class."""
    return globals()[name].using(**settings)
