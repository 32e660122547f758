"""The prediction log: what was answered, written off the request's path.

A request leaves its arrays in a queue, and is done. A thread takes what is there once a second, makes the summaries of
all samples at once, and writes a Parquet file; a worker that is killed loses what had not been written.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import ItemsView, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, Target, ValueTarget
from components.predictions import prediction_columns
from components.rolling import RollingParquet
from components.tasks.summaries import summarise, summary_names
from serving.metrics import Metrics
from serving.model import Answers, Inferred, ServedModel

if TYPE_CHECKING:
    import pyarrow as pa

WRITE_SECONDS = 1.0
MAX_BYTES = 64 * 2**20
"""Requests of so many bytes wait at most, while the disk takes none; what comes then is not logged, and counted."""
OVERHEAD_BYTES = 2048
"""Of a request beside its arrays' numbers: small ones are made of little else."""
SAMPLES_AT_ONCE = 8192
"""Of these a file is made: what waits for a full disk is made anew at each attempt, and that takes from the answers."""

log = logging.getLogger("tunesmith.serving")


class Sent(NamedTuple):
    """A request as it was read.

    Attributes:
        kind: Content-Type, in small letters, without parameters.
        body: whole.
        single: whether it is one sample, or a list of several.
    """

    kind: str
    body: bytes
    single: bool


@dataclass(frozen=True)
class Answered:
    """One request that was answered.

    Attributes:
        request_id: of its answer.
        at: seconds since 1970.
        seconds: that it took.
        model: the version that answered.
        inputs: (samples, *shape of one).
        inferred: what the graph gave.
        sent: the request, where inputs are kept.
    """

    request_id: str
    at: float
    seconds: float
    model: ServedModel
    inputs: NDArray[Any]
    inferred: Inferred
    sent: Sent | None

    @property
    def bytes(self) -> int:
        """Of what it holds."""
        arrays = self.inputs.nbytes + self.inferred.answers.nbytes + self.inferred.features.nbytes
        return arrays + OVERHEAD_BYTES + (len(self.sent.body) if self.sent else 0)

    def originals(self) -> Sequence[str | None]:
        """Each sample as a person wrote it; None: its array says all, or inputs are not kept."""
        found = self.model.decoder.originals(*self.sent) if self.sent else None
        return found or [None] * len(self.inputs)


class PredictionLog:
    """Keeps what one worker answers.

    Args:
        files: where it is kept.
        metrics: told of what was written, and of what was not.
    """

    def __init__(self, files: RollingParquet, metrics: Metrics) -> None:
        self._files, self._metrics = files, metrics
        self._queue: deque[Answered] = deque()
        self._taken, self._written = 0, 0  # bytes; each is written by one thread alone
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self) -> None:
        """Writes what is left, and counts what cannot be written."""
        self._stop.set()
        self._thread.join()
        self._files.settle()
        self._metrics.unlogged(sum(len(each.inputs) for each in self._queue))

    def add(self, answered: Answered) -> None:
        """Takes a request in. Called from the event loop's thread; does nothing that takes time."""
        if self._taken - self._written + answered.bytes > MAX_BYTES:
            self._metrics.unlogged(len(answered.inputs))
            return
        self._taken += answered.bytes
        self._queue.append(answered)

    def holds(self, request_id: str) -> bool:
        """Whether a request waits to be written; it does until it is on disk."""
        return any(each.request_id == request_id for each in self._queue.copy())

    def _run(self) -> None:
        while not self._stop.wait(WRITE_SECONDS):
            self._write()
        self._write()

    def _write(self) -> None:
        """Writes what waits, and keeps it waiting where the disk does not take it. Never raises."""
        left = len(self._queue)
        while left and self._is_done_with(waiting := self._oldest(left)):
            left -= len(waiting)
            for each in waiting:
                self._queue.popleft()
                self._written += each.bytes

    def _oldest(self, most: int) -> list[Answered]:
        """Of the requests that have waited longest, as many as are written at once; at least one."""
        found = [self._queue[0]]
        samples = len(found[0].inputs)
        for place in range(1, most):
            samples += len(self._queue[place].inputs)
            if samples > SAMPLES_AT_ONCE:
                break
            found.append(self._queue[place])
        return found

    def _is_done_with(self, waiting: list[Answered]) -> bool:
        """Whether requests were written, or can never be."""
        try:
            tables = [(model, _rows(model, group)) for model, group in _by_model(waiting)]
            self._files.write(_together(tables), datetime.now(UTC))
        except OSError as error:
            log.warning("The prediction log cannot be written: %s. It is tried again.", error)
            self._metrics.log_failed()
            return False
        except Exception:
            log.exception("What was answered cannot be logged, and is left out.")
            self._metrics.unlogged(sum(len(each.inputs) for each in waiting))
            return True
        try:
            for model, table in tables:
                self._measure(model, table)
        except Exception:  # what is on disk is not to be written again
            log.exception("What was logged cannot be told to the metrics.")
        return True

    def _measure(self, model: ServedModel, table: "pa.Table") -> None:
        """Tells the metrics what the samples are like, and what was answered."""
        names = summary_names(model.signature.inputs)
        summaries = table["summary"].combine_chunks().flatten().to_numpy().reshape(len(table), len(names))
        sums = summaries.sum(axis=0, dtype=np.float64)
        is_classes = isinstance(model.signature.target, ClassTarget)
        labels = Counter(table["label"].to_pylist()) if is_classes else Counter[str]()
        confidences = table["confidence"].to_numpy() if is_classes else np.empty(0, np.float32)
        self._metrics.logged(len(table), dict(zip(names, sums.tolist(), strict=True)), labels, confidences)


