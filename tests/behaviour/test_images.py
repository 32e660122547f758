"""How a trained classifier of images behaves."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.behaviour.subject import Subject, share_unchanged

KIND = "images"
PNG = "image/png"
ALONE = 50
SURE = 0.95

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

Pixels = NDArray[np.uint8]
"""(height, width), or (height, width, 3)."""


@pytest.fixture(scope="module")
def files(subject: Subject) -> list[bytes]:
    return [question.content for question in subject.questions]


@pytest.fixture(scope="module")
def answers(subject: Subject, files: list[bytes]) -> NDArray[np.float32]:
    return subject.ask(files, PNG)


def written(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def changed(files: list[bytes], change: Callable[[Pixels], Pixels]) -> list[bytes]:
    return [written(Image.fromarray(change(np.asarray(Image.open(io.BytesIO(file)))))) for file in files]


# Minimum functionality


def test_each_class_is_recognised_more_often_than_not(subject: Subject, answers: NDArray[np.float32]) -> None:
    found = subject.recalls(answers)
    assert min(found.values()) >= 0.5, found


def test_what_it_is_sure_of_is_right(subject: Subject, answers: NDArray[np.float32]) -> None:
    sure = answers.max(axis=1) >= SURE
    right = answers.argmax(axis=1) == subject.truths
    assert sure.mean() >= 0.2, "it is hardly ever sure"
    assert right[sure].mean() >= 0.9


# Invariance


@pytest.mark.parametrize("form", ["larger PNG", "opaque PNG", "BMP", "lossless WebP"])
def test_another_lossless_file_of_the_same_pixels_changes_nothing(
    subject: Subject, files: list[bytes], answers: NDArray[np.float32], form: str
) -> None:
    write: Callable[[Image.Image], bytes] = {
        "larger PNG": lambda image: written(image, compress_level=0),
        "opaque PNG": lambda image: written(image.convert("RGBA")),
        "BMP": lambda image: written(image, "BMP"),
        "lossless WebP": lambda image: written(image, "WEBP", lossless=True),
    }[form]
    again = [write(Image.open(io.BytesIO(file))) for file in files]
    assert again != files
    assert np.array_equal(subject.ask(again, PNG), answers)


def test_the_company_in_a_batch_changes_no_answer(
    subject: Subject, files: list[bytes], answers: NDArray[np.float32]
) -> None:
    tolerance = subject.model.signature.golden_tolerance
    assert np.abs(subject.alone(files[:ALONE], PNG) - answers[:ALONE]).max() <= tolerance


@pytest.mark.parametrize("shift", [(1, 0), (-1, 0), (0, 1), (0, -1)], ids=["down", "up", "right", "left"])
def test_one_pixel_of_shift_changes_few_answers(
    subject: Subject, files: list[bytes], answers: NDArray[np.float32], shift: tuple[int, int]
) -> None:
    moved = changed(files, lambda pixels: shifted(pixels, *shift))
    unchanged = share_unchanged(answers, subject.ask(moved, PNG))
    assert unchanged >= 0.85


def shifted(pixels: Pixels, down: int, right: int) -> Pixels:
    """What moves in is the edge again."""
    height, width = pixels.shape[:2]
    rows, columns = np.arange(height) - down, np.arange(width) - right
    return pixels[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]


@pytest.mark.parametrize("factor", [0.95, 1.05], ids=["darker", "brighter"])
def test_a_little_light_changes_few_answers(
    subject: Subject, files: list[bytes], answers: NDArray[np.float32], factor: float
) -> None:
    lit = changed(files, lambda pixels: (pixels * factor).round().clip(0, 255).astype(np.uint8))
    unchanged = share_unchanged(answers, subject.ask(lit, PNG))
    assert unchanged >= 0.95


def test_mild_noise_changes_few_answers(subject: Subject, files: list[bytes], answers: NDArray[np.float32]) -> None:
    random = np.random.default_rng(7)
    noisy = changed(files, lambda pixels: (pixels + random.normal(0, 2, pixels.shape)).clip(0, 255).astype(np.uint8))
    unchanged = share_unchanged(answers, subject.ask(noisy, PNG))
    assert unchanged >= 0.9


def test_a_good_jpeg_changes_few_answers(subject: Subject, files: list[bytes], answers: NDArray[np.float32]) -> None:
    jpegs = [written(Image.open(io.BytesIO(file)), "JPEG", quality=95) for file in files]
    unchanged = share_unchanged(answers, subject.ask(jpegs, "image/jpeg"))
    assert unchanged >= 0.9


# Direction


def test_covering_the_middle_makes_the_true_class_less_likely(
    subject: Subject, files: list[bytes], answers: NDArray[np.float32]
) -> None:
    covered = subject.ask(changed(files, with_grey_middle), PNG)
    places = np.arange(len(files)), subject.truths
    assert covered[places].mean() < answers[places].mean() - 0.1


def with_grey_middle(pixels: Pixels) -> Pixels:
    """The middle half of height and width."""
    height, width = pixels.shape[:2]
    found = pixels.copy()
    found[height // 4 : height - height // 4, width // 4 : width - width // 4] = 128
    return found
