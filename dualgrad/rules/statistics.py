"""Order statistics, averages, correlations, interpolation, spacings."""

import numpy as np

from ..backend import is_array
from ..dual import primal
from ..errors import TangentLossError
from .declare import composite, explicit, refuse_others, require_room
from .lead import trailing
from .reductions import _axes_last, _restore_dims

# ---------------------------------------------------------------------- order statistics: ties keep their order


def _order_statistic(function, a, q, axis=None, overwrite_input=False, keepdims=False, **kw):
    """The statistic of the ranks 0, 1, ..., n - 1 says between which two entries it lies, and where between them."""
    if overwrite_input:
        raise NotImplementedError(f"np.{function.__name__}(overwrite_input=True) writes into a Dual: leave it out")
    refuse_others(function, (), {**dict(zip("q", q, strict=False)), **kw})
    if q and np.ndim(q[0]) > 1 and isinstance(axis, tuple) and "nan" in function.__name__:
        raise NotImplementedError(f"np.{function.__name__} misplaces the axes of q for a tuple axis: give a flat q")
    x = _axes_last(a, axis)
    p, n = primal(x), x.shape[-1]
    if n == 0:
        return np.nan * np.sum(a, axis=axis, keepdims=keepdims)
    if kw.get("weights") is not None:
        w = kw["weights"]
        kw["weights"] = _axes_last(w, axis) if np.shape(w) == np.shape(a) else np.ravel(w)
    order = np.argsort(p, -1, kind="stable")
    ranks = np.where(np.isnan(p), np.nan, np.argsort(order, -1))
    rank = function(ranks.astype(p.dtype) if q else ranks, *q, axis=-1, **kw)
    rank = np.where(np.isnan(rank), n - 1, rank)[..., None]
    x, order = (v[(None,) * (np.ndim(rank) - np.ndim(x))] for v in (x, order))
    entry = lambda k: np.take_along_axis(x, np.take_along_axis(order, k.astype(int), -1), -1)  # noqa: E731
    below, above, part = entry(np.floor(rank)), entry(np.ceil(rank)), rank - np.floor(rank)
    return _restore_dims(np.where(part == 0, below, below + part * (above - below))[..., 0], a, axis, keepdims)


for f in (np.median, np.nanmedian):
    composite(f, lambda a, axis=None, f=f, **kw: _order_statistic(f, a, (), axis, **kw))
for f in (np.quantile, np.percentile, np.nanquantile, np.nanpercentile):
    composite(f, lambda a, q, axis=None, f=f, **kw: _order_statistic(f, a, (q,), axis, **kw))
composite(np.ptp, lambda a, axis=None, **kw: np.max(a, axis, **kw) - np.min(a, axis, **kw))

# ---------------------------------------------------------------------- averages and correlations


def _average(a, axis=None, weights=None, returned=False, **kw):
    """Σ w x / Σ w."""
    w = np.ones_like(primal(a)) if weights is None else _along(weights, np.shape(a), axis)
    total = np.sum(w, axis=axis, **kw)
    mean = np.sum(np.multiply(a, w), axis=axis, **kw) / total
    return (mean, np.copy(np.broadcast_to(total, np.shape(mean)))) if returned else mean


def _along(weights, shape, axis):
    """Weights that have only the axes averaged over, laid along them."""
    if np.shape(weights) == shape:
        return weights
    axes = np.atleast_1d(trailing(axis, len(shape)))
    others = [k for k in range(-len(shape), 0) if k not in axes]
    return np.expand_dims(np.transpose(weights, np.argsort(axes).tolist()), others)