def _by_model(answered: list[Answered]) -> ItemsView[ServedModel, list[Answered]]:
    found: dict[ServedModel, list[Answered]] = {}  # a model is equal to itself alone
    for each in answered:
        found.setdefault(each.model, []).append(each)
    return found.items()


def _together(tables: list[tuple[ServedModel, "pa.Table"]]) -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables([table for _, table in tables])


def _rows(model: ServedModel, answered: list[Answered]) -> "pa.Table":
    import pyarrow as pa

    sizes = [len(each.inputs) for each in answered]
    inputs = np.concatenate([each.inputs for each in answered])
    answers = np.concatenate([each.inferred.answers for each in answered])
    features = np.concatenate([each.inferred.features for each in answered])
    count = len(inputs)
    columns: dict[str, Any] = {
        "request_id": np.repeat([each.request_id for each in answered], sizes),
        "sample": np.concatenate([np.arange(size, dtype=np.int32) for size in sizes]),
        "time": np.repeat([int(each.at * 1e6) for each in answered], sizes),
        "version": np.full(count, model.version, np.int32),
        "package": [model.digest] * count,
        **_said(model.signature.target, answers),
        "latency_ms": np.repeat([each.seconds * 1000 for each in answered], sizes).astype(np.float32),
        "answer": _lists(answers),
        "summary": _lists(summarise(model.signature.inputs, inputs)),
        "features": _lists(model.project(features)),
        "input": [row.tobytes() if each.sent else None for each in answered for row in each.inputs],
        "original": [original for each in answered for original in each.originals()],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in prediction_columns()], prediction_columns())


def _said(target: Target, answers: NDArray[np.float32]) -> dict[str, Any]:
    nothing = [None] * len(answers)
    match target:
        case ClassTarget(labels=labels):
            best = answers.argmax(axis=1)
            return {"label": [labels[place] for place in best], "value": nothing, "confidence": answers.max(axis=1)}
        case ValueTarget():
            return {"label": nothing, "value": answers[:, 0], "confidence": nothing}


def _lists(rows: NDArray[np.float32]) -> "pa.Array":
    import pyarrow as pa

    ends = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(ends, np.ascontiguousarray(rows, np.float32).ravel())


def answered(request_id: str, began: float, answers: Answers, sent: Sent | None) -> Answered:
    """A request whose answer is sent now; ``began`` on the clock of time.perf_counter()."""
    if sent and not answers.served.decoder.has_originals:  # its arrays are kept, and the body would take their room
        sent = sent._replace(body=b"")
    return Answered(request_id, time.time(), time.perf_counter() - began, *answers, sent)
