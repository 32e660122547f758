"""The weights that training starts from: the section ``train.initialisation``, layer by layer.

Each network hands its layers to an :class:`Initialiser` where it makes them, and says what follows each. Biases become
zero. What is neither a linear map nor a convolution has a start of its own, whatever the rule:

- Normalisation: torch's ones and zeros; where a network differs, it says so.
- Recurrent matrices: orthogonal, each gate by itself, so that a state keeps its size through time (Saxe et al. 2014,
  arXiv:1312.6120; Le et al. 2015, arXiv:1504.00941). The input matrices follow the rule, each gate with its own gain.
- Embeddings of tokens and positions: normal with deviation 0.02 (Devlin et al. 2019, arXiv:1810.04805); that of the
  padding is zero.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from components.nets.activation import GAINS, Follower
from components.params.sections import InitialisationParams, NormalParams

EMBEDDING_STD = 0.02
Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)
Rule = Callable[[Tensor, float], object]
"""Fills a matrix or kernel in place, for a gain."""


def _he_uniform(weight: Tensor, gain: float) -> None:
    nn.init.kaiming_uniform_(weight, nonlinearity="linear").mul_(gain)  # torch knows no gain of gelu and silu


def _he_normal(weight: Tensor, gain: float) -> None:
    nn.init.kaiming_normal_(weight, nonlinearity="linear").mul_(gain)


RULES: dict[str, Rule] = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "he_uniform": _he_uniform,
    "he_normal": _he_normal,
    "orthogonal": nn.init.orthogonal_,
}


class Initialiser:
    """Fills weights by the rule of ``train.initialisation``, from torch's global random state.

    With n inputs and m outputs of a matrix, and the gain g of what follows it: xavier has the variance 2g² / (n + m),
    he g² / n, orthogonal has orthonormal rows or columns times g, and normal has its own deviation.
    """

    def __init__(self, params: InitialisationParams) -> None:
        if isinstance(params, NormalParams):
            std = params.std
            self._rule: Rule = lambda weight, gain: nn.init.normal_(weight, std=std)
        else:
            self._rule = RULES[params.name]

    def __call__(self, layer: Layer, follower: Follower = "linear", matrices: int = 1) -> Layer:
        """The layer itself, its weights filled.

        Args:
            layer: a linear map or a convolution; each group of a convolution is filled as one of its own.
            follower: the activation behind it, whose gain it gets.
            matrices: how many maps of the same input it holds, stacked by their outputs, each filled by itself.
        """
        stacked = layer.groups if isinstance(layer, nn.Conv2d) else matrices
        self._fill(layer.weight, [follower] * stacked)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return layer

    @torch.no_grad()
    def recurrent(self, layer: nn.RNNBase, gates: Sequence[Follower]) -> None:
        """Fills one layer of a recurrent network, of one direction.

        Args:
            layer: with one layer, not bidirectional.
            gates: what follows each gate, in the order in which torch stacks them.
        """
        self._fill(layer.get_parameter("weight_ih_l0"), gates)
        for gate in layer.get_parameter("weight_hh_l0").chunk(len(gates)):
            nn.init.orthogonal_(gate)
        for bias in ("bias_ih_l0", "bias_hh_l0"):
            nn.init.zeros_(layer.get_parameter(bias))

    @torch.no_grad()
    def _fill(self, weight: Tensor, followers: Sequence[Follower]) -> None:
        for part, follower in zip(weight.chunk(len(followers)), followers, strict=True):
            self._rule(part, GAINS[follower])


def embedding(vocabulary: int, width: int, padding: int) -> nn.Embedding:
    """An embedding of tokens; that of the padding is zero, and stays so."""
    table = nn.Embedding(vocabulary, width, padding_idx=padding)
    with torch.no_grad():
        nn.init.normal_(table.weight, std=EMBEDDING_STD)[padding] = 0
    return table


def positions(length: int, width: int) -> nn.Parameter:
    """A learned embedding of positions, (1, length, width)."""
    return nn.Parameter(nn.init.normal_(torch.empty(1, length, width), std=EMBEDDING_STD))
