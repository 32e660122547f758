"""Which version a command means, and a promotion that a person asks for."""

from collections.abc import Callable

from components.errors import RegistryError
from components.promote import Promotion, promote
from components.registry import Registry
from components.settings import Settings
from components.shadow import compare, shadow_folder


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
    if shadowed := compare(shadow_folder(settings, name), champion, chosen):
        tell(shadowed.sentence())
    return promote(settings, name, chosen, champion, reason, tell=tell)
