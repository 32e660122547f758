"""Recurrent networks over the tokens of a text: LSTM and GRU, twins but for their cells.

LSTM: Hochreiter & Schmidhuber 1997 (doi:10.1162/neco.1997.9.8.1735), the bias of its forget gate starting at 1 (Gers et
al. 2000, doi:10.1162/089976600300015015; Jozefowicz et al. 2015, proceedings.mlr.press/v37). GRU: Cho et al. 2014
(arXiv:1406.1078).

Padding comes behind a text. What is read onwards has seen none of it; to be read backwards, each text is turned round
within its own length, so that its last token comes first and the padding still comes last.
"""

import torch
from torch import Tensor, nn

from components.contracts import TextInputs
from components.nets.activation import Follower
from components.nets.dropout import Dropout
from components.nets.initialisation import Initialiser, embedding
from components.nets.network import Body
from components.nets.tokens import masked_max, masked_mean, real_tokens
from components.params.sections import GruParams, LstmParams

LSTM_GATES: tuple[Follower, ...] = ("sigmoid", "sigmoid", "tanh", "sigmoid")
"""Input, forget, cell, output."""
GRU_GATES: tuple[Follower, ...] = ("sigmoid", "sigmoid", "tanh")
"""Reset, update, new."""


def lstm(inputs: int, hidden: int, start: Initialiser) -> nn.RNNBase:
    """One layer of one direction."""
    layer = nn.LSTM(inputs, hidden, batch_first=True)
    start.recurrent(layer, LSTM_GATES)
    with torch.no_grad():
        layer.get_parameter("bias_ih_l0").chunk(len(LSTM_GATES))[1].fill_(1)
    return layer


def gru(inputs: int, hidden: int, start: Initialiser) -> nn.RNNBase:
    """One layer of one direction."""
    layer = nn.GRU(inputs, hidden, batch_first=True)
    start.recurrent(layer, GRU_GATES)
    return layer


CELLS = {"lstm": lstm, "gru": gru}


class Layer(nn.Module):
    """One layer that reads onwards, or both ways."""

    def __init__(self, params: LstmParams | GruParams, inputs: int, start: Initialiser) -> None:
        super().__init__()
        cell = CELLS[params.name]
        self.onwards = cell(inputs, params.hidden, start)
        self.backwards = cell(inputs, params.hidden, start) if params.bidirectional else None

    def forward(self, tokens_btw: Tensor, turned_bt1: Tensor) -> Tensor:
        """(batch, length, width) -> (batch, length, hidden × directions); turned: see :func:`turn`."""
        onwards: Tensor = self.onwards(tokens_btw)[0]
        if self.backwards is None:
            return onwards
        backwards = _at(self.backwards(_at(tokens_btw, turned_bt1))[0], turned_bt1)
        return torch.cat([onwards, backwards], dim=2)


class Recurrent(Body):
    """An embedding, layers over the tokens, and the states of the real tokens pooled."""

    def __init__(self, params: LstmParams | GruParams, inputs: TextInputs, start: Initialiser) -> None:
        super().__init__()
        self.params, self.padding = params, inputs.padding
        self.features = params.hidden * (2 if params.bidirectional else 1)
        self.embedding = embedding(inputs.vocabulary, params.embedding, inputs.padding)
        widths = [params.embedding] + [self.features] * (params.layers - 1)
        self.layers = nn.ModuleList(Layer(params, width, start) for width in widths)
        self.dropout = Dropout(params.dropout)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (batch, length) int64 -> (batch, features)."""
        real = real_tokens(ids, self.padding)
        turned = turn(real)
        states_btw = self.embedding(ids)
        for layer in self.layers:
            states_btw = layer(self.dropout(states_btw), turned)
        features: Tensor = self.dropout(self._pool(states_btw, real))
        return features

    def _pool(self, states_btw: Tensor, real_bt: Tensor) -> Tensor:
        match self.params.pooling:
            case "last":
                return last_states(states_btw, real_bt, self.params.hidden)
            case "mean":
                return masked_mean(states_btw, real_bt)
            case "max":
                return masked_max(states_btw, real_bt)


def last_states(states_btw: Tensor, real_bt: Tensor, hidden: int) -> Tensor:
    """The state of each direction once it has read the whole text: (batch, length, width) -> (batch, width).

    Args:
        states_btw: those of reading onwards, ``hidden`` wide, then those of reading backwards, if there are any.
        real_bt: which tokens are no padding.
        hidden: width of one direction.
    """
    last_b11 = (real_bt.sum(dim=1) - 1)[:, None, None]
    onwards = _at(states_btw[..., :hidden], last_b11)[:, 0]
    return torch.cat([onwards, states_btw[:, 0, hidden:]], dim=1)


def turn(real_bt: Tensor) -> Tensor:
    """Where each token of a text turned round within its own length comes from, and where it goes: (batch, length, 1).

    The padding stays where it is.
    """
    places = torch.arange(real_bt.shape[1], device=real_bt.device).expand_as(real_bt)
    last = real_bt.sum(dim=1, keepdim=True) - 1
    return torch.where(real_bt, last - places, places).unsqueeze(2)


def _at(tokens_btw: Tensor, places_bp1: Tensor) -> Tensor:
    """The tokens at some places, in the places' order: (batch, places, width)."""
    return tokens_btw.gather(1, places_bp1.expand(-1, -1, tokens_btw.shape[2]))
