"""What the two formats have in common: rows of cells, and how the columns that are needed are found."""

import difflib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple

from components.errors import DataError
from components.ingest.wording import printable

Expected = Literal["text", "category", "number"]
Cell = str | int | float | Decimal | None
"""As the file has it; a text whose bytes are no UTF-8 holds them as halves of surrogate pairs (PEP 383)."""
NAMES_SHOWN = 40


class Row(NamedTuple):
    """A row, before its cells are judged.

    Attributes:
        source: file#number.
        cells: of the columns that were asked for, in their order.
    """

    source: str
    cells: tuple[Cell, ...]


def positions(found: Sequence[str], wanted: Iterable[str], path: Path) -> list[int]:
    """Where the columns that are wanted stand among those that there are.

    Raises:
        DataError: one is missing, or there more than once.
    """
    for name in wanted:
        if found.count(name) != 1:
            raise DataError(f"{path} {_lack(name, found)} Change ingest.source in params.yaml, or the file.")
    return [found.index(name) for name in wanted]


def _lack(name: str, found: Sequence[str]) -> str:
    if name in found:
        return f"has {found.count(name)} columns named '{name}': nobody can tell which is meant."
    shown = ", ".join(printable(each) for each in found[:NAMES_SHOWN])
    more = f" and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    return f"has no column '{name}'; its columns: {shown}{more}. {did_you_mean(name, found)}".rstrip()


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A question that names the closest of what is known, or nothing; ends with a space."""
    close = difflib.get_close_matches(name, known[:1000], n=1)
    return f"Did you mean '{printable(close[0])}'? " if close else ""
