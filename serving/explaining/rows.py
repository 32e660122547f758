"""Which columns of a row mattered."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import NumericColumn, RowInputs
from components.contracts.inputs import Column

MOST_CATEGORIES = 32
"""Of a column with more categories, so many stand for all."""


class ColumnReplacement:
    """Puts usual values in the place of each column's: the median of training for a number, each category in turn.

    Args:
        inputs: what the model takes.
    """

    method = (
        "replacement of single columns (the median of training for a number, the mean over all categories, or over "
        f"{MOST_CATEGORIES} of them, for a category; after Robnik-Šikonja & Kononenko 2008, "
        "doi:10.1109/TKDE.2007.190734): how much less the answer is with the usual value"
    )

    def __init__(self, inputs: RowInputs) -> None:
        self._columns = inputs.columns
        self._usual = [usual_values(column) for column in inputs.columns]

    def hidden(self, sample: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
        """The row with each usual value of each column."""
        for place, values in enumerate(self._usual):
            for value in values:
                variant = sample.copy()
                variant[place] = value
                yield variant

    def told(self, sample: NDArray[Any], effects: NDArray[np.float32]) -> dict[str, Any]:
        """``columns``: the effect of each, in their order."""
        ends = np.cumsum([len(values) for values in self._usual])
        means = [float(part.mean()) for part in np.split(effects, ends[:-1])]
        return {
            "columns": [
                {"name": column.name, "effect": round(mean, 6)}
                for column, mean in zip(self._columns, means, strict=True)
            ]
        }


def usual_values(column: Column) -> NDArray[np.float32]:
    """What stands for any value of a column: at least one."""
    if isinstance(column, NumericColumn):
        return np.array([column.median], np.float32)
    count = min(MOST_CATEGORIES, len(column.categories))
    return np.linspace(0, len(column.categories) - 1, count).round().astype(np.float32)
