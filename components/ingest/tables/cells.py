"""What a cell holds: a text, a name, a number; or why it holds none."""

import re

import numpy as np

from components.ingest.candidates import Reason
from components.ingest.tables.columns import Cell
from components.ingest.wording import quoted
from components.tasks.rows.categories import category_name

LONGEST_NAME = 200
MISSING = frozenset(["", "na", "n/a", "nan", "null", "none"])
"""What stands for a number that is not known, in small letters. Of a category, only the empty cell does."""
LARGEST = float(np.finfo(np.float32).max)
BROKEN_ENCODING = re.compile(
    "(?P<bytes>[\ud800-\udfff])|(?P<nul>\0)|(?P<lost>\ufffd)|(?P<mojibake>[ÂÃ][\u0080-\u00bf]|â€|ï»¿|ï¿½)"
)
"""UTF-8 that was read as Latin-1 or Windows-1252 and written again (mojibake) is known by what it makes of the letters
and signs that are most frequent outside ASCII: U+0080 to U+00FF, general punctuation, the byte order mark, U+FFFD."""
FAULTS = {
    "bytes": "its bytes are no UTF-8",
    "nul": "it holds a NUL",
    "lost": "it holds the sign for a letter that was lost (U+FFFD)",
    "mojibake": "it is UTF-8 that was once read in another encoding",
}
SHOWN_BEFORE = 10


class CellRefused(Exception):
    """A cell that makes a row no sample.

    Attributes:
        reason: the kind of fault.
        detail: what was found, as a sentence.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def text_of(cell: Cell, column: str) -> str:
    """The text, as it is; of an empty cell, none.

    Raises:
        CellRefused: ``encoding``: it was not UTF-8 all the way from its author (:data:`BROKEN_ENCODING`).
    """
    text = "" if cell is None else str(cell)
    fault = None if text.isascii() and "\0" not in text else BROKEN_ENCODING.search(text)
    if fault:
        around = text[max(0, fault.start() - SHOWN_BEFORE) :]
        what = FAULTS[str(fault.lastgroup)]
        raise CellRefused("encoding", f"{column}: {what} at character {fault.start() + 1}: {quoted(around)}")
    return text


def category_of(cell: Cell, column: str) -> str:
    """The name of a category or class, as :func:`category_name` has it.

    Raises:
        CellRefused: ``encoding`` as :func:`text_of`; ``missing``: it is empty; ``type``: it is no name: too long, or
            with signs that cannot be printed.
    """
    name = category_name(text_of(cell, column))
    if not name:
        raise CellRefused("missing", f"{column} is empty")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise CellRefused("type", f"{column} is {quoted(name)}; a name has at most {LONGEST_NAME} printable characters")
    return name


def number_of(cell: Cell, column: str) -> float:
    """The number.

    Raises:
        CellRefused: ``missing``: empty, or one of :data:`MISSING`; ``type``: no number, infinite, or beyond the 32 bits
            in which it is computed with.
    """
    if cell is None or str(cell).strip().lower() in MISSING:
        raise CellRefused("missing", f"{column} is empty" if cell in (None, "") else f"{column} is {quoted(cell)}")
    try:
        number = _parsed(cell)
    except ValueError:
        raise CellRefused("type", f"{column} is {quoted(cell)}, which is no number") from None
    if abs(number) > LARGEST:
        raise CellRefused("type", f"{column} is {quoted(cell)}, which is infinite in 32 bits")
    return number


def _parsed(cell: str | int | float | object) -> float:
    if isinstance(cell, str) and ("_" in cell or not cell.isascii()):  # which Python would take in numbers
        raise ValueError(cell)
    return float(cell)  # type: ignore[arg-type]
