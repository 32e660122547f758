"""Texts on their way from a source to ``content.parquet``: on disk, because together they may be larger than memory."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.contracts import CONTENT

SCHEMA = pa.schema([("text", pa.large_string())])
CHARACTERS_AT_ONCE = 2**22
"""Texts are written when they have so many characters together."""


class TextWriter:
    """Takes texts one by one; each has its place in the file."""

    def __init__(self, file: pq.ParquetWriter) -> None:
        self._file = file
        self._waiting: list[str] = []
        self._characters = 0
        self._places = 0

    def add(self, text: str) -> int:
        """Adds a text, valid Unicode, and gives its place."""
        self._waiting.append(text)
        self._characters += len(text)
        if self._characters >= CHARACTERS_AT_ONCE:
            self.flush()
        self._places += 1
        return self._places - 1

    def flush(self) -> None:
        """Writes what is waiting."""
        self._file.write_table(pa.table([pa.array(self._waiting, pa.large_string())], schema=SCHEMA))
        self._waiting, self._characters = [], 0


@contextlib.contextmanager
def text_writer(path: Path) -> Iterator[TextWriter]:
    """Opens a writer; the file is complete when the block has ended."""
    with pq.ParquetWriter(path, SCHEMA) as file:
        writer = TextWriter(file)
        yield writer
        writer.flush()


@dataclass(frozen=True)
class TextContent:
    """What :func:`text_writer` has left.

    Attributes:
        path: of the file.
    """

    path: Path

    def write(self, places: NDArray[np.int64], folder: Path) -> None:
        """Writes ``content.parquet``, a piece at a time; the places ascend."""
        first = 0
        with pq.ParquetFile(self.path) as texts, pq.ParquetWriter(folder / CONTENT.name, SCHEMA) as writer:
            for group in range(texts.num_row_groups):
                piece = texts.read_row_group(group)
                here = slice(*np.searchsorted(places, [first, first + len(piece)]))
                writer.write_table(piece.take(places[here] - first))
                first += len(piece)
