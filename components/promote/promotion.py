"""Moving the alias ``champion``, forwards and back: a move ends when every known server has followed, or is undone."""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from components.contracts import Record
from components.errors import PackageError, PromotionRefused
from components.promote.acknowledgement import BACK_SECONDS, NotServed, await_version
from components.promote.journal import Action, Event, Journal, champions
from components.registry import CANARY, CHAMPION, DIGEST, ROLLED_BACK, Registry
from components.settings import Settings

log = logging.getLogger("tunesmith.promote")


class Promotion(Record):
    """What a call did."""

    name: str
    action: Action
    before: int | None
    """Champion before the call; None: there was none."""
    after: int
    """Champion now."""
    moved: bool
    """False: it was the champion already, and nothing was done."""
    reason: str
    servers: tuple[str, ...] = ()
    """Addresses of the servers that have said that they serve it."""

    def sentence(self) -> str:
        """The same in words."""
        if not self.moved:
            return f"Version {self.after} of '{self.name}' is the champion already."
        instead = f" in place of version {self.before}" if self.before is not None else ""
        back = " again" if self.action == "rollback" else ""
        told = f"Version {self.after} of '{self.name}' is{back} the champion{instead}: {self.reason}"
        return f"{told} Served by {', '.join(self.servers)}." if self.servers else told


def promote(
    settings: Settings,
    name: str,
    version: int,
    expected: int | None,
    reason: str,
    figures: dict[str, Any] | None = None,
    tell: Callable[[str], None] = log.info,
) -> Promotion:
    """Makes a version the champion, if the champion is still the one that it was compared with.

    Returns once every known server serves it; where one cannot, the alias is back where it was.

    Args:
        settings: where the registry, the lock and the journal are.
        name: of the registered model.
        version: the new champion.
        expected: the champion that the gate compared with; None: there was none.
        reason: why, in words, for the journal.
        figures: what the gate measured, JSON-able, for the journal.
        tell: is told what is waited for.

    Raises:
        PromotionRefused: the champion is another one by now, the package of the version does not verify, or a server
            does not serve it.
        RegistryError: there is no such version, or the registry cannot be reached.
    """
    registry = Registry(settings, name)
    with _only_mover(settings):
        mover = Mover(settings, registry, tell)
        mover.repair()
        champion = registry.champion()
        intent = Event.intent("promote", name, champion, version, reason, figures)
        if champion == version:
            return _result(intent, moved=False)
        if champion != expected:
            raise PromotionRefused(
                f"Version {version} of '{name}' was compared with {_called(expected)}, but by now {_called(champion)} "
                "is the champion. Run the gate again: 'tunesmith run'."
            )
        return mover.move(intent)


def rollback(settings: Settings, name: str, reason: str, tell: Callable[[str], None] = log.info) -> Promotion:
    """Makes the version champion again that was it before the present one; called again, it goes back one more.

    Returns once every known server serves it; where one cannot, the alias is back where it was.

    Raises:
        PromotionRefused: the journal knows no champion before this one, its package does not verify, or a server does
            not serve it.
        RegistryError: the registry cannot be reached.
    """
    registry = Registry(settings, name)
    with _only_mover(settings):
        mover = Mover(settings, registry, tell)
        mover.repair()
        champion = registry.champion()
        if champion is None:
            raise PromotionRefused(f"'{name}' has no champion, so there is nothing to go back from.")
        line = champions(mover.journal.events(name))
        if line[-1:] != [champion] or len(line) < 2:
            raise PromotionRefused(
                f"{mover.journal.path} does not say which version of '{name}' was champion before version {champion}. "
                "Name the one that you want: 'tunesmith promote <version>'."
            )
        return mover.move(Event.intent("rollback", name, champion, line[-2], reason))


def history(settings: Settings, name: str) -> list[Event]:
    """Every event of the journal about a model, the oldest first; changes nothing.

    Raises:
        RegistryError: the journal is damaged.
    """
    return Journal(settings.home).events(name)


