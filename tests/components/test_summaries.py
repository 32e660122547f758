import numpy as np
import pytest
from numpy.typing import NDArray

from components.contracts import CategoricalColumn, Inputs, NumericColumn, RowInputs
from components.tasks.images.summaries import SUMMARIES, summarise_images
from components.tasks.rows.summaries import row_summaries, summarise_rows
from components.tasks.summaries import summarise, summary_names
from components.tasks.texts.summaries import SUMMARIES as TEXT_SUMMARIES
from components.tasks.texts.summaries import summarise_texts
from tests.components.nets_samples import IMAGES, ROWS, TEXTS, raw_samples
from tests.digits import digit_images


def column(name: str, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return summarise_images(images)[:, SUMMARIES.index(name)]


def test_blank_image_has_no_structure() -> None:
    blank = np.full((1, 5, 7, 3), 90, np.uint8)
    assert dict(zip(SUMMARIES, summarise_images(blank)[0], strict=True)) == {
        "mean": 90,
        "std": 0,
        "minimum": 90,
        "maximum": 90,
        "contrast": 0,
        "entropy": 0,
        "sharpness": 0,
        "edges": 0,
    }


def test_half_black_half_white_image_by_hand() -> None:
    image = np.zeros((1, 8, 8, 1), np.uint8)
    image[:, :, 4:] = 255
    found = dict(zip(SUMMARIES, summarise_images(image)[0].tolist(), strict=True))
    assert found["mean"] == found["std"] == 127.5
    assert (found["minimum"], found["maximum"], found["contrast"]) == (0, 255, 255)
    assert found["entropy"] == pytest.approx(1)  # two values, equally frequent: one bit
    assert found["edges"] == pytest.approx(255 / 7 / 2)  # one of seven steps to the right, none downwards
    assert found["sharpness"] == pytest.approx(255**2 / 3)  # columns of 0, 0, 255, -255, 0, 0


def test_summaries_agree_with_numpy_on_colour_images() -> None:
    images = np.random.default_rng(0).integers(20, 200, (5, 9, 11, 3), dtype=np.uint8)
    flat = images.reshape(5, -1)
    found = summarise_images(images)
    expected = np.stack([flat.mean(1), flat.std(1), flat.min(1), flat.max(1)], axis=1)
    assert found[:, :4] == pytest.approx(expected, rel=1e-5)
    percentiles = np.percentile(flat, [5, 95], axis=1, method="inverted_cdf")
    assert found[:, 4] == pytest.approx(percentiles[1] - percentiles[0])


def test_an_image_is_summarised_alike_alone_and_in_a_batch() -> None:
    images, _ = digit_images()
    batch = summarise_images(images[:20])
    assert batch.dtype == np.float32
    assert batch.shape == (20, len(SUMMARIES))
    assert batch == pytest.approx(np.concatenate([summarise_images(image[None]) for image in images[:20]]), rel=1e-5)


def test_blur_lowers_sharpness_and_edges() -> None:
    images, _ = digit_images()
    padded = np.pad(images[:50].astype(float), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    blurred = np.mean([padded[:, y : y + 24, x : x + 24] for y in range(3) for x in range(3)], axis=0)
    for name in ("sharpness", "edges"):
        assert (column(name, blurred.astype(np.uint8)) < column(name, images[:50])).all()


def test_a_text_by_hand() -> None:
    """Ids 0 and 1 are special, 2 … 257 are single bytes, what follows is pairs that were merged."""
    ids = np.array([[300, 2, 300, 257, 258, 0, 0, 0]], np.int32)
    found = dict(zip(TEXT_SUMMARIES, summarise_texts(ids, TEXTS)[0].tolist(), strict=True))
    assert found["tokens"] == 5
    assert found["distinct"] == pytest.approx(4 / 5)
    assert found["rank"] == pytest.approx((300 + 2 + 300 + 257 + 258) / 5)
    assert found["fallback"] == pytest.approx(2 / 5)


def test_a_text_without_tokens_has_zeros_and_a_full_one_counts_every_token() -> None:
    ids = np.stack([np.zeros(6, np.int32), np.full(6, 400, np.int32)])
    assert summarise_texts(ids, TEXTS).tolist() == [[0, 0, 0, 0], [6, np.float32(1 / 6), 400, 0]]


def test_ranks_of_the_longest_texts_do_not_overflow() -> None:
    ids = np.full((2, 4096), 99_999, np.int32) * np.array([[1], [1]], np.int32)
    assert summarise_texts(np.tile(ids, (1, 8)), TEXTS)[:, 2].tolist() == [99_999, 99_999]


def test_a_row_by_hand() -> None:
    rows = np.array([[np.nan, -1, 60], [1.5, 2, np.nan], [9, 0, 61]], np.float32)
    assert row_summaries(ROWS) == ("x.carat", "x.cut", "x.depth", "missing", "unknown")
    median = np.float32(61.8)
    assert summarise_rows(ROWS, rows).tolist() == [
        [np.float32(0.7), -1, 60, 0.5, 1],
        [1.5, 2, median, 0.5, 0],
        [9, 0, 61, 0, 0],
    ]


def test_a_number_below_zero_is_no_unknown_category() -> None:
    rows = np.array([[-1, 1, -60]], np.float32)
    assert summarise_rows(ROWS, rows)[0, -1] == 0


@pytest.mark.parametrize("kind", [NumericColumn, CategoricalColumn])
def test_rows_of_one_kind_of_column_alone(kind: type) -> None:
    columns = tuple(each for each in ROWS.columns if isinstance(each, kind))
    inputs = RowInputs(columns=columns, scaling="none", missing="impute")
    found = summarise_rows(inputs, np.ones((2, len(columns)), np.float32))
    assert found.tolist() == [[1] * len(columns) + [0, 0]] * 2


@pytest.mark.parametrize("inputs", [IMAGES, TEXTS, ROWS], ids=lambda inputs: inputs.kind)
def test_every_kind_has_a_finite_summary_for_each_name(inputs: Inputs) -> None:
    samples = raw_samples(inputs, 24).numpy()
    found = summarise(inputs, samples)
    assert found.shape == (24, len(summary_names(inputs)))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert len(set(summary_names(inputs))) == found.shape[1]
    alone = np.concatenate([summarise(inputs, sample[None]) for sample in samples])
    assert found == pytest.approx(alone, rel=1e-5)
