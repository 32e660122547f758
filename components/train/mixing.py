"""Mixing two samples of a batch and their losses: mixup and cutmix."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from components.params.sections import Cutmix, Mixup, NoMix

Mix = NoMix | Mixup | Cutmix


@dataclass(frozen=True)
class Mixed:
    """A batch whose samples were mixed, each with another one.

    Attributes:
        inputs: (batch, …) float.
        labels: (batch,) of the first sample.
        others: (batch,) of the second one.
        share: of the first.
    """

    inputs: Tensor
    labels: Tensor
    others: Tensor
    share: float

    def loss(self, loss: nn.Module, outputs: Tensor) -> Tensor:
        """The mixed loss: share · L(labels) + (1 - share) · L(others)."""
        first: Tensor = loss(outputs, self.labels)
        if self.share == 1:
            return first
        second: Tensor = loss(outputs, self.others)
        return self.share * first + (1 - self.share) * second


def mix_batch(params: Mix, inputs: Tensor, labels: Tensor) -> Mixed:
    """Mixes a batch with a permutation of itself, with the stated probability; draws from the global generator.

    Args:
        params: the section ``augment.mix``.
        inputs: (batch, …) float; cutmix: (batch, channels, height, width).
        labels: (batch,).
    """
    if isinstance(params, NoMix) or float(torch.rand(())) >= params.probability:
        return Mixed(inputs, labels, labels, 1.0)
    concentration = torch.tensor(params.alpha)
    share = float(torch.distributions.Beta(concentration, concentration).sample())
    order = torch.randperm(len(inputs)).to(inputs.device)
    if isinstance(params, Mixup):
        return Mixed(share * inputs + (1 - share) * inputs[order], labels, labels[order], share)
    mixed, share = cut(inputs, inputs[order], share)
    return Mixed(mixed, labels, labels[order], share)


def cut(images_bchw: Tensor, others_bchw: Tensor, share: float) -> tuple[Tensor, float]:
    """Lays a random rectangle of other images over a batch (Yun et al. 2019, section 3.1, equation 2).

    Args:
        images_bchw: what is covered in part.
        others_bchw: what covers it.
        share: of the area that is kept, before the rectangle is cut off at the border.

    Returns:
        The images, and the share of their area that was kept.
    """
    height, width = images_bchw.shape[2:]
    tall, wide = (int(side * math.sqrt(1 - share)) for side in (height, width))
    row, column = int(torch.randint(height, ())), int(torch.randint(width, ()))
    top, bottom = max(0, row - tall // 2), min(height, row + tall // 2)
    left, right = max(0, column - wide // 2), min(width, column + wide // 2)
    mixed = images_bchw.clone()
    mixed[:, :, top:bottom, left:right] = others_bchw[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
