"""A follower outside of a server, which acknowledges to nobody."""

from pathlib import Path

from components.presence import WorkerState
from components.settings import Settings
from serving.challenger import Challenger
from serving.follow import Follower
from serving.metrics import Metrics
from serving.registry import Registry
from serving.versions import Versions


def follower_of(registry: Registry, settings: Settings, scratch: Path, max_batch: int = 16) -> Follower:
    """Follows a registry; it has not looked yet."""
    versions = Versions(registry, scratch, settings.public_keys, max_batch)
    return Follower(versions, Challenger(versions, 0.0), Metrics(), list[WorkerState]().append)
