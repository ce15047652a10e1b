"""Candidates for a DODGE direction: biased gradients, each of them an estimator of its own."""

from collections.abc import Callable
from typing import Any

from ..backend import Array
from ..checks import flag, positive_count, positive_number
from ..errors import DualgradError
from ..layout import Layout
from ..nn.layer import with_buffers
from ..nn.recurrent import require_recurrent
from ..tree import Tree, map_leaves
from ..vectors import double
from ..zero import ZERO
from .backprop import Backprop
from .estimator import Estimated, Estimator, Exact
from .exact import ForwardJacobian
from .point import Point, require_finite_gradient
from .state import Names


class Oracle(Exact):
    """g̃ = g, the exact gradient: by `Backprop` for a bound network, by `ForwardJacobian` for other functions.

    Parameters
    ----------
    previous : bool
        Propose the gradient met at the call before (the first time, this one's): DODGE's oracle (figure 4a).

    Notes
    -----
    Cost and memory: those of `Backprop` or `ForwardJacobian`. Bias and variance: none, unless ``previous``.
    When: as the best candidate that `Dodge` could have.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.estimators.Oracle().estimate(lambda w: np.sum(w**2), np.array([1.0, 2.0])).gradient
    array([2., 4.])
    """

    vectors: Names = ("last",)
    previous: bool

    def __init__(self, previous: bool = False) -> None:
        self.previous = flag("previous", previous)
        self.reset()

    @property
    def has_memory(self) -> bool:
        return self.previous

    def estimated(self, at: Point, rng: Any) -> Estimated:
        exact = Backprop() if hasattr(at.objective, "vjp") else ForwardJacobian()
        value, gradient, _, cost = exact.estimated(at, None)
        require_finite_gradient(self, value, gradient, at.layout)
        last, self._last = self._last, double(gradient) if self.previous else None
        return value, gradient if last is None else last, None, cost

    def mean(self, g: Array, layout: Layout, at: Point | None) -> Array:
        if self.previous:
            raise NotImplementedError("the expectation is the gradient of the call before")
        return g


class TruncatedBPTT(Estimator):
    """g̃: backpropagation through time that stops at the boundaries of windows (DODGE, section 5.4.1).

    Parameters
    ----------
    window : int
        In steps: windows are blocks, steps 0 to window - 1 the first.
    random : bool
        Draw the window of each batch evenly from 1 ... ``window``, as in DODGE's figure 2.

    Notes
    -----
    For a bound objective whose model has a recurrent layer, over sequences ``(T, B, n)``.
    Cost: three forward passes. Memory: the sequence of the batch, all of which this implementation keeps (for streams
    see `dualgrad.online`).
    Bias: what the loss owes to states more than a window back. Variance: none, but for the window.
    When: dependencies are shorter than the window; or as the candidate of `Dodge`, which cannot ascend.

    Raises
    ------
    ValueError
        For a window that is not a positive integer.
    DualgradError
        At `estimate`, when the objective is no bound network with a recurrent layer.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.Sequential(dg.nn.RNN(2, 3), dg.nn.Linear(3, 1))
    >>> batch = dg.nn.Objective(model, dg.nn.mse).bind(np.ones((6, 4, 2)), np.zeros((6, 4, 1)))
    >>> params = model.init(rng=0, dtype=np.float64)
    >>> exact = dg.estimators.Backprop().estimate(batch, params).gradient
    >>> np.allclose(dg.estimators.TruncatedBPTT(6).estimate(batch, params).gradient.vector, exact.vector)
    True
    """

    window: int
    random: bool

    def __init__(self, window: int, random: bool = False) -> None:
        self.window = positive_count("window", window, "a positive number of steps")
        self.random = flag("random", random)

    @property
    def draws(self) -> bool:
        return self.random

    def estimated(self, at: Point, rng: Any) -> Estimated:
        require_recurrent(self, at.objective)
        window = int(rng.integers(1, self.window + 1)) if self.random else self.window

        def cut(t, state, dstate):
            return dstate if t % window else map_leaves(lambda part: ZERO, state)

        value, gradient = at.vjp(cut=cut)
        return value, gradient, None, 3.0


class Reptile(Estimator):
    """g̃ = (w - w′)/inner_lr, where w′ is w after a few gradient steps on a task (Nichol et al. 2018; DODGE, 5.4.2).

    Parameters
    ----------
    inner_steps : int
    inner_lr : float
        Of plain gradient descent on the task.

    Notes
    -----
    For one bound objective, a task, or a sequence of them, over which everything is averaged. The loss that is meant
    is that after the inner steps, `adapted`: as the candidate of `Dodge`, Reptile has its jvp taken through them.
    Cost: 3 passes per inner step, and one. Memory: that of backpropagation through one step.
    Bias: its expectation is the sum of the gradients met on the way, not the gradient of the adapted loss.
    When: meta-learning of initial parameters.

    Raises
    ------
    ValueError
        For a number of steps or a rate that is not positive.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> task = dg.nn.Objective(dg.nn.Linear(1, 1, bias=False), dg.nn.mse).bind(np.ones((1, 1)), np.zeros((1, 1)))
    >>> w = dg.Params({"weight": np.ones((1, 1))})
    >>> dg.estimators.Reptile(2, 0.25).estimate(task, w).gradient.vector  # of w², at 1 and at 1/2
    array([3.])
    """

    named: Names = ("inner_steps", "inner_lr")
    inner_steps: int
    inner_lr: float

    def __init__(self, inner_steps: int, inner_lr: float) -> None:
        self.inner_steps = positive_count("inner_steps", inner_steps)
        self.inner_lr = positive_number("inner_lr", inner_lr)

    @property
    def passes(self) -> int:
        """Forward passes of the loss that is meant, for one task: three a step, and one."""
        return 3 * self.inner_steps + 1

    def adapt(self, task: Any, params: Tree) -> dict[str, Any]:
        """w′: the parameters after the inner steps, as a dict; also of Duals, through whose steps tangents go."""
        w = dict(with_buffers(params))
        for _ in range(self.inner_steps):
            _, g = task.vjp(w)
            w |= {name: w[name] - self.inner_lr * g[name] for name in params}
        return w

    def adapted(self, objective: Any) -> Callable[[Any], Any]:
        """The loss that is meant: w ↦ the mean over tasks of L(w′)."""
        tasks = self._tasks(objective)
        return lambda params: sum(task(self.adapt(task, params)) for task in tasks) / len(tasks)

    def estimated(self, at: Point, rng: Any) -> Estimated:
        tasks = self._tasks(at.objective)
        ends = [self.adapt(task, at.params) for task in tasks]
        value = sum(task(end) for task, end in zip(tasks, ends, strict=True)) / len(tasks)
        mean = {name: sum(end[name] for end in ends) / len(ends) for name in at.params}
        return value, (at.vector - at.layout.vector(mean)) / self.inner_lr, None, len(tasks) * float(self.passes)

    def _tasks(self, objective):
        tasks = list(objective) if isinstance(objective, (list, tuple)) else [objective]
        if not tasks or not all(hasattr(task, "vjp") for task in tasks):
            raise DualgradError(
                f"{self!r} needs tasks with transposed rules: give it nn.Objective(model, loss).bind(x, y), or a list"
            )
        return tasks
