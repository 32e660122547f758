"""From named values to the numbers of a row, the same for prepare and server."""

import difflib
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import CategoricalColumn, NumericColumn, RowInputs
from components.errors import RowRefused
from components.tasks.rows.categories import category_name

NEVER_SEEN = -1
"""Position of a category that training never saw."""
LARGEST = float(np.finfo(np.float32).max)
SHOWN = 60


def encode_rows(rows: Sequence[Mapping[str, object]], inputs: RowInputs) -> NDArray[np.float32]:
    """Puts the values of each row into the order of the model's columns.

    A category that training never saw is no fault: the model takes it for none of those it knows. Space around a
    category and the way its accents are written make no other of it (:func:`category_name`).

    Args:
        rows: a mapping each from the name of a column to a number or a category; a number that is None or NaN is
            missing.
        inputs: the columns, and what becomes of a row that lacks a number.

    Returns:
        (rows, columns) float32, NaN where a number is missing, the position of each category, -1 for an unknown one.

    Raises:
        RowRefused: a column is missing, unknown, or holds something that is no value of it; names row and column.
    """
    names = [column.name for column in inputs.columns]
    places = {
        column.name: {category: place for place, category in enumerate(column.categories)}
        for column in inputs.columns
        if isinstance(column, CategoricalColumn)
    }
    encoded = np.empty((len(rows), len(names)), np.float32)
    for number, row in enumerate(rows):
        _check_names(row, names, number)
        for place, column in enumerate(inputs.columns):
            value = row.get(column.name)
            encoded[number, place] = (
                _number(value, column, number, inputs.missing)
                if isinstance(column, NumericColumn)
                else _position(value, column, number, places[column.name])
            )
    return encoded


def _check_names(row: Mapping[str, object], names: Sequence[str], number: int) -> None:
    for name in row:
        if name not in names:
            close = difflib.get_close_matches(str(name)[:SHOWN], names, n=1)
            meant = f"Did you mean '{close[0]}'?" if close else f"Its columns: {', '.join(names)}."
            raise RowRefused(f"Row {number + 1}: the model has no column {_shown(name)}. {meant}")


def _number(value: object, column: NumericColumn, number: int, missing: str) -> float:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        if missing == "impute":
            return math.nan
        raise RowRefused(
            f"Row {number + 1}: column '{column.name}' is missing; a number is expected, as between {column.low:g} and "
            f"{column.high:g} in training."
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise RowRefused(f"Row {number + 1}: column '{column.name}' is {_shown(value)}; a finite number is expected.")
    return float(value)


def _position(value: object, column: CategoricalColumn, number: int, places: Mapping[str, int]) -> int:
    if not isinstance(value, str):
        found = "is missing" if value is None else f"is {_shown(value)}"
        raise RowRefused(
            f"Row {number + 1}: column '{column.name}' {found}; a category is expected, as text, such as "
            f"'{column.categories[0]}'."
        )
    return places.get(category_name(value), NEVER_SEEN)


def _shown(value: object) -> str:
    """A value as Python writes it, texts in quotes: printable whatever it holds, and cut where it is long."""
    if isinstance(value, str):
        return repr(_cut(value))
    try:
        return _cut(repr(value))
    except (ValueError, RecursionError):  # Python writes no integer of thousands of digits
        return "too long to be shown"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
