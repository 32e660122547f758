"""Arrays of samples that need not fit in memory: files in the .npy format, walked in slices."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError

SLICE_BYTES = 2**24
ROOM = 2**26


def slices(samples: int, sample_bytes: int) -> Iterator[slice]:
    """Consecutive slices of some 16 MiB that cover all samples, each of at least one sample."""
    step = max(1, SLICE_BYTES // sample_bytes)
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))


def create_npy(path: Path, shape: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Makes an .npy file of zeros, open for writing through memory.

    Args:
        path: the file; its folder exists.
        shape: samples, height, width, channels.

    Returns:
        uint8, memory-mapped.

    Raises:
        DataError: the disk has no room for it (found out later, this would kill the process).
    """
    needed = int(np.prod(shape, dtype=object))
    free = shutil.disk_usage(path.parent).free
    if needed + ROOM > free:
        raise DataError(
            f"{path.parent} has room for {free / 1e9:.1f} GB, and {shape[0]} samples of {shape[1]} × {shape[2]} × "
            f"{shape[3]} need {needed / 1e9:.1f} GB. Make room, or choose a smaller height and width."
        )
    if needed == 0:  # an empty file cannot be mapped
        np.save(path, np.empty(shape, np.uint8), allow_pickle=False)
        return np.empty(shape, np.uint8)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)


def copy_rows(source: NDArray[np.uint8], rows: NDArray[np.int64], path: Path) -> None:
    """Writes some rows of an array, in the order given, to an .npy file.

    Args:
        source: (samples, height, width, channels) uint8.
        rows: (chosen,) int64.
        path: the file to be made; its folder exists.
    """
    _, height, width, channels = source.shape
    copy = create_npy(path, (len(rows), height, width, channels))
    for part in slices(len(rows), height * width * channels):
        copy[part] = source[rows[part]]
