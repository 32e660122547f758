"""Rows of numbers and categories with a number to be predicted, from CSV or Parquet."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.contracts import CONTENT, IngestedRows
from components.errors import DataError
from components.ingest.candidates import Candidate, Candidates, Refused, gather
from components.ingest.corrections import Correction, corrected_cells
from components.ingest.tables.cells import CellRefused, category_of, number_of
from components.ingest.tables.columns import Cell, Expected, Row
from components.ingest.tables.table_file import read_table, table_files
from components.params.sections import NumberTableSource
from components.splits import row_sha256

FEATURE = "x."
"""Begins the name of a feature's column in the sample table, so that none is taken for one of the table's own."""
MOST_CATEGORIES = 1000
"""A column of more is none of categories."""


def read_rows(source: NumberTableSource, corrections: Sequence[Correction]) -> Candidates:
    """Reads every row of the test file, if there is one, then of the train file; the features are held in memory.

    Args:
        source: the section ``ingest.source``.
        corrections: that belong to it.

    Raises:
        DataError: a file is missing or damaged, or a column of categories has very many.
    """
    summaries = tuple(FEATURE + name for name in source.numeric)
    details = tuple(FEATURE + name for name in source.categorical)
    table, refused = gather(_items(source, corrections), (*details, *summaries))
    for name in source.categorical:
        if table[FEATURE + name].nunique() > MOST_CATEGORIES:
            raise DataError(
                f"{source.path}: column '{name}' holds {table[FEATURE + name].nunique()} different categories; at most "
                f"{MOST_CATEGORIES} are taken. Leave it out of ingest.source.categorical, or group them."
            )
    return Candidates(
        kind=IngestedRows(
            numeric=source.numeric,
            categorical=source.categorical,
            missing="impute" if source.missing == "impute" else "refuse",
        ),
        labels=None,
        label_name=source.target,
        summaries=summaries,
        table=table,
        refused=refused,
        content=RowContent(table[[*summaries, *details]].rename(columns=lambda name: name.removeprefix(FEATURE))),
        own_test_split=source.test is not None,
    )


@dataclass(frozen=True)
class RowContent:
    """The features of all rows of a source.

    Attributes:
        features: a column each, under its own name; numbers are float64, NaN where missing; categories are str.
    """

    features: pd.DataFrame

    def write(self, places: NDArray[np.int64], folder: Path) -> None:
        """Writes ``content.parquet``."""
        self.features.loc[places].to_parquet(folder / CONTENT.name, index=False)


def _items(source: NumberTableSource, corrections: Sequence[Correction]) -> Iterator[Candidate | Refused]:
    columns: dict[str, Expected] = {
        **dict.fromkeys(source.numeric, "number"),
        **dict.fromkeys(source.categorical, "category"),
        source.target: "number",
    }
    place = 0
    for path, own_test in table_files(source):
        for row in read_table(path, columns):
            yield row if isinstance(row, Refused) else _item(place, row, own_test, source)
            place += 1
    for place, each in enumerate(corrections, place):  # noqa: B020 it goes on where the files have ended
        cells = *corrected_cells(each, (*source.numeric, *source.categorical)), each.truth
        item = _item(place, Row(each.source, cells), False, source)
        yield item._replace(corrected=True) if isinstance(item, Candidate) else item


def _item(place: int, row: Row, own_test: bool, source: NumberTableSource) -> Candidate | Refused:
    cells = dict(zip((*source.numeric, *source.categorical, source.target), row.cells, strict=True))
    try:
        numbers = {name: _number(cells[name], name, source.missing) for name in source.numeric}
        categories = {name: category_of(cells[name], name) for name in source.categorical}
        value = number_of(cells[source.target], source.target)
    except CellRefused as fault:
        return Refused(row.source, fault.reason, fault.detail)
    features: dict[str, float | str] = {**categories, **numbers}
    return Candidate(place, row.source, value, row_sha256(features), own_test, tuple(features.values()))


def _number(cell: Cell, name: str, missing: str) -> float:
    try:
        return number_of(cell, name)
    except CellRefused as fault:
        if fault.reason == "missing" and missing == "impute":
            return math.nan
        raise
