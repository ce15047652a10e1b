"""KalmanQDOP: an extended Kalman filter on the parameters."""

import functools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..backend import Array
from ..errors import LayoutError, NonFiniteError
from ..params import Params
from ..tree import Tree, flatten
from ..vectors import all_finite
from .blockwise import BLOCK, norm
from .hyperparameters import CONSTRAINTS, Rate, rate
from .leaves import matched, steppable
from .optimizer import Optimizer
from .schedules import inverse_sqrt


@dataclass(eq=False, repr=False)
class KalmanQDOP(Optimizer):
    """J ← (1 - γ_t) J + g gᵀ, w ← w - lr (J + Λ)⁻¹ g: an extended Kalman filter on the parameters, with J kept
    block-wise quasi-diagonal (Ollivier et al. 2015, NoBackTrack, Algorithm 2; Ollivier 2015, "Riemannian metrics I").

    Of each unit, its bias 0 and its weights i, J has A_00, A_0i and A_ii. Then, with Λ added to A_00 and A_ii,
    d_i = (g_i - c_i g_0)/S_i and d_0 = g_0/A_00 - Σ_i c_i d_i, where c_i = A_0i/A_00 and S_i = A_ii - A_0i²/A_00: the
    exact inverse of the positive matrix whose missing entries are A_0i A_0j/A_00.

    Parameters
    ----------
    prior : positive float
        Λ. One gradient alone has no inverse; the paper takes the number of recurrent units.
    gamma : float in [0, 1], or schedule
        The decay γ_t; of the order of 1/√t in the paper.
    lr : float or schedule, not negative
        1 in the paper: J sets the size of a step.
    clip_norm, clip_value : as in `SGD`

    Notes
    -----
    A unit of Params (or of a dict) of a network is an entry of ``bias`` with those of the weights beside it that end
    there (``weight``, ``weight_x``, ``weight_h``; ``bias_x`` with ``weight_x``); all else, and any other tree, has its
    diagonal alone. ``step(params, gradient, fisher=rows)`` takes rows whose outer products add up to another Fisher
    matrix, such as `dualgrad.online.RTRL.fisher`, in the place of g gᵀ.
    What is kept is c and S - Λ, brought up to date by sums of positive terms; as A_ii less A_0i²/A_00, S would be a
    small difference where gradients are large. Both are in double precision whatever the parameters are of, since
    c_i g_0 is close to g_i where gradients repeat; a step in float32 takes twice the time for it. Memory: these two
    vectors, and one for a gradient in float32.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> w = dg.Params({"weight": np.zeros((1, 1)), "bias": np.zeros(1)})
    >>> g = dg.Params({"weight": np.ones((1, 1)), "bias": np.ones(1)})
    >>> dg.optim.KalmanQDOP(prior=1.0).step(w, g)
    >>> w.vector  # (g gᵀ + 1)⁻¹ g = g / 3
    array([-0.33333333, -0.33333333])
    """

    prior: float
    gamma: Rate = field(default_factory=lambda: inverse_sqrt(1.0))
    lr: Rate = 1.0

    state_names = ("precision", "slope")
    squares = ("precision",)
    precision = np.float64
    _has_groups = False

    def _bounds(self, rate, largest):
        rows = [largest] if self._rows is None else map(norm, self._rows)
        state_bound = self._keep * self._state_bound + sum(size * size for size in rows)
        slope = 1 + math.sqrt(1 + state_bound / self.prior)  # of A_0i against A_00
        return state_bound, max(state_bound, rate * self._count * largest / self.prior * slope * slope)

    def step(self, params: Tree, gradient: Tree, fisher: ArrayLike | None = None) -> None:
        """Move ``params`` against (J + Λ)⁻¹ ``gradient``, in place.

        Parameters
        ----------
        params : Params, array, or tree of arrays
        gradient : the same structure, shapes and dtype
        fisher : array ``(k, p)``, optional
            For Params: rows whose outer products are added to J instead of the gradient's.

        Raises
        ------
        LayoutError, NonFiniteError, TypeError, ValueError
            As `SGD`, and for a decay outside [0, 1]; nothing has changed.
        """
        if isinstance(params, dict) and params and not any(isinstance(w, dict) for w in params.values()):
            return self._step_dict(params, gradient, fisher)
        keep = 1 - rate(self.gamma, self.steps + 1, CONSTRAINTS["gamma"])
        rows = None if fisher is None else self._checked(fisher, params)
        count = params.size if isinstance(params, Params) else sum(np.size(leaf) for leaf in flatten(params)[0])
        vars(self).update(_keep=keep, _units=_units_of(params), _rows=rows, _count=count)
        super().step(params, gradient)

    def _step_dict(self, params, gradient, fisher):
        """The same for a dict of arrays."""
        leaves, gradients, names, _ = matched(params, gradient)
        for w, g, name in zip(leaves, gradients, names, strict=True):
            steppable(w, g, name, np.result_type(w.dtype, self.precision))
        if fisher is not None:
            raise LayoutError("fisher's rows are in the order of Params: give Params, not a dict")
        packed = Params(params)
        self.step(packed, gradient)
        for name, w in params.items():
            w[...] = packed[name]

    def _checked(self, fisher, params):
        fisher = fisher if hasattr(fisher, "dtype") else np.asarray(fisher)
        if not isinstance(params, Params) or fisher.ndim != 2 or fisher.shape[1] != params.size:
            raise LayoutError(f"got fisher of shape {np.shape(fisher)}; expected rows as long as the vector of Params")
        if not all_finite(fisher):
            raise NonFiniteError(f"step {self.steps + 1} of {self!r}: fisher is not finite; nothing was changed")
        if fisher.dtype.kind not in "fiub":
            raise TypeError(f"got fisher of {fisher.dtype}; expected rows of real numbers")
        return fisher.astype(np.result_type(fisher.dtype, self.precision), copy=False)

    def _numbers(self, rate, kind):
        return (rate,)

    def _sweep(self, row, w, g, precision, slope):
        factor, low, high, _, rate = row
        parts = (np.real, np.imag) if w.dtype.kind == "c" else (lambda a: a,)
        for part in parts:
            clipped = part(g) if row[:4] == self._plain else np.clip(factor * part(g), low, high)
            self._move(rate, part(w), clipped, part(precision), part(slope))

    def _move(self, rate, w, g, precision, slope):
        rows = [g] if self._rows is None else self._rows
        units, rest = self._units
        for _, bias, parts in units:
            w_0 = w[bias]
            w_0 += rate * self._move_weights(rate, rows, parts, bias, w, g, precision, slope)
        for place in rest:  # biases, and what belongs to no unit
            J, w_0 = precision[place], w[place]
            J *= self._keep
            for u in rows:
                J += u[place] * u[place]
            w_0 -= rate * (g[place] / (J + self.prior))

    def _move_weights(self, rate, rows, parts, bias, w, g, precision, slope):
        """A step of the weights of units; returns Σ_i c_i d_i, for their biases.

        The decay makes A_00' = (1 - γ) J_00 + Λ of A_00, c' = c (1 - γ) A_00/A_00', and adds γ Λ c c' to S. A row u
        makes A_00' = A_00 + u_0². Its residual r_i = u_i - c_i u_0 adds r_i² A_00/A_00' to S and r_i u_0/A_00' to c;
        with respect to c' it is r_i A_00/A_00'.
        """
        keep, prior, own = self._keep, self.prior, self._rows is None
        J = keep * precision[bias]
        shrink = keep * (precision[bias] + prior) / (J + prior)
        learnt = []
        for u in rows:
            u0 = u[bias]
            before, square = J + prior, u0 * u0
            after = before + square
            learnt.append((u, u0, before / after, u0 / after))
            J = J + square
        dbias, n = 0, bias.stop - bias.start
        for part in parts:
            S, c = precision[part].reshape(-1, n), slope[part].reshape(-1, n)
            S *= keep
            if keep < 1:
                a = (1 - keep) * prior * shrink * c
                S += np.multiply(a, c, out=a)
                c *= shrink
            for u, u0, share, gain in learnt:
                a = c * u0
                r = np.subtract(u[part].reshape(-1, n), a, out=a)
                a = r * r
                S += np.multiply(a, share, out=a)
                c += np.multiply(r, gain, out=a)
            r = np.multiply(r, share, out=r) if own else g[part].reshape(-1, n) - c * g[bias]
            d, change = _solved(r, S + prior, c)
            w_i = w[part].reshape(-1, n)
            w_i -= d if rate == 1 else rate * d
            dbias = dbias + change
        return dbias

    def norms(self, rows: Array, params: Params) -> Array:
        """√(wᵀ (J + Λ)⁻¹ w) for rows w ``(..., p)``, directions of the Params that are stepped."""
        if not isinstance(params, Params) or rows.shape[-1] != params.size:
            raise LayoutError(f"got rows of shape {np.shape(rows)}; expected ones as long as the vector of Params")
        g = rows.astype(np.result_type(rows.dtype, self.precision), copy=False)
        if not self._memory.state:
            return np.sqrt(np.sum(g * g, axis=-1) / self.prior).astype(rows.dtype, copy=False)
        precision, slope = (self._memory.state[name][0] for name in self.state_names)
        d = g / (precision + self.prior)
        for weights, bias, _ in _units_of(params)[0]:
            g_i, S, c = (_by_unit(a, weights, bias) for a in (g, precision + self.prior, slope))
            d_i, dbias = _solved(g_i - c * g[..., None, bias], S, c)
            d[..., weights] = d_i.reshape((*g.shape[:-1], -1))
            d[..., bias] -= dbias
        return np.sqrt(np.maximum(np.sum(g * d, axis=-1), 0)).astype(rows.dtype, copy=False)


