"""Rows: what each column is like in the training split, and every row as numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.contracts import CONTENT, INPUTS, CategoricalColumn, IngestedRows, NumericColumn, RowInputs
from components.errors import DataError
from components.params.sections import RowPrepareParams
from components.prepare.places import Places
from components.tasks.rows.encoding import encode_rows


def prepare_rows(ingested: IngestedRows, places: Places, params: RowPrepareParams, folder: Path) -> RowInputs:
    """Writes ``inputs.npy`` of every split, and fits the columns.

    Raises:
        DataError: a column has no number in the training split.
    """
    content = pd.read_parquet(CONTENT)
    train = content.iloc[places["train"]]
    inputs = RowInputs(
        columns=(
            *(fit_numeric(train[name]) for name in ingested.numeric),
            *(
                CategoricalColumn(name=name, categories=tuple(sorted(set(train[name]))))
                for name in ingested.categorical
            ),
        ),
        scaling=params.scaling,
        missing=ingested.missing,
    )
    for split, rows in places.items():
        values: list[Any] = content.iloc[rows].to_dict("records")
        np.save(folder / split / INPUTS.name, encode_rows(values, inputs), allow_pickle=False)
    return inputs


def fit_numeric(values: "pd.Series[float]") -> NumericColumn:
    """What is known of a column of numbers; missing ones have no part in it. A constant one has a deviation of 1.

    Raises:
        DataError: it has no number at all.
    """
    known = values.dropna().to_numpy(np.float64)
    if not known.size:
        raise DataError(f"Column '{values.name}' has no number in the training split. Leave it out of ingest.source.")
    low, high = float(known.min()), float(known.max())
    deviation = 0.0 if low == high else float(known.std())  # the mean of a constant is often not quite that constant
    return NumericColumn(
        name=str(values.name),
        mean=float(known.mean()),
        std=deviation or 1.0,
        median=float(np.median(known)),
        low=low,
        high=high,
    )
