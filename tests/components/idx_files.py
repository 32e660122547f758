"""IDX files as a test needs them."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def idx(array: NDArray[np.uint8]) -> bytes:
    """The content of an IDX file of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_pair(
    folder: Path, name: str, images: NDArray[np.uint8], labels: NDArray[np.uint8], packed: bool = False
) -> None:
    """Writes the images and the labels of one split."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in ((f"images-idx{images.ndim}", images), ("labels-idx1", labels)):
        content = idx(array.astype(np.uint8))
        path = folder / f"{name}-{kind}-ubyte{'.gz' * packed}"
        path.write_bytes(gzip.compress(content) if packed else content)