def _solved(r, S, c):
    """d_i = r_i/S_i for the residuals r_i = g_i - c_i g_0, and Σ_i c_i d_i."""
    d = r / S
    return d, (c * d).sum(axis=-2)


def _units_of(params):
    """Which weights go with which bias, and what else there is; nothing is known of other trees than Params."""
    return _units(params.layout) if isinstance(params, Params) else ([], [...])


@functools.lru_cache
def _units(layout):
    """Slices of the vector, of weights and their bias, whose last axis is the units, and the weights' parts; and the
    slices of the rest."""
    found = []
    for name, place in layout.slices.items():
        scope, dot, last = name.rpartition(".")
        if last.startswith("weight"):
            own = f"{scope}{dot}bias{last.removeprefix('weight')}"
            bias = next((n for n in (own, f"{scope}{dot}bias") if n in layout.slices), None)
            if bias is not None and layout.shapes[bias] == layout.shapes[name][-1:]:
                adjacent = found and found[-1] == (slice(found[-1][0].start, place.start), layout.slices[bias])
                start = found.pop()[0].start if adjacent else place.start
                found.append((slice(start, place.stop), layout.slices[bias]))
    ends = [0, *(end for place, _ in found for end in (place.start, place.stop)), layout.size]
    rest = [slice(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if a < b]
    return [(*pair, _parts(*pair)) for pair in found], rest


def _by_unit(a, weights, bias):
    """The weights' part of a vector as ``(..., inputs, units)``."""
    return a[..., weights].reshape((*a.shape[:-1], -1, bias.stop - bias.start))


def _parts(weights, bias):
    """A slice of weights in parts of whole rows of inputs, small enough to stay in cache."""
    n = bias.stop - bias.start
    step = max(1, BLOCK // max(n, 1)) * max(n, 1)
    return [slice(start, min(start + step, weights.stop)) for start in range(weights.start, weights.stop, step)]