class Mover:
    """Moves the alias; whoever has one holds the lock of the movers.

    Attributes:
        journal: of the moves.
    """

    def __init__(self, settings: Settings, registry: Registry, tell: Callable[[str], None]) -> None:
        self.journal = Journal(settings.home)
        self._settings, self._registry, self._tell = settings, registry, tell

    def move(self, intent: Event) -> Promotion:
        """Writes the intent, moves the alias, and sees it through; killed anywhere between, the next call goes on.

        A version that is taken back is marked before the alias leaves it, so that the gate never sees it without its
        mark.

        Raises:
            PromotionRefused: the package does not verify, or a server does not serve it.
        """
        self._check_package(intent.after)
        self.journal.append(intent)
        if intent.action == "rollback" and intent.before is not None:
            self._registry.set_tag(intent.before, ROLLED_BACK, intent.reason)
        for version in (intent.before, intent.after):  # neither is a canary of the other's
            if version is not None:
                self._registry.drop_tag(version, CANARY)
        self._registry.set_alias(CHAMPION, intent.after)
        return _result(intent, moved=True, servers=self._see_through(intent))

    def repair(self) -> None:
        """Sees the move of a killed process through, or writes down that it came to nothing."""
        intent = self.journal.unfinished(self._registry.name)
        if intent is None:
            return
        champion = self._registry.champion()
        if champion != intent.after:
            self._end(intent, champion, "The process that made this move was killed before it.")
            return
        with contextlib.suppress(PromotionRefused):  # the journal says it; whoever calls now wants something else
            self._see_through(intent)

    def _see_through(self, intent: Event) -> tuple[str, ...]:
        """Waits for the servers; the alias is moved.

        Raises:
            PromotionRefused: one of them does not follow, and the alias is back.
        """
        digest = self._registry.version(intent.after).tags[DIGEST]
        try:
            servers = await_version(self._settings, intent.name, intent.after, digest, self._tell)
        except NotServed as error:
            self._take_back(intent, str(error))
            back = f"version {intent.before} is" if intent.before is not None else "no version is"
            raise PromotionRefused(
                f"Version {intent.after} of '{intent.name}' was taken back, and {back} the champion again: {error}"
            ) from None
        self._end(intent, intent.after)
        return servers

    def _take_back(self, intent: Event, fault: str) -> None:
        if intent.before is None:
            self._registry.drop_alias(CHAMPION)
        else:
            self._registry.set_alias(CHAMPION, intent.before)
        self._end(intent, intent.before, fault)
        if intent.before is not None:
            digest = self._registry.version(intent.before).tags[DIGEST]
            patience = min(BACK_SECONDS, self._settings.promotion_seconds)
            hurried = self._settings.model_copy(update={"promotion_seconds": patience})
            with contextlib.suppress(NotServed):  # the one that could not follow may not answer at all
                await_version(hurried, intent.name, intent.before, digest, self._tell)

    def _end(self, intent: Event, champion: int | None, fault: str | None = None) -> None:
        """Writes what became of a move; whichever version is champion after it is not one that was taken back."""
        if champion is not None:
            self._registry.drop_tag(champion, ROLLED_BACK)
        self.journal.append(intent.end("done" if champion == intent.after else "abandoned", fault))

    def _check_package(self, version: int) -> None:
        try:
            with tempfile.TemporaryDirectory(dir=self._settings.home) as scratch:
                self._registry.download(version, Path(scratch) / "package")
        except PackageError as error:
            raise PromotionRefused(
                f"Version {version} of '{self._registry.name}' must not be served: {error}"
            ) from error


def _result(intent: Event, *, moved: bool, servers: tuple[str, ...] = ()) -> Promotion:
    return Promotion(
        name=intent.name,
        action=intent.action,
        before=intent.before,
        after=intent.after,
        moved=moved,
        reason=intent.reason,
        servers=servers,
    )


@contextlib.contextmanager
def _only_mover(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "champion.lock"):
        yield


def _called(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
