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


def lengthy(**changes: int | None) -> tuple[Batches, torch.Tensor]:
    """400 texts of 1 to 40 tokens, padded with zeros to 64, and how long each is."""
    lengths = 1 + np.random.default_rng(5).permutation(400) // 10
    ids = np.where(np.arange(64) < lengths[:, None], np.arange(1, 401)[:, None], 0)
    values = {"batch_size": 8, "seed": 1, "rank": 0, "ranks": 1} | changes
    return Batches(ids, np.arange(400), np.arange(400), lengths=lengths, **values), torch.from_numpy(lengths)


def test_a_batch_is_hardly_longer_than_its_longest_text_and_loses_nothing() -> None:
    loader, lengths = lengthy()
    for inputs, labels in loader:
        longest = int(lengths[labels].max())
        assert inputs.shape == (8, 64 if longest > 32 else 32)
        assert torch.equal((inputs != 0).sum(dim=1), lengths[labels])
        assert torch.equal(inputs[:, 0], labels + 1)


def test_texts_of_like_length_come_together_in_batches_of_random_order() -> None:
    loader, lengths = lengthy()
    spread = [int(lengths[labels].max() - lengths[labels].min()) for _, labels in loader]
    assert sum(spread) / len(spread) < 3, "40 lengths in random batches of 8 would spread over some 31"
    longest = [int(lengths[labels].max()) for _, labels in loader]
    assert longest != sorted(longest)
    epochs = []
    for epoch in range(2):
        loader.set_epoch(epoch)
        epochs.append([frozenset(labels.tolist()) for _, labels in loader])
        assert sorted(sample for batch in epochs[-1] for sample in batch) == list(range(400))
    assert not set(epochs[0]) & set(epochs[1]), "a sample meets others in every epoch"


@pytest.mark.parametrize("position", [0, 1, 31, 32, 40])
def test_texts_are_gone_on_with_wherever_the_epoch_was_left(position: int) -> None:
    whole = seen(lengthy()[0])
    resumed, _ = lengthy()
    resumed.load_state_dict({"epoch": 0, "position": position})
    assert seen(resumed) == whole[8 * position :]
    assert seen(resumed) == whole


def test_texts_that_fill_no_batch_are_not_always_the_longest() -> None:
    loader, lengths = lengthy(batch_size=64)
    left_out = []
    for epoch in range(20):
        loader.set_epoch(epoch)
        left_out += sorted(set(range(400)) - set(seen(loader)))
    assert len(left_out) == 20 * 16
    assert 18 < lengths[torch.tensor(left_out)].float().mean() < 23


def test_ranks_share_batches_of_like_length() -> None:
    alone = [set(labels.tolist()) for _, labels in lengthy()[0]]
    ranks = [[labels.tolist() for _, labels in lengthy(rank=rank, ranks=2, batch_size=4)[0]] for rank in range(2)]
    assert [set(first) | set(second) for first, second in zip(*ranks, strict=True)] == alone


def test_validation_goes_by_length() -> None:
    loader, lengths = lengthy(seed=None)
    found = seen(loader)
    assert sorted(found) == list(range(400))
    assert torch.equal(lengths[found], lengths.sort().values)


def test_fewer_texts_than_a_batch_are_a_batch() -> None:
    loader, _ = lengthy(batch_size=512)
    assert sorted(seen(loader)) == list(range(400))
