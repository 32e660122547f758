"""Eight numbers that say how an image looks: compared between what a model was validated on and what it is asked."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SUMMARIES = ("mean", "std", "minimum", "maximum", "contrast", "entropy", "sharpness", "edges")
LEVELS = 256
BLOCK = 64
"""So many images are summarised at once: their histograms stay in the cache, and levels of all of them are uint16."""
MOMENTS = np.stack([np.arange(LEVELS), np.arange(LEVELS) ** 2], axis=1).astype(np.float64)


def summarise_images(images_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Summarises each image by itself; the same for the drift reference of a package and for a server's requests.

    The columns, in the order of :data:`SUMMARIES`; pixel values in [0, 255], all channels together:

    - ``mean``, ``std``, ``minimum``, ``maximum`` of the pixel values;
    - ``contrast``: their 95th less their 5th percentile (nearest rank);
    - ``entropy``: of their histogram, in bits (Shannon 1948), 0 for a blank image, 8 at most;
    - ``sharpness``: variance of the discrete Laplacian of the channels' mean, low for a blurred image
      (Pech-Pacheco et al. 2000, doi:10.1109/ICPR.2000.903548);
    - ``edges``: mean absolute difference of neighbouring pixels of the channels' mean, both directions.

    Args:
        images_nhwc: (images, height, width, channels) uint8, height and width at least 3, 8 channels at most.

    Returns:
        (images, 8) float32, finite.
    """
    blocks = [images_nhwc[start : start + BLOCK] for start in range(0, len(images_nhwc), BLOCK)]
    return np.concatenate([_summaries(block) for block in blocks])


def _summaries(images_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([_tones(images_nhwc), _structure(images_nhwc)], axis=1).astype(np.float32)


def _tones(images_nhwc: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The first six columns, all from one histogram of each image: (images, 6)."""
    pixels, histograms = images_nhwc[0].size, _histograms(images_nhwc)
    mean, square = (histograms.astype(np.float64) @ MOMENTS / pixels).T
    below = histograms.cumsum(axis=1)
    ranks = (1, math.ceil(0.05 * pixels), math.ceil(0.95 * pixels), pixels)
    minimum, low, high, maximum = ((below >= rank).argmax(axis=1) for rank in ranks)
    entropy = np.maximum(np.log2(pixels) - _information(pixels)[histograms].sum(axis=1) / pixels, 0)
    return np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0)), minimum, maximum, high - low, entropy], axis=1)


def _histograms(images_nhwc: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(images, 256): all of a block in one count, each image's levels beyond those of the one before."""
    count = len(images_nhwc)
    first = (LEVELS * np.arange(count, dtype=np.uint16))[:, None]
    levels = images_nhwc.reshape(count, -1) + first
    return np.bincount(levels.ravel(), minlength=LEVELS * count).reshape(count, LEVELS)


@lru_cache(maxsize=4)
def _information(pixels: int) -> NDArray[np.float64]:
    """``n · log2 n`` for each count n of a level, from 0: images of one size need it again and again."""
    counts = np.arange(1, pixels + 1)
    return np.concatenate([[0.0], counts * np.log2(counts)])


def _structure(images_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Sharpness and edges: (images, 2). Of the channels' sum, in whole numbers, and divided at the end."""
    channels, sums = images_nhwc.shape[3], _channel_sums(images_nhwc)
    laplacian = sums[:-2, 1:-1] + sums[2:, 1:-1]
    laplacian += sums[1:-1, :-2]
    laplacian += sums[1:-1, 2:]
    laplacian -= 4 * sums[1:-1, 1:-1]
    flat = _flat(laplacian)
    sharpness = np.einsum("ij,ij->j", flat, flat) / len(flat) - _means(flat) ** 2
    down, right = (_means(_flat(np.abs(np.diff(sums, axis=axis)))) for axis in (0, 1))
    return np.stack([np.maximum(sharpness, 0) / channels**2, (down + right) / (2 * channels)], axis=1)


def _channel_sums(images_nhwc: NDArray[np.uint8]) -> NDArray[np.int16]:
    """(height, width, images): neighbours are whole rows of memory apart, which is twice as fast as side by side.

    Plane by plane, as numpy's sum over so short an axis as the channels' is slow.
    """
    sums = images_nhwc[..., 0].astype(np.int16)
    for channel in range(1, images_nhwc.shape[3]):
        sums += images_nhwc[..., channel]
    return np.ascontiguousarray(np.moveaxis(sums, 0, -1))


def _flat(images_hwn: NDArray[np.int16]) -> NDArray[np.float32]:
    return images_hwn.reshape(-1, images_hwn.shape[-1]).astype(np.float32)


def _means(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each column, by one product of matrices."""
    means: NDArray[np.float32] = np.full(len(columns), 1 / len(columns), np.float32) @ columns
    return means
