"""Estimates from values alone: finite differences and simultaneous perturbation."""

import warnings

import numpy as np

from ..backend import is_array, is_host, to_numpy
from ..backend import like as on_device
from ..checks import positive_count, positive_number
from ..directions import Rademacher
from ..directions.base import require_real
from ..directions.independent import Independent
from ..directions.vectors import as_tree, as_vector
from ..errors import DualgradError
from ..nn.layer import with_buffers
from ..params import Params
from ..random import as_rng
from ..transforms import hessian, jacfwd
from ..tree import flatten, leaves, map_leaves, rebuild, unflatten
from .combine import combination, sum_of
from .estimate import Estimator, as_params, finished, named_leaves, require_finite, require_scalar


def coarse(estimator, params):
    """Whether a step of eps may be lost beside some weights; raise where it is lost beside most of them.

    That it is lost beside a few is told by a `RuntimeWarning`.
    """
    eps, w = estimator.eps, params.vector if isinstance(params, Params) else params
    if is_array(w) and w.dtype.kind == "f":
        if _far_above_spacing(eps, w):
            return False
    elif all(_far_above_spacing(eps, leaf) for leaf in require_real(params)[0]):
        return False
    size = lost = 0
    for name, leaf in named_leaves(params):
        sizes = np.abs(to_numpy(leaf))
        beside = sizes[2 * eps < np.spacing(sizes)]
        if beside.size:
            where, kind, apart = name, leaf.dtype, np.spacing(beside.max())
        size, lost = size + leaf.size, lost + beside.size
    if 2 * lost > size:
        raise _too_small(eps, f"{lost} of {size} weights, the largest of params{where} among them", kind, apart)
    if lost:
        warnings.warn(
            f"{estimator!r}: eps is lost beside {lost} of {size} weights, the largest of params{where} among them: "
            "they are not moved, and their estimate is 0",
            RuntimeWarning,
            stacklevel=3,
        )
    return True


def _far_above_spacing(eps, w):
    """Whether eps is eight times the spacing of all weights; at BLAS speed where their norm is bound enough."""
    info = np.finfo(w.dtype)
    most = eps / 8 / float(info.eps)
    if w.dtype.char in "fd" and is_host(w) and float(np.vdot(w, w)) <= most * most or not w.size:
        return True
    return max(to_numpy(w.max()), -to_numpy(w.min())) <= most


def _too_small(eps, what, kind, apart):
    return ValueError(
        f"got eps={eps:g}, which is lost beside {what}: neighbours of {kind} are {apart:.2g} apart there; "
        "expected a larger eps, or parameters of more precision"
    )


def taken(eps, v, above, below, directions):
    """A direction as it counts in an estimate between two points: 0 where a weight was not moved.

    Of signs each entry is such that the quotient is by the step that its weight took, which was rounded.
    """
    width = above - below
    if isinstance(directions, Rademacher):
        return np.where(width == 0, 0, 2 * eps / np.where(width == 0, 1, width)).astype(v.dtype)
    return v * (width != 0)


def require_moved(eps, moved):
    """Raise where no weight was moved by a direction: that estimate would be 0, whatever the loss."""
    if not any(to_numpy(np.any(v)) for v in moved):
        raise ValueError(
            f"got eps={eps:g}, by which no weight was moved: expected a larger eps, or parameters of more precision"
        )


def _taken(eps, v, above, below, directions):
    """`taken` leaf by leaf."""
    vs, structure = flatten(v)
    moved = [taken(eps, *some, directions) for some in zip(vs, leaves(above), leaves(below), strict=True)]
    require_moved(eps, moved)
    return unflatten(structure, moved)


def scalar(estimator, value):
    """A copy of a loss, which must be one real number; counts and truth values as numbers that may be subtracted."""
    require_scalar(estimator, value)
    return value * 1 if getattr(getattr(value, "dtype", None), "kind", "") == "f" else float(to_numpy(value))


def quotient(above, below, width):
    """(above - below) / width, infinite where the losses are too far apart for their precision."""
    with np.errstate(over="ignore"):
        return float(to_numpy((above - below) / width))


def third_derivatives(objective, params):
    """∂³L / ∂w_j² ∂w_k as an array ``(p, p)``, by three nested forward passes: for small p."""
    vector = as_vector(params)
    third = jacfwd(hessian(lambda w: objective(_unpacked(w, params))))(vector)
    return np.einsum("jjk->jk", third)


