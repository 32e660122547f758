"""Training batches, from arrays that need not fit in memory, in an order that a resumed training finds again."""

import math
import mmap
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.arrays import advise
from components.errors import DataError
from components.train.shuffle import SORTED, BlockShuffle, by_length, regroup

Batch = tuple[Tensor, Tensor]
LENGTH_STEP = 32
"""Batches have a multiple of so many items: for each shape that it meets, oneDNN keeps kernels and memory."""


class Batches:
    """One epoch of batches after another; each rank takes its part of every global batch.

    The order of an epoch follows from the seed and the number of the epoch alone, and the position in it is part of the
    state, so a resumed training sees just the batches that the killed one did not.

    Attributes:
        inputs: (samples, *shape of one), as they are stored; memory-mapped or not.
        labels: (samples,) int64 classes or float32 values.
        order: (epoch,) int64, ascending: indices of the samples that an epoch sees.
        batch_size: samples of one batch of one rank.
        seed: of the order; None: in the order given, in batches of nearly one size.
        rank: of this process.
        ranks: number of processes.
        lengths: (samples,) int64 items of each sample, behind which there is only padding; None: all have one size. A
            batch is hardly longer than the longest of it, and samples of like length come together.
        shuffle: how a random order goes through the samples (:mod:`components.train.shuffle`).
    """

    def __init__(
        self,
        inputs: NDArray[Any],
        labels: NDArray[Any],
        order: NDArray[np.int64],
        *,
        batch_size: int,
        seed: int | None,
        rank: int = 0,
        ranks: int = 1,
        lengths: NDArray[np.int64] | None = None,
    ) -> None:
        if len(order) < ranks:
            raise DataError(f"{len(order)} samples cannot be shared by {ranks} devices. Lower train.devices.")
        self.inputs, self.labels, self.order, self.lengths = inputs, labels, order, lengths
        self.batch_size, self.seed, self.rank, self.ranks = batch_size, seed, rank, ranks
        self.shuffle = BlockShuffle.of(inputs.nbytes // len(inputs))
        self.epoch = self.position = self._resumed_at = 0

    def __len__(self) -> int:
        """Batches of an epoch, as many for every rank; those of a training epoch are all full."""
        if self.seed is None:
            return math.ceil(math.ceil(len(self.order) / self.ranks) / self.batch_size)
        return steps_per_epoch(len(self.order), self.batch_size, self.ranks)

    def __iter__(self) -> Iterator[Batch]:
        """Yields (batch, *shape of one) and (batch,); first, what a resumed epoch has left."""
        start, self._resumed_at = self._resumed_at, 0
        for index, chosen in enumerate(self._own_parts(start), start):
            self.position = index + 1
            yield torch.from_numpy(self._inputs(chosen)), torch.from_numpy(self.labels[chosen])

    def _inputs(self, chosen: NDArray[np.int64]) -> NDArray[Any]:
        if self.lengths is None:
            return self.inputs[chosen]
        longest = math.ceil(max(1, self.lengths[chosen].max()) / LENGTH_STEP) * LENGTH_STEP
        return self.inputs[chosen, :longest]

    def _own_parts(self, start: int) -> Iterator[NDArray[np.int64]]:
        """Indices of each batch of this rank, from the one numbered ``start``."""
        if self.seed is None:
            order = self.order if self.lengths is None else self.order[self.lengths[self.order].argsort(kind="stable")]
            yield from np.array_split(order[self.rank :: self.ranks], len(self))[start:]
            return
        size = self.batch_size * self.ranks
        for part in islice(self.shuffled_parts(self.seed, size, start), len(self) - start):
            yield part[self.rank :: self.ranks]

    def shuffled_parts(self, seed: int, size: int, start: int = 0) -> Iterator[NDArray[np.int64]]:
        """Indices in the order of this epoch, over all ranks, in parts of one size, from the one numbered ``start``."""
        advise(self.inputs, mmap.MADV_RANDOM, 0, len(self.inputs))
        if self.lengths is None:
            return self._shuffled(seed, size, start)
        sorting, passed = divmod(start, SORTED)
        together = enumerate(self._shuffled(seed, SORTED * size, sorting), sorting)
        parts = (
            part
            for number, chosen in together
            for part in by_length(chosen, self.lengths, size, np.random.default_rng([seed, self.epoch, number]))
        )
        return islice(parts, passed, None)

    def _shuffled(self, seed: int, size: int, start: int) -> Iterator[NDArray[np.int64]]:
        return regroup((self.order[window] for window in self._windows(seed, start * size)), size)

    def _windows(self, seed: int, seen: int) -> Iterator[NDArray[np.int64]]:
        """What an epoch has left after so many samples; each window is being read while the one before it trains."""
        ready = nothing = np.empty(0, np.int64)
        windows = self.shuffle.windows(len(self.order), np.random.default_rng([seed, self.epoch]))
        for window in chain(windows, [nothing]):
            left, seen = window[seen:], max(0, seen - len(window))
            self._read_ahead(left)
            self._read_ahead(ready)  # again: what lay in the page cache for long may have given way since
            yield ready
            ready = left

    def _read_ahead(self, window: NDArray[np.int64]) -> None:
        """Lets the kernel load the blocks of a window, in the order of the file, without waiting for them."""
        for start in self.shuffle.starts(window):
            last = min(start + self.shuffle.block, len(self.order)) - 1
            advise(self.inputs, mmap.MADV_WILLNEED, self.order[start], self.order[last] + 1)

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


def optimizer_steps(batches: int, accumulated: int) -> int:
    """Optimizer steps of an epoch: one for every so many batches, and one for what is left of them at its end."""
    return math.ceil(batches / accumulated)


def steps_per_epoch(samples: int, batch_size: int, ranks: int) -> int:
    """Full batches that each rank gets from an epoch; at least one, which may then not be full."""
    return max(1, samples // (batch_size * ranks))
