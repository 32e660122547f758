"""The prediction log and the corrections, on a real server."""

import errno
import io
import json
import os
import re
import signal
import time
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.package.model import REFERENCE
from components.package.reference import DriftReference
from components.predictions import (
    feedback_columns,
    feedback_folder,
    new_request_id,
    prediction_columns,
    predictions_folder,
    read,
)
from components.rolling import RollingParquet, files_of
from components.tasks.summaries import summarise
from serving.errors import RequestError
from serving.feedback import read_correction
from serving.metrics import Metrics
from serving.model import Answers, Inferred, load_model
from serving.predictions import MAX_BYTES, SAMPLES_AT_ONCE, PredictionLog, answered
from tests.package_factory import digits, fitted
from tests.row_package import row_target
from tests.serving.running import Running, running, wait_for
from tests.serving.test_swap import Load, workers_of
from tests.shelf import NAME, Shelf

SAMPLES = np.ascontiguousarray(digits().inputs[:5])


def ask(server: Running, count: int, request_id: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"X-Request-Id": request_id} if request_id else {})
    body = json.dumps({"inputs": SAMPLES[:count].tolist()}).encode()
    found: dict[str, Any] = server.post("/predict_batch", body, headers).json()
    return found


def correct(server: Running, **content: Any) -> tuple[int, dict[str, Any]]:
    response = server.post("/feedback", json.dumps(content).encode(), {"Content-Type": "application/json"})
    return response.status_code, response.json()


def logged(shelf: Shelf, **when: datetime) -> pa.Table:
    return read(predictions_folder(shelf.settings, NAME), prediction_columns(), **when)


def is_logged_within(seconds: float, server: Running, shelf: Shelf) -> bool:
    before, asked = len(logged(shelf)), time.monotonic()
    ask(server, 1)
    wait_for(lambda: len(logged(shelf)) > before, "the row")
    return time.monotonic() - asked < seconds


def test_what_was_answered_is_in_the_log_within_two_seconds(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path, log_inputs=True) as server:
        began = datetime.now(UTC)
        answer = ask(server, 5, "mine")
        wait_for(lambda: len(logged(shelf)) == 5, "the rows")
        assert any(is_logged_within(2, server, shelf) for _ in range(5)), "in time, unless something holds it up"
        before = len(logged(shelf))
        assert server.post("/predict", b"{}", {"Content-Type": "application/json"}).status_code == 422
        ask(server, 1)
    rows = logged(shelf).sort_by([("time", "ascending"), ("sample", "ascending")])
    assert len(rows) == before + 1, "what was refused is not in it; what was answered last, before the end, is"
    first = rows.slice(0, 5).to_pydict()
    assert first["request_id"] == ["mine"] * 5
    assert first["sample"] == [0, 1, 2, 3, 4]
    assert first["version"] == [version] * 5
    assert first["label"] == [each["label"] for each in answer["predictions"]]
    assert np.allclose(first["confidence"], [each["confidence"] for each in answer["predictions"]], atol=1e-6)
    assert np.allclose(first["answer"][2], list(answer["predictions"][2]["probabilities"].values()), atol=1e-6)
    assert all(began <= moment <= datetime.now(UTC) for moment in first["time"])
    assert all(0 < latency < 60_000 for latency in first["latency_ms"])
    assert np.allclose(first["summary"], summarise(fitted().inputs, SAMPLES))
    reference = DriftReference.load(shelf.package(0.0) / REFERENCE)
    assert np.shape(first["features"]) == (5, len(reference.feature_components))
    assert first["input"] == [sample.tobytes() for sample in SAMPLES]
    assert len(logged(shelf, since=datetime.now(UTC))) == 0
    assert len(logged(shelf, until=began)) == 0


def test_inputs_are_kept_only_if_the_settings_say_so_and_nothing_at_all_if_they_say_that(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path) as server:
        ask(server, 2)
    assert logged(shelf)["input"].to_pylist() == [None, None]
    with running(shelf.settings, tmp_path, log_predictions=False) as server:
        ask(server, 2)
    assert len(logged(shelf)) == 2


def written(shelf: Shelf) -> list[float]:
    """When each file of the log was written, on the clock of time.monotonic()."""
    offset = time.time() - time.monotonic()
    return sorted(file.stat().st_mtime - offset for file in files_of(predictions_folder(shelf.settings, NAME)))


