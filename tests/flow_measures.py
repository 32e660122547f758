"""What the flows tell Prometheus, once all of it has happened."""

from datetime import UTC, datetime
from pathlib import Path

from components.monitor import JudgedWindow
from components.monitor.history import keep, monitor_folder
from components.params.sections.monitor import Kind
from components.settings import Settings
from flows.endings import FOLDER, Ending
from flows.measures import FlowMeasures

MODEL = "digits"
AT = datetime(2026, 11, 28, 10, tzinfo=UTC)


def keep_window(settings: Settings, until: datetime, *standing: Kind) -> None:
    """Writes down a window after which these alarms stand."""
    window = JudgedWindow(
        model=MODEL, version=1, since=until, until=until, judged=until, samples=500, findings=(), quality=None,
        requests=None, firing=standing, raised=standing, standing=standing,
    )  # fmt: skip
    keep(monitor_folder(settings, MODEL), window)


def keep_ending(settings: Settings, flow: str, *, why: str = "", completed: datetime | None = AT) -> None:
    """Writes down how the last run of a flow has ended."""
    good = completed and completed.isoformat()
    ending = Ending(flow=flow, state="Failed" if why else "Completed", ended=AT.isoformat(), why=why, completed=good)
    ending.write(settings.home / FOLDER / f"{flow}.json")


def flow_measures(home: Path) -> dict[str, set[str]]:
    """The names of what the flows measure, with the labels of each."""
    settings = Settings(home=home)
    keep_ending(settings, "monitor")
    keep_window(settings, AT)
    return {
        family.name: {label for sample in family.samples for label in sample.labels}
        for family in FlowMeasures(settings, MODEL).collect()
    }
