"""One move of the alias ``champion``: it ends when every known server has followed, or is taken back."""

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from components.errors import PackageError, PromotionRefused, RegistryError
from components.promote.acknowledgement import BACK_SECONDS, NotServed, await_version
from components.promote.journal import Event, Journal
from components.registry import CHAMPION, ROLLED_BACK, Registry
from components.settings import Settings

RETRY_SECONDS = 0.5


class Mover:
    """Moves the alias; whoever has one holds the lock of the movers of this home folder.

    A mover of another home folder may move it, too, and the registry has no compare-and-set: the alias is read again
    right before it is moved, forwards or back. What another one does between that look and the move is overwritten.

    Attributes:
        journal: of the moves.
    """

    def __init__(self, settings: Settings, registry: Registry, tell: Callable[[str], None]) -> None:
        self.journal = Journal(settings.home)
        self._settings, self._registry, self._tell = settings, registry, tell
        self._patience = min(BACK_SECONDS, settings.promotion_seconds)

    def move(self, intent: Event) -> tuple[str, ...]:
        """Writes the intent, moves the alias, and sees it through; killed anywhere between, the next call goes on.

        A version that is taken back is marked before the alias leaves it, so that the gate never sees it without its
        mark; and no version is a canary any more when the alias moves.

        Returns:
            Addresses of the servers that serve it.

        Raises:
            PromotionRefused: the package does not verify, somebody else has moved the alias meanwhile, or a server does
                not serve it.
            RegistryError: the registry fails; where the version was to be taken back, says so, and why.
        """
        self._check_package(intent.after)
        self._require_unmoved(intent)
        self.journal.append(intent)
        if intent.action == "rollback" and intent.before is not None:
            self._registry.set_tag(intent.before, ROLLED_BACK, intent.reason)
        for version in self._registry.end_canaries():
            self._tell(f"The canary of version {version} ends with this move.")
        self._registry.set_alias(CHAMPION, intent.after)
        return self._see_through(intent)

    def repair(self) -> None:
        """Sees a move through that a kill, or a registry that failed, left open; or writes that it came to nothing.

        Raises:
            RegistryError: the registry fails.
        """
        intent = self.journal.unfinished(self._registry)
        if intent is None:
            return
        champion = self._registry.champion()
        if champion != intent.after:
            self._end(intent, champion, "It was not seen through, and its version is not the champion.")
            return
        with contextlib.suppress(PromotionRefused):  # the journal says it; whoever calls now wants something else
            self._see_through(intent)

    def _check_package(self, version: int) -> None:
        try:
            with tempfile.TemporaryDirectory(dir=self._settings.home) as scratch:
                self._registry.download(version, Path(scratch) / "package")
        except PackageError as error:
            raise PromotionRefused(
                f"Version {version} of '{self._registry.name}' must not be served: {error}"
            ) from error

    def _require_unmoved(self, intent: Event) -> None:
        """The package took a while to fetch, and movers of other home folders do not wait for this one's lock."""
        champion = self._registry.champion()
        if champion != intent.before:
            raise PromotionRefused(
                f"While version {intent.after} of '{intent.name}' was fetched, {called(champion)} became the champion "
                f"in place of {called(intent.before)}. Nothing was moved: see 'tunesmith status', and ask again."
            )

    def _see_through(self, intent: Event) -> tuple[str, ...]:
        """Waits for the servers; the alias is moved.

        Raises:
            PromotionRefused: one of them does not follow, and the alias is not there any more.
            RegistryError: the registry fails; the intent stays open, for the next mover.
        """
        digest = self._registry.version(intent.after).digest
        try:
            servers = await_version(self._settings, intent.name, intent.after, digest, self._tell)
        except NotServed as error:
            raise PromotionRefused(self._given_up(intent, str(error))) from None
        self._end(intent, intent.after)
        return servers

    def _given_up(self, intent: Event, fault: str) -> str:
        """Takes a move back, and says what became of it.

        Raises:
            RegistryError: the registry fails for too long.
        """
        version = f"Version {intent.after} of '{intent.name}'"
        try:
            champion = self._patiently_back(intent, fault)
        except RegistryError as error:
            raise RegistryError(
                f"{version} could not be taken back, and may be the champion still: {error} It was to be taken back "
                f"for this: {fault.rstrip('.')}. The next promotion or rollback from here sees to it first."
            ) from None
        if champion != intent.before:
            return (
                f"{version} was given up, and {called(champion)} stays the champion, as another promotion has come "
                f"between: {fault}"
            )
        if champion is not None:
            self._await_back(champion)
        return f"{version} was taken back, and {called(champion)} is the champion again: {fault}"

    def _patiently_back(self, intent: Event, fault: str) -> int | None:
        """As :meth:`_back`, again and again for a while where the registry fails."""
        until = time.monotonic() + self._patience
        while True:
            try:
                return self._back(intent, fault)
            except RegistryError:
                if time.monotonic() > until:
                    raise
            time.sleep(RETRY_SECONDS)

    def _back(self, intent: Event, fault: str) -> int | None:
        """Lets the alias go back if it still is where this move has put it; can be tried again at any point.

        Returns:
            The champion then: another one than before the move, if another mover has come between.
        """
        champion = self._registry.champion()
        if champion == intent.after:
            champion = intent.before
            if champion is None:
                self._registry.drop_alias(CHAMPION)
            else:
                self._registry.set_alias(CHAMPION, champion)
        self._end(intent, champion, fault)
        return champion

    def _await_back(self, version: int) -> None:
        """Waits for the servers that had followed, as long as they may take for it."""
        hurried = self._settings.model_copy(update={"promotion_seconds": self._patience})
        # The alias is back, which is what counts; the server that could not follow may not answer at all.
        with contextlib.suppress(NotServed, RegistryError):
            digest = self._registry.version(version).digest
            await_version(hurried, self._registry.name, version, digest, self._tell)

    def _end(self, intent: Event, champion: int | None, fault: str | None = None) -> None:
        """Writes what became of a move; whichever version is champion after it is not one that was taken back."""
        if champion is not None:
            self._registry.drop_tag(champion, ROLLED_BACK)
        self.journal.append(intent.end("done" if champion == intent.after else "abandoned", fault))


def called(version: int | None) -> str:
    """A version in words."""
    return "no version" if version is None else f"version {version}"
