"""Rows whose numbers lie far outside those of the others: Tukey's fences (Exploratory Data Analysis, 1977, ch. 2)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.ingest.candidates import Refused


def outliers(table: pd.DataFrame, columns: Mapping[str, str], fences: float) -> pd.DataFrame:
    """The rows outside the test split of which a number lies outside the fences of its column.

    The test split has no part in this: its rows neither decide on the fences nor are they set aside, so that a model is
    measured on the data as it comes.

    Args:
        table: with the column ``split``, ``source`` and those of ``columns``, float64; NaN is no outlier.
        columns: of numbers, with the names by which a person knows them.
        fences: interquartile ranges between a quartile and its fence.

    Returns:
        Rows as of :class:`components.ingest.candidates.Refused`, with the index that they have in the table; the first
        column that is an outlier is named.
    """
    rows = table[table["split"] != "test"]
    details = pd.Series(index=rows.index, dtype="str")
    for column, name in columns.items():
        low, high = tukey_fences(rows[column].to_numpy(np.float64), fences)
        far = ((rows[column] < low) | (rows[column] > high)) & details.isna()
        details[far] = [_detail(name, value, low, high) for value in rows.loc[far, column]]
    details = details.dropna()
    found = pd.DataFrame({"source": rows.loc[details.index, "source"], "reason": "outlier", "detail": details})
    return found[list(Refused._fields)]


def tukey_fences(numbers: NDArray[np.float64], fences: float) -> tuple[float, float]:
    """The smallest and the largest number that is no outlier.

    Args:
        numbers: (rows,); NaN does not count.
        fences: interquartile ranges between a quartile and its fence.

    Returns:
        Both fences; infinite where the quartiles are equal (at least half of the numbers are the same, and every other
        one would be an outlier) or where there is no number.
    """
    known = numbers[~np.isnan(numbers)]
    lower, upper = np.quantile(known, [0.25, 0.75]) if known.size else (0.0, 0.0)
    if lower == upper:
        return -np.inf, np.inf
    reach = fences * (upper - lower)
    return float(lower - reach), float(upper + reach)


def _detail(name: str, value: float, low: float, high: float) -> str:
    return f"{name} is {value:.6g}; its fences are {low:.6g} and {high:.6g}"
