"""Estimate: what every estimator returns, and what all of them share: checks, and state that is saved."""

import copy
import functools
from dataclasses import dataclass

import numpy as np

from ..arguments import as_primal
from ..backend import is_array, to_numpy
from ..directions.vectors import as_vector
from ..errors import LayoutError, NonFiniteError, ShapeError
from ..params import Params
from ..settings import layout_of, layouts_differ, require_keys, require_same, saved_count, settings
from ..tree import flatten, leaves, paths, rebuild


@dataclass(frozen=True)
class Estimate:
    """A gradient estimate and what it was made from.

    Attributes
    ----------
    value : the loss
    gradient : the estimate, dense, in the kind and layout of the parameters
    directional : the directional derivatives it came from, a number or ``(n,)``; None for exact gradients
    cost : float
        What it cost, in forward passes (matrix products counted).

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> estimate = dg.estimators.Backprop().estimate(
    ...     dg.nn.Objective(dg.nn.Linear(1, 1), dg.nn.mse).bind(np.ones((1, 1)), np.zeros((1, 1))),
    ...     {"weight": np.ones((1, 1)), "bias": np.zeros(1)}, rng=0)
    >>> estimate.value, estimate.gradient["bias"]
    (np.float64(1.0), array([2.]))
    """

    value: object
    gradient: object
    directional: object = None
    cost: float = 0.0


class Estimator:
    """What estimators share: their state as plain data for `dualgrad.save`, empty where nothing is kept.

    A subclass names in ``vectors`` what it carries from one estimate to the next over the parameters (``_average`` as
    ``"average"``; None before there is one), and in ``parts`` which arguments of its constructor are estimators or
    critics of their own, and where it keeps them. ``made`` counts its estimates.
    """

    vectors, parts, made, _layout = (), {}, 0, None

    def reset(self):
        """Forget what past estimates have left, here and in what it is made of."""
        self._layout = None
        for name in self.vectors:
            setattr(self, f"_{name}", None)
        for name in self.parts.values():
            parts = getattr(self, name)
            for part in parts if isinstance(parts, list) else [parts]:
                if hasattr(part, "reset"):
                    part.reset()

    def state_dict(self):
        """What goes on from one estimate to the next, as plain data for `dualgrad.save`: empty but for the settings and
        the count of estimates where nothing does."""
        return self._head() | {
            "made": self.made,
            "layout": self._layout,
            **{name: None if (v := getattr(self, f"_{name}")) is None else v.copy() for name in self.vectors},
            **{name: _state_of(getattr(self, name)) for name in self.parts.values()},
        }

    def _head(self):
        return {"estimator": settings(self, without=self.parts)}

    def load_state_dict(self, state):
        """Go on from a saved state.

        Raises
        ------
        LayoutError
            When it is not the state of such an estimator with these settings, which it names; nothing has changed.
        """
        head = self._head()
        require_keys(self, state, {*head, "made", "layout", *self.vectors, *self.parts.values()})
        require_same(self, "estimator", state["estimator"], head["estimator"])
        made = saved_count(state, "made", "estimates there were")
        layout = _layout(state["layout"])
        pairs = self._pairs(state)
        vectors = {name: self._vector(name, state[name], layout) for name in self.vectors}
        _load_all(pairs)
        self.made, self._layout = made, layout
        for name, vector in vectors.items():
            setattr(self, f"_{name}", vector)

    def _vector(self, name, saved, layout):
        if saved is None:
            return None
        shape = (*self._lead(), sum(int(np.prod(shape)) for shape in (layout or {}).values()))
        given = np.array(to_numpy(saved) if is_array(saved) else saved)
        if given.dtype.kind != "f" or given.shape != shape or not np.all(np.isfinite(given)):
            raise LayoutError(f"the saved {name} is {given.dtype}{list(given.shape)}; expected finite numbers {shape}")
        return given

    def _lead(self):
        """The axes of its vectors in front of the parameters'."""
        return ()

    def _pairs(self, state):
        """Its parts, each with its saved state."""
        pairs = []
        for name in self.parts.values():
            mine, saved = getattr(self, name), state[name]
            if not isinstance(mine, list):
                mine, saved = [mine], [saved]
            if not isinstance(saved, (list, tuple)) or len(saved) != len(mine):
                count = len(saved) if isinstance(saved, (list, tuple)) else f"{saved!r:.80} for"
                raise LayoutError(f"the saved state has {count} {name}; {self!r} has {len(mine)}")
            pairs += zip(mine, saved, strict=True)
        return pairs

    def _require_same_params(self, params):
        """The names and shapes of the parameters; raise where what is kept belongs to others."""
        layout = layout_of(params)
        if self._layout is not None and list(layout.items()) != list(self._layout.items()):
            found = layouts_differ({"shapes": self._layout}, {"shapes": layout})
            raise LayoutError(f"{self!r} keeps what belongs to other parameters: {found}; reset() forgets it")
        return layout


def all_or_nothing(estimate):
    """An estimator's ``estimate`` that leaves it, and what it is made of, as they were where anything is raised."""

    @functools.wraps(estimate)
    def attempted(self, *args, **kwargs):
        before = list(_kept(self))
        try:
            return estimate(self, *args, **kwargs)
        except BaseException:
            for thing, attributes, state in before:
                vars(thing).clear()
                vars(thing).update(attributes)
                if state is not None:
                    thing.load_state_dict(state)
            raise

    return attempted


