"""``tunesmith shadow``, ``canary`` and ``replay``: what a version does on live traffic before it is promoted."""

from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.progress import Progress

from components.errors import RegistryError
from components.registry import CANARY, CHALLENGER, Registry
from components.replay import Replay, replay
from components.settings import Settings
from components.shadow import Comparison
from flows.report import columns
from flows.versions import chosen_version, shadow_of


def shadowed(settings: Settings, name: str, version: int | None) -> Comparison:
    """What a version did in the shadow of the champion.

    Raises:
        RegistryError: nothing was compared, or there is no such version.
    """
    registry = Registry(settings, name)
    chosen, champion = chosen_version(settings, name, version), registry.champion()
    if chosen == champion:
        raise RegistryError(f"Version {chosen} of '{name}' is the champion itself. Name another with --version.")
    found = shadow_of(registry, settings, champion, chosen)
    if found is None:
        raise RegistryError(
            f"Version {chosen} of '{name}' has answered nothing in the shadow of version {champion}. A server with "
            "TUNESMITH_SHADOW_SHARE=0.1 lets the challenger answer a tenth of its requests, unheard."
        )
    return found


def set_canary(settings: Settings, name: str, share: float, version: int | None) -> str:
    """Lets servers ask a version a share of their requests, and says so.

    Raises:
        RegistryError: there is no such version, or it is the champion.
    """
    registry = Registry(settings, name)
    chosen = registry.version(chosen_version(settings, name, version)).version
    if chosen == registry.champion():
        raise RegistryError(f"Version {chosen} of '{name}' is the champion, and answers every request already.")
    if share == 0:
        registry.drop_tag(chosen, CANARY)
        return f"Version {chosen} of '{name}' answers no request of its own any more."
    registry.set_tag(chosen, CANARY, f"{share:g} {datetime.now(UTC).isoformat(timespec='seconds')}")  # begun anew
    registry.set_alias(CHALLENGER, chosen)
    before = "".join(f" The canary of version {version} ends." for version in registry.end_canaries(but=chosen))
    return f"Version {chosen} of '{name}' answers {share:.3g} of the requests, the same callers' each time.{before}"


def replayed(settings: Settings, name: str, version: int | None, hours: float, console: Console) -> Replay:
    """Replays the last hours, with a progress bar.

    Raises:
        TunesmithError: as :func:`components.replay.replay`.
    """
    until = datetime.now(UTC)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Samples answered again", total=None)
        since = until - timedelta(hours=hours)
        chosen = chosen_version(settings, name, version)
        return replay(settings, name, chosen, since, until, lambda more: progress.advance(task, more))


def print_changes(found: Comparison | Replay, console: Console) -> None:
    """The sentence, and which labels would change."""
    console.print(found.sentence(), soft_wrap=True)
    if found.changes:
        table = columns("answered", "would answer", "samples")
        for change in found.changes:
            table.add_row(change.champion, change.challenger, f"{change.samples:,}")
        console.print(table)
