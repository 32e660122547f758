"""The random order of an epoch, for splits that fit in memory and for those that do not.

A split is walked in windows: blocks of neighbouring samples are dealt to the windows at random, and each window is
shuffled whole. One that fits in a window is thereby shuffled whole. Of a larger one, every block is read once, in one
piece; in a random order over all of it, nearly every sample would be a read of its own.

Whether a window stands for the split follows from the number of its blocks: with b of them, drawn at random, the share
of a class differs from that of the split by √(p(1 − p) / b) at most, even where the samples lie in the order of their
classes; with the 1,024 of a large split that is 1.6 points or less.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

WINDOW_BYTES = 2**28
BLOCK_BYTES = 2**18
SORTED = 32
"""Batches whose samples are sorted by length together."""


class BlockShuffle(NamedTuple):
    """How much of a split is read and shuffled together.

    Attributes:
        block: neighbouring samples that are read together.
        blocks: of a window.
    """

    block: int
    blocks: int

    @classmethod
    def of(cls, sample_bytes: int) -> Self:
        """Windows of some 256 MiB, of blocks of some 256 KiB.

        The rule knows nothing of the machine, so that the order is the same on every one.
        """
        block = max(1, BLOCK_BYTES // sample_bytes)
        return cls(block, max(1, WINDOW_BYTES // (block * sample_bytes)))

    def windows(self, samples: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Yields every number below ``samples`` once, in random order, a window at a time."""
        blocks = random.permutation(math.ceil(samples / self.block))
        for start in range(0, len(blocks), self.blocks):
            firsts = self.block * blocks[start : start + self.blocks]
            window = (firsts[:, None] + np.arange(self.block)).ravel()
            yield random.permutation(window[window < samples])

    def starts(self, window: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first number of each block of a window, ascending."""
        return self.block * np.unique(window // self.block)


def regroup(pieces: Iterator[NDArray[np.int64]], size: int) -> Iterator[NDArray[np.int64]]:
    """The same numbers in the same order, in pieces of one size; the last may be shorter."""
    rest = np.empty(0, np.int64)
    for piece in pieces:
        rest = np.concatenate([rest, piece])
        whole = len(rest) // size * size
        yield from rest[:whole].reshape(-1, size)
        rest = rest[whole:]
    if rest.size:
        yield rest


def by_length(
    chosen: NDArray[np.int64], lengths: NDArray[np.int64], size: int, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Deals samples to parts of one size, those of like length to one part, the parts in random order.

    Args:
        chosen: (samples,) indices in random order; those that do not fill a last part come last.
        lengths: of each sample of the split.
        size: samples of a part.
        random: of the order of the parts.
    """
    full = len(chosen) // size * size
    ascending = chosen[:full][lengths[chosen[:full]].argsort(kind="stable")]
    yield from random.permutation(ascending.reshape(-1, size))
    if full < len(chosen):
        yield chosen[full:]
