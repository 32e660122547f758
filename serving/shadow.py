"""The challenger in the shadow: it answers a share of what was answered, off the requests' path, and is compared."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, Target
from components.rolling import RollingParquet
from components.shadow import shadow_columns
from serving.metrics import Metrics
from serving.model import ServedModel

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = 32 * 2**20
"""Inputs of so many bytes wait to be compared; what comes then is not."""
WRITE_SECONDS = 2.0
CANARY_SECONDS = 0.05
"""Of what a canary has answered, so much time at least lies between two comparisons."""

log = logging.getLogger("tunesmith.serving")


class Pair(NamedTuple):
    """A request that both models answer."""

    request_id: str
    champion: ServedModel
    challenger: ServedModel
    inputs: NDArray[Any]


class Shadow:
    """Compares one worker's challenger with its champion.

    Both answer again here, one after the other on the same samples and the same thread, so that their times compare.

    Args:
        files: where the comparisons are kept.
        metrics: told of each.
        share: of the requests that the champion answers.
        timed: told of the milliseconds of champion and challenger.
    """

    def __init__(
        self,
        files: RollingParquet,
        metrics: Metrics,
        share: float,
        timed: Callable[[ServedModel, float, float], None],
    ) -> None:
        self._files, self._metrics, self._share, self._timed = files, metrics, share, timed
        self._queue: deque[Pair] = deque()
        self._taken, self._done = 0, 0  # bytes; each is written by one thread alone
        self._next_of_canary = 0.0
        self._tables: list[pa.Table] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._random = random.Random()  # noqa: S311  no secret

    def start(self) -> None:
        """Begins to compare."""
        self._thread.start()

    def stop(self) -> None:
        """Writes what was compared; what still waits is not."""
        self._stop.set()
        self._thread.join()
        self._files.settle()

    def add(self, pair: Pair, *, by_canary: bool) -> None:
        """Takes a request in, if there is room, and by chance. Does nothing that takes time.

        Args:
            pair: the request; the challenger must read the same array as the champion.
            by_canary: whether the challenger has answered it.
        """
        if not self._wanted(by_canary) or self._taken - self._done + pair.inputs.nbytes > MAX_BYTES:
            return
        self._taken += pair.inputs.nbytes
        self._queue.append(pair)

    def _wanted(self, by_canary: bool) -> bool:
        if not by_canary:
            return self._random.random() < self._share
        now = time.monotonic()
        if now < self._next_of_canary:
            return False
        self._next_of_canary = now + CANARY_SECONDS
        return True

    def _run(self) -> None:
        due = time.monotonic() + WRITE_SECONDS
        while not self._stop.wait(0 if self._queue else 0.05):
            if self._queue:
                pair = self._queue.popleft()
                self._compare(pair)
                self._done += pair.inputs.nbytes
            if time.monotonic() > due:
                self._write()
                due = time.monotonic() + WRITE_SECONDS
        self._write()

    def _compare(self, pair: Pair) -> None:
        try:
            champion, champion_ms = timed(pair.champion, pair.inputs)
            challenger, challenger_ms = timed(pair.challenger, pair.inputs)
            table = comparison(pair, champion, challenger, champion_ms, challenger_ms)
        except Exception:  # whatever it is: the request was answered long ago
            log.exception("The challenger, version %s, failed in the shadow.", pair.challenger.version)
            self._metrics.shadowed("failed", len(pair.inputs))
            return
        agreed = int(np.count_nonzero(table["agrees"].to_numpy()))
        self._metrics.shadowed("agreed", agreed)
        self._metrics.shadowed("differed", len(table) - agreed)
        self._timed(pair.challenger, champion_ms, challenger_ms)
        self._tables.append(table)

    def _write(self) -> None:
        import pyarrow as pa

        if not self._tables:
            return
        try:
            self._files.write(pa.concat_tables(self._tables), datetime.now(UTC))
        except (OSError, pa.ArrowException) as error:
            log.warning("What the shadow has compared cannot be written, and is left out: %s.", error)
        self._tables.clear()


def timed(model: ServedModel, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], float]:
    """The answers of a model, and the milliseconds that they took."""
    began = time.perf_counter()
    answers = model.infer(inputs).answers
    return answers, (time.perf_counter() - began) * 1000


def comparison(
    pair: Pair,
    champion: NDArray[np.float32],
    challenger: NDArray[np.float32],
    champion_ms: float,
    challenger_ms: float,
) -> "pa.Table":
    """A row a sample."""
    import pyarrow as pa

    count = len(pair.inputs)
    columns = {
        "request_id": [pair.request_id] * count,
        "sample": np.arange(count, dtype=np.int32),
        "time": [datetime.now(UTC)] * count,
        "champion": np.full(count, pair.champion.version, np.int32),
        "challenger": np.full(count, pair.challenger.version, np.int32),
        "champion_package": [pair.champion.digest] * count,
        "challenger_package": [pair.challenger.digest] * count,
        **_said("champion", pair.champion.signature.target, champion),
        **_said("challenger", pair.challenger.signature.target, challenger),
        "champion_ms": np.full(count, champion_ms, np.float32),
        "challenger_ms": np.full(count, challenger_ms, np.float32),
    }
    columns["agrees"] = _agrees(columns, pair.champion.signature.target)
    schema = shadow_columns()
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema)


def _said(who: str, target: Target, answers: NDArray[np.float32]) -> dict[str, Any]:
    nothing = [None] * len(answers)
    if isinstance(target, ClassTarget):
        labels = [target.labels[place] for place in answers.argmax(axis=1)]
        return {f"{who}_label": labels, f"{who}_value": nothing, f"{who}_confidence": answers.max(axis=1)}
    return {f"{who}_label": nothing, f"{who}_value": answers[:, 0], f"{who}_confidence": nothing}


def _agrees(columns: dict[str, Any], target: Target) -> NDArray[np.bool_]:
    same: NDArray[np.bool_]
    if isinstance(target, ClassTarget):
        same = np.array(columns["champion_label"]) == np.array(columns["challenger_label"])
        return same
    apart: NDArray[np.float32] = np.abs(columns["champion_value"] - columns["challenger_value"])
    same = apart <= target.tolerance
    return same
