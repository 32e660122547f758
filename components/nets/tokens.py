"""Which tokens of a text are real, and what its answer may be made of: padding never changes an answer."""

import torch
from torch import Tensor


def real_tokens(ids: Tensor, padding: int) -> Tensor:
    """Which tokens are no padding: (batch, length) int64 -> the same shape, bool.

    The first token always counts, so that a text of nothing but padding has one token (whose embedding is zero) and a
    finite answer.

    Args:
        ids: of the tokens.
        padding: the id that fills up what a text leaves.
    """
    return (ids != padding) | (torch.arange(ids.shape[1], device=ids.device) == 0)


def masked_mean(states_btw: Tensor, real_bt: Tensor) -> Tensor:
    """Mean over the real tokens: (batch, length, width) -> (batch, width)."""
    weights = real_bt.unsqueeze(2).to(states_btw.dtype)
    return (states_btw * weights).sum(dim=1) / weights.sum(dim=1)


def masked_max(states_btw: Tensor, real_bt: Tensor) -> Tensor:
    """Maximum over the real tokens: (batch, length, width) -> (batch, width)."""
    return states_btw.masked_fill(~real_bt.unsqueeze(2), -torch.inf).amax(dim=1)
