"""Corrections of a server's answers, as further candidates of the source: what the stage ``feedback`` has gathered."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.contracts import CORRECTIONS
from components.ingest.candidates import Candidate, Refused
from components.ingest.tables.columns import Cell
from components.splits import content_sha256

COLUMNS = ["request_id", "sample", "label", "value", "input", "original"]


class Correction(NamedTuple):
    """A sample that was answered, and what a person says of it.

    Attributes:
        source: what it is called in the sample table.
        truth: a class, or a value; None: it is of a model of the other kind.
        input: pixels of a picture, (height, width, channels) uint8 in C order; None of texts and rows.
        original: the text, or the row as JSON; None of pictures.
    """

    source: str
    truth: str | float | None
    input: bytes | None
    original: str | None


def read_corrections(classes: bool) -> list[Correction]:
    """All that were gathered, the oldest first; of one picture, text or row the last is the one that holds.

    Args:
        classes: whether the truth is a class, rather than a value.
    """
    if not CORRECTIONS.exists():
        return []
    rows = pq.read_table(CORRECTIONS, columns=COLUMNS).to_pylist()
    truth = "label" if classes else "value"
    return [
        Correction(f"feedback/{row['request_id']}#{row['sample']}", row[truth], row["input"], row["original"])
        for row in rows
    ]


def corrected_pictures(
    corrections: Iterable[Correction], labels: Sequence[str], inputs: NDArray[np.uint8], first: int
) -> Iterator[Candidate | Refused]:
    """Pictures as the server had them before it answered.

    Args:
        corrections: of pictures.
        labels: the classes of the source; no correction makes a new one.
        inputs: (rows, height, width, channels) uint8; filled from row ``first`` on.
        first: row of the first correction.
    """
    shape = inputs.shape[1:]
    for place, each in enumerate(corrections, first):
        if each.truth not in labels:
            yield Refused(each.source, "unlabelled", f"the source has no class {each.truth}")
        elif each.input is None or len(each.input) != np.prod(shape):
            size = " × ".join(map(str, shape))
            yield Refused(each.source, "type", f"it was answered by a model of other inputs than {size} pixels")
        else:
            inputs[place] = image = np.frombuffer(each.input, np.uint8).reshape(shape)
            rgb_hwc = np.broadcast_to(image, (*shape[:2], 3))
            details = shape[1], shape[0]
            yield Candidate(place, each.source, str(each.truth), content_sha256(rgb_hwc), False, details, True)


def unknown_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Corrections under a class that the source does not have, as rows of what is refused: none makes a new class."""
    named = zip(table["source"], table["label"], strict=True)
    rows = [Refused(source, "unlabelled", f"the source has no class {label}") for source, label in named]
    return pd.DataFrame(rows, columns=list(Refused._fields))


def corrected_cells(correction: Correction, columns: Sequence[str]) -> tuple[Cell, ...]:
    """The cells of a row that was corrected, in the order of the source's columns; None where it has none."""
    row: dict[str, Any] = json.loads(correction.original) if correction.original else {}
    return tuple(row.get(name) for name in columns)
