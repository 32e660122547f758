"""From the array of a decoder to what a network takes: the one definition, for training and inside the exported graph.

Augmentation works between the two steps: on what ``unpack`` gives, before ``normalise``.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from components.contracts import CategoricalColumn, ImageInputs, Inputs, NumericColumn, RowInputs, TextInputs


class Preprocess(nn.Module, ABC):
    """Two steps, with what was fitted on the training split; without weights."""

    @abstractmethod
    def unpack(self, raw: Tensor) -> Tensor:
        """The array as it is stored -> what augmentation takes."""

    @abstractmethod
    def normalise(self, unpacked: Tensor) -> Tensor:
        """What augmentation gives -> what a network takes."""

    def forward(self, raw: Tensor) -> Tensor:
        """Both steps."""
        return self.normalise(self.unpack(raw))


class ImagePreprocess(Preprocess):
    """Scales uint8 pixels to [0, 1], then less the training mean, over the training deviation, per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, inputs: ImageInputs) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(inputs.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(inputs.std).view(1, -1, 1, 1), persistent=False)

    def unpack(self, raw: Tensor) -> Tensor:
        """uint8 (batch, height, width, channels) -> [0, 1], (batch, channels, height, width), channels_last."""
        return raw.permute(0, 3, 1, 2).float() / 255

    def normalise(self, unpacked: Tensor) -> Tensor:
        """[0, 1] -> mean 0 and deviation 1 over the training split, per channel."""
        return (unpacked - self.mean) / self.std


class TextPreprocess(Preprocess):
    """Token ids stay as they are."""

    def unpack(self, raw: Tensor) -> Tensor:
        """int32 (batch, length) -> int64."""
        return raw.long()

    def normalise(self, unpacked: Tensor) -> Tensor:
        """The ids themselves."""
        return unpacked


class RowPreprocess(Preprocess):
    """Fills in what is missing, scales numbers, and makes one number of each category.

    A number beyond the range of the training split counts as the end of that range: nothing was learnt out there, and
    a network's extrapolation of a typing error can be off by any amount. Numeric columns come first, in their order,
    then one column for each category of each categorical column.
    """

    median: Tensor
    low: Tensor
    high: Tensor
    shift: Tensor
    scale: Tensor
    numeric: Tensor
    categorical: Tensor
    category: Tensor

    def __init__(self, inputs: RowInputs) -> None:
        super().__init__()
        numeric = [(place, column) for place, column in enumerate(inputs.columns) if isinstance(column, NumericColumn)]
        categories = [
            (place, category)
            for place, column in enumerate(inputs.columns)
            if isinstance(column, CategoricalColumn)
            for category in range(len(column.categories))
        ]
        scaling = [_scaling(column, inputs.scaling) for _, column in numeric]
        self._keep("median", [column.median for _, column in numeric])
        self._keep("low", [column.low for _, column in numeric])
        self._keep("high", [column.high for _, column in numeric])
        self._keep("shift", [shift for shift, _ in scaling])
        self._keep("scale", [scale for _, scale in scaling])
        self._keep("category", [category for _, category in categories])
        self._keep("numeric", [place for place, _ in numeric], torch.int64)
        self._keep("categorical", [place for place, _ in categories], torch.int64)

    def _keep(self, name: str, values: list[float] | list[int], dtype: torch.dtype = torch.float32) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)

    def unpack(self, raw: Tensor) -> Tensor:
        """float32 (batch, columns), as it is."""
        return raw.float()

    def normalise(self, unpacked: Tensor) -> Tensor:
        """(batch, columns) -> (batch, :func:`row_width`); a category that training never saw is all zeros."""
        numbers = unpacked.index_select(1, self.numeric)
        numbers = torch.where(numbers.isnan(), self.median, numbers).clamp(self.low, self.high)
        ones = unpacked.index_select(1, self.categorical) == self.category
        return torch.cat([(numbers - self.shift) / self.scale, ones.float()], dim=1)


def _scaling(column: NumericColumn, scaling: str) -> tuple[float, float]:
    """What is taken off a number, and what it is then divided by."""
    return {
        "standard": (column.mean, column.std),
        "min_max": (column.low, (column.high - column.low) or 1.0),
        "none": (0.0, 1.0),
    }[scaling]


def row_width(inputs: RowInputs) -> int:
    """Numbers that a network takes of a row: one a numeric column, and one a category."""
    return sum(1 if isinstance(column, NumericColumn) else len(column.categories) for column in inputs.columns)


def build_preprocess(inputs: Inputs) -> Preprocess:
    """The steps of images, texts or rows."""
    match inputs:
        case ImageInputs():
            return ImagePreprocess(inputs)
        case TextInputs():
            return TextPreprocess()
        case RowInputs():
            return RowPreprocess(inputs)
