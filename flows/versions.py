"""Which version a command means, and promotions: by a person, or because the gate lets a version through.

Both tell before the alias moves what the version did in the shadow of the champion, where servers let it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from components.errors import RegistryError
from components.promote import Promotion, promote
from components.registry import Registry
from components.settings import Settings
from components.shadow import Comparison, compare, shadow_folder

if TYPE_CHECKING:  # its statistics take a second to import
    from components.gate import GateDecision


def chosen_version(settings: Settings, name: str, version: int | None) -> int:
    """The named version, or the challenger.

    Raises:
        RegistryError: none was named and there is no challenger, or the registry cannot be reached.
    """
    chosen = version if version is not None else Registry(settings, name).challenger()
    if chosen is None:
        raise RegistryError(f"'{name}' has no challenger. Run the line first: 'tunesmith run'.")
    return chosen


def promote_by_hand(
    settings: Settings, name: str, version: int | None, reason: str, tell: Callable[[str], None]
) -> Promotion:
    """Makes a version champion because a person says so, in place of whatever is champion now.

    Args:
        settings: where the registry, the journal and the servers are.
        name: of the registered model.
        version: the new champion; None: the challenger.
        reason: why, in words, for the journal.
        tell: is told what is waited for.

    Raises:
        PromotionRefused: its package does not verify, a server does not serve it, or somebody else promoted at the
            same moment.
        RegistryError: there is no such version, or the registry cannot be reached.
    """
    chosen, champion = chosen_version(settings, name, version), Registry(settings, name).champion()
    _tell_shadow(settings, name, champion, chosen, tell)
    return promote(settings, name, chosen, champion, reason, tell=tell)


def promote_by_gate(settings: Settings, decision: "GateDecision", tell: Callable[[str], None]) -> Promotion:
    """Makes a version champion that the gate lets through, in place of the one that it was compared with.

    The journal has as its reason what the gate decided, and what the version did in the shadow.

    Args:
        settings: where the registry, the journal, the shadow and the servers are.
        decision: of the gate.
        tell: is told of the shadow and of what is waited for.

    Raises:
        PromotionRefused: another version became champion after the gate had compared, or a server does not serve it.
        RegistryError: the registry cannot be reached.
    """
    name, champion, version = decision.name, decision.champion, decision.version
    shadowed = _tell_shadow(settings, name, champion, version, tell)
    reason = " ".join(filter(None, (decision.sentence(), shadowed)))
    return promote(settings, name, version, champion, reason, decision.figures(), tell=tell)


def shadow_of(registry: Registry, settings: Settings, champion: int | None, version: int) -> Comparison | None:
    """What a version did in the shadow of the champion; None: nothing.

    Raises:
        RegistryError: there is no such version, or the registry cannot be reached.
    """
    reigning = None if champion is None else registry.version(champion).digest
    return compare(shadow_folder(settings, registry.name), reigning, registry.version(version).digest)


def _tell_shadow(
    settings: Settings, name: str, champion: int | None, version: int, tell: Callable[[str], None]
) -> str | None:
    """Tells what a version did in the shadow of the champion, and gives it back; None: nothing, and nothing is told."""
    shadowed = shadow_of(Registry(settings, name), settings, champion, version)
    if shadowed is None:
        return None
    tell(shadowed.sentence())
    return shadowed.sentence()
