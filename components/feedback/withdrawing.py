"""Taking corrections back: a batch of wrong labels must not be trained on, nor stop the line for ever."""

from datetime import datetime

import pandas as pd
import pyarrow as pa

from components.feedback.kept import KEY, TRUTH, Kept
from components.feedback.waiting import said
from components.predictions import feedback_columns, feedback_folder
from components.rolling import RollingParquet, now
from components.settings import Settings


def withdraw(settings: Settings, model: str, since: datetime, until: datetime) -> int:
    """Withdraws the corrections of a time, old or new: the log gets a later row of each, without label and value.

    Args:
        settings: where the log is.
        model: registered name.
        since: UTC, included.
        until: UTC, left out.

    Returns:
        How many there were; those that were withdrawn before do not count.
    """
    every = _every(settings, model)
    chosen = every[(every["time"] >= since) & (every["time"] < until) & every[TRUTH].notna().any(axis=1)]
    if len(chosen):
        moment = now()
        rows = chosen.assign(time=moment, label=None, value=None)
        table = pa.Table.from_pandas(rows, feedback_columns(), preserve_index=False)
        # Only the server, which has the setting, lets this folder forget.
        RollingParquet(feedback_folder(settings, model), days=None).write(table, moment)
    return len(chosen)


def _every(settings: Settings, model: str) -> pd.DataFrame:
    """The last correction of each sample, be it in the log or only in what was gathered."""
    columns = feedback_columns().names
    gathered = Kept.read(settings, model).usable[columns]
    both: pd.DataFrame = pd.concat([gathered, said(settings, model)[columns]])
    last: pd.DataFrame = both.sort_values("time", kind="stable").drop_duplicates(KEY, keep="last")
    return last
