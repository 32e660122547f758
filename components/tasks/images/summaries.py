"""Eight numbers that say how an image looks: compared between what a model was validated on and what it is asked."""

import numpy as np
from numpy.typing import NDArray

SUMMARIES = ("mean", "std", "minimum", "maximum", "contrast", "entropy", "sharpness", "edges")
LEVELS = 256
BLOCK = 64
"""So many images are summarised at once: their histograms stay in the processor's cache."""


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
        images_nhwc: (images, height, width, channels) uint8, height and width at least 3.

    Returns:
        (images, 8) float32, finite.
    """
    blocks = [images_nhwc[start : start + BLOCK] for start in range(0, len(images_nhwc), BLOCK)]
    return np.concatenate([_summaries(block) for block in blocks])


def _summaries(images_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
    tones = _tones(images_nhwc)
    structure = _structure(images_nhwc.mean(axis=3, dtype=np.float32))
    return np.concatenate([tones, structure], axis=1).astype(np.float32)


def _tones(images_nhwc: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The first six columns, all from one histogram of each image: (images, 6)."""
    pixels = images_nhwc[0].size
    histograms = np.stack([np.bincount(image.ravel(), minlength=LEVELS) for image in images_nhwc])
    values = np.arange(LEVELS)
    mean = histograms @ values / pixels
    variance = np.maximum(histograms @ values**2 / pixels - mean**2, 0)
    below = histograms.cumsum(axis=1)
    contrast = (below >= 0.95 * pixels).argmax(axis=1) - (below >= 0.05 * pixels).argmax(axis=1)
    present = histograms > 0
    maximum = LEVELS - 1 - present[:, ::-1].argmax(axis=1)
    occurring = histograms[present]
    information = np.zeros(histograms.shape)
    information[present] = occurring * np.log2(occurring)
    entropy = np.maximum(np.log2(pixels) - information.sum(axis=1) / pixels, 0)
    return np.stack([mean, np.sqrt(variance), present.argmax(axis=1), maximum, contrast, entropy], axis=1)


def _structure(grey_nhw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sharpness and edges: (images, 2)."""
    middle = grey_nhw[:, 1:-1, 1:-1]
    vertical = grey_nhw[:, :-2, 1:-1] + grey_nhw[:, 2:, 1:-1]
    horizontal = grey_nhw[:, 1:-1, :-2] + grey_nhw[:, 1:-1, 2:]
    sharpness = (vertical + horizontal - 4 * middle).var(axis=(1, 2))
    down = np.abs(np.diff(grey_nhw, axis=1)).mean(axis=(1, 2))
    right = np.abs(np.diff(grey_nhw, axis=2)).mean(axis=(1, 2))
    return np.stack([sharpness, (down + right) / 2], axis=1)
