import numpy as np
import pytest

from components.tasks.summaries import SUMMARIES, summarise_images
from tests.digits import digit_images


def column(name: str, images: np.ndarray) -> np.ndarray:
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
    blurred = sum(padded[:, y : y + 24, x : x + 24] for y in range(3) for x in range(3)) / 9
    for name in ("sharpness", "edges"):
        assert (column(name, blurred.astype(np.uint8)) < column(name, images[:50])).all()
