"""Dense layers, as several networks end in them."""

from torch import nn

from components.nets.activation import Follower, activation
from components.nets.dropout import Dropout
from components.nets.initialisation import Initialiser


def dense(
    width: int, units: tuple[int, ...], follower: Follower, start: Initialiser, dropout: float = 0.0
) -> nn.Sequential:
    """Linear maps, each with its activation and dropout behind it; (batch, width) -> (batch, last of units)."""
    layers: list[nn.Module] = []
    for outputs in units:
        layers += [start(nn.Linear(width, outputs), follower), activation(follower), Dropout(dropout)]
        width = outputs
    return nn.Sequential(*layers)
