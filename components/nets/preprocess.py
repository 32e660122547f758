"""From the pixels of a file to what a network takes: the one definition, for training and inside the exported graph."""

import torch
from torch import Tensor, nn

from components.contracts import Preprocessing


class Preprocess(nn.Module):
    """Scales uint8 pixels to [0, 1] and normalises them with what was fitted on the training split."""

    mean: Tensor
    std: Tensor

    def __init__(self, fitted: Preprocessing) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(fitted.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(fitted.std).view(1, -1, 1, 1), persistent=False)

    def scale(self, pixels_bhwc: Tensor) -> Tensor:
        """uint8 (batch, height, width, channels) -> [0, 1], (batch, channels, height, width), channels_last."""
        return pixels_bhwc.permute(0, 3, 1, 2).float() / 255

    def normalise(self, images_bchw: Tensor) -> Tensor:
        """[0, 1] -> less the training mean, over the training deviation, per channel."""
        return (images_bchw - self.mean) / self.std

    def forward(self, pixels_bhwc: Tensor) -> Tensor:
        """Both steps."""
        return self.normalise(self.scale(pixels_bhwc))
