"""The challenger as a canary: it answers a share of the requests, and is sent back when it errs or is slow."""

import hashlib
import logging
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from pydantic import ValidationError

from components.contracts import Record
from serving.challenger import Challenger
from serving.metrics import Metrics
from serving.model import ServedModel

WINDOW = 200
"""Requests that latencies are compared over."""
LEAST = 50
"""So many requests each, before the latencies are compared."""
FIRST = 100
"""The share of errors is that of so many requests at least: one early error is not all of them."""
STATE = "canary.json"

log = logging.getLogger("tunesmith.serving")


class Returned(Record):
    """A version that was sent back, by any worker of this server."""

    version: int
    digest: str
    reason: str


@dataclass
class Tally:
    """What a version did as a canary.

    Attributes:
        version: of which it is told.
        requests: that it was asked.
        errors: that it failed at.
        seconds: that its last inferences took, queue and all.
        champion_seconds: those of the champion at the same time.
    """

    version: int | None = None
    requests: int = 0
    errors: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    champion_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))


class Canary:
    """Chooses who answers a request, and keeps an eye on the challenger.

    Args:
        challenger: follows the alias.
        home: folder of the server, in which its workers tell one another that a version was sent back.
        errors: largest share of requests that the challenger may fail at.
        slowdown: largest ratio of its median time to that of the champion.
        metrics: told of its requests.
    """

    def __init__(self, challenger: Challenger, home: Path, errors: float, slowdown: float, metrics: Metrics) -> None:
        self._challenger, self._file = challenger, home / STATE
        self._errors, self._slowdown, self._metrics = errors, slowdown, metrics
        self._tally = Tally()
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
        return self.returned is not None and self.returned.digest == model.digest

    def look(self) -> None:
        """Reads whether another worker has sent the challenger back."""
        try:
            self.returned = Returned.read(self._file)
        except FileNotFoundError:
            return
        except (OSError, ValidationError, ValueError) as error:
            log.warning("%s cannot be read: %s", self._file, error)

    def answered(self, seconds: float) -> None:
        """The champion has answered a request in so many seconds."""
        self._tally.champion_seconds.append(seconds)

    def ended(self, model: ServedModel, seconds: float | None) -> None:
        """The challenger has answered in so many seconds, or failed (None)."""
        if self._tally.version != model.version:
            self._tally = Tally(model.version, champion_seconds=self._tally.champion_seconds)
        self._tally.requests += 1
        if seconds is None:
            self._tally.errors += 1
        else:
            self._tally.seconds.append(seconds)
        self._metrics.canaried("failed" if seconds is None else "answered")
        if not self._is_returned(model) and (reason := self._fault()):
            self._send_back(model, reason)

    def _fault(self) -> str | None:
        """Which budget the challenger has broken, as a sentence; None: none."""
        tally = self._tally
        if tally.errors > self._errors * max(FIRST, tally.requests):
            return f"it failed at {tally.errors} of {tally.requests} requests; {self._errors:.2%} is allowed"
        if min(len(tally.seconds), len(tally.champion_seconds)) < LEAST:
            return None
        ratio = median(tally.seconds) / median(tally.champion_seconds)
        if ratio > self._slowdown:
            return f"it takes {ratio:.2f} × the champion's time; {self._slowdown:g} × is allowed"
        return None

    def _send_back(self, model: ServedModel, reason: str) -> None:
        self.returned = Returned(version=model.version, digest=model.digest, reason=reason)
        self._metrics.canaried("returned")
        log.error("Version %s answers no canary requests any more: %s.", model.version, reason)
        try:
            self.returned.write(self._file)
        except OSError as error:
            log.warning("The other workers cannot be told: %s", error)
