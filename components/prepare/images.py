"""Images: copied by split; mean and deviation of each channel."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.arrays import copy_rows, slices
from components.contracts import INPUTS, ImageInputs
from components.params.sections import ImagePrepareParams
from components.prepare.places import Places


def prepare_images(places: Places, params: ImagePrepareParams, folder: Path) -> ImageInputs:
    """Writes ``inputs.npy`` of every split, and fits the normalisation.

    Args:
        places: the samples of each split.
        params: ``standard``: values lose their training mean and are divided by its deviation, per channel.
        folder: holds a folder for each split.
    """
    images_nhwc = np.load(INPUTS, mmap_mode="r", allow_pickle=False)
    for split, rows in places.items():
        copy_rows(images_nhwc, rows, folder / split / INPUTS.name)
    _, height, width, channels = images_nhwc.shape
    mean, std = np.zeros(channels), np.ones(channels)
    if params.normalisation == "standard":
        mean, std = channel_moments(np.load(folder / "train" / INPUTS.name, mmap_mode="r", allow_pickle=False))
    return ImageInputs(
        height=height, width=width, channels=channels, mean=tuple(mean.tolist()), std=tuple(std.tolist())
    )


def channel_moments(images_nhwc: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, of values in [0, 1]; a constant channel has a deviation of 1.

    Args:
        images_nhwc: (samples, height, width, channels) uint8.

    Returns:
        Two arrays (channels,) float64.
    """
    samples, height, width, channels = images_nhwc.shape
    counts = np.zeros((channels, 256), np.int64)
    for part in slices(samples, height * width * channels):
        for channel in range(channels):
            counts[channel] += np.bincount(images_nhwc[part, ..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = counts @ values / counts.sum(axis=1)
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    constant = np.count_nonzero(counts, axis=1) == 1
    return mean, np.where(constant, 1.0, np.sqrt(variance))
