"""A replay of what was corrected, and of corrections that were withdrawn since."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.feedback import withdraw
from components.inference import answers, open_graph
from components.package.model import MODEL
from components.predictions import prediction_columns, predictions_folder
from components.replay import Replay, replay
from components.rolling import RollingParquet
from components.settings import Settings
from tests.answered import BEGAN, Said, corrected
from tests.package_factory import DIGITS, digits
from tests.row_package import OFFSET, held_out_rows, make_row_package
from tests.shelf import NAME, Shelf

HOUR = timedelta(hours=1)


def logged(settings: Settings, inputs: Any, said: list[dict[str, Any]], package: str | None = None) -> None:
    """Logs what version 1 has said to some inputs."""
    known = {"sample": 0, "time": BEGAN, "version": 1, "package": package}
    rows = [
        {"request_id": f"request-{place}", "input": each.tobytes(), **known, **answer}
        for place, (each, answer) in enumerate(zip(inputs, said, strict=True))
    ]
    table = pa.Table.from_pylist(rows, prediction_columns())
    RollingParquet(predictions_folder(settings, NAME), settings.log_days).write(table, BEGAN)


def replayed(settings: Settings) -> Replay:
    return replay(settings, NAME, 2, BEGAN - HOUR, BEGAN + HOUR)


@pytest.fixture
def settings(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)  # what was gathered lies in the working folder
    return shelf.settings


def test_what_another_registry_has_answered_is_not_replayed(shelf: Shelf, settings: Settings) -> None:
    """It numbers its versions alike, and its images may be of another size."""
    shelf.publish(0.0)
    shelf.publish(3.0)
    said = [{"label": DIGITS[0], "confidence": 0.9}] * 3
    logged(settings, digits().inputs[:3], said, shelf.registry.version(1).digest)
    logged(settings, digits().inputs[:3, :4, :4], said, "0" * 64)
    found = replayed(settings)
    assert (found.samples, found.answered_by) == (3, {1: 3})


def test_withdrawn_labels_say_nothing_of_either_version(shelf: Shelf, settings: Settings) -> None:
    shelf.publish(0.0)
    shelf.publish(0.0)
    inputs = digits().inputs[:3]
    given = answers(open_graph(shelf.package(0.0) / MODEL), inputs)
    said = [{"label": DIGITS[place], "confidence": 0.9} for place in given.argmax(axis=1)]
    logged(settings, inputs, said)
    corrected(settings, NAME, [Said("request-0", said[0]["label"]), Said("request-1", "no such digit")])
    found = replayed(settings).corrected
    assert found is not None
    assert (found.samples, found.before, found.after) == (2, 0.5, 0.5)
    withdraw(settings, NAME, BEGAN + timedelta(seconds=1), BEGAN + HOUR)
    found = replayed(settings).corrected
    assert found is not None
    assert (found.samples, found.before, found.after) == (1, 1.0, 1.0)
    withdraw(settings, NAME, BEGAN, BEGAN + HOUR)
    assert replayed(settings).corrected is None


def test_withdrawn_values_say_nothing_of_either_version(shelf: Shelf, settings: Settings, tmp_path: Path) -> None:
    for offset in (OFFSET, OFFSET + 10):
        folder = tmp_path / f"rows-{offset}"
        shelf.register(folder, make_row_package(folder, settings, offset=offset))
    inputs = held_out_rows().inputs[:3]
    given = answers(open_graph(tmp_path / f"rows-{OFFSET}" / MODEL), inputs)[:, 0].tolist()
    logged(settings, inputs, [{"value": value} for value in given])
    corrected(settings, NAME, [Said("request-0", given[0] + 4.0), Said("request-1", 0.0)])
    withdraw(settings, NAME, BEGAN + timedelta(seconds=1), BEGAN + HOUR)
    found = replayed(settings)
    assert found.corrected is not None
    assert found.corrected.samples == 1
    np.testing.assert_allclose((found.corrected.before, found.corrected.after), (4.0, 6.0), atol=1e-2)
