"""The windows that were judged, and which alarms follow from them.

``monitor/<model>/`` of the home folder: ``windows/<end of the window>.json``, and the pages.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from components.monitor.record import JudgedWindow
from components.params.sections.monitor import Kind, MonitorParams
from components.settings import Settings


def monitor_folder(settings: Settings, model: str) -> Path:
    """Of a registered model."""
    return settings.home / "monitor" / model


def judged_windows(folder: Path) -> list[JudgedWindow]:
    """All of them, the oldest first."""
    return [JudgedWindow.read(file) for file in sorted((folder / "windows").glob("*.json"))]


def keep(folder: Path, window: JudgedWindow) -> None:
    """Writes a window down."""
    place = folder / "windows" / f"{name_of(window)}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    window.write(place)


def name_of(window: JudgedWindow) -> str:
    """Of its file and its page: when it ended."""
    return f"{window.until:%Y%m%dT%H%M%S.%fZ}"


def alarms(
    before: Sequence[JudgedWindow], firing: Sequence[Kind], now: datetime, params: MonitorParams
) -> tuple[tuple[Kind, ...], tuple[Kind, ...]]:
    """Which kinds raise an alarm now, and which stand.

    An alarm is raised by so many windows in a row that show a sign, stands until so many in a row show none, and is
    followed by none of its kind for a while. A new version begins with no alarm.

    Args:
        before: windows of the same version, the oldest first.
        firing: kinds with a sign in the window at hand.
        now: when it is judged.
        params: the section.
    """
    raised = tuple(kind for kind in firing if _raises(before, kind, now, params))
    last = before[-1].standing if before else ()
    signs = [set(window.firing) for window in before] + [set(firing)]
    quiet = signs[-params.quiet_windows :]
    lasting = [kind for kind in last if len(signs) < params.quiet_windows or any(kind in each for each in quiet)]
    return raised, tuple(dict.fromkeys([*lasting, *raised]))


def _raises(before: Sequence[JudgedWindow], kind: Kind, now: datetime, params: MonitorParams) -> bool:
    if before and kind in before[-1].standing:
        return False
    in_a_row = before[len(before) - (params.confirmations - 1) :] if params.confirmations > 1 else []
    if len(before) < params.confirmations - 1 or not all(kind in window.firing for window in in_a_row):
        return False
    raised = [window.judged for window in before if kind in window.raised]
    return not raised or now - raised[-1] >= timedelta(hours=params.cooldown_hours)
