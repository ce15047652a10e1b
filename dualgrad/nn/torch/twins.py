"""What torch has of each layer: the names of its class, of its parameters with their axes, and of its settings."""

from typing import NamedTuple

import numpy as np

from .. import activations as f
from .. import adaptive_pooling as a
from .. import curves, pieces
from .. import padding_layers as pads
from ..attention import MultiHeadAttention, TransformerBlock
from ..cells import GRUCell, LSTMCell, RNNCell
from ..channel_dropout import Dropout1d, Dropout2d
from ..containers import Parallel, Residual, Sequential, Transposed
from ..conv import Conv1d, Conv2d
from ..conv_transpose import ConvTranspose2d
from ..cross_attention import CrossAttention
from ..gates import PReLU
from ..instance_norm import InstanceNorm
from ..linear import Linear
from ..lookup import Bilinear, Embedding
from ..norms import BatchNorm, Dropout, GroupNorm, LayerNorm, RMSNorm
from ..pooling import AvgPool1d, AvgPool2d, GlobalAvgPool2d, MaxPool1d, MaxPool2d
from ..recurrent import GRU, LSTM, RNN
from ..shape import Flatten, Identity, Reshape
from ..softmax import LogSoftmax, Softmax
from ..upsample import Upsample


def _settings(*names, **fixed):
    """The settings of a layer under torch's names: attributes of ours, and what ours has no choice in."""
    return lambda layer: {name: getattr(layer, name) for name in names} | fixed


def _window(*names, **fixed):
    """The same with those of its window."""

    def settings(layer):
        w = layer.patches
        own = {"dilation": w.dilation, "ceil_mode": w.ceil, "padding_mode": w.border}
        padding = w.padding if w.after == w.padding else "same"
        window = {"kernel_size": w.size, "stride": w.stride, "padding": padding}
        return window | {name: own[name] if name in own else getattr(layer, name) for name in names} | fixed

    return settings


def _border(layer):
    return {"padding": tuple(width for widths in reversed(layer.widths) for width in widths)}


def _recurrent_settings(layer):
    found = {name: getattr(layer, name) for name in ("num_layers", "bidirectional", "batch_first")} | {"proj_size": 0}
    return found | ({"nonlinearity": layer.cell.nonlinearity} if isinstance(layer, RNN) else {})


def _block_dropout(block):
    p = next((d.p for d in block.layers[0].children["body"].layers if isinstance(d, Dropout)), 0.0)
    return {"dropout.p": 0.0, "dropout1.p": p, "dropout2.p": p}


class Twin(NamedTuple):
    """What torch has of a layer.

    Attributes
    ----------
    torch : names of its classes there
    first : whether it acts on axis 1 there, or on the last one (False); None where it acts on every entry alike
    rows : (torch's name, our name, axes, what they hold)
        Our array is torch's with its axes in that order; each of our axes holds features that come in (i), features
        that go out (o), the two halves of what comes in (u, v), or something else (.).
    settings, training : settings of a layer that change what it returns, always or in training mode alone
    """

    torch: str
    first: bool | None = None
    rows: tuple = ()
    settings: object = lambda layer: {}
    training: object = lambda layer: {}


_BIAS = ("bias", "bias", None, "o")
_NORM = (("weight", "weight", None, "i"), ("bias", "bias", None, "i"))
_RUNNING_STATISTICS = (("running_mean", "running_mean", None, "i"), ("running_var", "running_var", None, "i"))
_GRU = (("weight_ih", "weight_x", (1, 0), "i."), ("weight_hh", "weight_h", (1, 0), ".."),
        ("bias_ih", "bias_x", None, "."), ("bias_hh", "bias_h", None, "."))  # fmt: skip
_CELL = (*_GRU[:2], (("bias_ih", "bias_hh"), "bias", None, "."))  # our one bias is the sum of torch's two
_ATTENTION = (("in_proj_weight", "qkv.weight", (1, 0), "i."), ("in_proj_bias", "qkv.bias", None, "."),
              ("out_proj.weight", "out.weight", (1, 0), ".o"), ("out_proj.bias", "out.bias", None, "o"))  # fmt: skip
