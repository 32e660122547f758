"""The IDX format (http://yann.lecun.com/exdb/mnist): a header with the shape, then unsigned bytes; plain or gzipped."""

import contextlib
import gzip
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from components.arrays import slices
from components.errors import DataError

UNSIGNED_BYTES = 8
MOST_INFLATION = 1032
"""A gzipped file unpacks to at most so many times its size (zlib.net, "Maximum Compression Factor")."""


@dataclass(frozen=True)
class IdxFile:
    """An IDX file whose header is right.

    Attributes:
        path: the file.
        shape: number of items, then the shape of an item.
    """

    path: Path
    shape: tuple[int, ...]

    @classmethod
    def open(cls, path: Path, dimensions: int) -> Self:
        """Reads the header.

        Raises:
            DataError: it is not the header of such a file, or promises more than the file can hold.
        """
        with _unpacked(path) as stream:
            header = stream.read(_header_bytes(dimensions))
        if header[:4] != bytes([0, 0, UNSIGNED_BYTES, dimensions]) or len(header) < _header_bytes(dimensions):
            raise DataError(
                f"{path} is no IDX file of unsigned bytes in {dimensions} dimensions: it begins with "
                f"{header[:4].hex(' ') or 'nothing'}, not 00 00 08 {dimensions:02}. Fetch the file again."
            )
        shape = tuple(int(size) for size in np.frombuffer(header[4:], ">u4"))
        if 0 in shape:
            raise DataError(
                f"{path} is empty: its header promises {' × '.join(map(str, shape))}. Fetch the file again."
            )
        if math.prod(shape) > path.stat().st_size * (MOST_INFLATION if path.suffix == ".gz" else 1):
            raise DataError(
                f"{path} has {path.stat().st_size} bytes, which cannot hold the {' × '.join(map(str, shape))} bytes "
                "that its header promises. Fetch the file again."
            )
        return cls(path, shape)

    def batches(self) -> Iterator[NDArray[np.uint8]]:
        """Its items in order, some 16 MiB at a time.

        Raises:
            DataError: the file is damaged, or holds fewer or more items than its header promises.
        """
        promise = f"the {self.shape[0]} items that its header promises. Fetch the file again."
        with _unpacked(self.path) as stream:
            stream.seek(_header_bytes(len(self.shape)))
            for part in slices(self.shape[0], math.prod(self.shape[1:])):
                shape = (part.stop - part.start, *self.shape[1:])
                content = stream.read(math.prod(shape))
                if len(content) < math.prod(shape):
                    raise DataError(f"{self.path} ends before {promise}")
                yield np.frombuffer(content, np.uint8).reshape(shape)
            if stream.read(1):
                raise DataError(f"{self.path} goes on after {promise}")


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[io.BufferedIOBase]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch the file again.") from None


def _header_bytes(dimensions: int) -> int:
    return 4 * (1 + dimensions)