def _cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, dtype=None):
    """Σ w (x - x̄) (x - x̄)ᴴ / (Σ w - ddof Σ w a / Σ w), w = f a."""
    x = np.atleast_2d(m) if rowvar or np.ndim(m) < 2 else np.transpose(m)
    if len(x) == 0:
        return np.zeros((0, 0))
    if y is not None:
        y = np.atleast_2d(y)
        x = np.concatenate([x, y if rowvar or len(y) == 1 else np.transpose(y)])
    f, a = (np.float64(1) if v is None else np.multiply(v, np.float64(1)) for v in (fweights, aweights))
    if np.iscomplexobj(primal(a)):
        raise TangentLossError("np.cov would drop the imaginary part of aweights: use np.real")
    w, ddof = np.multiply(f, a), (0 if bias else 1) if ddof is None else ddof
    total = np.sum(w) if np.ndim(w) else np.float64(x.shape[1])
    lost = ddof * (np.sum(w * a) / total if np.ndim(a) else 1)
    deviation = x - np.sum(x * w, 1, keepdims=True) / total
    product = np.matmul(deviation * w, np.conj(np.transpose(deviation)))
    return np.squeeze(product / np.maximum(total - lost, 0))


def _corrcoef(x, y=None, rowvar=True, **kw):
    c = np.atleast_2d(np.cov(x, y, rowvar))
    s = np.sqrt(np.real(np.diag(c)))
    return np.squeeze(c / s[:, None] / s)


composite(np.average, _average)
composite(np.cov, _cov, as_given=True)
composite(np.corrcoef, _corrcoef)

# ---------------------------------------------------------------------- interpolation, integration, phases


def _interp(x, xp, fp, left=None, right=None, period=None):
    """Linear between nodes: at a node the slope on its right, at the last node that on its left."""
    refuse_others(np.interp, (), {"left": left, "right": right, "period": period})
    x, xp, fp = (v if is_array(v) else np.asarray(v) for v in (x, xp, fp))
    require_room(np.float64, x, xp)
    if period is not None:
        period = abs(period)
        x, xp = x % period, xp % period
        order = np.argsort(primal(xp))
        xp, fp, left, right = xp[order], fp[order], None, None
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    at, nodes = primal(x), primal(xp)
    i = np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, max(len(nodes) - 2, 0))
    j = np.minimum(i + 1, len(nodes) - 1)
    gap = np.where(nodes[j] == nodes[i], 1, xp[j] - xp[i])
    y = fp[i] + (x - xp[i]) / gap * (fp[j] - fp[i])
    y = np.where(at > nodes[-1], fp[-1] if right is None else right, y)
    return np.where(at < nodes[0], fp[0] if left is None else left, y)


def _trapezoid(y, x=None, dx=1.0, axis=-1):
    """Σ Δx (yₖ + yₖ₊₁) / 2."""
    last = trailing(axis, np.ndim(y))
    if x is not None:
        dx = np.reshape(np.diff(x), (-1, *(1,) * (-last - 1))) if np.ndim(x) == 1 else np.diff(x, axis=axis)
    after, before = (np.moveaxis(np.moveaxis(y, axis, 0)[part], 0, axis) for part in (slice(1, None), slice(-1)))
    return np.sum(dx * (after + before) / 2, axis)


composite(np.interp, _interp)
composite(np.trapezoid, _trapezoid, wraps=True)
explicit(np.unwrap)(lambda p, dp, lead, *args, **kw: (np.unwrap(p, *args, **kw), dp.copy()))  # p + n · period

# ---------------------------------------------------------------------- spacings


def _logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """base to the powers of a linspace."""
    if np.ndim(base):
        like = np.zeros_like(primal(base))
        start, stop, base = start + like, stop + like, np.expand_dims(base, axis)
    return np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))


def _geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """start (stop / start)ᵗ, t in a linspace of [0, 1]."""
    start, stop = np.broadcast_arrays(start, stop)
    growth = np.linspace(np.zeros_like(start), np.log(stop / start), num, endpoint, axis=axis)
    return np.expand_dims(start, axis) * np.exp(growth)


composite(np.logspace, _logspace)
composite(np.geomspace, _geomspace)
