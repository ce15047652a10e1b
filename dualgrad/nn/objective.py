"""Objective: a model and a loss, bound to a batch: the function of the parameters that training minimises."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from ..backend import Array
from ..dual import Dual
from ..errors import DualgradError
from ..inputs import as_input
from ..outer_product import OuterProduct
from ..params import Params, is_plain
from ..pushforward import jvp
from ..random import as_rng
from ..zero import ZERO
from .batches import InBatches
from .layer import Layer, shown, with_buffers
from .losses import Loss
from .tangents import with_zeros
from .types import Input, Parameters, Tangent, Tangents
from .user_rules import takes_lead


class Objective(InBatches):
    """A model and a loss.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> objective = dg.nn.Objective(dg.nn.Linear(3, 2), dg.nn.cross_entropy)
    >>> params = objective.model.init(rng=0, dtype=np.float64)
    >>> batch = objective.bind(np.zeros((4, 3)), np.array([0, 1, 0, 1]))
    >>> float(batch(params)) > 0
    True
    """

    model: Layer
    loss: Loss

    def __init__(self, model: Callable[..., Any], loss: Callable[..., Any]):
        for name, given, example in (("model", model, "nn.Linear(3, 2)"), ("loss", loss, "nn.mse")):
            if isinstance(given, type) or not callable(given):
                raise TypeError(f"got {name}={given!r}; expected a {name} to call, as {example}")
        self.model, self.loss = model, loss

    def __repr__(self) -> str:
        return f"Objective({self.model!r}, {shown(self.loss)})"

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{self!r} has no batch yet: objective.bind(x, y) gives the function of params to call")

    def bind(self, x: Input, y: Input, *, weights: ArrayLike | None = None, **kwargs: Any) -> "BoundObjective":
        """The objective on one batch: a function of the parameters; keywords reach the model, and ``weights`` the loss.

        ``x`` and ``y`` are made arrays here, once, where the model and the loss take arrays.
        ``rng`` is advanced once, here: every call of the bound objective draws the same masks.
        ``weights``, or a mask, are one number or truth value per example, ``(B,)``, or per step of one, ``(B, T)``:
        each loss is multiplied by its weight, and the mean is Σ w ℓ / Σ w, as of every `Loss`.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> objective = dg.nn.Objective(dg.nn.Identity(), dg.nn.mse)
        >>> x, y, seen = np.array([[1.0], [5.0], [2.0]]), np.zeros((3, 1)), np.array([True, False, True])
        >>> objective.bind(x, y, weights=seen)({})
        np.float64(2.5)
        """
        if "rng" in kwargs:
            kwargs["rng"] = _Frozen(kwargs["rng"])
        return BoundObjective(self.model, self.loss, x, y, kwargs, weights)


class _Frozen:
    """A stream that begins anew at every use."""

    def __init__(self, rng):
        (self.stream,) = as_rng(rng).spawn(1)
        self.state = self.stream.state_dict()

    def again(self):
        self.stream.load_state_dict(self.state)
        return self.stream


class BoundObjective:
    """``params -> loss(model(params, x), y)``, which also shows its model, batch and per-example losses.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> batch = dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse).bind(np.ones((2, 1)), np.zeros((2, 1)))
    >>> batch.per_example({"weight": np.ones((1, 1)), "bias": np.ones(1)})
    array([4., 4.])
    """

    model: Layer
    loss: Loss
    x: Any
    y: Any
    kwargs: dict[str, Any]
    weights: Any

    _layout = None  # that of Params whose names and shapes were found to be the model's

    def __init__(
        self, model: Callable[..., Any], loss: Callable[..., Any], x: Input, y: Input, kwargs: dict[str, Any],
        weights: ArrayLike | None = None,
    ):  # fmt: skip
        self.x = as_input(x, model) if getattr(model, "_of_an_array", False) else x
        self.y = as_input(y, loss, "a target") if getattr(loss, "_of_arrays", False) else y
        self.model, self.loss, self.kwargs = model, loss, kwargs
        self.weights = None if weights is None else _weights_of(loss, weights)
        self._direct = _has_rules(model, loss) and _is_plain(self.x, model) and _is_plain(self.y, loss)
        if self._direct:
            self._shapes, self._at_once = model.shapes(), (takes_lead(model), takes_lead(loss))

    def __repr__(self) -> str:
        batch = [shown(a) if hasattr(a, "dtype") else type(a).__name__ for a in (self.x, self.y)]
        named = [*([] if self.weights is None else ["weights"]), *self.kwargs]
        return f"{Objective(self.model, self.loss)!r}.bind({', '.join([*batch, *named])})"

    def keywords(self) -> dict[str, Any]:
        """What the model is called with beside its input; a stream of draws begins anew each time."""
        return {k: v.again() if isinstance(v, _Frozen) else v for k, v in self.kwargs.items()}

    def loss_keywords(self) -> dict[str, Any]:
        """What the loss is called with beside prediction and target: its weights, where there are some."""
        return {} if self.weights is None else {"weights": self.weights}

    def __call__(self, params: Parameters) -> Any:
        if not self._is_direct() or self.kwargs or params.__class__ is not Params or params.buffers:
            return self.loss(self.model(params, self.x, **self.keywords()), self.y, **self.loss_keywords())
        if self._knows(params):
            x = self.model.forward(_as_dict(params), self.x)
        else:
            x = self.model(params, self.x)
            self._layout = params.layout if is_plain(params) else None
        if self.weights is not None or not _is_prediction(x, self.loss):
            return self.loss(x, self.y, **self.loss_keywords())
        self.loss.check(x, self.y)
        return self.loss.forward(x, self.y)

    def _is_direct(self):
        """Whether model and loss are called by their rules: a batch may have been replaced by what is no array."""
        return self._direct and self.x.__class__ is self.y.__class__ is np.ndarray

    def _knows(self, params):
        """Whether these are plain Params of the layout that was found to be the model's."""
        return params.__class__ is Params and params.layout is self._layout and is_plain(params)

    def is_weighted(self) -> bool:
        """Whether the loss is a mean in which examples may count different amounts: a mean of such means is another."""
        if not isinstance(self.loss, Loss) or self.loss.reduction in ("sum", "none"):
            return False
        return self.weights is not None or self.loss.weighs(self.y)

    def per_example(self, params: Parameters) -> Array:
        """The loss of every example, shape ``(B,)``, or of every step of one, ``(B, T)``: `Loss.per_example`.

        Their mean is the loss, or their sum that of ``reduction="sum"``.
        """
        prediction = self.model(params, self.x, **self.keywords())
        if isinstance(self.loss, Loss):
            return self.loss.per_example(prediction, self.y, self.weights)
        return self.loss(prediction, self.y, reduction="none", **self.loss_keywords())

    def jvp(self, params: Parameters, tangents: Tangents) -> tuple[Any, Tangent]:
        """The loss and its slopes: those of ``dg.jvp(objective, (params,), (tangents,))`` bit for bit, in less time.

        The jvp rules of model and loss are given plain arrays. Where anything else comes in (a `Dual`, an array on a
        device, a model or a loss that is a function), it is `dualgrad.jvp` that answers; its errors are these.

        Parameters
        ----------
        params : Params, or a dict of arrays
        tangents : a mapping with the same names
            Each like its parameter, or ``(K, *shape)`` for K directions: an array, an `OuterProduct`, or `ZERO` where
            nothing moves.

        Returns
        -------
        value, slopes : the loss, and its derivative along the tangents, ``(K,)`` for K.

        Examples
        --------
        >>> import dualgrad as dg, numpy as np
        >>> batch = dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse).bind(np.ones((2, 1)), np.zeros((2, 1)))
        >>> params = {"weight": np.ones((1, 1)), "bias": np.ones(1)}
        >>> batch.jvp(params, {"weight": dg.ZERO, "bias": np.array([[1.0], [-1.0]])})
        (np.float64(4.0), array([ 4., -4.]))
        """
        pair = self._by_rules(params, tangents) if self._is_direct() else None
        return jvp(self, (params,), (_zeros_as_arrays(tangents, params),)) if pair is None else pair

    def _by_rules(self, params, tangents):
        """The loss and its slopes by the two rules; None where not all is plain, or something is wrong."""
        p, dp, model, loss = _as_dict(params), _as_dict(tangents), self.model, self.loss
        packed = tangents.__class__ is Params and self._knows(params) and _is_like(tangents, params)
        if not packed and not _plain_and_alike(p, dp, self._shapes):
            return None
        self._layout = None if model.buffers() else getattr(params, "layout", None)
        if model.buffers() or getattr(params, "buffers", None):
            p = with_buffers(params)
            model.require(p)
            dp = dict.fromkeys(p, ZERO) | dp
        keywords = model.accepted(self.keywords()) if self.kwargs else {}
        x, dx = (model.jvp if self._at_once[0] else model.push)(p, self.x, dp, ZERO, **keywords)
        if dx.__class__ is not np.ndarray or not _is_prediction(x, loss):
            return None
        weights = self.weights
        if weights is None:
            loss.check(x, self.y)
        elif weights.__class__ is Dual:
            return None
        else:
            weights = loss._given(x, self.y, loss.reduction, weights, {})[2]
        value, slopes = (loss.jvp if self._at_once[1] else loss.push)(x, self.y, dx, loss.reduction, weights)
        return None if slopes is ZERO or value.__class__ is Dual else (value, slopes)

    def vjp(self, params: Parameters, **kwargs: Any) -> tuple[Any, dict[str, Array]]:
        """The loss, and its gradient by the transposed rules of model and loss; keywords reach the model's."""
        for what, part in (("model", self.model), ("loss", self.loss)):
            if not hasattr(part, "vjp"):
                own = "nn.Loss, of which evaluate gives the slope too" if what == "loss" else "nn.Layer with a vjp"
                raise DualgradError(
                    f"the {what} {shown(part)} has no transposed rule, which Backprop needs: use one of dualgrad.nn, "
                    f"write an {own}, or take dg.grad or a ForwardGradient, which need none"
                )
        keywords, p = self.model.accepted(self.keywords() | kwargs), with_buffers(params)
        if isinstance(self.model, Layer) and not self._knows(params):
            self.model.require(p)
        prediction, pull_model = self.model.vjp(p, self.x, **keywords)
        value, pull_loss = self.loss.vjp(prediction, self.y, **self.loss_keywords())
        gradient, _ = pull_model(pull_loss(1.0))
        return value, gradient


