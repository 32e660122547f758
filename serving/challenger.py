"""Follows the alias ``challenger``, where that has something to do: it answers in the shadow, or as a canary."""

import logging
import time

from components.errors import PackageError, RegistryError
from serving.model import ServedModel
from serving.registry import CHALLENGER, Holder
from serving.versions import Versions

REJECTED_SECONDS = 300.0
PATIENCE_SECONDS = 25.0
"""So long its last requests are waited for when it is no challenger any more: an explanation may take twenty."""

log = logging.getLogger("tunesmith.serving")


class Challenger:
    """Keeps ``model`` at the challenger, while that is another version than the champion and is needed.

    What goes wrong here is told and tried again later; it never touches a request.

    Args:
        versions: from where it is taken.
        shadow_share: share of the answers that it is compared by.

    Attributes:
        model: the challenger; None: there is none, or nothing for it to do.
        holder: what the registry says of it.
        fault: why it is not there, as a sentence.
    """

    def __init__(self, versions: Versions, shadow_share: float) -> None:
        self._versions, self._shadow_share = versions, shadow_share
        self._again = 0.0
        self._champion: int | None = None
        self.model: ServedModel | None = None
        self.holder: Holder | None = None
        self.fault: str | None = None

    @property
    def canary_share(self) -> float:
        """Share of the requests that it is to answer."""
        holder = self.holder
        return holder.canary_share if holder and self.model else 0.0

    def look(self, champion: int | None) -> None:
        """Asks for the challenger once, and takes it if it is another one. Never raises: see ``fault``.

        When this returns, no request is answered any more by a version that is no challenger now; nor, where the
        registry cannot say which that is, by one of before the champion moved: every move of it ends the canary.

        Args:
            champion: version that answers.
        """
        before = self.fault
        try:
            self._take(self._versions.registry.holder(CHALLENGER), champion)
        except (RegistryError, PackageError, OSError) as error:
            self.fault = f"The challenger cannot be loaded: {error}"
        except Exception as error:  # the thread must live
            log.exception("Looking for the challenger failed for a reason that nobody foresaw.")
            self.fault = f"{type(error).__name__}: {error}"
        if self.fault and self.model and champion != self._champion:
            self._drop()
        self._champion = champion
        if self.fault not in (before, None):
            log.warning("%s", self.fault)

    def _take(self, holder: Holder | None, champion: int | None) -> None:
        needed = holder is not None and (holder.canary_share > 0 or self._shadow_share > 0)
        if holder is None or not needed or holder.version == champion:
            self._drop()
            self.fault = None
            return
        if holder != self.holder or (self.model is None and time.monotonic() > self._again):
            self._drop()
            self.holder, self._again = holder, time.monotonic() + REJECTED_SECONDS
            self.model = self._versions.load(holder)
            log.info("Version %s is the challenger of this worker.", holder.version)
        self.holder = holder
        if self.model:
            self.fault = None

    def _drop(self) -> None:
        before, self.model, self.holder = self.model, None, None
        if before and not before.requests.wait_for_none(PATIENCE_SECONDS):
            log.warning("Requests of the challenger, version %s, are still being answered.", before.version)