def _unpacked(w, params):
    """A vector, plain or Dual, as a dict with the buffers (for Params), array or tree like the parameters."""
    leaves, structure = flatten(dict(params) if isinstance(params, Params) else params)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])
    parts = [w[end - np.size(leaf) : end].reshape(np.shape(leaf)) for leaf, end in zip(leaves, ends, strict=True)]
    tree = unflatten(structure, parts)
    return dict(with_buffers(params)) | tree if isinstance(params, Params) else tree


class FiniteDifference(Estimator):
    """ĝ_k = (L(w + eps e_k) - L(w - eps e_k)) / (2 eps), entry by entry.

    Parameters
    ----------
    eps : float
        Rounded to what the parameters' precision can hold beside each of them; the quotient is by the step taken.

    Notes
    -----
    At a complex entry z = a + ib it is ∂L/∂a + i ∂L/∂b, as `dualgrad.grad` has it.
    Cost: 2p + 1 forward passes, twice as many for complex parameters. Memory: that of a forward pass and a copy of the
    parameters.
    Bias: eps²/6 ∂³L/∂w_k³ + O(eps⁴), and rounding of about (machine precision)·L / eps: in float32 no eps is good.
    Variance: none.
    When: the objective is a black box, p is small and the numbers are float64.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> estimator = dg.estimators.FiniteDifference(eps=0.5)
    >>> estimator.estimate(lambda w: np.sum(w**3), np.array([1.0, 2.0])).gradient  # 3 w² + eps²
    array([ 3.25, 12.25])
    """

    def __init__(self, eps=1e-5):
        self.eps = positive_number("eps", eps, "a positive step")

    def __repr__(self):
        return f"FiniteDifference(eps={self.eps})"

    def estimate(self, objective, params, *, rng=None):
        """The loss, and its difference quotients.

        Raises
        ------
        NonFiniteError
            When a loss or a quotient is NaN or infinite.
        TypeError
            For integer parameters.
        ValueError
            When eps is so small that a parameter plus or minus eps is the parameter itself.
        """
        params = as_params(params)
        value, slopes, gradient = scalar(self, objective(params)), [], []
        every, structure = flatten(params)
        for k, (name, w) in enumerate(named_leaves(params)):
            units = (1, 1j) if w.dtype.kind == "c" else (1,)
            found = [
                sum(unit * self._slope(objective, every, structure, k, at, unit, name) for unit in units)
                for at in np.ndindex(w.shape)
            ]
            slopes += found
            gradient.append(on_device(np.array(found, w.dtype).reshape(w.shape), w))
        gradient = [g if w.shape else g[()] for g, w in zip(gradient, every, strict=True)]
        require_finite(self, value, slopes := np.array(slopes))
        passes = sum(w.size * (2 if w.dtype.kind == "c" else 1) for w in every)
        return finished(self, value, unflatten(structure, gradient), slopes, 1.0 + 2 * passes)

    def _slope(self, objective, every, structure, k, at, unit, name):
        """The difference quotient in one entry of leaf k, along 1 or i."""
        w, losses, ends = to_numpy(every[k]), [], []
        for step in (self.eps * unit, -self.eps * unit):
            moved = np.array(w)
            moved[at] += step
            ends.append(moved[at] / unit)
            leaf = on_device(moved, every[k])
            leaf = leaf if w.shape else leaf[()]
            losses.append(scalar(self, objective(rebuild(structure, [*every[:k], leaf, *every[k + 1 :]]))))
        width = float(np.real(ends[0] - ends[1]))
        if not width > 0:
            apart = np.spacing(np.abs(w[at]))
            if self.eps < apart:
                raise _too_small(self.eps, f"params{name}{list(at) if at else ''} = {w[at]}", w.dtype, apart)
        return quotient(*losses, width)

    def expectation(self, gradient, objective=None, params=None):
        """g + eps²/6 ∂³L/∂w_k³: exact for polynomials up to degree 4. Needs the objective and params."""
        third = np.diagonal(_require_theory(self, objective, params)(objective, params))
        return as_tree(as_vector(gradient) + self.eps**2 / 6 * third, gradient)

    def variance(self, gradient, objective=None, params=None):
        """Zero."""
        return map_leaves(np.zeros_like, gradient)


