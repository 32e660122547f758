import pytest
import torch

from components.train.batches import Batches, optimizer_steps, steps_per_epoch


def batches(count: int = 22, **changes: int | None) -> Batches:
    values = {"batch_size": 4, "seed": 1, "rank": 0, "ranks": 1} | changes
    return Batches(torch.arange(count).view(count, 1, 1, 1), torch.arange(count), torch.arange(count), **values)


def seen(loader: Batches) -> list[int]:
    return [value for _, labels in loader for value in labels.tolist()]


def test_an_epoch_sees_full_batches_of_a_new_order() -> None:
    loader = batches()
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


def test_validation_sees_every_sample_once_in_order() -> None:
    assert seen(batches(seed=None)) == list(range(22))


def test_position_is_part_of_the_state() -> None:
    loader = batches()
    loader.set_epoch(3)
    expected = seen(loader)
    iterator = iter(loader)
    next(iterator), next(iterator)
    resumed = batches()
    resumed.load_state_dict(loader.state_dict())
    assert seen(resumed) == expected[8:]
    assert seen(resumed) == expected, "after a resumed epoch the next one is whole"


def test_ranks_share_every_global_batch() -> None:
    """Two ranks with batches of 2 see, step by step, what one sees with batches of 4."""
    alone = [set(labels.tolist()) for _, labels in batches()]
    ranks = [[labels.tolist() for _, labels in batches(rank=rank, ranks=2, batch_size=2)] for rank in range(2)]
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
    lengths = 1 + torch.randperm(400, generator=torch.Generator().manual_seed(5)) // 10
    ids = torch.where(torch.arange(64) < lengths[:, None], torch.arange(1, 401)[:, None], 0)
    values = {"batch_size": 8, "seed": 1, "rank": 0, "ranks": 1} | changes
    return Batches(ids, torch.arange(400), torch.arange(400), lengths=lengths, **values), lengths


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


def test_samples_that_fill_no_batch_are_not_always_the_longest() -> None:
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
