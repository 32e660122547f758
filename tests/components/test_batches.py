from pathlib import Path

import numpy as np
import pytest
import torch

from components.train.batches import Batches, optimizer_steps, steps_per_epoch
from components.train.shuffle import BlockShuffle

SHUFFLES = [BlockShuffle(block=8, blocks=8), BlockShuffle(block=3, blocks=2), BlockShuffle(block=1, blocks=1)]
"""One window for all; windows of six samples, which are no whole batches; a sample each."""


def batches(count: int = 22, shuffle: BlockShuffle = SHUFFLES[0], **changes: int | None) -> Batches:
    values = {"batch_size": 4, "seed": 1, "rank": 0, "ranks": 1} | changes
    loader = Batches(np.arange(count).reshape(count, 1, 1, 1), np.arange(count), np.arange(count), **values)
    loader.shuffle = shuffle
    return loader


def seen(loader: Batches) -> list[int]:
    return [value for _, labels in loader for value in labels.tolist()]


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_an_epoch_sees_full_batches_of_a_new_order(shuffle: BlockShuffle) -> None:
    loader = batches(shuffle=shuffle)
    first = seen(loader)
    loader.set_epoch(1)
    second = seen(loader)
    assert len(first) == len(set(first)) == 20, "the last two samples do not fill a batch"
    assert first != second
    loader.set_epoch(0)
    assert seen(loader) == first


def test_inputs_and_labels_stay_together() -> None:
    for inputs, labels in batches():
        assert torch.equal(inputs.flatten(), labels)


@pytest.mark.parametrize("repeated", [1, 3])
def test_a_memory_mapped_split_gives_the_same_batches(tmp_path: Path, repeated: int) -> None:
    """Of samples that begin in mid-page, and end with the file; each of them once or several times."""
    samples = np.random.default_rng(0).integers(0, 256, (3000, 7), dtype=np.uint8)
    np.save(tmp_path / "inputs.npy", samples)
    labels, order = np.arange(3000), np.repeat(np.arange(3000), repeated)
    mapped = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    loaders = [Batches(inputs, labels, order, batch_size=50, seed=3) for inputs in (samples, mapped)]
    for loader in loaders:
        loader.shuffle = BlockShuffle(block=100, blocks=4)
    pairs = list(zip(*loaders, strict=True))
    assert len(pairs) == 60 * repeated
    for (inputs, numbers), (mapped_inputs, mapped_numbers) in pairs:
        assert torch.equal(inputs, mapped_inputs)
        assert torch.equal(numbers, mapped_numbers)


def test_validation_sees_every_sample_once_in_order() -> None:
    assert seen(batches(seed=None)) == list(range(22))


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("position", range(6))
def test_position_is_part_of_the_state(position: int, shuffle: BlockShuffle) -> None:
    loader = batches(shuffle=shuffle)
    loader.set_epoch(3)
    expected = seen(loader)
    iterator = iter(loader)
    for _ in range(position):
        next(iterator)
    resumed = batches(shuffle=shuffle)
    resumed.load_state_dict(loader.state_dict())
    assert seen(resumed) == (expected[4 * position :] or expected)
    assert seen(resumed) == expected, "after a resumed epoch the next one is whole"


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_ranks_share_every_global_batch(shuffle: BlockShuffle) -> None:
    """Two ranks with batches of 2 see, step by step, what one sees with batches of 4; no sample is seen by both."""
    alone = [set(labels.tolist()) for _, labels in batches(shuffle=shuffle)]
    loaders = [batches(shuffle=shuffle, rank=rank, ranks=2, batch_size=2) for rank in range(2)]
    ranks = [[labels.tolist() for _, labels in loader] for loader in loaders]
    assert [set(first) | set(second) for first, second in zip(*ranks, strict=True)] == alone


@pytest.mark.parametrize("count", [8, 9, 22, 25, 41])
def test_every_rank_validates_as_often(count: int) -> None:
    """Where one rank had a batch more than the other, it would wait for ever for the other's part of it."""
    ranks = [batches(count, rank=rank, ranks=2, seed=None) for rank in range(2)]
    parts = [[labels.tolist() for _, labels in loader] for loader in ranks]
    assert [len(part) for part in parts] == [len(ranks[0])] * 2
    assert all(batch for part in parts for batch in part)
    assert sorted(value for part in parts for batch in part for value in batch) == list(range(count))


@pytest.mark.parametrize(("batches_", "accumulated", "steps"), [(40, 1, 40), (40, 4, 10), (40, 3, 14), (1, 8, 1)])
def test_optimizer_steps_of_an_epoch(batches_: int, accumulated: int, steps: int) -> None:
    assert optimizer_steps(batches_, accumulated) == steps


def test_an_epoch_has_a_step_even_where_the_samples_do_not_fill_it() -> None:
    assert steps_per_epoch(3, 4, 2) == 1
    assert steps_per_epoch(22, 4, 2) == 2
    assert len(seen(batches(3))) == 3
