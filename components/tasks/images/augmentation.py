"""Image augmentation on the device that trains: a whole batch at once, one affine map a sample, applied once.

The transformations, their names and their units are those of Keras' ImageDataGenerator: rotation in degrees, shifts as
a share of the side, shear in degrees, zoom as a factor for each axis, then a horizontal flip; what comes from outside
the image is the nearest pixel of its border. Draws come from the device's global generator, so a caller that seeds it
repeats them.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 the name that every torch program gives it
from torch import Tensor, nn

from components.params.sections import Erasing, ImageAugmentParams

ASPECT = (0.3, 1 / 0.3)
"""Smallest and largest height-to-width ratio of an erased rectangle (Zhong et al. 2020, section 4.2)."""


class BatchAugmentation(nn.Module):
    """Draws a random affine map for each image, applies it, then erases random rectangles."""

    def __init__(self, policy: ImageAugmentParams) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, images_bchw: Tensor) -> Tensor:
        """Augments a batch.

        Args:
            images_bchw: (batch, channels, height, width) float in [0, 1], on any device.

        Returns:
            A new batch of the same shape, range and memory format.
        """
        _, _, height, width = images_bchw.shape
        theta = random_affine(self.policy, len(images_bchw), height, width, images_bchw.device)
        grid = F.affine_grid(theta, list(images_bchw.shape), align_corners=False)
        moved = F.grid_sample(
            images_bchw, grid, mode=self.policy.interpolation, padding_mode="border", align_corners=False
        )
        return random_erasing(moved, self.policy.random_erasing)


def random_affine(policy: ImageAugmentParams, count: int, height: int, width: int, device: torch.device) -> Tensor:
    """Draws affine maps from output to input coordinates, as ``torch.nn.functional.affine_grid`` takes them.

    Composed as Keras does (rotation · shift · shear · zoom, then flip), in pixels about the centre.

    Returns:
        (count, 2, 3) float.
    """

    def uniform(low: float, high: float, probability: float, neutral: float) -> Tensor:
        drawn = torch.empty(count, device=device).uniform_(low, high)
        return torch.where(torch.rand(count, device=device) < probability, drawn, torch.full_like(drawn, neutral))

    def symmetric(magnitude: float, probability: float) -> Tensor:
        return uniform(-magnitude, magnitude, probability, 0.0)

    p = policy
    angle = symmetric(math.radians(p.rotation.range), p.rotation.probability)
    shift_x = symmetric(p.width_shift.range * width, p.width_shift.probability)
    shift_y = symmetric(p.height_shift.range * height, p.height_shift.probability)
    shear = symmetric(math.radians(p.shear.range), p.shear.probability)
    zoom_x = uniform(1 - p.zoom.range, 1 + p.zoom.range, p.zoom.probability, 1.0)
    zoom_y = uniform(1 - p.zoom.range, 1 + p.zoom.range, p.zoom.probability, 1.0)
    flip = 1 - 2 * (torch.rand(count, device=device) < p.horizontal_flip.probability).float()
    return compose_affine(angle, (shift_x, shift_y), shear, (zoom_x, zoom_y), flip, (height, width))


def compose_affine(
    angle: Tensor,
    shift: tuple[Tensor, Tensor],
    shear: Tensor,
    zoom: tuple[Tensor, Tensor],
    flip: Tensor,
    size: tuple[int, int],
) -> Tensor:
    """Multiplies the maps of each sample into one, and turns pixels into the [-1, 1] coordinates of ``affine_grid``.

    The matrices are those of ``keras.preprocessing.image.apply_affine_transform``, which orders coordinates
    (row, column); here they are (x, y) = (column, row).

    Args:
        angle: (batch,) rotation, in radians.
        shift: (batch,) each, along x and y, in pixels.
        shear: (batch,) in radians.
        zoom: (batch,) each, along x and y.
        flip: (batch,) -1 to mirror left and right, else 1.
        size: height and width of the images, in pixels.

    Returns:
        (batch, 2, 3).
    """
    cos, sin = torch.cos(angle), torch.sin(angle)
    # rotation · shear: [[cos, sin], [-sin, cos]] · [[cos(shear), 0], [-sin(shear), 1]]
    a, b = cos * torch.cos(shear) - sin * torch.sin(shear), sin
    c, d = -sin * torch.cos(shear) - cos * torch.sin(shear), cos
    (shift_x, shift_y), (zoom_x, zoom_y), (height, width) = shift, zoom, size
    top = torch.stack(
        [a * zoom_x * flip, b * zoom_y * height / width, 2 / width * (cos * shift_x + sin * shift_y)], dim=1
    )
    bottom = torch.stack(
        [c * zoom_x * flip * width / height, d * zoom_y, 2 / height * (cos * shift_y - sin * shift_x)], dim=1
    )
    return torch.stack([top, bottom], dim=1)


def random_erasing(images_bchw: Tensor, policy: Erasing) -> Tensor:
    """Replaces a random rectangle of some images by noise (Zhong et al. 2020, algorithm 1).

    Returns:
        The batch itself when the policy's probability is 0, else a new one.
    """
    if policy.probability == 0:
        return images_bchw
    count, _, height, width = images_bchw.shape
    device = images_bchw.device
    area = torch.empty(count, 1, device=device).uniform_(*policy.area) * height * width
    aspect = torch.empty(count, 1, device=device).uniform_(*map(math.log, ASPECT)).exp()
    tall, wide = (area * aspect).sqrt().clamp(max=height), (area / aspect).sqrt().clamp(max=width)
    top = torch.rand(count, 1, device=device) * (height - tall)
    left = torch.rand(count, 1, device=device) * (width - wide)
    rows, columns = torch.arange(height, device=device) + 0.5, torch.arange(width, device=device) + 0.5
    inside = ((rows >= top) & (rows < top + tall))[:, :, None] & ((columns >= left) & (columns < left + wide))[
        :, None, :
    ]
    chosen = (torch.rand(count, 1, 1, device=device) < policy.probability) & inside
    return torch.where(chosen[:, None], torch.rand_like(images_bchw), images_bchw)
