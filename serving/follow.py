"""Follows the alias ``champion``: fetches each new version, proves it, and puts it in the place of the old one.

Whatever happens here, the version that answers goes on answering: a bad package is rejected with its reason, and a
registry that cannot be reached or a disk that is full is asked again at the next look. A worker that has nothing yet
begins with the version that this machine has kept. After each look the worker says what it serves: that is the
acknowledgement that a promotion waits for.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from components.errors import PackageError, RegistryError, TunesmithError
from components.presence import WorkerState
from serving.challenger import Challenger
from serving.errors import RequestError
from serving.metrics import Metrics
from serving.model import ServedModel
from serving.registry import CHAMPION, Holder
from serving.versions import Versions

PATIENCE_SECONDS = 30.0
"""After so long with requests of the version before, the log says so."""
REJECTED_SECONDS = 300.0
"""A rejected version is tried again after so long: a key may have been trusted, or a file put right, in between."""

log = logging.getLogger("tunesmith.serving")


@dataclass(frozen=True)
class Following:
    """What came of looking at the registry.

    Attributes:
        looked: UTC, ISO 8601: when it was asked last; None: not yet.
        error: what went wrong at that look, as a sentence.
        rejected: version that carries the alias and was refused.
    """

    looked: str | None = None
    error: str | None = None
    rejected: int | None = None


@dataclass(frozen=True)
class _Rejection:
    champion: Holder
    reason: str
    until: float
    """On the clock of time.monotonic()."""


class Follower:
    """Keeps ``model`` at the champion. Runs in a daemon thread once started.

    Attributes:
        model: the version that answers; replaced as a whole. None: there was no champion yet.
        following: what came of the last look.

    Args:
        versions: from where they are taken.
        challenger: looked for after the champion, and before this worker says what it serves.
        metrics: told of every look and every version.
        looked: called after each look.
        tell: told after every look what this worker serves; raises OSError where that cannot be written.
    """

    def __init__(
        self,
        versions: Versions,
        challenger: Challenger,
        metrics: Metrics,
        tell: Callable[[WorkerState], None],
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self.model: ServedModel | None = None
        self.following = Following()
        self._versions, self._challenger, self._looked = versions, challenger, looked
        self._metrics = metrics
        self._tell = tell
        self._looks = 0
        self._served: Holder | None = None
        self._rejection: _Rejection | None = None
        self._resume_from = 0.0
        self._stop = threading.Event()

    def version(self) -> int | None:
        """Of the model that answers."""
        return self.model.version if self.model else None

    def start(self, poll_seconds: float) -> None:
        """Looks every so many seconds, from then on."""
        threading.Thread(target=self._run, args=(poll_seconds,), name="follower", daemon=True).start()

    def stop(self) -> None:
        """Ends the thread after the look that it may be at."""
        self._stop.set()

    def _run(self, poll_seconds: float) -> None:
        while not self._stop.wait(poll_seconds):
            self.look()

    def begin_request(self) -> ServedModel:
        """The version that a request is answered from; its ``requests`` count this one.

        One that was just replaced is never given: who waits for its last request must not miss any.

        Raises:
            RequestError: there is none yet.
        """
        while True:
            model = self.require_model()
            model.requests.begin()
            if model is self.model:
                return model
            model.requests.end()

    def require_model(self) -> ServedModel:
        """The version that answers.

        Raises:
            RequestError: there is none yet.
        """
        if self.model is None:
            raise RequestError(503, self.following.error or "No version is loaded yet.", {"Retry-After": "2"})
        return self.model

    def look(self) -> None:
        """Asks for the champion once, and takes it if it is another. Never raises: see ``following``."""
        before = self.following.error
        self._note(self._attempt())
        if self.following.error not in (before, None):
            log.warning("%s", self.following.error)
        self._challenger.look(self.version())
        self._looked()
        self._acknowledge()

    def _attempt(self) -> str | None:
        """What went wrong, as a sentence."""
        try:
            champion = self._versions.registry.holder(CHAMPION)
            if not self._is_rejected(champion):
                self._take(champion)
            if self._rejection is None:
                return self._absence(champion)
            fault = self._rejection.reason
        except RegistryError as error:
            fault = str(error)
        except OSError as error:
            fault = f"The champion's package cannot be put on this machine's disk: {error}."
        except Exception as error:  # the thread must live: without it no later version would ever be served
            log.exception("Looking at the registry failed for a reason that nobody foresaw.")
            fault = f"{type(error).__name__}: {error}"
        if self.model is None and time.monotonic() > self._resume_from:
            self._resume()
        return fault

    def _resume(self) -> None:
        """Begins with the champion that was taken last on this machine, if it can be served."""
        self._resume_from = time.monotonic() + REJECTED_SECONDS
        try:
            kept = self._versions.packages.kept()
            if kept and not self._is_rejected(kept):
                self._serve(self._versions.load(kept), kept)
        except Exception as error:  # the thread must live here, too
            foreseen = isinstance(error, TunesmithError | OSError)
            log.warning("The version that was served here last cannot be: %s", error, exc_info=not foreseen)

    def _acknowledge(self) -> None:
        self._looks += 1
        model, following = self.model, self.following
        state = WorkerState(
            process=os.getpid(),
            version=model.version if model else None,
            digest=model.digest if model else None,
            looks=self._looks,
            error=following.error,
            rejected=following.rejected,
            rejection=self._rejection.reason if self._rejection else None,
        )
        try:
            self._tell(state)
        except OSError as error:
            log.warning("What this worker serves cannot be told: %s.", error)

    def _is_rejected(self, champion: Holder | None) -> bool:
        rejection = self._rejection
        return rejection is not None and champion == rejection.champion and time.monotonic() < rejection.until

    def _take(self, champion: Holder | None) -> None:
        self._rejection = None
        if champion is None or champion == self._served:
            return
        try:
            model = self._versions.load(champion, keep=True)
        except PackageError as error:
            reason = f"Version {champion.version} is rejected: {error}"
            self._rejection = _Rejection(champion, reason, time.monotonic() + REJECTED_SECONDS)
            self._metrics.rejected()
            return
        self._serve(model, champion)

    def _serve(self, model: ServedModel, holder: Holder) -> None:
        before, self.model, self._served = self.model, model, holder
        self._metrics.served(model.version)
        log.info("Version %s answers from now on (package %s…).", model.version, model.digest[:12])
        while before and not before.requests.wait_for_none(PATIENCE_SECONDS):
            log.warning("Requests of version %s are still being answered.", before.version)

    def _absence(self, champion: Holder | None) -> str | None:
        if champion is not None:
            return None
        if self.model is None:
            return f"No version carries the alias {CHAMPION} yet; run tunesmith promote."
        return f"No version carries the alias {CHAMPION} any more; version {self.model.version} keeps answering."

    def _note(self, error: str | None) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.following = Following(now, error, self._rejection.champion.version if self._rejection else None)
        self._metrics.looked(error is None)
