"""Which tokens of a text are real, and what its answer may be made of: padding never changes an answer."""

from typing import cast

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


def trimmed_for_export(ids: Tensor, padding: int) -> Tensor:
    """In an exported graph, ids without the columns in which every text has padding: a short text costs little.

    Elsewhere the ids themselves: training trims its batches itself. Two columns stay at least, because the exporter
    takes a length of one for a constant.

    Args:
        ids: (batch, length) int64, length at least 2.
        padding: the id that fills up what a text leaves; it comes behind a text.
    """
    if not torch.onnx.is_in_onnx_export():
        return ids
    places = torch.arange(1, ids.shape[1] + 1, device=ids.device)
    last = (real_tokens(ids, padding).any(dim=0) * places).amax(dim=0)
    longest = cast(int, last.clamp(min=2).item())  # int() would make a constant of it
    for holds in (longest >= 2, longest <= ids.shape[1]):
        torch._check(holds)  # type: ignore[no-untyped-call]  # how the exporter is told of bounds
    return ids[:, :longest]


def masked_mean(states_btw: Tensor, real_bt: Tensor) -> Tensor:
    """Mean over the real tokens: (batch, length, width) -> (batch, width)."""
    weights = real_bt.unsqueeze(2).to(states_btw.dtype)
    return (states_btw * weights).sum(dim=1) / weights.sum(dim=1)


def masked_max(states_btw: Tensor, real_bt: Tensor) -> Tensor:
    """Maximum over the real tokens: (batch, length, width) -> (batch, width)."""
    return states_btw.masked_fill(~real_bt.unsqueeze(2), -torch.inf).amax(dim=1)
