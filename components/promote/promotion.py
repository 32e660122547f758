"""Who may be champion: forwards by what was compared, back by the journal; one mover of a home folder at a time."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from filelock import FileLock

from components.contracts import Record
from components.errors import PromotionRefused
from components.promote.journal import Action, Event, Journal, champions
from components.promote.mover import Mover, called
from components.registry import Registry
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
        RegistryError: there is no such version, or the registry cannot be reached: if it was to be taken back just
            then, says so, and why.
    """
    registry = Registry(settings, name)
    with _only_mover(settings):
        mover = Mover(settings, registry, tell)
        mover.repair()
        champion = registry.champion()
        intent = Event.intent("promote", registry, champion, version, reason, figures)
        if champion == version:
            return _result(intent)
        if champion != expected:
            raise PromotionRefused(
                f"Version {version} of '{name}' was compared with {called(expected)}, but by now {called(champion)} "
                "is the champion. Run the gate again: 'tunesmith run'."
            )
        return _result(intent, mover.move(intent))


def rollback(settings: Settings, name: str, reason: str, tell: Callable[[str], None] = log.info) -> Promotion:
    """Makes the version champion again that was it before the present one; called again, it goes back one more.

    Returns once every known server serves it; where one cannot, the alias is back where it was.

    Raises:
        PromotionRefused: the journal knows no champion before this one, it was removed, its package does not verify, or
            a server does not serve it.
        RegistryError: as :func:`promote`.
    """
    registry = Registry(settings, name)
    with _only_mover(settings):
        mover = Mover(settings, registry, tell)
        mover.repair()
        champion = registry.champion()
        if champion is None:
            raise PromotionRefused(f"'{name}' has no champion, so there is nothing to go back from.")
        intent = Event.intent("rollback", registry, champion, _before(champion, mover.journal, registry), reason)
        return _result(intent, mover.move(intent))


def _before(champion: int, journal: Journal, registry: Registry) -> int:
    """The version that was champion before this one."""
    line = champions(journal.events(registry))
    if line[-1:] != [champion] or len(line) < 2:
        raise PromotionRefused(
            f"{journal.path} does not say which version of '{registry.name}' was champion before version {champion}. "
            "Name the one that you want: 'tunesmith promote <version>'."
        )
    if line[-2] not in (known := [each.version for each in registry.versions()]):
        raise PromotionRefused(
            f"Version {line[-2]} of '{registry.name}' was champion before version {champion}, and is not in the "
            f"registry any more, which has {', '.join(map(str, known))}. Name the one that you want: 'tunesmith "
            "promote <version>'."
        )
    return line[-2]


def history(settings: Settings, name: str) -> list[Event]:
    """Every event of the journal about a model in this registry, the oldest first; changes nothing.

    Raises:
        RegistryError: the journal is damaged.
    """
    return Journal(settings.home).events(Registry(settings, name))


def _result(intent: Event, servers: tuple[str, ...] | None = None) -> Promotion:
    """What a call did; ``servers`` is None where nothing was moved."""
    return Promotion(
        name=intent.name,
        action=intent.action,
        before=intent.before,
        after=intent.after,
        moved=servers is not None,
        reason=intent.reason,
        servers=servers or (),
    )


@contextlib.contextmanager
def _only_mover(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "champion.lock"):
        yield
