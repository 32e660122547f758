"""Taking corrections back: a batch of wrong labels must not be trained on, nor stop the line for ever.

A correction that is withdrawn gets a row in the log that marks it, and never holds again. Where it held, a later row
says what does now: the last one before it that was not withdrawn, or nothing.
"""

from datetime import datetime
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from components.feedback.kept import KEY, TRUTH, Kept
from components.feedback.waiting import said_at
from components.predictions import feedback_columns, feedback_folder, read
from components.rolling import RollingParquet, now
from components.settings import Settings

NOTHING = {"label": None, "value": None}


class Withdrawn(NamedTuple):
    """What a withdrawal did."""

    corrections: int
    """That are withdrawn; those that were before do not count."""
    again: int
    """Samples of which an earlier correction holds again."""


def withdraw(settings: Settings, model: str, since: datetime, until: datetime) -> Withdrawn:
    """Withdraws the corrections of a time, old or new: of their samples, what was said before it holds again.

    Args:
        settings: where the log is.
        model: registered name.
        since: UTC, included.
        until: UTC, left out.
    """
    moment, said = now(), _standing(settings, model)
    chosen = (said["said"] >= since) & (said["said"] < until)
    gone, left = said[chosen], said[~chosen].drop_duplicates(KEY, keep="last")
    last = said.drop_duplicates(KEY, keep="last")
    fallen = last[chosen[last.index]]
    again = left.merge(fallen[KEY], on=KEY)
    if len(gone):
        marks = gone.assign(**NOTHING, time=gone["said"])
        holding = pd.concat([fallen.assign(**NOTHING, said=None), again]).drop_duplicates(KEY, keep="last")
        _write(settings, model, pd.concat([marks, holding.assign(time=moment)]), moment)
    return Withdrawn(len(gone), len(again))


def _write(settings: Settings, model: str, rows: pd.DataFrame, moment: datetime) -> None:
    table = pa.Table.from_pandas(rows, feedback_columns(), preserve_index=False)
    # Only the server, which has the setting, lets this folder forget.
    RollingParquet(feedback_folder(settings, model), days=None).write(table, moment)


def _standing(settings: Settings, model: str) -> pd.DataFrame:
    """Every correction that was not withdrawn, be it in the log or only in what was gathered, the oldest first."""
    rows = _every(settings, model)
    is_said = rows[TRUTH].notna().any(axis=1)
    said, others = rows[is_said], rows[~is_said]
    said = said.assign(said=said_at(said)).drop_duplicates([*KEY, "said"])
    marks = others.loc[others["said"].notna(), [*KEY, "said"]].drop_duplicates().assign(marked=True)
    ends = others[others["said"].isna()].groupby(KEY)["time"].max().rename("ended")
    told = said.merge(marks, how="left", on=[*KEY, "said"]).merge(ends, how="left", on=KEY)
    holds = told["marked"].isna() & ~(told["ended"] > told["said"])
    standing: pd.DataFrame = told.loc[holds, feedback_columns().names]
    return standing.sort_values("said", kind="stable", ignore_index=True)


def _every(settings: Settings, model: str) -> pd.DataFrame:
    """All rows, those that were gathered included."""
    kept = Kept.read(settings, model)
    log = read(feedback_folder(settings, model), feedback_columns()).to_pandas()
    rows: pd.DataFrame = pd.concat([kept.usable, kept.unusable, log], ignore_index=True)[feedback_columns().names]
    return rows
