"""Weights from torch and back: the names and layouts of torch's layers, and ours. torch itself is not needed.

A row of a table is (torch's name, our name, axes): our array is torch's with its axes in that order.
"""

import numpy as np

from ..errors import LayoutError
from ..params import Params
from .attention import MultiHeadAttention, TransformerBlock
from .containers import Container
from .conv import Conv1d, Conv2d, ConvTranspose2d
from .linear import Linear
from .lookup import Bilinear, Embedding
from .norms import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

_SAME = (("weight", "weight", None), ("bias", "bias", None))
_MATRIX = (("weight", "weight", (1, 0)), ("bias", "bias", None))
_RUNNING = (("running_mean", "running_mean", None), ("running_var", "running_var", None))
TABLES = {
    Linear: _MATRIX,
    Bilinear: (("weight", "weight", (1, 2, 0)), ("bias", "bias", None)),
    Embedding: (("weight", "weight", None),),
    Conv1d: (("weight", "weight", (2, 1, 0)), ("bias", "bias", None)),
    Conv2d: (("weight", "weight", (2, 3, 1, 0)), ("bias", "bias", None)),
    ConvTranspose2d: (("weight", "weight", (2, 3, 0, 1)), ("bias", "bias", None)),
    LayerNorm: _SAME,
    RMSNorm: _SAME,
    GroupNorm: _SAME,
    BatchNorm: _SAME + _RUNNING,
    GRUCell: (("weight_ih", "weight_x", (1, 0)), ("weight_hh", "weight_h", (1, 0)), ("bias_ih", "bias_x", None),
              ("bias_hh", "bias_h", None)),
    MultiHeadAttention: (("in_proj_weight", "qkv.weight", (1, 0)), ("in_proj_bias", "qkv.bias", None),
                         ("out_proj.weight", "out.weight", (1, 0)), ("out_proj.bias", "out.bias", None)),
    TransformerBlock: (("norm1.weight", "0.body.0.weight", None), ("norm1.bias", "0.body.0.bias", None),
                       ("self_attn.in_proj_weight", "0.body.1.qkv.weight", (1, 0)),
                       ("self_attn.in_proj_bias", "0.body.1.qkv.bias", None),
                       ("self_attn.out_proj.weight", "0.body.1.out.weight", (1, 0)),
                       ("self_attn.out_proj.bias", "0.body.1.out.bias", None),
                       ("norm2.weight", "1.body.0.weight", None), ("norm2.bias", "1.body.0.bias", None),
                       ("linear1.weight", "1.body.1.weight", (1, 0)), ("linear1.bias", "1.body.1.bias", None),
                       ("linear2.weight", "1.body.3.weight", (1, 0)), ("linear2.bias", "1.body.3.bias", None)),
}  # fmt: skip
TABLES[RNNCell] = TABLES[LSTMCell] = TABLES[GRUCell][:2]  # their one bias is the sum of torch's two
_LAYERS = {GRU: GRUCell, LSTM: LSTMCell, RNN: RNNCell}


def _entries(layer, prefix=""):
    """Rows (torch's name, our name, axes, torch's second bias or None) for a model, under dotted names."""
    kind = next((k for k in type(layer).__mro__ if k in TABLES or k in _LAYERS), None)
    if kind is None:
        for name, child in layer.children.items() if isinstance(layer, Container) else ():
            yield from _entries(child, f"{prefix}{name}.")
        own = {f"{prefix}{name}" for name in layer.names()}
        if own and not isinstance(layer, Container):
            raise LayoutError(f"torch has no {type(layer).__name__}: set {', '.join(sorted(own))} by hand")
        return
    suffix = "_l0" if kind in _LAYERS else ""
    ours = set(layer.names())
    for theirs, name, axes in TABLES[_LAYERS.get(kind, kind)]:
        if name in ours:
            yield prefix + theirs + suffix, prefix + name, axes, None
    if "bias" in ours and _LAYERS.get(kind, kind) in (RNNCell, LSTMCell):
        yield f"{prefix}bias_ih{suffix}", prefix + "bias", None, f"{prefix}bias_hh{suffix}"


def from_torch(state_dict, model):
    """Parameters for a model from the ``state_dict()`` of the same model in torch.

    Parameters
    ----------
    state_dict : mapping of names to tensors or arrays
    model : Layer
        Built of layers that torch has, in the same order and under the same names: ``Sequential`` numbers its layers
        in both. A `TransformerBlock` is torch's TransformerEncoderLayer with ``norm_first=True`` and GELU.

    Returns
    -------
    Params, with running statistics in its buffers.

    Raises
    ------
    LayoutError
        For names that are missing or left over, shapes that do not fit, and layers that torch does not have.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> state = {"weight": np.array([[1.0, 2.0]]), "bias": np.array([3.0])}
    >>> dg.nn.from_torch(state, dg.nn.Linear(2, 1))["weight"]
    array([[1.],
           [2.]])
    """
    given = {name: _array(t) for name, t in state_dict.items()}
    start = {name: (shape, None) for name, shape in model.shapes().items()} | model.buffers()
    found, used = {}, set()
    for theirs, ours, axes, second in _entries(model):
        names = (theirs,) if second is None else (theirs, second)
        missing = [name for name in names if name not in given]
        if missing:
            raise LayoutError(f"the state_dict has no {missing[0]!r}, which {ours!r} is made of")
        a = sum(given[name] for name in names)
        a = a if axes is None else np.transpose(a, axes)
        if a.shape != tuple(start[ours][0]):
            raise LayoutError(f"{theirs!r} gives {ours!r} the shape {a.shape}; expected {tuple(start[ours][0])}")
        found[ours] = np.ascontiguousarray(a)
        used.update(names)
    left = [name for name in given if name not in used and not name.endswith("num_batches_tracked")]
    if left:
        raise LayoutError(f"the state_dict has {left[0]!r}, for which {model!r} has no place")
    buffers = {name: found[name] for name in model.buffers()}
    return Params({name: found[name] for name in model.shapes()}, buffers)


def to_torch(params, model):
    """The ``state_dict`` of the same model in torch, as NumPy arrays: ``torch.from_numpy`` makes tensors of them.

    Parameters
    ----------
    params : Params
    model : Layer

    Returns
    -------
    dict of str to array. The one bias of `RNN` and `LSTM` becomes torch's ``bias_ih``, with ``bias_hh`` zero.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.Linear(2, 1)
    >>> {name: a.shape for name, a in dg.nn.to_torch(layer.init(rng=0), layer).items()}
    {'weight': (1, 2), 'bias': (1,)}
    """
    everything = {**params, **getattr(params, "buffers", {})}
    state = {}
    for theirs, ours, axes, second in _entries(model):
        a = np.asarray(everything[ours])
        state[theirs] = np.ascontiguousarray(a if axes is None else np.transpose(a, np.argsort(axes)))
        if second is not None:
            state[second] = np.zeros_like(state[theirs])
    return state


def _array(tensor):
    """A tensor, or anything NumPy understands, as an array."""
    return tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)
