"""Updates: what a batch does to parameters, optimizer and running statistics: estimate and step, or both in place."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..estimators.mezo import MeZO
from ..estimators.sharing.shared_estimator import Shared
from ..nn.layer import Layer, with_buffers
from ..nn.running import gathered, require_finite_buffers, require_writable_buffers, write_buffers
from ..optim.hyperparameters import rate
from ..optim.sgd import SGD
from ..params import Params
from ..random import Rng
from ..tree import Tree

Update = Callable[[Any, Rng], Any]  # of a bound batch and a stream for directions; returns the estimate


def update_of(model: Any, params: Tree, estimator: Any, optimizer: Any) -> Update:
    """The update of a run: a function of a bound batch and a stream, that returns the estimate it was made from."""
    buffers = params.buffers if isinstance(params, Params) else {}
    require_writable_buffers(model, buffers)
    if isinstance(model, Layer) and set(model.buffers()) - set(buffers):
        raise TypeError(
            f"{model!r} keeps running statistics, which params do not have: give those of model.init(rng=0)"
        )
    kind = _by_own_step if is_in_place(estimator) else _by_gradient
    return kind(params, estimator, optimizer, Statistics(model, params, buffers) if buffers else None)


def is_in_place(estimator: Any) -> bool:
    """Whether an estimator makes steps of its own, in place."""
    own = estimator.base if isinstance(estimator, Shared) else estimator
    return isinstance(own, MeZO) or not hasattr(own, "estimate")


def require_match(estimator: Any, optimizer: Any) -> None:
    """Raise unless these are an estimator and an optimizer that fit each other."""
    if isinstance(estimator, type) or not (hasattr(estimator, "estimate") or hasattr(estimator, "step")):
        raise TypeError(
            f"got estimator={estimator!r:.80}; expected one of dg.estimators, as Backprop(), or an object with "
            "estimate(objective, params, rng=)"
        )
    if hasattr(estimator, "start"):
        raise TypeError(f"{estimator!r} learns from a stream, step by step: give it to dg.online.fit")
    if getattr(estimator, "shards", 1) != 1:
        raise ValueError(f"got {estimator!r}, which takes its data in shards; expected shards=1 in fit")
    if isinstance(optimizer, type) or not callable(getattr(optimizer, "step", None)):
        raise TypeError(f"got optimizer={optimizer!r:.80}; expected one of dg.optim, as Adam(lr=1e-3)")
    if is_in_place(estimator) and not _is_rate_alone(optimizer):
        raise TypeError(
            f"{estimator!r} moves the parameters itself, in place, and takes of an optimizer its rate, and what is "
            f"frozen: got {optimizer!r}; expected dg.optim.SGD(lr), or estimators.SPSA, which goes with any"
        )


def _is_rate_alone(optimizer):
    """Whether an optimizer is plain SGD, whose groups are frozen, if it has some."""
    if not isinstance(optimizer, SGD) or repr(optimizer) != repr(SGD(optimizer.lr, groups=optimizer.groups)):
        return False
    return all(given == {"lr": 0} and not callable(given["lr"]) for given in (optimizer.groups or {}).values())


def _frozen_keyword(estimator, call, params, optimizer):
    """A function of nothing: the keyword that tells an estimator's method what does not move, where it takes it."""
    if not hasattr(optimizer, "frozen"):
        return dict
    knows = functools.cache(lambda: "frozen" in inspect.signature(getattr(estimator, call)).parameters)
    return lambda: {"frozen": names} if (names := optimizer.frozen(params)) and knows() else {}


class Statistics:
    """Running statistics over an update: noted in its passes, and written once, at its end."""

    def __init__(self, model: Any, params: Tree, buffers: Any) -> None:
        self.model, self.params, self.buffers = model, params, buffers
        self.names = list(model.buffers()) if isinstance(model, Layer) else []
        self.places = list(model.aliases().values()) if isinstance(model, Layer) else []

    def of(self, batch: Any, call: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
        """What a call returns, and the statistics that it has noted of a batch; those that it has not by a pass."""
        with gathered(self.buffers, self.places) as noted:
            found = call()
        if any(name not in noted for name in self.names):
            keywords = self.model.accepted({"train": True} | batch.keywords())
            noted = self.model.advanced(with_buffers(self.params), batch.x, **keywords) | noted
        require_finite_buffers(self.model, noted)
        return found, noted


def _by_gradient(params, estimator, optimizer, statistics):
    """An estimate of the gradient, and a step along it."""

    frozen = _frozen_keyword(estimator, "estimate", params, optimizer)

    def estimated(batch, rng):
        return estimator.estimate(batch, params, rng=rng, **frozen())

    def update(batch, rng):
        if statistics is None:
            estimate = estimated(batch, rng)
            optimizer.step(params, estimate.gradient)
            return estimate
        estimate, fresh = statistics.of(batch, lambda: estimated(batch, rng))
        optimizer.step(params, estimate.gradient)
        write_buffers(params.buffers, fresh)
        return estimate

    return update


def _by_own_step(params, estimator, optimizer, statistics):
    """A step of an estimator that makes it itself, at the optimizer's rate."""

    frozen = _frozen_keyword(estimator, "step", params, optimizer)

    def step(batch, rng):
        lr = rate(optimizer.lr, optimizer.steps + 1)
        estimate = estimator.step(batch, params, lr=lr, rng=rng, **frozen())
        optimizer.steps += 1
        return estimate

    def update(batch, rng):
        if statistics is None:
            return step(batch, rng)
        estimate, fresh = statistics.of(batch, lambda: step(batch, rng))
        write_buffers(params.buffers, fresh)
        return estimate

    return update
