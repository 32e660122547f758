"""Low-rank factorisation of dense layers (Denil et al. 2013, arXiv:1306.0543; Sainath et al. 2013)."""

import torch
from torch import Tensor, nn

from components.compress.networks import two_layers
from components.errors import CompressionError
from components.nets import Network


def rank_of(singular: Tensor, energy: float) -> int:
    """The smallest rank whose squared singular values are at least a share of all; at least 1.

    Args:
        singular: (values,) descending.
        energy: the share.
    """
    kept = (singular**2).cumsum(0) / (singular**2).sum()
    return min(len(singular), int((kept < energy).sum()) + 1)


@torch.no_grad()
def factorise(network: Network, energy: float) -> None:
    """Puts two thinner layers in the place of every dense layer that they have fewer weights than.

    With the singular value decomposition W = U S Vᵀ the first has √S Vᵀ and the second U √S, cut to the rank: the best
    approximation of that rank (Eckart & Young 1936).

    Args:
        network: changed in place.
        energy: share of the squared singular values that is kept.

    Raises:
        CompressionError: no layer becomes smaller.
    """
    changed = False
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Linear):
            left, singular, right = torch.linalg.svd(layer.weight.float(), full_matrices=False)
            rank = rank_of(singular, energy)
            if rank * (layer.in_features + layer.out_features) < layer.weight.numel():
                network.set_submodule(name, _filled(layer, left, singular, right, rank))
                changed = True
    if not changed:
        raise CompressionError(
            f"low_rank finds no dense layer that {energy:g} of the squared singular values would make smaller: lower "
            "energy"
        )


def _filled(layer: nn.Linear, left: Tensor, singular: Tensor, right: Tensor, rank: int) -> nn.Sequential:
    first, second = two_layers(layer, rank)
    root = singular[:rank].sqrt()
    first.weight.copy_(root[:, None] * right[:rank])
    second.weight.copy_(left[:, :rank] * root)
    if layer.bias is not None:
        second.bias.copy_(layer.bias)
    return nn.Sequential(first, second)
