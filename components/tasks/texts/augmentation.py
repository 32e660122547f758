"""Text augmentation on the device that trains: a whole batch at once."""

import torch
from torch import Tensor, nn

from components.contracts import TextInputs


class TokenDropout(nn.Module):
    """Makes random tokens unknown (word dropout: Iyyer et al. 2015, section 3.2, doi:10.3115/v1/P15-1162).

    Args:
        probability: share of the tokens.
        inputs: which id is the unknown one, and which stand for no text and stay.
    """

    special: Tensor

    def __init__(self, probability: float, inputs: TextInputs) -> None:
        super().__init__()
        self.probability, self.unknown = probability, inputs.unknown
        self.register_buffer("special", torch.tensor(inputs.special), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, length) int64 -> the same shape. Draws from the device's generator."""
        dropped = (torch.rand(ids.shape, device=ids.device) < self.probability) & ~torch.isin(ids, self.special)
        return ids.masked_fill(dropped, self.unknown)
