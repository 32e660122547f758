"""Moving the alias ``champion``, forwards and back."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from components.contracts import Record
from components.errors import PackageError, PromotionRefused
from components.promote.journal import Action, Event, Journal, champions
from components.registry import CHAMPION, ROLLED_BACK, Registry
from components.settings import Settings


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

    def sentence(self) -> str:
        """The same in words."""
        if not self.moved:
            return f"Version {self.after} of '{self.name}' is the champion already."
        instead = f" in place of version {self.before}" if self.before is not None else ""
        back = " again" if self.action == "rollback" else ""
        return f"Version {self.after} of '{self.name}' is{back} the champion{instead}: {self.reason}"


def promote(
    settings: Settings,
    name: str,
    version: int,
    expected: int | None,
    reason: str,
    figures: dict[str, Any] | None = None,
) -> Promotion:
    """Makes a version the champion, if the champion is still the one that it was compared with.

    Args:
        settings: where the registry, the lock and the journal are.
        name: of the registered model.
        version: the new champion.
        expected: the champion that the gate compared with; None: there was none.
        reason: why, in words, for the journal.
        figures: what the gate measured, JSON-able, for the journal.

    Raises:
        PromotionRefused: the champion is another one by now, or the package of the version does not verify.
        RegistryError: there is no such version, or the registry cannot be reached.
    """
    registry = Registry(settings, name)
    with _only_mover(settings):
        journal = _repaired_journal(settings, registry)
        champion = registry.champion()
        intent = Event.intent("promote", name, champion, version, reason, figures)
        if champion == version:
            return _result(intent, moved=False)
        if champion != expected:
            raise PromotionRefused(
                f"Version {version} of '{name}' was compared with {_called(expected)}, but by now {_called(champion)} "
                "is the champion. Run the gate again: 'tunesmith run'."
            )
        return _move(registry, journal, settings, intent)


def rollback(settings: Settings, name: str, reason: str) -> Promotion:
    """Makes the version champion again that was it before the present one; called again, it goes back one more.

    Raises:
        PromotionRefused: the journal knows no champion before this one, or its package does not verify.
        RegistryError: the registry cannot be reached.
    """
    registry = Registry(settings, name)
    with _only_mover(settings):
        journal = _repaired_journal(settings, registry)
        champion = registry.champion()
        if champion is None:
            raise PromotionRefused(f"'{name}' has no champion, so there is nothing to go back from.")
        line = champions(journal.events(name))
        if line[-1:] != [champion] or len(line) < 2:
            raise PromotionRefused(
                f"{journal.path} does not say which version of '{name}' was champion before version {champion}. "
                "Name the one that you want: 'tunesmith promote <version>'."
            )
        return _move(registry, journal, settings, Event.intent("rollback", name, champion, line[-2], reason))


def history(settings: Settings, name: str) -> list[Event]:
    """Every event of the journal about a model, the oldest first; changes nothing.

    Raises:
        RegistryError: the journal is damaged.
    """
    return Journal(settings.home).events(name)


def _move(registry: Registry, journal: Journal, settings: Settings, intent: Event) -> Promotion:
    """Writes the intent, moves the alias, writes the end; killed anywhere between, the next call sets it right.

    A version that is taken back is marked before the alias leaves it, so that the gate never sees it without its mark.
    """
    _check_package(registry, intent.after, settings)
    journal.append(intent)
    if intent.action == "rollback" and intent.before is not None:
        registry.set_tag(intent.before, ROLLED_BACK, intent.reason)
    registry.set_alias(CHAMPION, intent.after)
    _end(registry, journal, intent, intent.after)
    return _result(intent, moved=True)


def _result(intent: Event, *, moved: bool) -> Promotion:
    return Promotion(
        name=intent.name,
        action=intent.action,
        before=intent.before,
        after=intent.after,
        moved=moved,
        reason=intent.reason,
    )


def _check_package(registry: Registry, version: int, settings: Settings) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=settings.home) as scratch:
            registry.download(version, Path(scratch) / "package")
    except PackageError as error:
        raise PromotionRefused(f"Version {version} of '{registry.name}' must not be served: {error}") from error


def _repaired_journal(settings: Settings, registry: Registry) -> Journal:
    """The journal, after the move of a killed process got the end that the alias shows."""
    journal = Journal(settings.home)
    intent = journal.unfinished(registry.name)
    if intent is not None:
        _end(registry, journal, intent, registry.champion())
    return journal


def _end(registry: Registry, journal: Journal, intent: Event, champion: int | None) -> None:
    """Writes what became of a move; whichever version is champion after it is not one that was taken back."""
    if champion is not None:
        registry.drop_tag(champion, ROLLED_BACK)
    journal.append(intent.end("done" if champion == intent.after else "abandoned"))


@contextlib.contextmanager
def _only_mover(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "champion.lock"):
        yield


def _called(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
