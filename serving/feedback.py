"""What people say that an answer should have been."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from components.contracts import ClassTarget, Target
from components.predictions import answered_by, feedback_columns, feedback_folder, predictions_folder
from components.rolling import RollingParquet, now
from components.settings import Settings
from components.tasks.rows.encoding import LARGEST
from serving.decoding.document import read_json
from serving.errors import Overloaded, RequestError
from serving.predictions import WRITE_SECONDS
from serving.requests import REQUEST_ID

MAX_WAITING = 8
HELD_SECONDS = 15.0
"""An answer that this worker's log has not written yet is waited for so long."""
EXAMPLE = '{"request_id": "4f1c…", "label": "bag"}, or "value" of a number; "sample" says which one of a batch, from 0'


@dataclass(frozen=True)
class Correction:
    """One sample's true label or value.

    Attributes:
        request_id: of its answer.
        sample: position in the request, from 0.
        label: of a class; None: it is a value.
        value: in the target's unit; None: it is a label.
    """

    request_id: str
    sample: int
    label: str | None
    value: float | None


def read_correction(body: bytes, targets: Sequence[Target]) -> Correction:
    """Reads a correction.

    Args:
        body: JSON.
        targets: of the versions that may have answered; at least one.

    Raises:
        RequestError: it is none (400, 422), or of none of these targets (422).
    """
    found = read_json(body)
    keys = {"label" if isinstance(target, ClassTarget) else "value" for target in targets}
    given = set(found) & keys if isinstance(found, dict) else set()
    if len(given) != 1 or not {"request_id"} <= set(found) <= {"request_id", "sample", *given}:
        raise RequestError(422, f"Send {EXAMPLE}. This model takes {' or '.join(map(repr, sorted(keys)))}.")
    request_id = found["request_id"]
    if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id.encode("utf-8", "replace")):
        raise RequestError(422, '"request_id" must be the one of an answer.')
    sample = _position(found.get("sample", 0))
    if given == {"label"}:
        return Correction(request_id, sample, _label(found["label"], targets), None)
    return Correction(request_id, sample, None, _value(found["value"]))


def _position(sample: Any) -> int:
    if type(sample) is float and sample.is_integer():  # JSON knows no whole numbers of their own
        sample = int(sample)
    if type(sample) is not int or not 0 <= sample < 2**31:
        raise RequestError(422, '"sample" must be the position of a sample in its request, from 0.')
    return sample


def _label(truth: Any, targets: Sequence[Target]) -> str:
    labels = [label for target in targets if isinstance(target, ClassTarget) for label in target.labels]
    if truth not in labels:
        raise RequestError(422, f'"label" must be one of {", ".join(dict.fromkeys(labels))}.')
    return str(truth)


def _value(truth: Any) -> float:
    try:
        value = float(truth) if type(truth) in (int, float) else math.nan
    except OverflowError:  # JSON's whole numbers have no end
        value = math.inf
    if not abs(value) <= LARGEST:  # NaN, too
        raise RequestError(422, f'"value" must be a finite number, of at most {LARGEST:.3g}, as answers are.')
    return value


class Feedback:
    """Takes corrections of answers that are in the prediction log.

    Args:
        settings: where the two folders are.
        model: registered name.
        held: whether an answer of this worker waits to be written; asked before the log is looked through.
    """

    def __init__(self, settings: Settings, model: str, held: Callable[[str], bool]) -> None:
        self._held = held
        self._predictions = predictions_folder(settings, model)
        self._files = RollingParquet(feedback_folder(settings, model), settings.log_days)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feedback")
        self._waiting = 0

    async def take(self, correction: Correction) -> int:
        """Keeps a correction, on disk when this returns; gives the version that had answered.

        An answer that was just given is not on disk yet: it is looked for a second time, and as often as it takes a
        slow disk where this worker has given it.

        Raises:
            RequestError: nothing was answered under this id (404), too many corrections wait (503), or the disk is
                full (507).
        """
        if self._waiting >= MAX_WAITING:
            raise Overloaded("Too many corrections arrive at once; send it again in a second.")
        self._waiting += 1
        try:
            for wait in _waits(lambda: self._held(correction.request_id)):
                await asyncio.sleep(wait)
                version = await asyncio.get_running_loop().run_in_executor(self._thread, self._keep, correction)
                if version is not None:
                    return version
        finally:
            self._waiting -= 1
        sample, request_id = correction.sample, correction.request_id
        raise RequestError(404, f"Sample {sample} of request {request_id} is not in this server's prediction log.")

    def _keep(self, correction: Correction) -> int | None:
        """Writes a correction, if its answer is in the log."""
        import pyarrow as pa

        version = answered_by(self._predictions, correction.request_id, correction.sample)
        if version is None:
            return None
        row = {**asdict(correction), "time": now(), "version": version}
        try:
            self._files.write(pa.Table.from_pylist([row], feedback_columns()), row["time"])
        except OSError as error:
            raise RequestError(507, f"The correction cannot be kept: {error.strerror}. Send it again later.") from None
        return version

    def stop(self) -> None:
        """Ends the thread after the correction that it may be at; those that wait get no answer."""
        self._thread.shutdown(cancel_futures=True)
        self._files.settle()


def _waits(held: Callable[[], bool]) -> Iterator[float]:
    """Seconds before each look for an answer; those after the second are for one that is held."""
    until = time.monotonic() + HELD_SECONDS
    is_held = held()
    yield 0.0
    yield 2 * WRITE_SECONDS
    while is_held and time.monotonic() < until:
        is_held = held()
        yield WRITE_SECONDS
