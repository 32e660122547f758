"""The challenger as a canary: it answers a share of the requests, and is sent back when it errs or is slow."""

import hashlib
import logging
import time
from collections import deque
from pathlib import Path
from statistics import median

from pydantic import ValidationError

from components.contracts import Record
from serving.challenger import Challenger
from serving.metrics import Metrics
from serving.model import ServedModel

WINDOW = 200
"""Requests that the share of errors, and pairs of times that the slowdown is taken over."""
LEAST_TIMES = 20
LEAST_ERRORS = 2
"""One error is none: the share of errors of a single request would be 100 %."""

log = logging.getLogger("tunesmith.serving")


class Returned(Record):
    """A version that was sent back by a worker of this server."""

    version: int
    digest: str
    tag: str | None
    """What the registry said of the share: a canary that is begun anew has another."""
    reason: str
    time: float
    """Seconds since 1970."""


class Canary:
    """Chooses who answers a request, and keeps an eye on the challenger.

    Args:
        challenger: follows the alias.
        file: in which the workers of a server tell one another that a version was sent back; it outlives the server.
        errors: largest share of its last requests that the challenger may fail at.
        slowdown: largest ratio of its time to that of the champion on the same samples.
        metrics: told of its requests.

    Attributes:
        returned: the version that was sent back last.
    """

    def __init__(self, challenger: Challenger, file: Path, errors: float, slowdown: float, metrics: Metrics) -> None:
        self._challenger, self._file = challenger, file
        self._errors, self._slowdown, self._metrics = errors, slowdown, metrics
        self._judged: ServedModel | None = None
        self._failed: deque[bool] = deque(maxlen=WINDOW)
        self._ratios: deque[float] = deque(maxlen=WINDOW)
        self.returned: Returned | None = None

    def choose(self, key: str) -> ServedModel | None:
        """The challenger, if it is to answer requests of this key; the same for the same key and version.

        Args:
            key: what requests that belong together have in common.
        """
        model, share = self._challenger.model, self._challenger.canary_share
        if model is None or share <= 0 or self._is_returned(model):
            return None
        place = int.from_bytes(hashlib.sha256(f"{model.digest} {key}".encode("utf-8", "replace")).digest()[:8])
        return model if place < share * 2**64 else None

    def _is_returned(self, model: ServedModel) -> bool:
        returned, holder = self.returned, self._challenger.holder
        tag = holder.canary if holder else None
        return returned is not None and (returned.digest, returned.tag) == (model.digest, tag)

    def look(self) -> None:
        """Reads whether another worker has sent a version back."""
        try:
            found = Returned.read(self._file)
        except FileNotFoundError:
            return
        except (OSError, ValidationError, ValueError) as error:
            log.warning("%s cannot be read: %s", self._file, error)
            return
        if self.returned is None or found.time > self.returned.time:
            self.returned = found

    def ended(self, model: ServedModel, *, well: bool) -> None:
        """The challenger has answered a request, or failed at it."""
        self._metrics.canaried("answered" if well else "failed")
        self._begin(model)
        self._failed.append(not well)
        errors = sum(self._failed)
        share = errors / len(self._failed)
        if errors >= LEAST_ERRORS and share > self._errors:
            told = f"it failed at {errors} of its last {len(self._failed)} requests; {self._errors:.2%} is allowed"
            self._send_back(model, told)

    def timed(self, model: ServedModel, champion_ms: float, challenger_ms: float) -> None:
        """Both models have answered the same samples, one after the other on one thread."""
        self._begin(model)
        self._ratios.append(challenger_ms / champion_ms)
        ratio = median(self._ratios)
        if self._challenger.canary_share > 0 and len(self._ratios) >= LEAST_TIMES and ratio > self._slowdown:
            told = f"it takes {ratio:.2f} × the champion's time; {self._slowdown:g} × is allowed"
            self._send_back(model, told)

    def _begin(self, model: ServedModel) -> None:
        """Forgets what another version has done."""
        if self._judged is not model:
            self._judged = model
            self._failed.clear()
            self._ratios.clear()

    def _send_back(self, model: ServedModel, reason: str) -> None:
        if self._is_returned(model):
            return
        holder = self._challenger.holder
        self.returned = Returned(
            version=model.version,
            digest=model.digest,
            tag=holder.canary if holder else None,
            reason=reason,
            time=time.time(),
        )
        self._metrics.canaried("returned")
        log.error("Version %s answers no canary requests any more: %s.", model.version, reason)
        try:
            self.returned.write(self._file)
        except OSError as error:
            log.warning("The other workers cannot be told: %s", error)
