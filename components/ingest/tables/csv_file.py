"""CSV as RFC 4180 has it: a header, commas, quotes doubled within quotes; UTF-8.

Python's own reader, not pyarrow's: that one gives up the whole file where a row with a field too many is no UTF-8, and
cannot tell the line of a row.
"""

import contextlib
import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from components.errors import DataError
from components.ingest.candidates import Refused
from components.ingest.tables.columns import Row, positions
from components.progress import progress

if TYPE_CHECKING:
    from _csv import Reader

LONGEST_ROW = 2**24
"""In characters. A longer row, as where a quote is left open, would have to be held in memory."""
CHARACTERS_BETWEEN_ADVANCES = 2**20


def read_csv(path: Path, columns: Iterable[str]) -> Iterator[Row | Refused]:
    """Reads some columns row by row; an empty line is no row.

    The number of a source is the line where the row begins; the header is line 1.

    Args:
        path: the file; a byte order mark before the header is passed over.
        columns: those that are wanted.

    Yields:
        A row, or why it is none: it has more or fewer fields than the header, or text after a closing quote.

    Raises:
        DataError: there is no header, a column is missing, or a quote is never closed.
    """
    csv.field_size_limit(LONGEST_ROW)
    with _opened(path) as text, progress(f"reading {path.name}", path.stat().st_size) as advance:
        lines = _Lines(text, path, advance)
        reader = csv.reader(lines, strict=True)
        header = _header(reader, path)
        places = positions(header, columns, path)
        for number, cells in _records(reader, lines):
            source = f"{path.name}#{number:07}"
            if isinstance(cells, csv.Error):
                yield Refused(source, "broken", f"it is no CSV: {cells}")
            elif len(cells) != len(header):
                yield Refused(source, "broken", f"it has {len(cells)} fields, and the header {len(header)}")
            else:
                yield Row(source, tuple(cells[place] for place in places))


class _Lines:
    """The lines of a file; a row that goes on for too long is an error."""

    def __init__(self, text: TextIO, path: Path, advance: Callable[[int], None]) -> None:
        self._text, self._path, self._advance = text, path, advance
        self._read = 0
        self._row_characters = 0
        self._row_line = 1
        self.ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_ROW + 1)
        self._row_characters += len(line)
        if self._row_characters > LONGEST_ROW:
            raise self.endless(f"within {LONGEST_ROW} characters")
        if not line:
            self.ended = True
            raise StopIteration
        self._read += len(line)
        if self._read >= CHARACTERS_BETWEEN_ADVANCES:
            self._advance(self._read)
            self._read = 0
        return line

    def begin_row(self, line: int) -> None:
        """Says that the next line is the first of a row."""
        self._row_characters, self._row_line = 0, line

    def endless(self, where: str) -> DataError:
        """The error that the row does not end."""
        return DataError(
            f"{self._path}: the row that begins in line {self._row_line} does not end {where}: a quote is opened there "
            "and never closed. Mend that line."
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            yield text
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Make it readable, or fetch it again.") from None


def _header(reader: Iterator[list[str]], path: Path) -> list[str]:
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise DataError(f"{path}: its first line is no header of a CSV file: {error}. Mend that line.") from None
    if any("\0" in name for name in header):
        raise DataError(f"{path} is no UTF-8 text: there are NUL bytes in its first line. Save it as CSV in UTF-8.")
    return header


def _records(reader: "Reader", lines: _Lines) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Each row with its first line; where it cannot be read, the error instead of its fields."""
    while True:
        number = reader.line_num + 1
        lines.begin_row(number)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.ended:
                raise lines.endless("before the file does") from None
            yield number, error
        else:
            if cells:
                yield number, cells
