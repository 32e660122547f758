"""New labels: when so many have come that the line should run again."""

from datetime import datetime
from pathlib import Path

from components.contracts import Record
from components.feedback import said_at, waiting
from components.monitor.history import monitor_folder
from components.settings import Settings


class NewLabels(Record):
    """Labels that people have sent, and that no run has taken in."""

    count: int
    until: datetime
    """UTC, of the last one."""


def new_labels(settings: Settings, model: str) -> NewLabels | None:
    """The labels that wait and that nobody was told of; None: they are fewer than the settings ask for.

    Args:
        settings: of them ``retrain_labels``.
        model: registered name.
    """
    file = _file(settings, model)
    labels = waiting(settings, model).dropna(subset=["label", "value"], how="all")  # no label: it is taken back
    times = said_at(labels)
    if file.exists():
        times = times[times > NewLabels.read(file).until]
    if not settings.retrain_labels or len(times) < settings.retrain_labels:
        return None
    return NewLabels(count=len(times), until=times.max().to_pydatetime())


def keep_told(settings: Settings, model: str, labels: NewLabels) -> None:
    """Writes down that somebody was told of labels, so that nobody is again."""
    file = _file(settings, model)
    file.parent.mkdir(parents=True, exist_ok=True)
    labels.write(file)


def _file(settings: Settings, model: str) -> Path:
    return monitor_folder(settings, model) / "labels.json"
