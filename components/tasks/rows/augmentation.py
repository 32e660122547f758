"""Augmentation of rows on the device that trains: a whole batch at once."""

import torch
from torch import Tensor, nn

from components.contracts import NumericColumn, RowInputs


class GaussianNoise(nn.Module):
    """Adds noise to every number of a row; categories and missing numbers stay as they are.

    Args:
        noise: standard deviation, as a share of that of the column over the training split.
        inputs: the columns.
    """

    scale: Tensor

    def __init__(self, noise: float, inputs: RowInputs) -> None:
        super().__init__()
        scale = [column.std * noise if isinstance(column, NumericColumn) else 0.0 for column in inputs.columns]
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, columns) float -> the same shape. Draws from the device's generator."""
        return rows + torch.randn_like(rows) * self.scale