@pytest.mark.slow
def test_a_large_picture_takes_no_more_room_in_the_log_than_its_pixels(shelf: Shelf, tmp_path: Path) -> None:
    """The log takes 64 MiB at once, and has room for far more than these."""
    shelf.promote(shelf.publish(0.0))
    file = io.BytesIO()
    Image.fromarray(SAMPLES[0, :, :, 0]).save(file, "PNG")
    picture = file.getvalue() + bytes(7 * 2**20)  # as a camera's thumbnails and notes are, behind the picture
    with running(shelf.settings, tmp_path, log_inputs=True) as server, ThreadPoolExecutor(4) as clients:
        asked = clients.map(lambda _: server.post("/predict", picture, {"Content-Type": "image/png"}), range(32))
        assert {answer.status_code for answer in asked} == {200}
    assert logged(shelf)["input"].to_pylist() == [SAMPLES[0].tobytes()] * 32


def test_a_killed_worker_loses_at_most_the_last_two_seconds(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path) as server:
        load = Load(server)
        load.start(4)
        load.go_on()
        until = len(written(shelf)) + 4
        wait_for(lambda: len(written(shelf)) >= until, "four rounds")
        (worker,) = workers_of(server)
        os.kill(int(worker), signal.SIGKILL)
        load.end()
    rounds = written(shelf)
    assert min(later - earlier for earlier, later in pairwise(rounds)) < 2, "unless something holds it up"
    older = {name for asked, name in load.names if asked < rounds[-3]}
    assert len(older) >= 100
    names = logged(shelf)["request_id"].to_pylist()
    assert older <= set(names), "the last two rounds are all that it may lose"
    assert len(names) == len(set(names)), "none is in it twice"


