"""Mixup and cutmix against their two-label forms."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from components.params.sections import Cutmix, Mixup, NoMix
from components.train.mixing import Mixed, cut, mix_batch

IMAGES = torch.rand(16, 3, 12, 10, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 4
LOGITS = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))


def seeded(mix: NoMix | Mixup | Cutmix, seed: int = 0) -> Mixed:
    torch.manual_seed(seed)
    return mix_batch(mix, IMAGES, LABELS)


def test_the_loss_of_mixup_is_the_cross_entropy_of_two_labels() -> None:
    mixed = seeded(Mixup(name="mixup", alpha=0.4, probability=1))
    soft = mixed.share * functional.one_hot(mixed.labels, 4) + (1 - mixed.share) * functional.one_hot(mixed.others, 4)
    expected = -(soft * LOGITS.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(mixed.loss(nn.CrossEntropyLoss(), LOGITS), expected)


def test_mixup_blends_each_sample_with_the_one_whose_label_it_takes() -> None:
    mixed = seeded(Mixup(name="mixup", alpha=0.4, probability=1))
    first = IMAGES[0]
    other = (mixed.inputs[0] - mixed.share * first) / (1 - mixed.share)
    found = (IMAGES - other).abs().flatten(1).sum(dim=1).argmin()
    torch.testing.assert_close(IMAGES[found], other, rtol=1e-3, atol=1e-4)
    assert LABELS[found] == mixed.others[0]


@pytest.mark.parametrize("seed", range(8))
def test_the_share_of_cutmix_is_the_area_that_was_kept(seed: int) -> None:
    mixed = seeded(Cutmix(name="cutmix", alpha=1, probability=1), seed)
    kept = (mixed.inputs == IMAGES).all(dim=1).float().mean(dim=(1, 2))
    replaced = [
        float(share) for share, label, other in zip(kept, mixed.labels, mixed.others, strict=True) if label != other
    ]
    assert replaced == pytest.approx([mixed.share] * len(replaced), abs=1e-6)


def test_cutmix_replaces_one_rectangle() -> None:
    torch.manual_seed(3)
    mixed, share = cut(torch.zeros(1, 1, 12, 10), torch.ones(1, 1, 12, 10), 0.7)
    rows, columns = mixed[0, 0].any(dim=1), mixed[0, 0].any(dim=0)
    assert mixed.sum() == rows.sum() * columns.sum() == round((1 - share) * 120)


@pytest.mark.parametrize(
    "mix", [Mixup(name="mixup", alpha=1, probability=0.25), Cutmix(name="cutmix", alpha=1, probability=0.25)]
)
def test_batches_are_mixed_as_often_as_is_said(mix: Mixup | Cutmix) -> None:
    torch.manual_seed(0)
    mixed = sum(mix_batch(mix, IMAGES, LABELS).share != 1 for _ in range(1000))
    assert 200 < mixed < 300


def test_without_mixing_samples_and_loss_are_as_they_were() -> None:
    mixed = seeded(NoMix(name="none"))
    assert mixed.inputs is IMAGES
    torch.testing.assert_close(mixed.loss(nn.CrossEntropyLoss(), LOGITS), functional.cross_entropy(LOGITS, LABELS))


def test_the_shares_of_mixup_are_of_a_beta_distribution() -> None:
    torch.manual_seed(0)
    shares = torch.tensor(
        [mix_batch(Mixup(name="mixup", alpha=2, probability=1), IMAGES, LABELS).share for _ in range(2000)]
    )
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 2 + 1)), abs=0.006)
