"""What a row is like: its columns, and how much of it the model cannot know."""

import numpy as np
from numpy.typing import NDArray

from components.contracts import NumericColumn, RowInputs


def row_summaries(inputs: RowInputs) -> tuple[str, ...]:
    """``x.`` and the name of each column, then ``missing`` and ``unknown``."""
    return (*(f"x.{column.name}" for column in inputs.columns), "missing", "unknown")


def summarise_rows(inputs: RowInputs, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Summarises each row by itself.

    The columns, in the order of :func:`row_summaries`: the numbers themselves, the median in place of a missing one;
    the positions of the categories; the share of the numbers that are missing; that of the categories that training
    never saw.

    Args:
        inputs: the columns.
        rows: (rows, columns) float32.

    Returns:
        (rows, columns + 2) float32, finite.
    """
    numeric = np.array([isinstance(column, NumericColumn) for column in inputs.columns])
    medians = [column.median if isinstance(column, NumericColumn) else 0 for column in inputs.columns]
    absent = np.isnan(rows)
    unknown = (rows < 0)[:, ~numeric]
    shares = [_share(absent[:, numeric]), _share(unknown)]
    return np.column_stack([np.where(absent, medians, rows), *shares]).astype(np.float32)


def _share(flags: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each row; 0 where there are no such columns."""
    share: NDArray[np.float64] = flags.sum(axis=1) / max(flags.shape[1], 1)
    return share
