"""Convolutions with pooling between them, then dense layers; (32, 64, 64) and (64,) is the reference CNN."""

from torch import Tensor, nn

from components.contracts import ImageInputs
from components.nets.activation import MONOTONE, activation
from components.nets.dense import dense
from components.nets.dropout import Dropout
from components.nets.initialisation import Initialiser
from components.nets.network import Body
from components.params.sections import CnnParams


class Cnn(Body):
    """Convolutions 3×3 without padding, max pooling by 2 behind every one but the last, dropout, dense layers."""

    def __init__(self, params: CnnParams, inputs: ImageInputs, start: Initialiser) -> None:
        super().__init__()
        self.convolutions = _convolutions(params, inputs.channels, start)
        self.flatten, self.dropout = nn.Flatten(), Dropout(params.dropout)
        width = params.filters[-1] * params.last_side(inputs.height) * params.last_side(inputs.width)
        self.dense = dense(width, params.dense, params.activation, start)
        self.features = params.dense[-1]

    def forward(self, images_bchw: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, features)."""
        features: Tensor = self.dense(self.dropout(self.flatten(self.convolutions(images_bchw))))
        return features


def _convolutions(params: CnnParams, channels: int, start: Initialiser) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, filters in enumerate(params.filters, 1):
        layers.append(start(nn.Conv2d(channels, filters, 3, bias=not params.batch_norm), params.activation))
        if params.batch_norm:
            layers.append(nn.BatchNorm2d(filters))
        behind = [activation(params.activation)]
        if number < len(params.filters):
            # Before a monotone activation pooling gives the same values, from a quarter of the work.
            behind.insert(0 if params.activation in MONOTONE else 1, nn.MaxPool2d(2))
        layers += behind
        channels = filters
    return nn.Sequential(*layers)
