import pytest
import torch
from torch import Tensor

from components.contracts import CategoricalColumn, Inputs, NumericColumn, RowInputs
from components.params import load_params
from components.params.sections import (
    ImageAugmentParams,
    NoMix,
    RowAugmentParams,
    TextAugmentParams,
)
from components.tasks.augmentation import AugmentParams, build_augmentation
from components.tasks.images.augmentation import BatchAugmentation
from components.tasks.rows.augmentation import GaussianNoise
from components.tasks.texts.augmentation import TokenDropout
from components.tasks.texts.tokens import PADDING, UNKNOWN
from tests.components.nets_samples import IMAGES, ROWS, TEXTS, raw_samples
from tests.places import REPOSITORY

TEXT = TextAugmentParams(oversample="none", token_dropout=0.3, shown_samples=4)
ROW = RowAugmentParams(noise=0.3, mix=NoMix(name="none"), shown_samples=4)


def text_ids(number: int) -> Tensor:
    """Texts of every length, no token of them unknown."""
    ids = raw_samples(TEXTS, number).long()
    return torch.where(ids == UNKNOWN, UNKNOWN + 1, ids)


def rows(number: int) -> Tensor:
    """Rows without gaps."""
    return torch.nan_to_num(raw_samples(ROWS, number), nan=0.7)


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.3, 0.9, 1.0])
def test_the_share_of_dropped_tokens_is_the_probability(probability: float) -> None:
    torch.manual_seed(0)
    ids = text_ids(20_000)
    changed = TokenDropout(probability, TEXTS)(ids)
    real = ids != PADDING
    assert abs((changed[real] == UNKNOWN).float().mean().item() - probability) < 0.005
    kept = changed != UNKNOWN
    assert torch.equal(changed[kept], ids[kept]), "what is not dropped stays as it is"


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_padding_is_never_touched(probability: float) -> None:
    ids = text_ids(500)
    assert torch.equal(TokenDropout(probability, TEXTS)(ids) == PADDING, ids == PADDING)


def test_every_place_of_a_text_is_dropped_alike_and_each_text_by_itself() -> None:
    torch.manual_seed(1)
    dropped = (TokenDropout(0.3, TEXTS)(torch.full((20_000, 10), 7)) == UNKNOWN).float()
    assert (dropped.mean(dim=0) - 0.3).abs().max() < 0.02
    assert abs(dropped.sum(dim=1).var().item() - 10 * 0.3 * 0.7) < 0.15, "the variance of ten independent draws"


def test_noise_has_its_share_of_the_deviation_of_each_column() -> None:
    torch.manual_seed(2)
    given = rows(50_000)
    for noise in (0.05, 0.3, 1.0):
        added = (GaussianNoise(noise, ROWS)(given) - given).double()
        for place, column in enumerate(ROWS.columns):
            if isinstance(column, NumericColumn):
                assert added[:, place].std().item() == pytest.approx(noise * column.std, rel=0.02)
                assert abs(added[:, place].mean().item()) < 0.02 * noise * column.std
        assert abs(torch.corrcoef(added[:, [0, 2]].T)[0, 1].item()) < 0.02, "each number has noise of its own"


def test_noise_is_gaussian() -> None:
    torch.manual_seed(3)
    added = GaussianNoise(1.0, ROWS)(torch.zeros(100_000, 3))[:, 0] / 0.5
    assert (added.abs() < 1).float().mean().item() == pytest.approx(0.6827, abs=0.01)
    assert (added.abs() < 2).float().mean().item() == pytest.approx(0.9545, abs=0.01)


def test_categories_and_missing_numbers_stay_as_they_are() -> None:
    given = raw_samples(ROWS, 300)
    changed = GaussianNoise(0.5, ROWS)(given)
    assert torch.equal(changed[:, 1], given[:, 1])
    assert set(given[:, 1].tolist()) == {-1, 0, 1, 2}
    assert torch.equal(changed.isnan(), given.isnan())
    assert given.isnan().any()


def test_no_noise_changes_nothing() -> None:
    given = rows(50)
    assert torch.equal(GaussianNoise(0.0, ROWS)(given), given)
    categories = tuple(column for column in ROWS.columns if isinstance(column, CategoricalColumn))
    inputs = RowInputs(columns=categories, scaling="none", missing="refuse")
    assert torch.equal(GaussianNoise(1.0, inputs)(given[:, 1:2]), given[:, 1:2])


@pytest.mark.parametrize(("augment", "inputs"), [(TEXT, TEXTS), (ROW, ROWS)], ids=["texts", "rows"])
def test_draws_repeat_with_the_seed_and_leave_the_samples_and_their_shape_alone(
    augment: AugmentParams, inputs: Inputs
) -> None:
    augmentation = build_augmentation(augment, inputs)
    given = text_ids(40) if augment is TEXT else rows(40)
    before = given.clone()
    torch.manual_seed(4)
    first, second = augmentation(given), augmentation(given)
    torch.manual_seed(4)
    assert torch.equal(augmentation(given), first)
    assert not torch.equal(second, first), "every epoch has draws of its own"
    assert torch.equal(given, before)
    assert (first.shape, first.dtype) == (given.shape, given.dtype)
    assert not augmentation.state_dict(), "nothing of it goes into a checkpoint"


def test_each_kind_of_sample_has_its_own_augmentation() -> None:
    images = load_params(REPOSITORY / "params.yaml").augment
    assert isinstance(images, ImageAugmentParams)
    assert isinstance(build_augmentation(images, IMAGES), BatchAugmentation)
    assert isinstance(build_augmentation(TEXT, TEXTS), TokenDropout)
    assert isinstance(build_augmentation(ROW, ROWS), GaussianNoise)
    with pytest.raises(TypeError, match="RowAugmentParams does not fit TextInputs"):
        build_augmentation(ROW, TEXTS)
