"""MobileNetV2: inverted residuals with linear bottlenecks (Sandler et al. 2018, arXiv:1801.04381), for small images."""

from torch import Tensor, nn

from components.contracts import ImageInputs
from components.nets.dropout import Dropout
from components.nets.initialisation import Initialiser
from components.nets.network import Body
from components.params.sections import MobileNetV2Params

STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Table 2 of the paper: expansion, filters, blocks, stride of the first block.

Of the five halvings of a 224 pixel image two are left out, those of the stem and of the second stage: an image of 28
or 32 pixels ends as 4 × 4.
"""
STEM, LAST = 32, 1280


def rounded(filters: float) -> int:
    """The nearest multiple of 8, no smaller than 8 and by no more than a tenth below (the authors' make_divisible)."""
    multiple = max(8, int(filters + 4) // 8 * 8)
    return multiple if multiple >= 0.9 * filters else multiple + 8


def _convolution(
    inputs: int, outputs: int, kernel: int, start: Initialiser, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(start(layer, "relu"), nn.BatchNorm2d(outputs), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Widens by a convolution 1×1, filters each channel by itself, and narrows linearly; with a shortcut if it can."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, start: Initialiser) -> None:
        super().__init__()
        wide = inputs * expansion
        self.layers = nn.Sequential(
            *([_convolution(inputs, wide, 1, start)] if expansion != 1 else []),
            _convolution(wide, wide, 3, start, stride=stride, groups=wide),
            start(nn.Conv2d(wide, outputs, 1, bias=False)),
            nn.BatchNorm2d(outputs),
        )
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, maps_bchw: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride), rounded up."""
        narrow: Tensor = self.layers(maps_bchw)
        return maps_bchw + narrow if self.has_shortcut else narrow


class MobileNetV2(Body):
    """A stem, the stages, a last convolution 1×1, and the mean over the last feature map."""

    def __init__(self, params: MobileNetV2Params, inputs: ImageInputs, start: Initialiser) -> None:
        super().__init__()
        width = rounded(STEM * params.width)
        layers: list[nn.Module] = [_convolution(inputs.channels, width, 3, start)]
        for expansion, filters, blocks, stride in STAGES:
            outputs = rounded(filters * params.width)
            for block in range(blocks):
                layers.append(InvertedResidual(width, outputs, expansion, stride if block == 0 else 1, start))
                width = outputs
        self.features = rounded(LAST * max(1.0, params.width))
        self.layers = nn.Sequential(*layers, _convolution(width, self.features, 1, start))
        self.dropout = Dropout(params.dropout)

    def forward(self, images_bchw: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, features)."""
        features: Tensor = self.dropout(self.layers(images_bchw).mean(dim=(2, 3)))
        return features
