"""How many requests each key has sent today: counted by all workers together, in a file a day."""

import fcntl
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

NUMBER = struct.Struct("<Q")
DAY = timedelta(days=1)


class Quotas:
    """The counts of a folder, which several servers may share; a restart forgets none.

    Args:
        folder: made on first use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._day: str | None = None

    def take(self, name: str, per_day: int) -> float:
        """Counts one request, and gives 0; or gives the seconds until midnight, when there will be more.

        Args:
            name: of the key.
            per_day: requests that it may send in a day.

        Raises:
            OSError: the folder cannot be written.
        """
        now = datetime.now(UTC)
        file = self._today(now) / name
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            held = os.pread(descriptor, NUMBER.size, 0)
            count = NUMBER.unpack(held)[0] if len(held) == NUMBER.size else 0
            if count >= per_day:
                midnight = (now + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
                return (midnight - now).total_seconds()
            os.pwrite(descriptor, NUMBER.pack(count + 1), 0)
            return 0.0
        finally:
            os.close(descriptor)

    def _today(self, now: datetime) -> Path:
        """The folder of a day; those of earlier days are deleted when a day begins."""
        day = f"{now:%Y-%m-%d}"
        folder = self._folder / day
        if day != self._day:
            folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.iterdir():
                if old.name < day:
                    _delete(old)
            self._day = day
        return folder


def _delete(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink(missing_ok=True)
    folder.rmdir()
