"""Arrays of samples that need not fit in memory: files in the .npy format, walked in slices."""

import math
import mmap
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from components.errors import DataError

SLICE_BYTES = 2**24
ROOM = 2**26


def slices(samples: int, sample_bytes: int) -> Iterator[slice]:
    """Consecutive slices of some 16 MiB that cover all samples, each of at least one sample."""
    step = max(1, SLICE_BYTES // sample_bytes)
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))


def create_npy(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Makes an .npy file of zeros, open for writing through memory.

    Args:
        path: the file; its folder exists.
        shape: samples, then the shape of one.
        dtype: of the array.

    Returns:
        The array, memory-mapped.

    Raises:
        DataError: the disk has no room for it (found out later, this would kill the process).
    """
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    free = shutil.disk_usage(path.parent).free
    if needed + ROOM > free:
        raise DataError(
            f"{path.parent} has room for {free / 1e9:.1f} GB, and {shape[0]} samples of "
            f"{' × '.join(map(str, shape[1:]))} need {needed / 1e9:.1f} GB. Make room, or choose smaller samples "
            "in params.yaml."
        )
    if needed == 0:  # an empty file cannot be mapped
        np.save(path, np.empty(shape, dtype), allow_pickle=False)
        return np.empty(shape, dtype)
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def copy_rows(source: NDArray[Any], rows: NDArray[np.int64], path: Path) -> None:
    """Writes some rows of an array, in the order given, to an .npy file.

    Args:
        source: (samples, *shape of one), any dtype.
        rows: (chosen,) int64.
        path: the file to be made; its folder exists.
    """
    copy = create_npy(path, (len(rows), *source.shape[1:]), source.dtype)
    for part in slices(len(rows), math.prod(source.shape[1:]) * source.dtype.itemsize):
        copy[part] = source[rows[part]]


def advise(array: NDArray[Any], advice: int, start: int, stop: int) -> None:
    """Tells the kernel how some samples of a memory-mapped array will be read (madvise(2)); nothing of any other.

    Args:
        array: as it was opened, and no part of it.
        advice: such as ``mmap.MADV_WILLNEED``.
        start: first sample.
        stop: the sample behind the last one.
    """
    if not isinstance(array, np.memmap):
        return
    sample_bytes = array.nbytes // len(array)
    first = array.offset + start * sample_bytes
    page = first - first % mmap.PAGESIZE
    mapping = cast(mmap.mmap, array.base)
    mapping.madvise(advice, page, array.offset + stop * sample_bytes - page)
