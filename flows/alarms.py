"""Alarms that were raised and that nobody was told of yet, whoever judged the window: the flow, or a person by hand."""

from datetime import datetime
from pathlib import Path

from components.contracts import Record
from components.monitor import JudgedWindow
from components.monitor.history import judged_windows, monitor_folder, reign_of
from components.registry import Registry
from components.settings import Settings


class Told(Record):
    """Of which windows the alarms were told."""

    until: datetime
    """UTC: where the last one ends."""


def untold_windows(settings: Settings, model: str) -> list[JudgedWindow]:
    """The champion's windows that are not told of, the oldest first; as raised, each has the alarms that still stand.

    An alarm that has ended meanwhile, or that another version had raised, is not worth a retraining any more.

    Args:
        settings: where windows and registry are.
        model: registered name.

    Raises:
        RegistryError: the registry cannot be reached.
    """
    file = _file(settings, model)
    fresh = judged_windows(monitor_folder(settings, model), Told.read(file).until if file.exists() else None)
    if not fresh:
        return []
    registry = Registry(settings, model)
    champion = registry.champion()
    windows = reign_of(None if champion is None else registry.version(champion).digest, fresh)
    return [
        window.model_copy(update={"raised": tuple(kind for kind in window.raised if kind in windows[-1].standing)})
        for window in windows
    ]


def keep_told(settings: Settings, model: str, window: JudgedWindow) -> None:
    """Writes down that somebody was told of a window, and of all before it, so that nobody is again."""
    Told(until=window.until).write(_file(settings, model))


def _file(settings: Settings, model: str) -> Path:
    return monitor_folder(settings, model) / "alarms.json"
