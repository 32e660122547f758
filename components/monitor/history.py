"""The windows that were judged, and which alarms follow from them.

``monitor/<model>/`` of the home folder: ``windows/<end of the window>.json``, and the pages beside them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

from components.monitor.record import JudgedWindow
from components.params.sections.monitor import Kind, MonitorParams
from components.settings import Settings


def monitor_folder(settings: Settings, model: str) -> Path:
    """Of a registered model."""
    return settings.home / "monitor" / model


def judged_windows(folder: Path, after: datetime | None = None) -> list[JudgedWindow]:
    """All of them, or those that end after a moment, the oldest first."""
    files = sorted((folder / "windows").glob("*.json"))
    return [JudgedWindow.read(file) for file in files if after is None or file.stem > _name(after)]


def last_window(folder: Path) -> JudgedWindow | None:
    """The one that ends last; None: none was judged yet."""
    file = max((folder / "windows").glob("*.json"), default=None)
    return JudgedWindow.read(file) if file else None


def reign_of(package: str | None, windows: Sequence[JudgedWindow]) -> list[JudgedWindow]:
    """Those of a version since another one was judged: what was before a rollback to it is no longer of account.

    Args:
        package: digest of the champion's package; None: there is no champion.
        windows: of all versions, the oldest first.
    """
    ours = takewhile(lambda window: package is not None and window.package == package, reversed(windows))
    return list(ours)[::-1]


def keep(folder: Path, window: JudgedWindow) -> None:
    """Writes a window down."""
    window.write(folder / "windows" / f"{_name(window.until)}.json")


def page_of(folder: Path, window: JudgedWindow) -> Path:
    """Where the page of a window lies, as long as there is one."""
    return folder / "windows" / f"{_name(window.until)}.html"


def _name(until: datetime) -> str:
    return f"{until:%Y%m%dT%H%M%S.%fZ}"


def alarms(
    before: Sequence[JudgedWindow], firing: Sequence[Kind], now: datetime, params: MonitorParams
) -> tuple[tuple[Kind, ...], tuple[Kind, ...]]:
    """Which kinds raise an alarm now, and which stand.

    An alarm is raised by so many windows in a row that show a sign, and stands until so many in a row show none. For a
    while its kind raises no other; one that still fires then is raised again, as what was done about it has not helped.
    A new champion begins with no alarm.

    Args:
        before: windows since this version is champion, the oldest first.
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
    in_a_row = before[len(before) - (params.confirmations - 1) :] if params.confirmations > 1 else []
    if len(before) < params.confirmations - 1 or not all(kind in window.firing for window in in_a_row):
        return False
    raised = [window.judged for window in before if kind in window.raised]
    return not raised or now - raised[-1] >= timedelta(hours=params.cooldown_hours)
