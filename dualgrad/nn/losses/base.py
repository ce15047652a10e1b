"""Loss: what all losses share: reductions, weights, and rules like those of a layer."""

import copyreg
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from ...backend import Array
from ...dual import Dual, lead_of, lift, primal
from ...errors import ShapeError
from ...inputs import as_input
from ...rules.absorb import product, quietly
from ...rules.declare import nested_as
from ...zero import ZERO
from ..layer import INPUT, by_engine
from ..types import Curve, Input, Reduction, Scalar, Shape, Tangent
from ..user_rules import by_direction, drop_inherited_rules, is_builtin, takes_lead

_NAMED = {}  # the classes of the losses of this package, by the names of their instances


class ByForward:
    """The rules of a loss whose `forward` is its own: a tangent by the engine, and no transpose."""

    lead = True

    def _short(self, prediction, target, dprediction, reduction, weights, settings):
        """The loss and its tangent by a shorter way, where the class that says what they are has one; else None."""
        return None

    def jvp(
        self, prediction: Array, target: Array, dprediction: Tangent, reduction: Reduction | None = None,
        weights: Array | None = None, **settings: Any,
    ) -> tuple[Any, Tangent]:  # fmt: skip
        """The loss and its tangent, by the engine."""
        forward = lambda both: self.forward(both[INPUT], target, reduction, weights, **settings)  # noqa: E731
        return by_engine(forward, {INPUT: prediction}, {INPUT: dprediction})

    def vjp(
        self, prediction: Array, target: Array, reduction: Reduction | None = None, weights: Array | None = None,
        **settings: Any,
    ) -> tuple[Any, Callable[[Any], Array]]:  # fmt: skip
        """Refused."""
        raise NotImplementedError(
            f"{self!r} has a forward of its own and no transposed rule: define vjp(prediction, target, reduction=None, "
            "weights=None) -> value, pullback, or define evaluate in place of forward"
        )


