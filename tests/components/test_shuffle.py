import math

import numpy as np
import pytest
from numpy.typing import NDArray

from components.train.shuffle import BLOCK_BYTES, WINDOW_BYTES, BlockShuffle, regroup


def windows(shuffle: BlockShuffle, samples: int, seed: int = 0) -> list[NDArray[np.int64]]:
    return list(shuffle.windows(samples, np.random.default_rng(seed)))


@pytest.mark.parametrize("samples", [1, 5, 12, 13, 24, 100])
def test_every_sample_once_in_windows_of_whole_blocks(samples: int) -> None:
    found = windows(BlockShuffle(block=4, blocks=3), samples)
    assert sorted(np.concatenate(found).tolist()) == list(range(samples))
    assert len(found) == math.ceil(math.ceil(samples / 4) / 3)
    for window in found:
        blocks = {int(number) // 4 for number in window}
        assert len(blocks) <= 3
        assert set(window.tolist()) == {n for block in blocks for n in range(4 * block, min(4 * block + 4, samples))}


def test_what_fits_in_a_window_is_shuffled_whole() -> None:
    """Each of the 24 orders of four samples is as frequent as the others, though two blocks hold them."""
    orders = [tuple(windows(BlockShuffle(block=2, blocks=2), 4, seed)[0].tolist()) for seed in range(4800)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 24
    assert sum((count - 200) ** 2 / 200 for count in counts) < 49.7, "chi squared, 23 degrees of freedom, p = 0.001"


def test_a_window_stands_for_a_split_in_the_order_of_its_classes() -> None:
    classes = np.repeat(np.arange(10), 20_000)
    shuffle = BlockShuffle(block=20, blocks=1024)
    bound = 4 * math.sqrt(0.1 * 0.9 / 1024)
    for window in windows(shuffle, len(classes)):
        shares = np.bincount(classes[window], minlength=10) / len(window)
        assert np.abs(shares - 0.1).max() < bound


@pytest.mark.parametrize("sample_bytes", [1, 36, 784, 150_528, 2 * BLOCK_BYTES, 2 * WINDOW_BYTES])
def test_blocks_and_windows_keep_to_their_bytes(sample_bytes: int) -> None:
    shuffle = BlockShuffle.of(sample_bytes)
    assert shuffle.block * sample_bytes <= BLOCK_BYTES or shuffle.block == 1
    assert shuffle.block * shuffle.blocks * sample_bytes <= WINDOW_BYTES or shuffle.blocks == 1


def test_blocks_of_a_window_are_read_in_the_order_of_the_file() -> None:
    assert BlockShuffle(block=4, blocks=3).starts(np.array([13, 2, 12, 9, 3])).tolist() == [0, 8, 12]


def test_pieces_of_one_size_keep_the_order() -> None:
    pieces = [np.arange(3), np.arange(3, 4), np.arange(4, 11)]
    assert [part.tolist() for part in regroup(iter(pieces), 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
