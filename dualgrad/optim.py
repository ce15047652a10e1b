"""Optimizers: ``step(params, gradient)`` in place, a few vector operations over blocks that stay in cache."""

import numpy as np

from .backend import like as on_device
from .backend import to_numpy
from .dual import Dual
from .errors import LayoutError, NonFiniteError
from .params import Params
from .scratch import empty_like
from .tree import flatten, leaves_like, paths

__all__ = ["SGD", "Adam"]

_BLOCK = 1 << 16  # entries of a vector worked on at a time


class _Optimizer:
    """What optimizers share: checks before anything changes, state by name, and work in blocks.

    State is a dict from names to one vector per leaf of the parameters (a single one for Params), made at the first
    step; ``steps`` counts the steps taken.
    """

    state_names = ()

    def __init__(self, lr):
        if not isinstance(lr, (int, float, np.floating)) or not 0 < lr < np.inf:
            raise ValueError(f"got lr={lr!r}; expected a positive number")
        self.lr, self.steps, self._state, self._shapes = lr, 0, None, None

    def step(self, params, gradient):
        """Move ``params`` against ``gradient``, in place.

        Parameters
        ----------
        params : Params, array, or tree of arrays
        gradient : the same structure, shapes and dtype

        Raises
        ------
        LayoutError
            When names or shapes differ from those of ``params``, or ``params`` from those of earlier steps.
        NonFiniteError
            When the gradient has a NaN or an infinity.
        TypeError
            When ``params`` are read-only or no floating numbers, or the gradient's dtype does not fit theirs. In each
            case nothing has changed.
        """
        leaves, gradients, names = _matched(params, gradient)
        for w, g, name in zip(leaves, gradients, names, strict=True):
            _require_steppable(w, g, name)
        shapes = [leaf.shape for leaf in leaves]
        if self._shapes is not None and shapes != self._shapes:
            raise LayoutError(f"{self!r} was stepping arrays of shapes {self._shapes}; got {shapes}: reset() it first")
        for g, name in zip(gradients, names, strict=True):
            if not _finite(g):
                raise NonFiniteError(
                    f"step {self.steps + 1} of {self!r}: gradient{name} is not finite; parameters and optimizer are "
                    "unchanged"
                )
        if self._state is None:
            self._state = {name: [np.zeros_like(leaf) for leaf in leaves] for name in self.state_names}
            self._shapes = shapes
        for name in self.state_names:  # a loaded state follows the parameters to their device
            self._state[name] = [on_device(v, w) for v, w in zip(self._state[name], leaves, strict=True)]
        self.steps += 1
        for k, (w, g) in enumerate(zip(leaves, gradients, strict=True)):
            state = [self._state[name][k] for name in self.state_names]
            self._sweep(w, g, state)

    def _sweep(self, w, g, state):
        if w.dtype.kind == "c":  # as two real numbers, as in torch
            for part in (np.real, np.imag):
                self._update(*map(part, (w, g, *state)))
            return None
        flat = [a.reshape(-1) for a in (w, g, *state)]
        if not all(a.flags.c_contiguous for a in (w, *state)):
            return self._update(w, g, *state)
        for start in range(0, max(w.size, 1), _BLOCK):
            self._update(*(a[start : start + _BLOCK] for a in flat))
        return None

    def reset(self):
        """Forget all state, as after construction."""
        self.steps, self._state, self._shapes = 0, None, None

    def state_dict(self):
        """The state as plain data for `dualgrad.save`: the rate, the step count and one entry per named vector."""
        arrays = {} if self._state is None else {k: [v.copy() for v in vs] for k, vs in self._state.items()}
        return {"kind": type(self).__name__, "lr": self.lr, "steps": self.steps, "shapes": self._shapes, **arrays}

    def load_state_dict(self, state):
        """Continue from a saved state.

        Raises
        ------
        LayoutError
            When names are missing or unknown; the optimizer is unchanged.
        """
        if not isinstance(state, dict):
            raise LayoutError(f"got a {type(state).__name__} as the state of {self!r}; expected a dict of state_dict()")
        expected = {"kind", "lr", "steps", "shapes"} | (
            set(self.state_names) if state.get("shapes") is not None else set()
        )
        if set(state) != expected or state["kind"] != type(self).__name__:
            raise LayoutError(
                f"got the state of {state.get('kind', 'no optimizer')!r} with {sorted(state)}; {self!r} expects "
                f"{sorted(expected)}"
            )
        if state["shapes"] is None:
            self.lr = state["lr"]
            return self.reset()
        shapes = [tuple(shape) for shape in state["shapes"]]
        arrays = {name: [np.array(v) for v in state[name]] for name in self.state_names}
        if any([v.shape for v in vs] != shapes for vs in arrays.values()):
            raise LayoutError(f"the saved state's arrays do not have the shapes {shapes} that it names")
        self.lr, self.steps, self._shapes, self._state = state["lr"], state["steps"], shapes, arrays
        return None