class Loss(ByForward):
    """What losses share: the reduction over examples, weights, and jvp where the prediction is a Dual.

    A loss defines ``evaluate(prediction, target, **settings) -> each, slope``: one number per example, and a function
    that returns its derivative from the same intermediates; ``check(prediction, target)``; and the names of its own
    keywords, with their defaults, in ``settings``, and functions ``name, value -> value`` that check some of them, in
    ``fits``. One that has a ``jvp(prediction, target, dprediction, reduction, weights)`` of its own is given one
    direction at a time unless its class says ``lead = True``, as a `Layer` is. One that overrides ``forward`` or
    ``evaluate`` inherits no rule of another.

    Every loss is called ``loss(prediction, target, reduction="mean", weights=None)``: reduction "mean", "sum" or
    "none" over the examples, and ``weights``, or a boolean mask, of one number per example: each loss is multiplied by
    its weight, and the mean is Σ w ℓ / Σ w. ``loss.using(...)`` is the same loss with other defaults,
    and so is ``Class(reduction="mean", **settings)``, of which ``nn.mse`` and its kin are the instances.

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

    evaluate: Callable[..., Curve]
    settings: Mapping[str, Any] = {}
    fits: Mapping[str, Callable[[str, Any], Any]] = {}
    reduction: Reduction = "mean"
    given: Mapping[str, Any] = {}
    lead = True
    _known_as = "Loss"  # under which reprs, pickles and saved settings know it
    _of_arrays = False  # whether prediction and target are arrays, and nothing else that a loss of one's own may take

    def __init_subclass__(cls, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._known_as = cls.__name__ if name is None else name
        if name is not None:
            _NAMED.setdefault(name, cls)
        base = Loss if cls.forward is Loss.forward else ByForward
        drop_inherited_rules(cls, base, "forward", "evaluate", names=("jvp", "vjp", "_short"))
        cls._of_arrays = is_builtin(cls, "evaluate")

    def __init__(self, reduction: Reduction = "mean", **settings: Any):
        self.reduction = _reduction(reduction)
        self.given = {name: v for name, v in self._known(settings).items() if not _same(v, self.settings[name])}

    def __repr__(self) -> str:
        given = ({} if self.reduction == "mean" else {"reduction": self.reduction}) | self.given
        return f"nn.{self._known_as}" + (f".using({given})" if given else "")

    def __reduce__(self) -> tuple[Any, ...]:
        if _NAMED.get(self._known_as) is not type(self):
            return copyreg.__newobj__, (type(self),), vars(self)
        return _named, (self._known_as, {"reduction": self.reduction} | self.given)

    def using(self, **defaults: Any) -> Self:
        """The same loss with other defaults: ``nn.cross_entropy.using(label_smoothing=0.1)``."""
        self._known({name: value for name, value in defaults.items() if name != "reduction"})
        return type(self)(**{"reduction": self.reduction} | self.given | defaults)

    def _known(self, settings):
        """The settings as numbers that fit their names in ``fits``; a name that is not in ``settings`` is an error."""
        unknown = settings.keys() - self.settings
        if unknown:
            raise TypeError(f"{self!r} got the keyword {min(unknown)!r}; expected {sorted(self.settings)}")
        return {name: self.fits[name](name, v) if name in self.fits else v for name, v in settings.items()}

    @overload
    def __call__(
        self, prediction: Input, target: Input, reduction: Literal["none"], weights: ArrayLike | None = None,
        **settings: Any,
    ) -> Array: ...  # fmt: skip

    @overload
    def __call__(
        self, prediction: Input, target: Input, reduction: Literal["mean", "sum"],
        weights: ArrayLike | None = None, **settings: Any,
    ) -> Scalar: ...  # fmt: skip

    @overload
    def __call__(
        self, prediction: Input, target: Input, reduction: None = None, weights: ArrayLike | None = None,
        **settings: Any,
    ) -> Any: ...  # fmt: skip

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

    def check(self, prediction: Array, target: Array, /) -> None:
        """Raise unless prediction and target fit each other; a loss of one's own may leave it out."""

    def _evaluated(self, prediction, target, settings):
        """`evaluate` with the settings, and with a target of the prediction's shape in its precision."""
        if self._of_arrays and target.ndim == prediction.ndim:
            target = _in_dtype_of(target, prediction)
        return self.evaluate(prediction, target, **{**self.settings, **self.given, **settings})

    def examples(self, prediction: Array, target: Array, /) -> Shape:
        """The shape of the losses of the examples."""
        return prediction.shape[:-1]

    def forward(
        self, prediction: Array, target: Array, reduction: Reduction | None = None, weights: Array | None = None,
        **settings: Any,
    ) -> Any:  # fmt: skip
        """The loss of plain predictions."""
        reduction = self.reduction if reduction is None else reduction
        if pair := self._short(prediction, target, ZERO, reduction, weights, settings):
            return pair[0]
        each, _ = self._evaluated(prediction, target, settings)
        return _reduce(each, reduction, weights)

    def push(
        self, prediction: Array, target: Array, dprediction: Tangent, reduction: Reduction | None = None,
        weights: Array | None = None, **settings: Any,
    ) -> tuple[Any, Tangent]:  # fmt: skip
        """The loss and its tangent by `jvp`: direction by direction, unless its class takes K at once."""
        if takes_lead(self):
            return self.jvp(prediction, target, dprediction, reduction, weights, **settings)
        rule = lambda x, dx: self.jvp(x, target, dx, reduction, weights, **settings)  # noqa: E731
        return by_direction(rule, self)(prediction, dprediction)

    _short = ByForward._short

    def jvp(
        self, prediction: Array, target: Array, dprediction: Tangent, reduction: Reduction | None = None,
        weights: Array | None = None, **settings: Any,
    ) -> tuple[Any, Tangent]:  # fmt: skip
        """The loss and its tangent, ⟨slope, dprediction⟩ for every example."""
        each, slope = self._evaluated(prediction, target, settings)
        reduction = self.reduction if reduction is None else reduction
        if dprediction is ZERO:
            return _reduce(each, reduction, weights), ZERO
        d = np.sum(slope() * dprediction, axis=-1)
        return _reduce(each, reduction, weights), _reduce(d, reduction, weights, each.ndim)

    def vjp(
        self, prediction: Array, target: Array, reduction: Reduction | None = None, weights: Array | None = None,
        **settings: Any,
    ) -> tuple[Any, Callable[[Any], Array]]:  # fmt: skip
        """The loss, and its pullback: a cotangent of the loss to one of the prediction."""
        reduction = self.reduction if reduction is None else _reduction(reduction)
        prediction, target, weights, settings = self._given(prediction, target, reduction, weights, settings)
        each, slope = self._evaluated(prediction, target, settings)
        if weights is None:
            share = 1 / each.size if reduction == "mean" else 1
        else:
            share = _in_dtype_of(weights, each)
            share = share / np.sum(share) if reduction == "mean" else share

        def pullback(dy):
            scale = dy * share
            return (scale[..., None] if np.ndim(scale) else scale) * slope()

        return _reduce(each, reduction, weights), pullback


class PlainLoss(Loss):
    """A loss without settings."""

    def __init__(self, reduction: Reduction = "mean"):
        super().__init__(reduction)


def _reduction(reduction):
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise ValueError(f"got reduction={reduction!r}; expected 'mean', 'sum' or 'none'")
    return reduction


def _same(value, default):
    """Whether a setting is the default, a plain number: one that is differentiated never is."""
    return value.__class__ is default.__class__ and value == default


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


def _in_dtype_of(a, like):
    """An array in the precision of another: targets as the prediction, weights or a mask as the losses."""
    kind = primal(like).dtype
    return a if a.dtype == kind else a.astype(kind)


def _reduce(each, reduction, weights=None, ndim=None):
    """Mean or sum over examples, the last ``ndim`` axes (a lead axis stays)."""
    ndim = each.ndim if ndim is None else ndim
    if weights is not None:
        weights = _in_dtype_of(weights, each)
        each = quietly(product, each, weights)
    if reduction == "none":
        return each
    total = np.sum(each, axis=tuple(range(-ndim, 0))) if ndim else each
    if reduction == "sum":
        return total
    mass = math.prod(each.shape[each.ndim - ndim :]) if weights is None else np.sum(weights)
    return total / mass


def require_pair(loss, x, target):
    """A prediction and a target of one shape."""
    if np.ndim(x) == 0 or np.shape(target) != x.shape or not x.shape[-1]:
        raise ShapeError(f"{loss!r} got a prediction of shape {np.shape(x)} and a target of shape {np.shape(target)}")


def _named(name, settings):
    """One of this package by its name, as pickles have it."""
    return _NAMED[name](**settings)
