"""System: a recurrent computation, as online learning sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..checks import flag, positive_number
from ..tree import Tree, flatten, leaves_like, unflatten
from .dynamics import SystemDynamics, layout_of_numbers


class StateFunction(Protocol):
    """A function of the state, of the input or the target, and of the parameters."""

    def __call__(self, state: Any, given: Any, params: Any, /) -> Any: ...


@runtime_checkable
class DynamicalSystem(Protocol):
    """What online estimators learn: a `System`, a `Network`, or an object of one's own like these.

    ``vjp`` is None where there is none; ``dynamics`` may be that of `System`, made of the others.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> class Leak:
    ...     init_state, batched, vjp, dynamics = np.zeros(1), False, None, dg.online.System.dynamics
    ...     def step(self, state, x, params):
    ...         return 0.5 * state + params
    ...     def loss(self, state, y, params):
    ...         return np.sum(state)
    >>> learner = dg.online.RTRL().start(Leak(), np.ones(1))
    >>> [learner.step(None, None).gradient.item() for _ in range(3)]
    [1.0, 1.5, 1.75]
    """

    @property
    def init_state(self) -> Tree:
        """The state at the beginning of an episode."""
        ...

    @property
    def batched(self) -> bool:
        """Whether state and every parameter may carry a leading axis of particles."""
        ...

    @property
    def step(self) -> Callable[[Any, Any, Any], Any]:
        """``step(state, x, params) -> state``."""
        ...

    @property
    def loss(self) -> Callable[[Any, Any, Any], Any]:
        """``loss(state, y, params) -> scalar``."""
        ...

    @property
    def vjp(self) -> Callable[[Any, Any, Any], Any] | None:
        """``vjp(state, x, params) -> state, pullback``, if there is one."""
        ...

    def dynamics(self, params: Any) -> Any:
        """This system as online estimators see it: states and parameters as vectors."""
        ...


@dataclass(frozen=True)
class System:
    """s ← step(s, x, θ), and a loss ℓ(s, y, θ) at every step.

    Attributes
    ----------
    step : callable
        ``step(state, x, params) -> state``, in new arrays: what it is given stays as it is.
    loss : callable
        ``loss(state, y, params) -> scalar``
    init_state : array or tree
        The state at the beginning of an episode, of real floating numbers.
    vjp : callable, optional
        ``vjp(state, x, params) -> state, pullback``, with ``pullback(u) -> dstate, dparams`` the products of u with
        ∂step/∂state and ∂step/∂params. Without it they are made from one forward direction per entry of the state and
        of the parameters.
    batched : bool
        Whether state and every parameter may carry a leading axis of particles; the loss is then one number for each.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.online import System
    >>> leak = System(lambda s, x, p: p * s + x, lambda s, y, p: np.sum((s - y) ** 2), np.zeros(1))
    >>> leak.step(leak.init_state, np.ones(1), 0.5)
    array([1.])
    """

    step: StateFunction  # of a type to call: a checker takes what is typed Callable for a method in a subclass
    loss: StateFunction
    init_state: Tree
    vjp: Callable[[Any, Any, Any], tuple[Any, Callable[[Any], tuple[Any, Any]]]] | None = None
    batched: bool = False

    def __post_init__(self) -> None:
        for name in ("step", "loss", *(() if self.vjp is None else ("vjp",))):
            if not callable(getattr(self, name)):
                raise TypeError(f"got {name}={getattr(self, name)!r}; expected a function")
        flag("batched", self.batched)
        layout_of_numbers(self.init_state, "init_state")

    def dynamics(self, params: Tree) -> Any:
        """This system as online estimators see it: states and parameters as vectors."""
        return SystemDynamics(self, params)


def euler(
    velocity: Callable[[Any, Any, Any], Any], loss: Callable[[Any, Any, Any], Any], init_state: Tree, dt: float
) -> System:
    """The system s ← s + dt F(s, x, θ), Euler's steps through ds/dt = F(s, x, θ) (NoBackTrack, eq. 47).

    Parameters
    ----------
    velocity : callable
        F: ``velocity(state, x, params) -> tree like state``
    loss : callable
        ``loss(state, y, params) -> scalar``
    init_state : array or tree
    dt : float
        The length of a step, in units of the time of F.

    Examples
    --------
    >>> import numpy as np
    >>> from dualgrad.online import euler
    >>> decay = euler(lambda s, x, p: -p * s, lambda s, y, p: np.sum(s**2), np.ones(1), dt=0.1)
    >>> decay.step(decay.init_state, None, 2.0)
    array([0.8])
    """
    dt = positive_number("dt", dt, "a positive length of a step")
    if not callable(velocity):
        raise TypeError(f"got velocity={velocity!r}; expected a function")

    def step(state, x, params):
        leaves, structure = flatten(state)
        moves = leaves_like(velocity(state, x, params), structure, "velocity")
        return unflatten(structure, [s + dt * f for s, f in zip(leaves, moves, strict=True)])

    return System(step, loss, init_state)
