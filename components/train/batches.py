"""Training batches, sliced whole from the array, in an order that a resumed training finds again."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
WINDOW = 32
"""Batches whose samples are sorted by length together."""
LENGTH_STEP = 32
"""Batches have a multiple of so many items: for each shape that it meets, oneDNN keeps kernels and memory."""


class Batches:
    """One epoch of batches after another; each rank takes its part of every global batch.

    The order of an epoch follows from the seed and the number of the epoch alone, and the position in it is part of the
    state, so a resumed training sees just the batches that the killed one did not.

    Attributes:
        inputs: (samples, *shape of one), as they are stored.
        labels: (samples,) int64 classes or float32 values.
        order: (epoch,) indices of the samples that an epoch sees.
        batch_size: samples of one batch of one rank.
        seed: of the order; None: in the order given, in batches of nearly one size.
        rank: of this process.
        ranks: number of processes.
        lengths: (samples,) items of each sample, behind which there is only padding; None: all have one size. A batch
            is hardly longer than the longest of it, and samples of like length come together.
    """

    def __init__(
        self,
        inputs: Tensor,
        labels: Tensor,
        order: Tensor,
        *,
        batch_size: int,
        seed: int | None,
        rank: int = 0,
        ranks: int = 1,
        lengths: Tensor | None = None,
    ) -> None:
        self.inputs, self.labels, self.order, self.lengths = inputs, labels, order, lengths
        self.batch_size, self.seed, self.rank, self.ranks = batch_size, seed, rank, ranks
        self.epoch = self.position = self._resumed_at = 0

    def __len__(self) -> int:
        """Batches of an epoch, as many for every rank; those of a training epoch are all full."""
        if self.seed is None:
            return math.ceil(math.ceil(len(self.order) / self.ranks) / self.batch_size)
        return steps_per_epoch(len(self.order), self.batch_size, self.ranks)

    def __iter__(self) -> Iterator[Batch]:
        """Yields (batch, *shape of one) and (batch,); first, what a resumed epoch has left."""
        order = self.epoch_order()[self.rank :: self.ranks]
        parts = order.tensor_split(len(self)) if self.seed is None else torch.split(order, self.batch_size)
        start, self._resumed_at = self._resumed_at, 0
        for index, chosen in enumerate(parts[start : len(self)], start):
            self.position = index + 1
            yield self._trimmed(chosen), self.labels[chosen]

    def _trimmed(self, chosen: Tensor) -> Tensor:
        if self.lengths is None:
            return self.inputs[chosen]
        longest = math.ceil(max(1, int(self.lengths[chosen].max())) / LENGTH_STEP) * LENGTH_STEP
        return self.inputs[:, :longest][chosen]

    def epoch_order(self) -> Tensor:
        """(epoch,) indices in the order of this epoch, over all ranks."""
        if self.seed is None:
            return self.order if self.lengths is None else self.order[self.lengths[self.order].argsort()]
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = self.order[torch.randperm(len(self.order), generator=random)]
        return (
            order
            if self.lengths is None
            else group_by_length(order, self.lengths, self.batch_size * self.ranks, random)
        )

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next iteration."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        """The epoch, and how many of its batches were given out."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where :meth:`state_dict` was; after the last batch of an epoch that is the start of the next one."""
        self.epoch = state["epoch"]
        self._resumed_at = state["position"] % len(self)


def group_by_length(order: Tensor, lengths: Tensor, batch: int, random: torch.Generator) -> Tensor:
    """Samples of like length in one batch, the batches in random order.

    Sorting is within windows of some batches of a random order, so a sample meets others in every epoch.

    Args:
        order: (epoch,) random indices of samples; those that do not fill a last batch stay at the end.
        lengths: (samples,) of each.
        batch: samples of one step, over all ranks.
        random: of the order of the batches.

    Returns:
        (epoch,) the same indices.
    """
    full = len(order) // batch * batch
    windows = torch.split(order[:full], WINDOW * batch)
    batches = torch.cat([window[lengths[window].argsort()] for window in windows]).view(-1, batch)
    return torch.cat([batches[torch.randperm(len(batches), generator=random)].flatten(), order[full:]])


def optimizer_steps(batches: int, accumulated: int) -> int:
    """Optimizer steps of an epoch: one for every so many batches, and one for what is left of them at its end."""
    return math.ceil(batches / accumulated)


def steps_per_epoch(samples: int, batch_size: int, ranks: int) -> int:
    """Full batches that each rank gets from an epoch; at least one, which may then not be full."""
    return max(1, samples // (batch_size * ranks))
