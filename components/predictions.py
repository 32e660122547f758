"""What a server has answered, and what people say that it should have: folders of Parquet in the home folder.

``predictions/<model>/`` has a row a sample, ``feedback/<model>/`` a row a correction; ``request_id`` and ``sample``
join them. ``outcomes/<model>/`` counts requests by their status. All can be read at any time
(:mod:`components.rolling`).
"""

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from components.rolling import each_table, now, tables
from components.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

OWN_ID = re.compile(r"([0-9a-f]{8})-[0-9a-f]{16}")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def prediction_columns() -> "pa.Schema":
    """The columns of ``predictions/``."""
    import pyarrow as pa

    numbers = pa.list_(pa.float32())
    return pa.schema(
        {
            "request_id": pa.string(),
            "sample": pa.int32(),  # position in its request, from 0
            "time": pa.timestamp("us", "UTC"),
            "version": pa.int32(),
            "package": pa.string(),  # digest of the version's package: registries number theirs alike
            "label": pa.string(),  # of classes
            "value": pa.float32(),  # of a number, in the target's unit
            "confidence": pa.float32(),  # largest probability
            "latency_ms": pa.float32(),  # of the request, until its answer was known
            "answer": numbers,  # as the target has it
            "summary": numbers,  # as components.tasks.summaries names them
            "features": numbers,  # along the components of the version's drift reference
            "input": pa.binary(),  # as the graph takes it, C order; null unless TUNESMITH_LOG_INPUTS
            "original": pa.string(),  # the text, or the row as JSON; null of pictures, and as above
        }
    )


def feedback_columns() -> "pa.Schema":
    """The columns of ``feedback/``."""
    import pyarrow as pa

    return pa.schema(
        {
            "request_id": pa.string(),
            "sample": pa.int32(),
            "time": pa.timestamp("us", "UTC"),
            "version": pa.int32(),  # that had answered
            "label": pa.string(),
            "value": pa.float64(),  # neither: what was said before is withdrawn
            "said": pa.timestamp("us", "UTC"),  # of what a withdrawal repeats, or marks as withdrawn; null: at "time"
        }
    )


def outcome_columns() -> "pa.Schema":
    """The columns of ``outcomes/``: requests for predictions that have ended since the row before."""
    import pyarrow as pa

    return pa.schema({"time": pa.timestamp("us", "UTC"), "status": pa.int32(), "requests": pa.int64()})


def predictions_folder(settings: Settings, model: str) -> Path:
    """Of a registered model."""
    return settings.home / "predictions" / model


def outcomes_folder(settings: Settings, model: str) -> Path:
    """Of a registered model."""
    return settings.home / "outcomes" / model


def feedback_folder(settings: Settings, model: str) -> Path:
    """Of a registered model."""
    return settings.home / "feedback" / model


def read(
    folder: Path,
    columns: "pa.Schema",
    since: datetime | None = None,
    until: datetime | None = None,
    wanted: Sequence[tuple[str, str, object]] = (),
) -> "pa.Table":
    """The rows of a time, in no order.

    Args:
        folder: of predictions or of feedback.
        columns: of the folder.
        since: UTC, included.
        until: UTC, left out.
        wanted: further conditions, as ``pyarrow.parquet.read_table`` has them; other rows are not loaded.
    """
    found = tables(folder, since, until, filters=list(wanted) or None, schema=columns)
    return _joined(columns, [_within(table, columns, since, until) for table in found])


def by(package: str) -> list[tuple[str, str, object]]:
    """The condition of rows that a version has answered, by the digest of its package."""
    return [("package", "==", package)]


def blocks(
    folder: Path, columns: "pa.Schema", since: datetime | None = None, until: datetime | None = None
) -> Iterator["pa.Table"]:
    """The same, a file at a time, so that any number of rows can be walked through."""
    for table in each_table(folder, since, until):
        yield _joined(columns, [_within(table, columns, since, until)])


def _joined(columns: "pa.Schema", found: list["pa.Table"]) -> "pa.Table":
    """All rows under all columns: files of an earlier version of this program lack some, which are null then."""
    import pyarrow as pa

    return pa.concat_tables([columns.empty_table(), *found], promote_options="default")


def _within(table: "pa.Table", columns: "pa.Schema", since: datetime | None, until: datetime | None) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = columns.field("time").type
    for bound, holds in ((since, pc.greater_equal), (until, pc.less)):
        if bound is not None:
            table = table.filter(holds(table["time"], pa.scalar(bound, kind)))
    return table


def answered_by(folder: Path, request_id: str, sample: int) -> int | None:
    """The version that answered a sample of a request, if the id was used again one of them; None: it is not known.

    An id of the server's own says when it was made, and is looked for there; any other in the files of the last day.

    Args:
        folder: of predictions.
        request_id: of its answer.
        sample: position in the request, from 0.
    """
    made = made_at(request_id)
    since, until = (made, made + HOUR) if made else (now() - DAY, None)
    wanted = [("request_id", "==", request_id), ("sample", "==", sample)]
    found = [table for table in tables(folder, since, until, columns=["version"], filters=wanted) if table.num_rows]
    return int(found[-1]["version"][-1].as_py()) if found else None


def new_request_id() -> str:
    """An id that nobody else has; its first eight digits are the second in which it was made."""
    return f"{int(time.time()):08x}-{secrets.token_hex(8)}"


def made_at(request_id: str) -> datetime | None:
    """When an id of the server's own was made; None: it is not one."""
    match = OWN_ID.fullmatch(request_id)
    return datetime.fromtimestamp(int(match[1], 16), UTC) if match else None
