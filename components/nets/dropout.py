"""Dropout (Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a.html) whose masks are cheap on a processor."""

import math

import torch
from torch import Tensor, nn

LEVELS = 2**16
"""Values of the 16 random bits that decide about an element."""
DRAWN_TOGETHER = 4
"""Elements that 64 bits are enough for."""


class Dropout(nn.Dropout):
    """In training, zeroes each element with a probability, and scales the others so that the expectation stays.

    On a processor torch draws a number of the Mersenne Twister for each element; here one is drawn for four of them.
    The probability is thereby rounded to 1 / 65,536, and the scale is that of the rounded one. Masks follow from
    torch's global generator. On other devices this is torch's own dropout, and in evaluation the identity.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(any shape), floating -> the same shape and dtype."""
        if not self.training or input.device.type != "cpu":
            return super().forward(input)
        dropped = min(round(self.p * LEVELS), LEVELS - 1)
        return input * _kept(input, dropped) * (LEVELS / (LEVELS - dropped)) if dropped else input


def _kept(like: Tensor, dropped: int) -> Tensor:
    """1 where an element stays, else 0; dropped: how many of the levels do not."""
    draws = torch.empty(math.ceil(like.numel() / DRAWN_TOGETHER), dtype=torch.int64)
    draws.random_(-(2**63), None)  # without its bounds the sign would always be 0
    levels = draws.view(torch.int16)[: like.numel()].view(like.shape)
    return levels.ge_(dropped - LEVELS // 2).to(like.dtype)  # in place: into bool, it takes ten times as long