def test_a_full_disk_is_counted_and_what_waits_is_written_when_it_heals(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    in_the_way = predictions_folder(shelf.settings, NAME)
    with running(shelf.settings, tmp_path) as server:
        in_the_way.parent.mkdir(parents=True)
        in_the_way.write_text("no folder can be made here")
        ask(server, 3)
        wait_for(lambda: failures(server) >= 1, "the failure is counted")
        in_the_way.unlink()
        wait_for(lambda: len(logged(shelf)) == 3, "the rows")


def failures(server: Running) -> float:
    """How often the disk has refused the log."""
    (line,) = re.findall(r"^tunesmith_log_failures_total (\S+)$", server.get("/metrics").text, re.MULTILINE)
    return float(line)


@pytest.mark.slow
def test_a_correction_of_an_answer_that_waits_to_be_written_waits_with_it(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.promote(shelf.publish(0.0))
    in_the_way = predictions_folder(shelf.settings, NAME)
    with running(shelf.settings, tmp_path) as server, ThreadPoolExecutor(1) as threads:
        in_the_way.parent.mkdir(parents=True)
        in_the_way.write_text("no folder can be made here")
        ask(server, 1, "mine")
        told = threads.submit(correct, server, request_id="mine", label="seven")
        wait_for(lambda: failures(server) >= 4, "it was looked for in vain")
        in_the_way.unlink()
        assert told.result() == (201, {"request_id": "mine", "sample": 0, "version": version})


class FullDisk:
    """Takes nothing, and tells how many samples it was asked to take."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def write(self, block: pa.Table, now: datetime) -> None:
        self.asked.append(len(block))
        raise OSError(errno.ENOSPC, "No space left on device")


def test_small_requests_that_wait_for_a_disk_take_little_memory_and_little_time(shelf: Shelf, tmp_path: Path) -> None:
    shelf.publish(0.0)
    disk = FullDisk()
    log = PredictionLog(disk, Metrics())  # type: ignore[arg-type]
    model = load_model(shelf.package(0.0), 1, shelf.settings.public_keys, max_batch=2)
    tracemalloc.start()
    for _ in range(60_000):
        inputs = np.frombuffer(SAMPLES[0].tobytes(), np.uint8).reshape(1, 8, 8, 1)
        inferred = Inferred(np.zeros((1, 10), np.float32), np.zeros((1, 64), np.float32))
        log.add(answered(new_request_id(), time.perf_counter(), Answers(model, inputs, inferred), None))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < MAX_BYTES
    log._write()
    assert disk.asked == [SAMPLES_AT_ONCE], "not all that waits, at each attempt"


class NoMeasures(Metrics):
    """Cannot be told of what was logged."""

    def logged(self, *_: object) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")


def test_what_cannot_be_measured_is_not_written_twice(shelf: Shelf) -> None:
    shelf.publish(0.0)
    log = PredictionLog(RollingParquet(predictions_folder(shelf.settings, NAME), None), NoMeasures())
    model = load_model(shelf.package(0.0), 1, shelf.settings.public_keys, max_batch=2)
    log.add(answered("once", time.perf_counter(), Answers(model, SAMPLES[:1], model.infer(SAMPLES[:1])), None))
    for _ in range(2):
        log._write()
    assert logged(shelf)["request_id"].to_pylist() == ["once"]


def test_what_waits_is_written_whole_and_in_order(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.predictions.SAMPLES_AT_ONCE", 7)
    shelf.publish(0.0)
    log = PredictionLog(RollingParquet(predictions_folder(shelf.settings, NAME), None), Metrics())
    model = load_model(shelf.package(0.0), 1, shelf.settings.public_keys, max_batch=2)
    for number, size in enumerate((1, 3, 3, 1, 5, 4, 1)):
        inputs = SAMPLES[:size]
        log.add(answered(f"request-{number}", time.perf_counter(), Answers(model, inputs, model.infer(inputs)), None))
    log._write()
    rows = logged(shelf).sort_by([("request_id", "ascending"), ("sample", "ascending")]).to_pydict()
    sizes = Counter(rows["request_id"])
    assert [sizes[f"request-{number}"] for number in range(7)] == [1, 3, 3, 1, 5, 4, 1]
    files = sorted(predictions_folder(shelf.settings, NAME).rglob("*.parquet"))
    assert [pq.read_metadata(file).num_rows for file in files] == [7, 6, 5]


def test_a_correction_is_kept_beside_the_answer_that_it_corrects(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path) as server:
        ask(server, 5, "mine")
        status, said = correct(server, request_id="mine", sample=3, label="seven")
        assert (status, said) == (201, {"request_id": "mine", "sample": 3, "version": version})
        status, said = correct(server, request_id="mine", sample=5, label="seven")
        assert status == 404
        assert said["error"] == "Sample 5 of request mine is not in this server's prediction log."
    (row,) = read(feedback_folder(shelf.settings, NAME), feedback_columns()).to_pylist()
    assert {**row, "time": None} == {
        "request_id": "mine", "sample": 3, "time": None, "version": version, "label": "seven", "value": None,
        "said": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"request_id": "mine"}, "This model takes 'label'."),
        ({"request_id": "mine", "value": 3}, "This model takes 'label'."),
        ({"request_id": "mine", "label": "seven", "more": 1}, "This model takes 'label'."),
        ([], "This model takes 'label'."),
        ({"request_id": "mine", "label": "7"}, '"label" must be one of zero, one, two'),
        ({"request_id": "mine", "label": ["seven"]}, '"label" must be one of'),
        ({"request_id": 7, "label": "seven"}, '"request_id" must be the one of an answer.'),
        ({"request_id": "../..", "label": "seven"}, '"request_id" must be the one of an answer.'),
        ({"request_id": "\ud800", "label": "seven"}, '"request_id" must be the one of an answer.'),
        ({"request_id": "mine", "label": "seven", "sample": -1}, '"sample" must be the position'),
        ({"request_id": "mine", "label": "seven", "sample": True}, '"sample" must be the position'),
    ],
)
def test_what_is_no_correction_is_refused_with_a_sentence(server: Running, content: Any, sentence: str) -> None:
    body = json.dumps(content).encode()
    response = server.post("/feedback", body, {"Content-Type": "application/json"})
    assert response.status_code == 422
    assert sentence in response.json()["error"]


@pytest.mark.parametrize("value", [1e200, -3.5e38, 10**400, True, "3"])
def test_a_value_that_no_answer_can_be_is_refused(value: object) -> None:
    with pytest.raises(RequestError, match=r'"value" must be a finite number, of at most 3\.4e\+38') as refused:
        read_correction(json.dumps({"request_id": "mine", "value": value}).encode(), [row_target()])
    assert refused.value.status == 422


def test_every_value_that_an_answer_can_be_is_taken() -> None:
    largest = float(np.finfo(np.float32).max)
    for value in (largest, -largest, 0):
        body = json.dumps({"request_id": "mine", "value": value}).encode()
        assert read_correction(body, [row_target()]).value == value
