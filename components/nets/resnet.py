"""Residual networks of basic blocks (He et al. 2016, arXiv:1512.03385), with the stem of section 4.2 for small images.

The last normalisation of each block starts at ZERO: see measurement.
"""

from torch import Tensor, nn

from components.contracts import ImageInputs
from components.nets.activation import Follower, activation
from components.nets.dropout import Dropout
from components.nets.initialisation import Initialiser
from components.nets.network import Body
from components.params.sections import ResnetParams


class BasicBlock(nn.Module):
    """Two convolutions 3×3 beside a shortcut, with normalisation behind each and the activation behind the sum.

    Where the shape changes, the shortcut is a convolution 1×1 with the block's stride (option B of section 4.1). The
    stride is taken before it, by a pooling of one pixel, which comes to the same: the gradient of a strided convolution
    1×1 of fewer than 16 channels writes past its memory in torch 2.13 (oneDNN, channels last, an odd batch).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, follower: Follower, start: Initialiser) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            start(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), follower),
            nn.BatchNorm2d(outputs),
            activation(follower),
            start(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), follower),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(1, stride) if stride != 1 else nn.Identity(),
                start(nn.Conv2d(inputs, outputs, 1, bias=False)),
                nn.BatchNorm2d(outputs),
            )
        self.activation = activation(follower)

    def forward(self, maps_bchw: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride), rounded up."""
        maps: Tensor = self.activation(self.residual(maps_bchw) + self.shortcut(maps_bchw))
        return maps


class Resnet(Body):
    """A stem, stages of basic blocks, and the mean over the last feature map."""

    def __init__(self, params: ResnetParams, inputs: ImageInputs, start: Initialiser) -> None:
        super().__init__()
        width = params.widths[0]
        stem = nn.Conv2d(inputs.channels, width, 3, params.stem_stride, padding=1, bias=False)
        self.stem = nn.Sequential(start(stem, params.activation), nn.BatchNorm2d(width), activation(params.activation))
        blocks: list[nn.Module] = []
        for stage, (filters, number) in enumerate(zip(params.widths, params.blocks, strict=True)):
            for block in range(number):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(width, filters, stride, params.activation, start))
                width = filters
        self.blocks = nn.Sequential(*blocks)
        self.dropout = Dropout(params.dropout)
        self.features = width

    def forward(self, images_bchw: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, features)."""
        features: Tensor = self.dropout(self.blocks(self.stem(images_bchw)).mean(dim=(2, 3)))
        return features
