"""Training batches, sliced whole from the array, in an order that a resumed training finds again."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]


class Batches:
    """One epoch of batches after another; each rank takes its part of every global batch.

    The order of an epoch follows from the seed and the number of the epoch alone, and the position in it is part of the
    state, so a resumed training sees just the batches that the killed one did not.

    Attributes:
        inputs: (samples, height, width, channels) uint8.
        targets: (samples,) int64.
        order: (epoch,) indices of the samples that an epoch sees.
        batch_size: samples of one batch of one rank.
        seed: of the order; None: in the order given, the last batch being what is left.
        rank: of this process.
        ranks: number of processes.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        order: Tensor,
        *,
        batch_size: int,
        seed: int | None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.inputs, self.targets, self.order = inputs, targets, order
        self.batch_size, self.seed, self.rank, self.ranks = batch_size, seed, rank, ranks
        self.epoch = self.position = self._resumed_at = 0

    def __len__(self) -> int:
        """Batches of this rank in an epoch; those of a training epoch are all full, and as many for every rank."""
        if self.seed is None:
            return math.ceil(len(self.order[self.rank :: self.ranks]) / self.batch_size)
        return steps_per_epoch(len(self.order), self.batch_size, self.ranks)

    def __iter__(self) -> Iterator[Batch]:
        """Yields (batch, height, width, channels) uint8 and (batch,) int64; first, what a resumed epoch has left."""
        order = self._epoch_order()[self.rank :: self.ranks]
        start, self._resumed_at = self._resumed_at, 0
        for index in range(start, len(self)):
            chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
            self.position = index + 1
            yield self.inputs[chosen], self.targets[chosen]

    def _epoch_order(self) -> Tensor:
        if self.seed is None:
            return self.order
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return self.order[torch.randperm(len(self.order), generator=random)]

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


def steps_per_epoch(samples: int, batch_size: int, ranks: int) -> int:
    """Full batches that each rank gets from an epoch; at least one, which may then not be full."""
    return max(1, samples // (batch_size * ranks))
