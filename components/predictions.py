"""What a server has answered, and what people say that it should have: two folders of Parquet in the home folder.

``predictions/<model>/`` has a row a sample, ``feedback/<model>/`` a row a correction; ``request_id`` and ``sample``
join them. Both can be read at any time (:mod:`components.rolling`).
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.rolling import files_of
from components.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


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
            "label": pa.string(),  # of classes
            "value": pa.float32(),  # of a number, in the target's unit
            "confidence": pa.float32(),  # largest probability
            "latency_ms": pa.float32(),  # of the request, until its answer was sent
            "answer": numbers,  # as the target has it
            "summary": numbers,  # as components.tasks.summaries names them
            "features": numbers,  # along the components of the version's drift reference
            "input": pa.binary(),  # as the graph takes it, C order; null unless TUNESMITH_LOG_INPUTS
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
            "value": pa.float64(),
        }
    )


def predictions_folder(settings: Settings, model: str) -> Path:
    """Of a registered model."""
    return settings.home / "predictions" / model


def feedback_folder(settings: Settings, model: str) -> Path:
    """Of a registered model."""
    return settings.home / "feedback" / model


def read(
    folder: Path, columns: "pa.Schema", since: datetime | None = None, until: datetime | None = None
) -> "pa.Table":
    """The rows of a time, in no order.

    Args:
        folder: of predictions or of feedback.
        columns: of the folder.
        since: UTC, included.
        until: UTC, left out.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    tables = [pq.read_table(path, partitioning=None) for path in files_of(folder, since, until)]
    table = pa.concat_tables([columns.empty_table(), *tables])
    for bound, holds in ((since, pc.greater_equal), (until, pc.less)):
        if bound is not None:
            table = table.filter(holds(table["time"], pa.scalar(bound, columns.field("time").type)))
    return table


def answered_by(folder: Path, request_id: str, sample: int) -> int | None:
    """The version that answered a sample of a request, the newest if the id was used again; None: it is not known.

    Args:
        folder: of predictions.
        request_id: of its answer.
        sample: position in the request, from 0.
    """
    import pyarrow.parquet as pq

    wanted = [("request_id", "==", request_id), ("sample", "==", sample)]
    for path in reversed(files_of(folder)):
        found = pq.read_table(path, columns=["version"], filters=wanted, partitioning=None)
        if found.num_rows:
            return int(found["version"][-1].as_py())
    return None