TWINS = {
    Linear: Twin("Linear", False, (("weight", "weight", (1, 0), "io"), _BIAS)),
    Bilinear: Twin("Bilinear", False, (("weight", "weight", (1, 2, 0), "uvo"), _BIAS)),
    Embedding: Twin("Embedding", False, (("weight", "weight", None, ".o"),),
                    _settings(max_norm=None), _settings("padding_idx")),
    Conv1d: Twin("Conv1d", True, (("weight", "weight", (2, 1, 0), ".io"), _BIAS),
                 _window("dilation", "groups", "padding_mode")),
    Conv2d: Twin("Conv2d", True, (("weight", "weight", (2, 3, 1, 0), "..io"), _BIAS),
                 _window("dilation", "groups", "padding_mode")),
    ConvTranspose2d: Twin("ConvTranspose2d", True, (("weight", "weight", (2, 3, 0, 1), "..io"), _BIAS),
                          _window("dilation", "groups", "output_padding", padding_mode="zeros")),
    MaxPool1d: Twin("MaxPool1d", True, (), _window("dilation", "ceil_mode", return_indices=False)),
    MaxPool2d: Twin("MaxPool2d", True, (), _window("dilation", "ceil_mode", return_indices=False)),
    AvgPool1d: Twin("AvgPool1d", True, (), _window("ceil_mode", "count_include_pad")),
    AvgPool2d: Twin("AvgPool2d", True, (), _window("ceil_mode", "count_include_pad", "divisor_override")),
    **{kind: Twin(kind.__name__, True, (), _settings("output_size"))
       for kind in (a.AdaptiveAvgPool1d, a.AdaptiveAvgPool2d)},
    **{kind: Twin(kind.__name__, True, (), _settings("output_size", return_indices=False))
       for kind in (a.AdaptiveMaxPool1d, a.AdaptiveMaxPool2d)},
    **{kind: Twin(kind.__name__, True, (), _border)
       for kind in (pads.ZeroPad1d, pads.ZeroPad2d, pads.ReflectionPad1d, pads.ReflectionPad2d, pads.ReplicationPad1d,
                    pads.ReplicationPad2d, pads.CircularPad1d, pads.CircularPad2d)},
    Upsample: Twin("Upsample", True, (), _settings("size", "scale_factor", "mode", "align_corners",
                                                   recompute_scale_factor=None)),
    GlobalAvgPool2d: Twin("AdaptiveAvgPool2d", True, (), _settings(output_size=1)),
    LayerNorm: Twin("LayerNorm", False, _NORM, _settings("eps")),
    RMSNorm: Twin("RMSNorm", False, _NORM[:1], _settings("eps")),
    GroupNorm: Twin("GroupNorm", True, _NORM, _settings("eps", "num_groups")),
    InstanceNorm: Twin("InstanceNorm1d InstanceNorm2d InstanceNorm3d", True, _NORM + _RUNNING_STATISTICS,
                       _settings("eps", "track_running_stats"), _settings("momentum")),
    BatchNorm: Twin("BatchNorm1d BatchNorm2d BatchNorm3d", True, _NORM + _RUNNING_STATISTICS, _settings("eps"),
                    _settings("momentum")),
    RNNCell: Twin("RNNCell", False, _CELL, _settings("nonlinearity")),
    LSTMCell: Twin("LSTMCell", False, _CELL),
    GRUCell: Twin("GRUCell", False, _GRU),
    RNN: Twin("RNN", False, (), _recurrent_settings, _settings("dropout")),
    LSTM: Twin("LSTM", False, (), _recurrent_settings, _settings("dropout")),
    GRU: Twin("GRU", False, (), _recurrent_settings, _settings("dropout")),
    MultiHeadAttention: Twin("MultiheadAttention", False, _ATTENTION,
                             _settings("num_heads", batch_first=True, add_zero_attn=False), _settings("dropout")),
    CrossAttention: Twin("MultiheadAttention", False, _ATTENTION,
                             _settings("num_heads", batch_first=True, add_zero_attn=False), _settings("dropout")),
    TransformerBlock: Twin("TransformerEncoderLayer", None, (), _settings(norm_first=True, activation="gelu"),
                           _block_dropout),
    Softmax: Twin("Softmax"), LogSoftmax: Twin("LogSoftmax"), f.ReLU: Twin("ReLU"), f.SELU: Twin("SELU"),
    f.LeakyReLU: Twin("LeakyReLU", settings=_settings("negative_slope")), f.SiLU: Twin("SiLU"),
    f.ELU: Twin("ELU", settings=_settings("alpha")), f.Tanh: Twin("Tanh"), f.Sigmoid: Twin("Sigmoid"),
    f.GELU: Twin("GELU", settings=_settings("approximate")),
    f.Softplus: Twin("Softplus", settings=_settings("beta", "threshold")),
    f.HardTanh: Twin("Hardtanh", settings=_settings("min_val", "max_val")),
    PReLU: Twin("PReLU", True, _NORM[:1], _settings("num_parameters")),
    curves.CELU: Twin("CELU", settings=_settings("alpha")), curves.Mish: Twin("Mish"),
    curves.Softsign: Twin("Softsign"), curves.LogSigmoid: Twin("LogSigmoid"), curves.Tanhshrink: Twin("Tanhshrink"),
    pieces.ReLU6: Twin("ReLU6 Hardtanh", settings=_settings("min_val", "max_val")),
    pieces.Hardsigmoid: Twin("Hardsigmoid"), pieces.Hardswish: Twin("Hardswish"),
    pieces.Hardshrink: Twin("Hardshrink", settings=_settings("lambd")),
    pieces.Softshrink: Twin("Softshrink", settings=_settings("lambd")),
    pieces.Threshold: Twin("Threshold", settings=_settings("threshold", "value")),
    Dropout1d: Twin("Dropout1d", True, training=_settings("p")),
    Dropout2d: Twin("Dropout2d", True, training=_settings("p")),
    Dropout: Twin("Dropout", training=_settings("p")), Identity: Twin("Identity"),
    Flatten: Twin("Flatten", settings=_settings(start_dim=1, end_dim=-1)),
    Reshape: Twin(""), Sequential: Twin(""), Residual: Twin(""), Parallel: Twin(""), Transposed: Twin(""),
    f.Activation: Twin(""),
}  # fmt: skip
_RULES = "forward", "step", "curve", "normalised"  # a class that overrides one of these is another layer


def kind_of(layer):
    """The class of ours, among those that torch has, whose function this layer is; None for a layer of one's own."""
    kind = type(layer)
    fits = (k for k in kind.__mro__ if k in TWINS
            and all(getattr(kind, rule, None) is getattr(k, rule, None) for rule in _RULES))  # fmt: skip
    return next(fits, f.Activation if isinstance(layer, f.Activation) and not layer.names() else None)


def idle(twin):
    """Whether a module of torch returns its input."""
    name = type(twin).__name__
    return name == "Identity" or "Dropout" in name and (not twin.training or getattr(twin, "p", None) == 0)


def equal(found, value, layer):
    """Whether two settings are the same; one number stands for all axes, a word for the padding it means."""
    if found == "valid":
        found = 0
    elif found == "same" != value:
        w = layer.patches
        found = tuple(d * (k - 1) / 2 for d, k in zip(w.dilation, w.size, strict=True))
    return bool(np.all(np.asarray(found, object) == np.asarray(value, object)))