# ---------------------------------------------------------------------- what the rules are given as it is


def _has_rules(model, loss):
    """Whether they are a layer and a loss that are called as all of them are."""
    if not isinstance(model, Layer) or not isinstance(loss, Loss):
        return False
    ours = all(getattr(type(model), name) is getattr(Layer, name) for name in ("__call__", "require", "accepted"))
    return ours and all(getattr(type(loss), name) is getattr(Loss, name) for name in ("__call__", "examples", "push"))


def _weights_of(loss, weights):
    """Weights as an array, for a loss that takes some."""
    if not isinstance(loss, Loss) and "weights" not in inspect.signature(loss).parameters:
        raise TypeError(f"got weights for the loss {shown(loss)}, which takes none: weigh inside of it")
    return as_input(weights, loss, "weights", "biuf")


def _is_plain(a, owner):
    """Whether a batch is an array of NumPy of numbers that its model or its loss takes."""
    kinds = "biuf" if isinstance(owner, Loss) else "biufc" if owner.integers or not owner._of_an_array else "fc"
    return a.__class__ is np.ndarray and a.dtype.kind in kinds


def _is_prediction(x, loss):
    """Whether what the model made is a plain array that the rules of the loss take as it is."""
    return x.__class__ is np.ndarray and x.size > 0 and (x.dtype.kind == "f" or not loss._of_arrays)