class SGD(_Optimizer):
    """w ← w - lr m, with m ← momentum m + g (torch's convention); plain w ← w - lr g without momentum.

    Parameters
    ----------
    lr : float
    momentum : float, in [0, 1)

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.SGD(lr=0.1).step(w, np.array([1.0, -1.0]))
    >>> w
    array([0.9, 2.1])
    """

    def __init__(self, lr, momentum=0):
        super().__init__(lr)
        if not 0 <= momentum < 1:
            raise ValueError(f"got momentum={momentum!r}; expected a number in [0, 1)")
        self.momentum = momentum
        self.state_names = ("momentum",) if momentum else ()

    def __repr__(self):
        return f"SGD(lr={self.lr}, momentum={self.momentum})"

    def _update(self, w, g, m=None):
        if m is not None:
            m *= self.momentum
            m += g
            g = m
        w -= np.multiply(self.lr, g, out=empty_like(g))


class Adam(_Optimizer):
    """Adam (Kingma and Ba 2015): m̂ and v̂ are bias-corrected averages of g and g²; w ← w - lr m̂ / (√v̂ + eps).

    Parameters
    ----------
    lr : float
    betas : pair of float
    eps : float

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> dg.optim.Adam(lr=0.1).step(w, np.array([1.0, -5.0]))
    >>> w
    array([0.9, 2.1])
    """

    state_names = ("m", "v")

    def __init__(self, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(lr)
        if not all(0 <= b < 1 for b in betas):
            raise ValueError(f"got betas={betas!r}; expected two numbers in [0, 1)")
        self.betas, self.eps = betas, eps

    def __repr__(self):
        return f"Adam(lr={self.lr}, betas={self.betas}, eps={self.eps})"

    def _update(self, w, g, m, v):
        b1, b2 = self.betas
        m *= b1
        m += (1 - b1) * g
        v *= b2
        v += (1 - b2) * np.square(g)
        root = np.sqrt(v / (1 - b2**self.steps))
        root += self.eps
        w -= self.lr / (1 - b1**self.steps) * m / root


def _matched(params, gradient):
    """The leaves to update and their gradients: for two Params of one layout, their vectors."""
    if isinstance(params, Params) and isinstance(gradient, Params):
        if params.layout != gradient.layout or params.vector.shape != gradient.vector.shape:
            raise LayoutError(f"got a gradient {gradient!r} for parameters {params!r}")
        return [params.vector], [gradient.vector], [".vector"]
    leaves, structure = flatten(dict(params) if isinstance(params, Params) else params)
    gradients, names = leaves_like(gradient, structure, "gradient"), paths(structure)
    for w, g, name in zip(leaves, gradients, names, strict=True):
        if not hasattr(w, "flags") or isinstance(w, (Dual, np.generic)):
            raise TypeError(f"params{name} is a {type(w).__name__}; expected an array, which a step changes in place")
        if np.shape(g) != w.shape:
            raise LayoutError(f"gradient{name} has shape {np.shape(g)}; expected {w.shape}")
    return leaves, [g if hasattr(g, "dtype") else np.asarray(g) for g in gradients], names


def _require_steppable(w, g, name):
    """Raise, before anything changes, where the update of one leaf could not be written."""
    if not getattr(w.flags, "writeable", True):
        raise TypeError(f"params{name} is read-only; a step changes it in place: give a writable array")
    if w.dtype.kind not in "fc" or not np.can_cast(g.dtype, w.dtype, "same_kind"):
        raise TypeError(f"params{name} has dtype {w.dtype} and its gradient {g.dtype}; expected floating, of one kind")


def _finite(g):
    """Whether all entries are finite; one pass at BLAS speed unless the square of g overflows."""
    if g.__class__ is not np.ndarray:
        return bool(to_numpy(np.all(np.isfinite(g))))
    flat = g.reshape(-1)
    with np.errstate(all="ignore"):
        return bool(np.isfinite(flat.dot(flat))) or bool(np.isfinite(g).all())
