"""Weights from torch and back, without torch."""

from collections.abc import Collection, Mapping
from functools import reduce
from typing import Any

import numpy as np

from ...backend import Array, to_numpy
from ...errors import LayoutError
from ...params import Params
from ..layer import Layer, with_buffers
from ..types import Parameters
from .alignment import Alignment
from .names import in_torch, require_names


def from_torch(
    state_dict: Any, model: Layer, *, names: Mapping[str, str | tuple[str, ...]] | None = None,
    channels: int | Mapping[str, int] | None = None, permuted: Collection[str] = (),
) -> Params:  # fmt: skip
    """Parameters for a model from the same model in torch; it gives the same, for images (B, H, W, C).

    torch has images as (B, C, H, W), and so the features of a flattened image in another order: what is learned around
    a `Flatten` or `Reshape` is brought into ours.

    Parameters
    ----------
    state_dict : module of torch, or mapping of names to tensors or arrays
        A module's settings are compared with the model's as well (those of training where the module is in training
        mode); of a ``state_dict()`` only names and shapes are known.
    model : Layer
        Built of layers that torch has, in the same order. A `TransformerBlock` is torch's TransformerEncoderLayer with
        ``norm_first=True`` and GELU.
    names : dict of str to str, optional
        Where layers (or single parameters) are called otherwise in torch: ``{"0": "conv1", "3": "fc1"}`` for our
        layers ``"0"`` and ``"3"``, whose names are those of the parameters. Where one is missing, the error suggests
        what fits by order. Of two names, ``{"1.bias": ("rnn.bias_ih_l1", "rnn.bias_hh_l1")}``, the sum is taken.
    channels : int or dict of layer name to int, optional
        How many channels the input has, where no layer tells: 0 for none, when its axes stand as in torch. Of a
        `Flatten` or `Reshape`: how many channels one after another torch has there, 1 where it has our order. Of a
        layer of one's own: how many channels its output has.
    permuted : names of layers, optional
        Where torch's model permutes the axes between two layers, so that a `Linear` acts on the channels of an image,
        or a `Conv1d` on an embedding.

    Returns
    -------
    Params, with running statistics in its buffers: copies in the widest dtype of the tensors; bfloat16 becomes float32.
    Tensors that are shared in torch are so here where one layer stands at all their places, and else no longer.

    Notes
    -----
    Where a `Linear` meets a `BatchNorm` and no layer tells how many axes there are, examples are taken to be rows of
    features. What comes out of a model that ends flattened stands in our order.

    Raises
    ------
    LayoutError
        For names that are missing or left over, shapes and settings that do not fit, layers that torch does not have,
        and wherever the order of features is not certain.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> state = {"fc.weight": np.array([[1.0, 2.0]]), "fc.bias": np.array([3.0])}
    >>> dg.nn.from_torch(state, dg.nn.Linear(2, 1), names={"": "fc"})["weight"]
    array([[1.],
           [2.]])
    """
    module = state_dict if hasattr(state_dict, "named_modules") else None
    given = state_dict if module is None else module.state_dict()
    if not isinstance(given, Mapping):
        raise TypeError(
            f"got a {type(given).__name__}; expected a state_dict or a module: torch.load(path) reads a file"
        )
    aligned = Alignment(model, names, channels, permuted, module)
    require_names(aligned.rows, given, model)
    if aligned.differences:
        raise LayoutError(
            f"{'; '.join(aligned.differences)}. Make them alike, or name other layers by names=. What matters in "
            "training alone is not compared in a module in eval(), nothing in a state_dict()"
        )
    found = {}
    for row in aligned.rows:
        a = _ours(row, given)
        if not np.array_equal(found.setdefault(row.ours, a), a, equal_nan=True):
            raise LayoutError(f"{row.ours!r} stands at several places here, and {row.theirs[0]!r} differs from another")
    dtype = np.result_type(*found.values()) if found else None
    arrays = {name: np.array(a, dtype, order="C") for name, a in found.items()}
    return Params({name: arrays[name] for name in model.shapes()}, {name: arrays[name] for name in model.buffers()})


def to_torch(
    params: Parameters, model: Layer, *, names: Mapping[str, str | tuple[str, ...]] | None = None,
    channels: int | Mapping[str, int] | None = None, permuted: Collection[str] = (),
) -> dict[str, Array]:  # fmt: skip
    """The ``state_dict`` of the same model in torch, as NumPy arrays: ``torch.from_numpy`` makes tensors of them.

    Parameters
    ----------
    params : Params
    model : Layer
    names, channels, permuted
        As in `from_torch`.

    Returns
    -------
    dict of str to array, copies. The one bias of `RNN` and `LSTM` becomes torch's ``bias_ih``, with ``bias_hh`` zero.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.Linear(2, 1)
    >>> {name: a.shape for name, a in dg.nn.to_torch(layer.init(rng=0), layer).items()}
    {'weight': (1, 2), 'bias': (1,)}
    """
    rows = Alignment(model, names, channels, permuted).rows
    everything = with_buffers(params)
    model.require(everything)
    state = {}
    for row in rows:
        a = to_numpy(everything[row.ours])
        for axis, permutation in enumerate(row.permutations):
            a = a if permutation is None else np.take(a, np.argsort(permutation), axis)
        a = a if row.axes is None else np.transpose(a, np.argsort(row.axes))
        for name in row.theirs:
            b = a if name == row.theirs[0] else np.zeros_like(a)
            if name in state and not np.array_equal(state[name], b, equal_nan=True):
                raise LayoutError(f"{row.ours!r} shares {name!r} with another layer, and their values differ")
            state[name] = np.array(b, order="C")
    return state


def _ours(row, given):
    """One of our arrays, from torch's."""
    arrays = {name: _tensor_as_array(given[name], name) for name in row.theirs}
    for name, a in arrays.items():
        if a.shape != in_torch(row):
            raise LayoutError(f"{name!r} has the shape {a.shape}; expected {in_torch(row)} for {row.ours!r}")
    a = reduce(np.add, arrays.values())
    a = a if row.axes is None else np.transpose(a, row.axes)
    for axis, permutation in enumerate(row.permutations):
        a = a if permutation is None else np.take(a, permutation, axis)
    return a


def _tensor_as_array(tensor, name):
    """A tensor, or anything NumPy understands, as an array of floating or complex numbers."""
    narrow = any(kind in str(getattr(tensor, "dtype", "")) for kind in ("bfloat16", "float8"))  # which NumPy lacks
    if hasattr(tensor, "detach"):
        tensor = (tensor.float() if narrow else tensor).detach().cpu().numpy()
    a = np.asarray(tensor, np.float32 if narrow else None)
    if a.dtype.kind not in "fc":
        raise TypeError(f"{name!r} has dtype {a.dtype}; expected floating numbers")
    return a