def _moved(c, v, params):
    """w + c v."""
    w = sum_of(combination(c, v, params), params, params)
    return params.at(w.vector) if isinstance(params, Params) and params.buffers else w


def _require_theory(estimator, objective, params):
    if objective is None or params is None:
        raise DualgradError(f"the bias of {estimator!r} depends on third derivatives: give objective and params too")
    return third_derivatives


class SPSA(Estimator):
    """ĝ = (1/n) Σ_i (L(w + eps v_i) - L(w - eps v_i)) / (2 eps) v_i (Spall 1992): the forward gradient from values.

    Parameters
    ----------
    eps : float
    n : int
        How many directions.
    directions : Rademacher, Gaussian or Uniform
        Independent entries; signs by default.

    Notes
    -----
    Cost: 2n forward passes. Memory: that of a forward pass and two copies of the parameters.
    Bias: eps²/6 (3 Σ_j ∂³L/∂w_j²∂w_k + (κ - 3) ∂³L/∂w_k³), so three times as much for normals as for signs in one
    dimension; and rounding, of about (machine precision)·L/eps in every entry.
    Variance: to order eps² that of `ForwardGradient`, exactly that for quadratic losses.
    Take eps far above the spacing of the weights, s: rounding changes a step by up to s/2. A weight beside which eps is
    lost is not moved, and its estimate is 0, with a `RuntimeWarning`; beside most of them it raises.
    When: the objective is a black box; a jvp is as cheap, exact, and needs no eps.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.estimators.SPSA(eps=0.5).estimate(lambda w: 3 * w[0] + 4 * w[1], np.zeros(2), rng=3).gradient
    array([7., 7.])
    """

    def __init__(self, eps=1e-3, n=1, directions=None):
        self.eps = positive_number("eps", eps, "a positive step")
        self.n = positive_count("n", n, "a positive number of directions")
        self.directions = Rademacher() if directions is None else directions
        if not isinstance(self.directions, Independent):
            raise TypeError(f"got directions={directions!r}; expected Rademacher(), Gaussian() or Uniform()")

    def __repr__(self):
        return f"{type(self).__name__}(eps={self.eps}, n={self.n}, directions={self.directions!r})"

    def estimate(self, objective, params, *, rng):
        """The mean loss of the points looked at, and the estimate.

        Raises
        ------
        NonFiniteError
            When a loss or the estimate is NaN or infinite.
        ValueError
            When eps is below the spacing of most weights, which would not move.
        """
        rng, params, gradient, values, slopes = as_rng(rng), as_params(params), None, [], []
        few = coarse(self, params)
        for _ in range(self.n):
            v = self.directions.sample(params, rng=rng)
            if few:
                ends = [_moved(e, v, params) for e in (self.eps, -self.eps)]
                v = _taken(self.eps, v, *ends, self.directions)
                above, below = (scalar(self, objective(end)) for end in ends)
            else:
                above, below = (scalar(self, objective(_moved(e, v, params))) for e in (self.eps, -self.eps))
            values += [above, below]
            slopes.append(quotient(above, below, 2 * self.eps))
            term = combination(slopes[-1] / self.n, v, params)
            gradient = term if gradient is None else sum_of(term, gradient, params)
        value = sum(values) / len(values)
        require_finite(self, value, slopes := np.array(slopes))
        most = 32 * max(map(abs, slopes.tolist()))  # beyond the entries of a direction, and what rounding adds
        fits = isinstance(params, Params) and most < float(np.finfo(params.vector.dtype).max)
        return finished(self, value, gradient, slopes, 2.0 * self.n, fits)

    def expectation(self, gradient, objective=None, params=None):
        """g + eps²/6 (3 Σ_j ∂_jjk L + (κ - 3) ∂_kkk L): exact for cubic losses. Needs the objective and params."""
        third = _require_theory(self, objective, params)(objective, params)
        kappa = self.directions.kurtosis(len(third))
        bias = 3 * third.sum(0) + (kappa - 3) * np.diagonal(third)
        return as_tree(as_vector(gradient) + self.eps**2 / 6 * bias, gradient)

    def variance(self, gradient, objective=None, params=None):
        """That of the forward gradient: exact for quadratic losses."""
        return map_leaves(lambda v: v / self.n, self.directions.variance(gradient))
