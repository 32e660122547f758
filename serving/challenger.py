"""Follows the alias ``challenger``, where that has something to do: it answers in the shadow, or as a canary."""

import logging
import threading
import time
from collections.abc import Callable

from components.errors import PackageError, RegistryError
from serving.model import ServedModel
from serving.registry import CHALLENGER, Holder
from serving.versions import Versions

REJECTED_SECONDS = 300.0

log = logging.getLogger("tunesmith.serving")


class Challenger:
    """Keeps ``model`` at the challenger, while that is another version than the champion and is needed.

    What goes wrong here is told and tried again later; it never touches a request.

    Args:
        versions: from where it is taken.
        champion: gives the version that answers.
        shadow_share: share of the answers that it is compared by.

    Attributes:
        model: the challenger; None: there is none, or nothing for it to do.
        canary_share: share of the requests that it is to answer.
        fault: why it is not there, as a sentence.
    """

    def __init__(self, versions: Versions, champion: Callable[[], int | None], shadow_share: float) -> None:
        self._versions, self._champion, self._shadow_share = versions, champion, shadow_share
        self._holder: Holder | None = None
        self._again = 0.0
        self._stop = threading.Event()
        self.model: ServedModel | None = None
        self.canary_share = 0.0
        self.fault: str | None = None

    def start(self, poll_seconds: float, looked: Callable[[], None]) -> None:
        """Looks now and every so many seconds, in a thread.

        Args:
            poll_seconds: between two looks.
            looked: called after each.
        """
        threading.Thread(target=self._run, args=(poll_seconds, looked), name="challenger", daemon=True).start()

    def stop(self) -> None:
        """Ends the thread after the look that it may be at."""
        self._stop.set()

    def _run(self, poll_seconds: float, looked: Callable[[], None]) -> None:
        while True:
            self.look()
            looked()
            if self._stop.wait(poll_seconds):
                return

    def look(self) -> None:
        """Asks for the challenger once. Never raises: see ``fault``."""
        before = self.fault
        try:
            self._take(self._versions.registry.holder(CHALLENGER))
        except (RegistryError, PackageError, OSError) as error:
            self.fault = f"The challenger cannot be loaded: {error}"
        except Exception as error:  # the thread must live
            log.exception("Looking for the challenger failed for a reason that nobody foresaw.")
            self.fault = f"{type(error).__name__}: {error}"
        if self.fault not in (before, None):
            log.warning("%s", self.fault)

    def _take(self, holder: Holder | None) -> None:
        share = holder.canary_share if holder else 0.0
        needed = share > 0 or self._shadow_share > 0
        if holder is None or not needed or holder.version == self._champion():
            self.model, self.canary_share, self._holder, self.fault = None, 0.0, None, None
            return
        if holder != self._holder or (self.model is None and time.monotonic() > self._again):
            self.model, self.canary_share, self._holder = None, 0.0, holder
            self._again = time.monotonic() + REJECTED_SECONDS
            self.model = self._versions.load(holder)
            log.info("Version %s is the challenger of this worker.", holder.version)
        if self.model:
            self.canary_share, self.fault = share, None