def _is_like(tangents, params):
    """Whether Params have the layout and dtype of others, and are plain: one direction, or K along a leading axis."""
    return tangents.layout is params.layout and tangents.dtype is params.dtype and is_plain(tangents, (1, 2))


def _as_dict(mapping):
    if mapping.__class__ is dict:
        return mapping
    return dict(mapping.items()) if mapping.__class__ is Params or isinstance(mapping, Mapping) else {}


def _plain_and_alike(p, dp, shapes):
    """Whether parameters and tangents are plain arrays (or factors) of these names, shapes and of one dtype each."""
    lead = None
    for name, shape in shapes.items():
        w, d = p.get(name), dp.get(name)
        if w.__class__ is not np.ndarray or w.shape != shape or w.dtype.kind not in "fc":
            return False
        if d is ZERO:
            continue
        own = _lead_of(d, shape, w.dtype)
        if own is None or len(own) > 1 or lead not in (None, own):
            return False
        lead = own
    return len(p) == len(dp) == len(shapes)


def _lead_of(d, shape, dtype):
    """The axes in front of a tangent's own, if it is a plain array, or factors, of this shape and dtype; else None."""
    if d.__class__ is OuterProduct:
        plain = d.a.__class__ is d.b.__class__ is np.ndarray and d.a.dtype is d.b.dtype is dtype
        return d.a.shape[:-1] if plain and d.leaf_shape == shape else None
    if d.__class__ is not np.ndarray or d.dtype is not dtype:
        return None
    lead = d.shape[: d.ndim - len(shape)]
    return lead if d.shape == lead + shape else None


def _zeros_as_arrays(tangents, params):
    """The tangents with an array of zeros where `ZERO` stands, which a jvp of any function takes."""
    if not isinstance(tangents, Mapping) or not any(d is ZERO for d in tangents.values()):
        return tangents
    arrays = [params[name] for name in tangents if name in params]
    if len(arrays) < len(tangents) or not all(hasattr(a, "shape") for a in arrays):
        return tangents  # of which jvp says what is wrong
    ds = with_zeros(tangents.values(), arrays)
    return dict(zip(tangents, map(np.zeros_like, arrays) if ds is ZERO else ds, strict=True))
