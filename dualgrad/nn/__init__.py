"""Layers and losses: forward, explicit jvp and explicit vjp, side by side."""

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
from .attention import MultiHeadAttention, TransformerBlock
from .cells import Cell, GRUCell, LeakyRNNCell, LSTMCell, RNNCell
from .containers import Parallel, Residual, Sequential, Transposed
from .conv import Conv1d, Conv2d
from .conv_transpose import ConvTranspose2d
from .initial import initialise
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
    Huber,
    Loss,
    bce_with_logits,
    cross_entropy,
    huber,
    mae,
    mse,
    nll,
)
from .norms import BatchNorm, Dropout, GroupNorm, LayerNorm, RMSNorm
from .objective import BoundObjective, Objective
from .pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .recurrent import GRU, LSTM, RNN, LeakyRNN
from .shape import Flatten, Identity, Reshape
from .softmax import LogSoftmax, Softmax
from .summary import Summary
from .torch import from_torch, to_torch

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "MAE",
    "MSE",
    "NLL",
    "RNN",
    "SELU",
    "Activation",
    "AvgPool2d",
    "BCEWithLogits",
    "BatchNorm",
    "Bilinear",
    "BoundObjective",
    "Cell",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropy",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAvgPool2d",
    "GroupNorm",
    "HardTanh",
    "Huber",
    "Identity",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "LeakyRNN",
    "LeakyRNNCell",
    "LeakyReLU",
    "Linear",
    "LocalMixerBlock",
    "LogSoftmax",
    "Loss",
    "MaxPool2d",
    "MultiHeadAttention",
    "Objective",
    "Parallel",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "Reshape",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Sine",
    "Softmax",
    "Softplus",
    "Summary",
    "Tanh",
    "TransformerBlock",
    "Transposed",
    "accuracy",
    "bce_with_logits",
    "cross_entropy",
    "from_torch",
    "huber",
    "initialise",
    "mae",
    "mse",
    "networks",
    "nll",
    "to_torch",
]
