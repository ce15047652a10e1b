"""subspace: how much of the true gradient lies among the activations, against a random subspace."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array, ArrayLike, to_numpy
from ..inputs import as_input
from ..nn.layer import Layer
from ..nn.losses import cross_entropy
from ..nn.objective import Objective
from ..random import RngLike, as_rng
from ..tree import Tree
from ..vectors import wide
from .chain import Walk, chains_of


@dataclass(frozen=True)
class Subspace:
    """What `subspace` found at the input of one layer; figures 2 and 10 draw ``activations`` and ``random``.

    Attributes
    ----------
    name : the layer, by the name of its first parameter
    activations : array ``(k,)``
        The mean cosine between an example's gradient and its projection on the first 1 ... k principal components of
        the activations.
    random : array ``(k,)``
        The same for random subspaces.
    rank, effective_rank : the number of components, and exp of the entropy of the singular values' shares (Roy and
        Vetterli 2007), of the activations

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([4, 8, 3])
    >>> x, y = np.eye(4), np.array([0, 1, 2, 0])
    >>> found = dg.estimators.subspace(model, model.init(rng=0, dtype=np.float64), x, y, rng=0)
    >>> [(layer.name, layer.activations.shape, bool(layer.activations[-1] <= 1)) for layer in found]
    [('2.weight', (4,), True)]
    """

    name: str
    activations: Array
    random: Array
    rank: int
    effective_rank: float


def subspace(
    model: Layer,
    params: Tree,
    x: ArrayLike,
    y: ArrayLike,
    *,
    rng: RngLike,
    loss: Callable[..., Any] = cross_entropy,
    components: int | None = None,
) -> list[Subspace]:
    """How much of the true gradient lies in the span of the first principal components of the activations.

    For every layer with parameters but the first: its inputs are the activations, and the derivatives of the loss by
    them the gradients, an example a row, kernels' and tokens' axes flattened.

    Parameters
    ----------
    model : Layer
    params : Params
    x, y : a batch
    rng : int, numpy.random.Generator or Rng
        For the random subspaces.
    loss : a loss of `dualgrad.nn`
    components : int, optional
        The largest k; as many as there are examples or units by default.

    Returns
    -------
    list of Subspace

    References
    ----------
    Singhal et al. 2023, section 3.3 and figures 2 and 10.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> model = dg.nn.networks.mlp([4, 8, 8, 3])
    >>> x, y = np.eye(4), np.array([0, 1, 2, 0])
    >>> found = dg.estimators.subspace(model, model.init(rng=0, dtype=np.float64), x, y, rng=0, components=2)
    >>> [layer.name for layer in found]
    ['2.weight', '4.weight']
    """
    if components is not None and (not isinstance(components, (int, np.integer)) or components < 1):
        raise ValueError(f"got components={components!r}; expected a positive integer, or None for all")
    rng = as_rng(rng)
    (chain,) = chains_of("subspace", Objective(model, loss).bind(x, y))
    walk = Walk(chain, params, x, {})
    _, error = chain.loss(walk.value(len(walk.steps)))
    found = []
    for k in walk.sites[1:]:
        a = _double_rows(walk.value(k))
        g = _double_rows(walk.pull(k, len(walk.steps), error))
        name = next(iter(walk.steps[k].names.values()))
        g = g[np.linalg.norm(g, axis=1) > 0]
        if not len(g):
            raise ValueError(f"no example has a gradient at the input of {name!r}: nothing to project")
        _, s, vt = np.linalg.svd(a - a.mean(0), full_matrices=False)
        count = min(components or len(s), len(s))
        frame, _ = np.linalg.qr(rng.normal((a.shape[1], count)))
        rank = int(np.sum(s > s[0] * max(a.shape) * np.finfo(walk.value(k).dtype).eps))
        effective = effective_rank(s) if rank else 1.0
        found.append(Subspace(name, _captured(g, vt[:count]), _captured(g, frame.T), rank, effective))
    return found


def _double_rows(a):
    return wide(a).reshape(len(a), -1)


def _captured(g, frame):
    """The mean cosine between rows of g and their projections on the first 1 ... k rows of an orthonormal frame."""
    shares = np.cumsum((g @ frame.T) ** 2, axis=1) / np.sum(g * g, axis=1, keepdims=True)
    return np.sqrt(np.minimum(shares, 1)).mean(0)


def effective_rank(singular_values: ArrayLike) -> np.float64:
    """exp(-Σ p_i log p_i), p_i the shares of the singular values (Roy and Vetterli 2007): between 1 and their number.

    Raises
    ------
    ValueError, TypeError
        For what is no vector of finite numbers, not negative and not all zero.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> dg.estimators.effective_rank(np.ones(4)).round(6), dg.estimators.effective_rank(np.array([1.0, 0.0]))
    (np.float64(4.0), np.float64(1.0))
    """
    s = to_numpy(as_input(singular_values, "effective_rank", "singular values", "biuf")).astype(np.float64)
    if s.ndim != 1 or not np.all((s >= 0) & np.isfinite(s)) or not np.any(s > 0):
        raise ValueError(
            f"got singular_values={s.tolist()!r:.80}; expected a vector of finite numbers, none negative, not all zero"
        )
    s = s / s.max()
    shares = s[s > 0] / s.sum()
    return np.exp(-np.sum(shares * np.log(shares)))
