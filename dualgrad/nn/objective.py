"""Objective: a model and a loss, bound to a batch: the function of the parameters that training minimises."""

from ..errors import DualgradError
from ..inputs import as_input
from ..random import as_rng
from .layer import shown, with_buffers


class Objective:
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

    def __init__(self, model, loss):
        for name, given, example in (("model", model, "nn.Linear(3, 2)"), ("loss", loss, "nn.mse")):
            if isinstance(given, type) or not callable(given):
                raise TypeError(f"got {name}={given!r}; expected a {name} to call, as {example}")
        self.model, self.loss = model, loss

    def __repr__(self):
        return f"Objective({self.model!r}, {shown(self.loss)})"

    def __call__(self, *args, **kwargs):
        raise TypeError(f"{self!r} has no batch yet: objective.bind(x, y) gives the function of params to call")

    def bind(self, x, y, **kwargs):
        """The objective on one batch: a function of the parameters; keywords reach the model.

        ``x`` and ``y`` are made arrays here, once, where the model and the loss take arrays.
        ``rng`` is advanced once, here: every call of the bound objective draws the same masks.
        """
        if "rng" in kwargs:
            kwargs["rng"] = _Frozen(kwargs["rng"])
        return BoundObjective(self.model, self.loss, x, y, kwargs)


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

    def __init__(self, model, loss, x, y, kwargs):
        self.x = as_input(x, model) if getattr(model, "_of_an_array", False) else x
        self.y = as_input(y, loss, "a target") if getattr(loss, "_of_arrays", False) else y
        self.model, self.loss, self.kwargs = model, loss, kwargs

    def __repr__(self):
        batch = [shown(a) if hasattr(a, "dtype") else type(a).__name__ for a in (self.x, self.y)]
        return f"{Objective(self.model, self.loss)!r}.bind({', '.join([*batch, *self.kwargs])})"

    def keywords(self):
        """What the model is called with beside its input; a stream of draws begins anew each time."""
        return {k: v.again() if isinstance(v, _Frozen) else v for k, v in self.kwargs.items()}

    def __call__(self, params):
        return self.loss(self.model(params, self.x, **self.keywords()), self.y)

    def per_example(self, params):
        """The loss of every example, shape ``(B,)``."""
        return self.loss(self.model(params, self.x, **self.keywords()), self.y, reduction="none")

    def vjp(self, params, **kwargs):
        """The loss, and its gradient by the transposed rules of model and loss; keywords reach the model's."""
        for what, part in (("model", self.model), ("loss", self.loss)):
            if not hasattr(part, "vjp"):
                raise DualgradError(f"the {what} {part!r} has no transposed rule: use one of dualgrad.nn, or dg.grad")
        keywords = self.model.accepted(self.keywords() | kwargs)
        prediction, pull_model = self.model.vjp(with_buffers(params), self.x, **keywords)
        value, pull_loss = self.loss.vjp(prediction, self.y)
        gradient, _ = pull_model(pull_loss(1.0))
        return value, gradient
