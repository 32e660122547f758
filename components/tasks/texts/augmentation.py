"""Text augmentation on the device that trains: a whole batch at once."""

import torch
from torch import Tensor, nn

from components.tasks.texts.tokens import PADDING, UNKNOWN


class TokenDropout(nn.Module):
    """Makes random tokens unknown (word dropout: Iyyer et al. 2015, section 3.2, doi:10.3115/v1/P15-1162).

    Args:
        probability: share of the tokens.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, length) int64 -> the same shape; padding stays padding. Draws from the device's generator."""
        dropped = (torch.rand(ids.shape, device=ids.device) < self.probability) & (ids != PADDING)
        return ids.masked_fill(dropped, UNKNOWN)
