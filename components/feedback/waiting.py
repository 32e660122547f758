"""Corrections that the stage has not taken in yet."""

import pandas as pd

from components.feedback.kept import KEY, Kept
from components.predictions import feedback_columns, feedback_folder, read
from components.settings import Settings


def said(settings: Settings, model: str) -> pd.DataFrame:
    """The last correction of each sample that the log still has.

    Args:
        settings: where the log is.
        model: registered name.
    """
    rows: pd.DataFrame = read(feedback_folder(settings, model), feedback_columns()).to_pandas()
    return rows.sort_values("time", kind="stable").drop_duplicates(KEY, keep="last", ignore_index=True)


def said_at(rows: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """When corrections were said: those that hold again after a withdrawal have a later row in the log.

    Args:
        rows: of the log.
    """
    return rows["said"].fillna(rows["time"])


def waiting(settings: Settings, model: str) -> pd.DataFrame:
    """The corrections that the stage has not taken in yet, the oldest first; also those that take others back.

    Args:
        settings: where the log is.
        model: registered name.
    """
    return Kept.read(settings, model).unknown(said(settings, model))
