"""What is deleted with the answers that it shows, or that it was there for."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from components.monitor.history import page_of
from components.monitor.record import JudgedWindow


def forget(folder: Path, windows: Sequence[JudgedWindow], oldest: datetime) -> None:
    """Deletes the pages of windows with older answers, and what is kept of versions that have no other windows.

    The records of windows stay: their figures are of all samples together, and say nothing of one.

    Args:
        folder: of the monitor of this model.
        windows: that were judged, the oldest first; the version of the last one is at work.
        oldest: answers from before go.
    """
    for window in windows:
        if window.since < oldest:
            page_of(folder, window).unlink(missing_ok=True)
    watched = {window.package for window in windows if window.since >= oldest} | {windows[-1].package}
    for place in (folder / "versions").iterdir():
        if place.name not in watched:
            shutil.rmtree(place)
