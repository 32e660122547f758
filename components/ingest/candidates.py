"""What a source gives: everything in it that could be a sample, and everything that could not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.contracts import IngestedImages, IngestedRows, IngestedTexts

Reason = Literal[
    "broken",
    "conflict",
    "corrected",
    "duplicate",
    "empty",
    "encoding",
    "link",
    "missing",
    "not_an_image",
    "outlier",
    "too_large",
    "too_long",
    "too_short",
    "type",
    "unlabelled",
]
COLUMNS = ["source", "label", "sha256", "own_test", "corrected"]
PIECE = 2**16
"""Candidates that are held as Python's objects, which are large, before they become a piece of the table."""


class Refused(NamedTuple):
    """Something in the source that is not a sample, and why."""

    source: str
    reason: Reason
    detail: str


class Candidate(NamedTuple):
    """Something with a label, before it is compared with the others.

    Attributes:
        place: its row in the content.
        source: its file, or file#number, relative to the source's folder.
        label: name of its class, or its value.
        sha256: of its content (:mod:`components.splits`).
        own_test: whether it belongs to a test split of the source's own.
        details: values of the further columns.
        corrected: whether its label is what a person has said of a server's answer.
    """

    place: int
    source: str
    label: str | float
    sha256: str
    own_test: bool
    details: tuple[str | float, ...]
    corrected: bool = False


class Content(Protocol):
    """What the candidates hold: pictures, texts or features, outside memory where they are large."""

    def write(self, places: NDArray[np.int64], folder: Path) -> None:
        """Writes the content of some candidates into a folder, under the name that the contract gives it.

        Args:
            places: (chosen,) int64, ascending where the content is read as a stream.
            folder: that exists.
        """


@dataclass(frozen=True)
class Candidates:
    """All that a source holds.

    Attributes:
        kind: what the content is.
        labels: the classes, in the order of their numbers; None: labels are numbers.
        label_name: what the label is called at its source.
        summaries: the columns of ``table`` that say what each is like.
        table: a row for each candidate, in the order of the samples; the columns :data:`COLUMNS`, then details and
            summaries; its index is the place in the content.
        refused: a row for each :class:`Refused`.
        content: what they hold.
        own_test_split: whether the source has a test split of its own.
    """

    kind: IngestedImages | IngestedTexts | IngestedRows
    labels: tuple[str, ...] | None
    label_name: str
    summaries: tuple[str, ...]
    table: pd.DataFrame
    refused: pd.DataFrame
    content: Content
    own_test_split: bool


def gather(items: Iterable[Candidate | Refused], details: Iterable[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sorts what a source gives into ``table`` and ``refused`` of :class:`Candidates`, in the order given.

    Args:
        items: walked once.
        details: names of the further columns.
    """
    columns = [*COLUMNS, *details]
    tables, refused = (
        [pd.DataFrame(columns=columns).astype({"own_test": bool, "corrected": bool})],
        [pd.DataFrame(columns=Refused._fields)],
    )
    for piece in _pieces(items):
        if candidates := [item for item in piece if isinstance(item, Candidate)]:
            tables.append(_table(candidates, columns))
        if others := [item for item in piece if isinstance(item, Refused)]:
            refused.append(pd.DataFrame(others))
    return _joined(tables), _joined(refused).reset_index(drop=True)


def _pieces(items: Iterable[Candidate | Refused]) -> Iterator[list[Candidate | Refused]]:
    walk = iter(items)
    while piece := list(islice(walk, PIECE)):
        yield piece


def _table(candidates: list[Candidate], columns: list[str]) -> pd.DataFrame:
    rows = [(each.source, each.label, each.sha256, each.own_test, each.corrected, *each.details) for each in candidates]
    return pd.DataFrame(rows, index=[each.place for each in candidates], columns=columns)


def _joined(pieces: list[pd.DataFrame]) -> pd.DataFrame:
    """All pieces below one another; the first is empty, and has no types that would become theirs."""
    return pd.concat(pieces[1:]) if len(pieces) > 1 else pieces[0]
