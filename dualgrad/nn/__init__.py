"""Layers and losses: forward, explicit jvp and explicit vjp, side by side."""

from typing import TYPE_CHECKING

from ..torch_names import NN, without
from . import networks
from .accuracy import accuracy
from .activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    HardTanh,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Sine,
    Softplus,
    Tanh,
)
from .adaptive_pooling import AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool1d, AdaptiveMaxPool2d
from .arrays import Parameter, PositionalEmbedding
from .attention import MultiHeadAttention, TransformerBlock
from .cells import Cell, GRUCell, LeakyRNNCell, LSTMCell, RNNCell
from .channel_dropout import Dropout1d, Dropout2d
from .containers import Container, Parallel, Residual, Sequential, Transposed
from .conv import Conv1d, Conv2d
from .conv_transpose import ConvTranspose2d
from .cross_attention import CrossAttention
from .curves import CELU, LogSigmoid, Mish, Softsign, Tanhshrink
from .gates import GLU, PReLU
from .initial import initialise
from .instance_norm import InstanceNorm
from .layer import Layer
from .linear import Linear
from .local_mixer import LocalMixerBlock
from .lookup import Bilinear, Embedding
from .losses import (
    MAE,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    GaussianNLL,
    Hinge,
    Huber,
    KLDiv,
    Loss,
    SmoothL1,
    bce_with_logits,
    cross_entropy,
    gaussian_nll,
    hinge,
    huber,
    kl_div,
    mae,
    mse,
    nll,
    smooth_l1,
)
from .norms import BatchNorm, Dropout, GroupNorm, LayerNorm, RMSNorm
from .objective import BoundObjective, Objective
from .padding_layers import (
    CircularPad1d,
    CircularPad2d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReplicationPad1d,
    ReplicationPad2d,
    ZeroPad1d,
    ZeroPad2d,
)
from .pieces import Hardshrink, Hardsigmoid, Hardswish, ReLU6, Softshrink, Threshold
from .pooling import AvgPool1d, AvgPool2d, GlobalAvgPool2d, MaxPool1d, MaxPool2d
from .recurrent import GRU, LSTM, RNN, LeakyRNN
from .shape import Flatten, Identity, PixelShuffle, Reshape
from .softmax import LogSoftmax, Softmax
from .summary import Summary
from .torch import from_torch, to_torch
from .upsample import Upsample

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "MAE",
    "MSE",
    "NLL",
    "RNN",
    "SELU",
    "Activation",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCEWithLogits",
    "BatchNorm",
    "Bilinear",
    "BoundObjective",
    "Cell",
    "CircularPad1d",
    "CircularPad2d",
    "Container",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossAttention",
    "CrossEntropy",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianNLL",
    "GlobalAvgPool2d",
    "GroupNorm",
    "HardTanh",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hinge",
    "Huber",
    "Identity",
    "InstanceNorm",
    "KLDiv",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "LeakyRNN",
    "LeakyRNNCell",
    "LeakyReLU",
    "Linear",
    "LocalMixerBlock",
    "LogSigmoid",
    "LogSoftmax",
    "Loss",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "MultiHeadAttention",
    "Objective",
    "PReLU",
    "Parallel",
    "Parameter",
    "PixelShuffle",
    "PositionalEmbedding",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "Reshape",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Sine",
    "SmoothL1",
    "Softmax",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Summary",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "TransformerBlock",
    "Transposed",
    "Upsample",
    "ZeroPad1d",
    "ZeroPad2d",
    "accuracy",
    "bce_with_logits",
    "cross_entropy",
    "from_torch",
    "gaussian_nll",
    "hinge",
    "huber",
    "initialise",
    "kl_div",
    "mae",
    "mse",
    "networks",
    "nll",
    "smooth_l1",
    "to_torch",
]

if not TYPE_CHECKING:  # a checker knows the names there are, and no other

    def __getattr__(name):
        raise AttributeError(without("module 'dualgrad.nn'", name, NN), name=name)
