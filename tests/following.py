"""A follower outside of a server, which acknowledges to nobody."""

from pathlib import Path

from components.presence import WorkerState
from components.settings import Settings
from serving.challenger import Challenger
from serving.follow import Follower
from serving.metrics import Metrics
from serving.packages import Packages
from serving.registry import Registry
from serving.versions import Versions


def versions_of(
    registry: Registry, settings: Settings, folder: Path, max_batch: int = 16, patience: float = 60.0
) -> Versions:
    """The versions of a registry, as a server takes them that keeps what it keeps in a folder."""
    packages = Packages(folder / "packages", registry, settings.public_keys)
    return Versions(packages, folder / "trials", max_batch, patience)


def follower_of(
    registry: Registry, settings: Settings, folder: Path, max_batch: int = 16, patience: float = 60.0
) -> Follower:
    """Follows a registry; it has not looked yet."""
    versions = versions_of(registry, settings, folder, max_batch, patience)
    return Follower(versions, Challenger(versions, 0.0), Metrics(), list[WorkerState]().append)