def _kept(thing):
    """Of a thing and its parts: each, its attributes, and its saved state where it is of a class of one's own.

    A copy of what is ours is not reached by what the original does later; of others only their state is known.
    """
    if not hasattr(thing, "__dict__"):
        return
    ours = type(thing).__module__.startswith("dualgrad.")
    stateful = not ours and all(callable(getattr(thing, name, None)) for name in ("state_dict", "load_state_dict"))
    yield thing, dict(vars(copy.copy(thing) if ours else thing)), thing.state_dict() if stateful else None
    for name in getattr(thing, "parts", {}).values():
        parts = getattr(thing, name)
        for part in parts if isinstance(parts, list) else [parts]:
            yield from _kept(part)


def _layout(saved):
    """A saved layout, checked; None before there were parameters."""
    if saved is None:
        return None
    if not isinstance(saved, dict) or not all(isinstance(shape, (tuple, list)) for shape in saved.values()):
        raise LayoutError(f"the saved state has layout={saved!r:.80}; expected the shapes of parameters by name")
    return {name: tuple(shape) for name, shape in saved.items()}


def _state_of(part):
    if isinstance(part, list):
        return [_state_of(one) for one in part]
    return part.state_dict() if hasattr(part, "state_dict") else settings(part)


def _load_all(pairs):
    """All parts go on from their states, or none where one objects."""
    before = [_state_of(part) for part, _ in pairs]
    try:
        for part, saved in pairs:
            _load_into(part, saved)
    except Exception:  # whatever a part objects to, none is left loaded
        for (part, _), state in zip(pairs, before, strict=True):
            _load_into(part, state)
        raise


def _load_into(part, state):
    if hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    else:
        require_same(part, "settings", state, settings(part))


def proposed(estimator, candidate, found, params):
    """What a candidate proposes, as a vector; one of another size than the parameters raises."""
    vector, size = as_vector(found.gradient), sum(int(np.size(leaf)) for leaf in leaves(params))
    if vector.size != size:
        raise ShapeError(
            f"{estimator!r}: the candidate {candidate!r} proposes a gradient of {vector.size} entries; expected {size}"
        )
    return vector


def as_params(params):
    """The parameters as `dualgrad.grad` takes them: trees of floating or complex arrays or numbers; others raise."""
    if isinstance(params, Params):
        return params
    found, structure = flatten(params)
    if params is None:
        raise TypeError("got params=None; expected floating arrays or numbers, or trees of them")
    made = [as_primal(x, structure, k, "params") for k, x in enumerate(found)]
    return params if all(a is b for a, b in zip(made, found, strict=True)) else rebuild(structure, made)


def require_scalar(estimator, value):
    """Raise unless the loss is one real number."""
    if value is None:
        raise TypeError(f"{estimator!r}: the objective returned None: did you forget return?")
    if isinstance(value, (tuple, list, dict, Params)):
        raise ShapeError(f"{estimator!r}: the objective returned a {type(value).__name__}; expected a scalar loss")
    if np.shape(value) != ():
        raise ShapeError(f"{estimator!r}: the objective returned shape {np.shape(value)}; expected a scalar loss")
    if not is_real(value):
        cure = "its real part, or its absolute value" if np.iscomplexobj(value) else "float() of it"
        raise TypeError(f"{estimator!r} takes a real loss; the objective returned {value!r:.60}: take {cure}")


def is_real(value):
    """Whether a value is a real number: one of Python, or of an array's kind."""
    if not hasattr(value, "dtype"):
        return isinstance(value, (bool, int, float))
    return getattr(value.dtype, "kind", "?") in "biuf"


_UNCHANGED = "no gradient was made and nothing was changed"


def require_finite(estimator, value, directional=None, unchanged=_UNCHANGED):
    """Raise when the loss is no single real number, or it or a directional derivative is not finite."""
    require_scalar(estimator, value)
    if not np.isfinite(to_numpy(value)):
        raise _not_finite(
            estimator,
            f"the loss is {value}",
            unchanged,
            ". Lower the learning rate, or look for the batch or parameter that made it",
        )
    if directional is not None and not np.all(np.isfinite(to_numpy(directional))):
        bad = np.flatnonzero(~np.isfinite(np.atleast_1d(to_numpy(directional))))
        what = f"the loss is {value} but its derivative along direction {bad[0]} is not finite"
        raise _not_finite(estimator, what, unchanged)


def finished(estimator, value, gradient, directional=None, cost=0.0, known=False):
    """The `Estimate`, once its gradient is finite (None passes, or where that is known); ``made`` counts it."""
    every = [] if known else [gradient.vector] if isinstance(gradient, Params) else leaves(gradient)
    if not all(map(_is_finite, every)):
        name = next(name for name, leaf in named_leaves(gradient) if not _is_finite(leaf))
        raise _not_finite(estimator, f"the loss is {value} but its gradient{name} is not finite")
    estimator.made += 1
    return Estimate(value, gradient, directional, cost)


def _not_finite(estimator, what, unchanged=_UNCHANGED, advice=""):
    return NonFiniteError(f"estimate {estimator.made + 1} of {estimator!r}: {what}; {unchanged}{advice}")


def named_leaves(tree):
    """Pairs of the name of a leaf, as one would index it, and the leaf."""
    found, structure = flatten(tree)
    return zip(paths(structure), found, strict=True)


def _is_finite(g):
    """Whether every entry is finite; at BLAS speed unless the squares overflow."""
    return np.isfinite(to_numpy(np.vdot(g, g))) or bool(to_numpy(np.all(np.isfinite(g))))
