"""Recurrent layers, each its cell over a sequence; and the search for them in a model."""

from typing import Literal

from numpy.typing import ArrayLike

from ..errors import DualgradError
from .cells import Cell, Factors, GRUCell, LeakyRNNCell, LSTMCell, RNNCell  # noqa: F401 (all cells, from here too)
from .over_time import Recurrent


class RNN(Recurrent):
    """`RNNCell` over a sequence: y_t = h_t ;  dy_t = dh_t, carried along ;  cotangents summed backwards in time.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    nonlinearity : "tanh" or "relu"
    bias, batch_first : bool
    dropout : float
    bidirectional, last_only : bool
        As in `LSTM`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.RNN(3, 2)
    >>> layer(layer.init(rng=0), np.zeros((7, 4, 3), np.float32)).shape
    (7, 4, 2)
    """

    cell_class: type[Cell] = RNNCell

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh", bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, *, last_only: bool = False,
    ):  # fmt: skip
        super().__init__(
            input_size, hidden_size, bias, nonlinearity, num_layers=num_layers, batch_first=batch_first,
            dropout=dropout, bidirectional=bidirectional, last_only=last_only,
        )  # fmt: skip


class LeakyRNN(Recurrent):
    """`LeakyRNNCell` over a sequence: y_t = σ(h_t) ;  dy_t = σ' dh_t, carried along ;  cotangents summed backwards.

    Parameters
    ----------
    input_size, hidden_size : int
    leak : float, array, or "learned"
    bias : bool
    num_layers : int
    batch_first : bool
    dropout : float
    bidirectional, last_only : bool
        As in `LSTM`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.LeakyRNN(3, 2, leak=0.5)
    >>> layer(layer.init(rng=0), np.zeros((7, 4, 3), np.float32)).shape
    (7, 4, 2)
    """

    cell_class: type[Cell] = LeakyRNNCell

    def __init__(
        self, input_size: int, hidden_size: int, leak: ArrayLike | Literal["learned"] = 0.9, bias: bool = True, *,
        num_layers: int = 1, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        last_only: bool = False,
    ):  # fmt: skip
        super().__init__(
            input_size, hidden_size, leak, bias, num_layers=num_layers, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, last_only=last_only,
        )  # fmt: skip


class GRU(Recurrent):
    """`GRUCell` over a sequence: y_t = h_t ;  dy_t = dh_t, carried along ;  cotangents summed backwards in time.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias, batch_first : bool
    dropout : float
    bidirectional, last_only : bool
        As in `LSTM`.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.GRU(3, 2, last_only=True)
    >>> layer(layer.init(rng=0), np.zeros((7, 4, 3), np.float32)).shape
    (4, 2)
    """

    cell_class: type[Cell] = GRUCell

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, *, last_only: bool = False,
    ):  # fmt: skip
        super().__init__(
            input_size, hidden_size, bias, num_layers=num_layers, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, last_only=last_only,
        )  # fmt: skip


class LSTM(Recurrent):
    """`LSTMCell` over a sequence: y_t = h_t ;  dy_t = dh_t, carried along ;  cotangents summed backwards in time.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
        Each layer above the first reads the outputs of the one below.
    bias : bool
    batch_first : bool
        Input and outputs are ``(B, T, n)``; states are as ever.
    dropout : float
        Of the outputs of every layer but the last, in training mode.
    bidirectional : bool
        A second cell in each layer reads the sequence from its end; outputs stand side by side.
    last_only : bool
        Return the last output ``(B, hidden)`` alone; of two directions, that of each where it ends.

    Notes
    -----
    Keywords of a call: ``lengths``, whole numbers ``(B,)`` from 1 to T, for padded sequences: what stands behind the
    end of one is not read, and its outputs there are 0. ``state=(h, c)``, to start from (zeros by default), each
    ``(num_layers * directions, B, hidden)``; and ``return_state=True`` for the pair of outputs and last state.

    Cost of a jvp with dense weight tangents: three times the products of a step; with `OuterProduct` ones, a little
    over two.

    Examples
    --------
    >>> import dualgrad as dg, numpy as np
    >>> layer = dg.nn.LSTM(7, 5, num_layers=2, bidirectional=True)
    >>> params, x = layer.init(rng=0), np.zeros((3, 2, 7), np.float32)
    >>> y, (h, c) = layer(params, x, lengths=[3, 1], return_state=True)
    >>> y.shape, h.shape
    ((3, 2, 10), (4, 2, 5))
    """

    cell_class: type[Cell] = LSTMCell

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, *, last_only: bool = False,
    ):  # fmt: skip
        super().__init__(
            input_size, hidden_size, bias, num_layers=num_layers, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, last_only=last_only,
        )  # fmt: skip


def require_recurrent(estimator, objective):
    """The recurrent layers of a bound objective's model, of which there must be one, from left to right in time."""
    if not hasattr(objective, "vjp"):
        raise DualgradError(
            f"{estimator!r} needs a network: give it nn.Objective(model, loss).bind(x, y), and not beside a candidate "
            "with inner steps, which differentiates another function"
        )
    found = list(_recurrent_layers(objective.model))
    if not found:
        raise DualgradError(
            f"{estimator!r} cuts the sequence of a recurrent layer, and {objective.model!r} has none: add nn.LSTM, "
            "nn.GRU, nn.RNN or nn.LeakyRNN, or take another candidate"
        )
    for layer in found:
        if layer.bidirectional:
            raise DualgradError(f"{estimator!r} cuts a sequence in time, and {layer!r} reads it from both ends")
    return found


def _recurrent_layers(layer):
    if isinstance(layer, Recurrent):
        yield layer
    for child in getattr(layer, "children", {}).values():
        yield from _recurrent_layers(child)
