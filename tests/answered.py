"""The logs of a server, written as it writes them: answers with their inputs, and what people say of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa

from components.predictions import feedback_columns, feedback_folder, prediction_columns, predictions_folder
from components.rolling import RollingParquet
from components.settings import Settings

BEGAN = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Said(NamedTuple):
    """An answer, and what a person says that it should have been; neither input nor original: they were not kept."""

    request_id: str
    truth: str | float
    input: bytes | None = None
    original: str | None = None


def answered(settings: Settings, model: str, answers: Sequence[Said]) -> None:
    """Logs answers; what was said of them is not said yet."""
    rows = [
        {
            "request_id": each.request_id,
            "sample": 0,
            "time": BEGAN,
            "version": 1,
            "input": each.input,
            "original": each.original,
        }
        for each in answers
    ]
    _write(settings, predictions_folder(settings, model), rows, prediction_columns())


def corrected(settings: Settings, model: str, answers: Sequence[Said], minute: int = 0) -> None:
    """Logs what was said of them, a second after another."""
    rows = [
        {
            "request_id": each.request_id,
            "sample": 0,
            "time": BEGAN + timedelta(minutes=minute, seconds=second),
            "version": 1,
            "label" if isinstance(each.truth, str) else "value": each.truth,
        }
        for second, each in enumerate(answers)
    ]
    _write(settings, feedback_folder(settings, model), rows, feedback_columns())


def _write(settings: Settings, folder: Any, rows: list[dict[str, Any]], columns: pa.Schema) -> None:
    RollingParquet(folder, settings.log_days).write(pa.Table.from_pylist(rows, columns), BEGAN)
