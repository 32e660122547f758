import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from components.params import load_params
from components.params.sections import Erasing, ImageAugmentParams
from components.tasks.images.augmentation import BatchAugmentation, compose_affine, random_affine, random_erasing
from tests.places import REPOSITORY


def policy_of(path: Path) -> ImageAugmentParams:
    augment = load_params(path).augment
    assert isinstance(augment, ImageAugmentParams)
    return augment


@pytest.fixture
def policy() -> ImageAugmentParams:
    return policy_of(REPOSITORY / "presets" / "reference-augmentation.yaml")


def only(policy: ImageAugmentParams, **changes: Any) -> ImageAugmentParams:
    """The policy with everything off but what is given."""
    off = {"range": 0.0, "probability": 0.0}
    names = ("rotation", "width_shift", "height_shift", "shear", "zoom")
    values = policy.model_dump() | dict.fromkeys(names, off)
    values |= {"horizontal_flip": {"probability": 0.0}, "random_erasing": {"probability": 0.0, "area": (0.02, 0.2)}}
    return ImageAugmentParams.model_validate(values | changes)


def warp(
    image: NDArray[np.float32], angle: float, shift: tuple[float, float], shear: float, zoom: tuple[float, float]
) -> torch.Tensor:
    tensors = [torch.tensor([value]) for value in (angle, *shift, shear, *zoom, 1.0)]
    height, width = image.shape
    theta = compose_affine(
        tensors[0], (tensors[1], tensors[2]), tensors[3], (tensors[4], tensors[5]), tensors[6], (height, width)
    )
    batch = torch.from_numpy(image)[None, None]
    grid = torch.nn.functional.affine_grid(theta, list(batch.shape), align_corners=False)
    return torch.nn.functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)[0, 0]


@pytest.mark.parametrize("size", [(28, 28), (20, 36)])
def test_affine_is_that_of_keras(size: tuple[int, int]) -> None:
    """As ``apply_affine_transform``: rotation · shift · shear · zoom about the centre, in (row, column)."""
    image = ndimage.gaussian_filter(np.random.default_rng(0).random(size), 2).astype(np.float32)
    angle, shear, shift_rows, shift_columns, zoom_rows, zoom_columns = (
        math.radians(25),
        math.radians(12),
        2.0,
        -3.0,
        1.1,
        0.9,
    )
    cos, sin = math.cos(angle), math.sin(angle)
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    shift = np.array([[1, 0, shift_rows], [0, 1, shift_columns], [0, 0, 1]])
    sheared = np.array([[1, -math.sin(shear), 0], [0, math.cos(shear), 0], [0, 0, 1]])
    zoom = np.diag([zoom_rows, zoom_columns, 1])
    centre = (np.array(size) - 1) / 2
    to_centre, back = np.eye(3), np.eye(3)
    to_centre[:2, 2], back[:2, 2] = centre, -centre
    matrix = to_centre @ rotation @ shift @ sheared @ zoom @ back
    expected = ndimage.affine_transform(image, matrix[:2, :2], matrix[:2, 2], order=1, mode="nearest")

    warped = warp(image, angle, (shift_columns, shift_rows), shear, (zoom_columns, zoom_rows))

    assert np.abs(warped.numpy() - expected).max() < 1e-4


def test_flip_mirrors_left_and_right_exactly(policy: ImageAugmentParams) -> None:
    images = torch.rand(16, 1, 28, 28)
    flipped = BatchAugmentation(only(policy, horizontal_flip={"probability": 1.0}))(images)
    assert torch.allclose(flipped, images.flip(3), atol=1e-5)


def test_the_nearest_pixel_makes_whole_pixels_of_a_shift(policy: ImageAugmentParams) -> None:
    images = torch.rand(64, 1, 28, 28)
    shift = {"range": 0.1, "probability": 1.0}
    moved = BatchAugmentation(only(policy, width_shift=shift, interpolation="nearest"))(images)
    shifts = range(-3, 4)
    columns = torch.arange(28)
    whole = torch.stack([images[..., (columns + shift).clamp(0, 27)] for shift in shifts])
    same = (whole == moved).all(dim=(2, 3, 4))
    assert same.any(dim=0).all(), "each image is the original, some whole pixels to one side"
    assert same.any(dim=1).all(), "every distance up to the largest is drawn"


def test_everything_off_changes_nothing(policy: ImageAugmentParams) -> None:
    images = torch.rand(4, 3, 20, 36)
    assert torch.allclose(BatchAugmentation(only(policy))(images), images, atol=1e-5)


def test_what_lies_outside_is_the_nearest_border_pixel(policy: ImageAugmentParams) -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[..., 0] = 1.0  # a white left edge
    one = torch.ones(1)
    theta = compose_affine(0 * one, (-4 * one, 0 * one), 0 * one, (one, one), one, (8, 8))
    grid = torch.nn.functional.affine_grid(theta, [1, 1, 8, 8], align_corners=False)
    moved = torch.nn.functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    assert torch.allclose(moved[..., :5], torch.ones(1, 1, 8, 5))
    assert torch.allclose(moved[..., 5:], torch.zeros(1, 1, 8, 3))


def test_draws_stay_in_range_and_come_as_often_as_asked(policy: ImageAugmentParams) -> None:
    turned = only(policy, rotation={"range": 40.0, "probability": 0.25})
    torch.manual_seed(0)
    theta = random_affine(turned, 20_000, 28, 28, torch.device("cpu"))
    angles = torch.rad2deg(torch.atan2(theta[:, 0, 1], theta[:, 0, 0]))
    assert angles.abs().max() <= 40.001
    assert angles.abs().max() > 39
    assert abs((angles != 0).float().mean().item() - 0.25) < 0.02


def test_reference_policy_keeps_range_shape_and_repeats_with_the_seed(policy: ImageAugmentParams) -> None:
    images = torch.rand(32, 3, 28, 28).contiguous(memory_format=torch.channels_last)
    torch.manual_seed(3)
    first = BatchAugmentation(policy)(images)
    torch.manual_seed(3)
    again = BatchAugmentation(policy)(images)
    assert torch.equal(first, again)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert not torch.equal(first, images)


def test_erasing_takes_one_rectangle_of_the_stated_area() -> None:
    torch.manual_seed(1)
    images = torch.full((500, 1, 40, 40), 2.0)  # noise is below 1, so what was erased is told by its value
    erased = random_erasing(images, Erasing(probability=0.5, area=(0.1, 0.1)))
    share = (erased < 1.5).float().mean(dim=(1, 2, 3))
    assert abs((share > 0).float().mean().item() - 0.5) < 0.07
    assert abs(share[share > 0].mean().item() - 0.1) < 0.01
    rows = (erased[share > 0][0, 0] < 1.5).any(dim=1).nonzero().flatten()
    assert len(rows) == rows.max() - rows.min() + 1


def test_erasing_is_off_at_probability_zero() -> None:
    images = torch.rand(2, 1, 8, 8)
    assert random_erasing(images, Erasing(probability=0.0, area=(0.1, 0.2))) is images


def test_default_policy_is_milder_than_the_reference(policy: ImageAugmentParams) -> None:
    default = policy_of(REPOSITORY / "params.yaml")
    for name in ("rotation", "width_shift", "height_shift", "shear", "zoom"):
        assert getattr(default, name).range <= getattr(policy, name).range
