"""Cells: one step of a recurrent network, ``state, x -> state``, with its rules; nn/recurrent.py runs them."""

from .base import Cell, Factors
from .gru import GRUCell
from .leaky import LeakyRNNCell
from .lstm import LSTMCell
from .rnn import RNNCell

__all__ = ["Cell", "Factors", "GRUCell", "LSTMCell", "LeakyRNNCell", "RNNCell"]
