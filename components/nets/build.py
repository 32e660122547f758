"""From the ``train.network`` section to a module."""

import torch
from torch import Tensor, nn

from components.params.sections import CnnParams, MlpParams


class Network(nn.Module):
    """A body that gives features and a head that turns them into class scores.

    Attributes:
        body: (batch, channels, height, width) float -> (batch, features) float.
        head: (batch, features) -> (batch, classes), logits.
        features: width of the features.
    """

    def __init__(self, body: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(features, classes)
        self.features = features

    def forward(self, images_bchw: Tensor) -> Tensor:
        """Class scores (logits) of a batch of preprocessed images."""
        logits: Tensor = self.head(self.body(images_bchw))
        return logits


def build_network(params: CnnParams | MlpParams, shape: tuple[int, int, int], classes: int) -> Network:
    """Builds an untrained network; its weights follow from torch's global random state.

    Args:
        params: the ``train.network`` section.
        shape: channels, height, width of an input.
        classes: number of classes.
    """
    body = _cnn(params, shape) if isinstance(params, CnnParams) else _mlp(params, shape)
    network = Network(body, params.dense[-1], classes)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's overloads
    return network


def _cnn(params: CnnParams, shape: tuple[int, int, int]) -> nn.Sequential:
    channels, height, width = shape
    layers: list[nn.Module] = []
    for index, filters in enumerate(params.filters):
        layers.append(nn.Conv2d(channels, filters, 3, bias=not params.batch_norm))
        if params.batch_norm:
            layers.append(nn.BatchNorm2d(filters))
        channels = filters
        if index < len(params.filters) - 1:
            layers.append(nn.MaxPool2d(2))
        layers.append(nn.ReLU())  # after the pooling: the same values, from a quarter of the work
    features = channels * params.last_side(height) * params.last_side(width)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(params.dropout), *_dense(features, params.dense, 0.0))


def _mlp(params: MlpParams, shape: tuple[int, int, int]) -> nn.Sequential:
    channels, height, width = shape
    return nn.Sequential(nn.Flatten(), *_dense(channels * height * width, params.dense, params.dropout))


def _dense(inputs: int, widths: tuple[int, ...], dropout: float) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for units in widths:
        layers += [nn.Linear(inputs, units), nn.ReLU()] + ([nn.Dropout(dropout)] if dropout else [])
        inputs = units
    return layers


def count_parameters(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
