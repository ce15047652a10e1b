"""Loss: what all losses share: settings, and rules like those of a layer."""

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
from .weighing import (
    UNWEIGHTED,
    Masses,
    as_reduction,
    check_weights,
    divisor,
    in_dtype_of,
    reduced_losses,
    spread_weights,
)

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

    A loss defines ``evaluate(prediction, target, **settings) -> each, slope``: one number per example, or per entry of
    the prediction, and a function that returns its derivative from the same intermediates;
    ``check(prediction, target)``; and the names of its own keywords, with their defaults, in ``settings``, and
    functions ``name, value -> value`` that check some of them, in ``fits``. One of a number per entry says
    ``elementwise = True``. One that has a ``jvp(prediction, target, dprediction, reduction, weights)`` of its own is
    given one direction at a time unless its class says ``lead = True``, as a `Layer` is. One that overrides ``forward``
    or ``evaluate`` inherits no rule of another.

    Every loss is called ``loss(prediction, target, reduction="mean", *, weights=None)``: reduction "mean", "sum" or
    "none" over all numbers it has, as in torch, and ``weights``, or a boolean mask: of the shape of these, or of their
    first axes, as ``(B,)`` for one number an example. Each loss is multiplied by its weight, and the mean is
    Σ w ℓ / Σ w. ``loss.using(...)`` is the same loss with other defaults,
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
    array([[0., 4.],
           [1., 1.]])
    >>> dg.nn.mse(x, y, weights=np.array([True, False]))
    np.float64(2.0)
    >>> dg.nn.mse.using(reduction="sum")(x, y)
    np.float64(6.0)
    >>> dg.nn.mse.per_example(x, y)
    array([2., 1.])
    """

    evaluate: Callable[..., Curve]
    settings: Mapping[str, Any] = {}
    fits: Mapping[str, Callable[[str, Any], Any]] = {}
    reduction: Reduction = "mean"
    given: Mapping[str, Any] = {}
    lead = True
    elementwise: bool = False
    reductions: tuple[Reduction, ...] = ("mean", "sum", "none")
    _read_by_check: tuple[str, ...] = ()  # settings without which `check` cannot say whether the target fits
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

    def __init__(self, *, reduction: Reduction = "mean", **settings: Any):
        self.reduction = as_reduction(self, reduction)
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
        self, prediction: Input, target: Input, reduction: Literal["none"], *, weights: ArrayLike | None = None,
        **settings: Any,
    ) -> Array: ...  # fmt: skip

    @overload
    def __call__(
        self, prediction: Input, target: Input, reduction: Literal["mean", "sum", "batchmean"],
        *, weights: ArrayLike | None = None, **settings: Any,
    ) -> Scalar: ...  # fmt: skip

    @overload
    def __call__(
        self, prediction: Input, target: Input, reduction: None = None, *, weights: ArrayLike | None = None,
        **settings: Any,
    ) -> Any: ...  # fmt: skip

    def __call__(self, prediction, target, reduction=None, *, weights=None, **settings):
        reduction = self.reduction if reduction is None else as_reduction(self, reduction)
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
        settings = self._known(settings) if settings else settings
        read = {name: value for name, value in settings.items() if name in self._read_by_check}
        (self.using(**read) if read else self).check(primal(prediction), target)
        shape = self.examples(primal(prediction), target)
        if weights is not None:
            weights = as_input(weights, self, "weights", "biuf")
            check_weights(self, weights, shape, reduction, primal(prediction).dtype)
        if reduction not in ("sum", "none") and 0 in shape:
            raise ShapeError(f"{self!r} got a prediction of shape {np.shape(prediction)}; no examples have no mean")
        return prediction, target, weights, settings

    def check(self, prediction: Array, target: Array, /) -> None:
        """Raise unless prediction and target fit each other; a loss of one's own may leave it out."""

    def _evaluated(self, prediction, target, settings):
        """`evaluate` with the settings, and with a target of the prediction's shape in its precision."""
        if self._of_arrays and target.ndim == prediction.ndim:
            target = in_dtype_of(target, prediction)
        pair = self.evaluate(prediction, target, **{**self.settings, **self.given, **settings})
        if isinstance(pair, tuple) and len(pair) == 2:
            return pair
        raise TypeError(
            f"evaluate of {self!r} returned a {type(pair).__name__}; expected each, slope: the losses, and a function "
            "without arguments that gives their derivative. A loss that is a function of NumPy alone needs no nn.Loss"
        )

    def examples(self, prediction: Array, target: Array, /) -> Shape:
        """The shape of the losses: one number per entry, or per example."""
        return target.shape if self.elementwise else prediction.shape[:-1]

    def _masses(self, prediction, target, each, weights, settings) -> Masses:
        """What each loss is multiplied by, and what it counts in a mean; None for 1."""
        if weights is None:
            return UNWEIGHTED
        weights = spread_weights(self, weights, each)
        return weights, weights

    def weighs(self, target: Array, /) -> bool:
        """Whether a mean over this target is one in which examples count different amounts, without ``weights``."""
        return False

    def _gathered(self, products, prediction, each):
        """The tangents of the losses, of those of the entries of the prediction times their slopes."""
        return products if each.ndim == prediction.ndim else np.sum(products, axis=-1)

    def _scattered(self, cotangents, prediction, each):
        """The transpose of that; of one number for all losses it is the number."""
        return cotangents[..., None] if np.ndim(cotangents) and each.ndim < prediction.ndim else cotangents

    def per_example(self, prediction: Input, target: Input, weights: ArrayLike | None = None) -> Array:
        """One number per example, ``prediction.shape[:-1]``, or ``(B,)`` for B numbers: their mean is the loss, or
        their sum with ``reduction="sum"``. Of an example's own entries it is the mean, or the sum; with weights, each
        is multiplied by its weight over their mean.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> x, y = np.array([[1.0, 3.0], [0.0, 0.0]]), np.ones((2, 2))
        >>> dg.nn.mse.per_example(x, y, weights=np.array([True, False]))
        array([4., 0.])
        """
        summed = self.reduction == "sum"
        prediction, target, weights, _ = self._given(prediction, target, "none", weights, {})
        losses = each = self(prediction, target, "none", weights=weights)
        if each.ndim == prediction.ndim > 1:
            each = np.sum(each, axis=-1) if summed else np.mean(each, axis=-1)
        if summed or self.reduction == "none" or 0 in losses.shape:
            return each
        _, counts = self._masses(primal(prediction), target, losses, weights, {})
        share = math.prod(losses.shape) / divisor(self, self.reduction, losses.shape, counts)
        return each if counts is None and share == 1 else each * share

    def forward(
        self, prediction: Array, target: Array, reduction: Reduction | None = None, weights: Array | None = None,
        **settings: Any,
    ) -> Any:  # fmt: skip
        """The loss of plain predictions."""
        reduction = self.reduction if reduction is None else reduction
        if pair := self._short(prediction, target, ZERO, reduction, weights, settings):
            return pair[0]
        each, _ = self._evaluated(prediction, target, settings)
        return reduced_losses(self, each, reduction, self._masses(prediction, target, each, weights, settings))

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
        masses = self._masses(prediction, target, each, weights, settings)
        value = reduced_losses(self, each, reduction, masses)
        if dprediction is ZERO:
            return value, ZERO
        d = self._gathered(quietly(product, slope(), dprediction), prediction, each)
        return value, reduced_losses(self, d, reduction, masses, each.shape)

    def vjp(
        self, prediction: Array, target: Array, reduction: Reduction | None = None, weights: Array | None = None,
        **settings: Any,
    ) -> tuple[Any, Callable[[Any], Array]]:  # fmt: skip
        """The loss, and its pullback: a cotangent of the loss to one of the prediction."""
        reduction = self.reduction if reduction is None else as_reduction(self, reduction)
        prediction, target, weights, settings = self._given(prediction, target, reduction, weights, settings)
        each, slope = self._evaluated(prediction, target, settings)
        masses = factors, counts = self._masses(prediction, target, each, weights, settings)
        share = 1 / divisor(self, reduction, each.shape, counts)

        def pullback(dy):
            dy = dy * share
            if factors is None:
                return self._scattered(dy, prediction, each) * slope()
            return quietly(product, slope(), self._scattered(dy * factors, prediction, each))

        return reduced_losses(self, each, reduction, masses), pullback


class PlainLoss(Loss):
    """A loss without settings."""

    def __init__(self, *, reduction: Reduction = "mean"):
        super().__init__(reduction=reduction)


def _same(value, default):
    """Whether a setting is the default, a plain one: one that is differentiated never is."""
    return value.__class__ is default.__class__ and value == default


def _named(name, settings):
    """One of this package by its name, as pickles have it."""
    return _NAMED[name](**settings)
