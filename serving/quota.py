"""How many requests each key has sent today: counted by all workers together, in a file a day."""

import fcntl
import os
import shutil
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

NUMBER = struct.Struct("<Q")
DAY = timedelta(days=1)
LOCK_ATTEMPTS, LOCK_SECONDS = 100, 0.0005


class Quotas:
    """The counts of a folder, which several servers may share; a restart forgets none.

    Args:
        folder: made on first use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, name: str, per_day: int) -> float:
        """Counts one request, and gives 0; or gives the seconds until midnight, when there will be more.

        Args:
            name: of the key.
            per_day: requests that it may send in a day.

        Raises:
            OSError: the count cannot be read or written.
        """
        now = datetime.now(UTC)
        descriptor = self._open(name, now)
        try:
            _lock(descriptor)
            held = os.pread(descriptor, NUMBER.size, 0)
            count = NUMBER.unpack(held)[0] if len(held) == NUMBER.size else 0
            if count >= per_day:
                midnight = (now + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
                return (midnight - now).total_seconds()
            os.pwrite(descriptor, NUMBER.pack(count + 1), 0)
            return 0.0
        finally:
            os.close(descriptor)

    def _open(self, name: str, now: datetime) -> int:
        """The count of a key; the first of a day makes the folder, and deletes those of the days before yesterday."""
        folder = self._folder / f"{now:%Y-%m-%d}"
        try:
            return os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.glob("????-??-??"):
            if old.name < f"{now - DAY:%Y-%m-%d}":
                shutil.rmtree(old, ignore_errors=True)
        return os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int) -> None:
    """Locks a file that is held for microseconds; a stopped process that holds it must not stop this one.

    Raises:
        OSError: it is held for longer.
    """
    for _ in range(LOCK_ATTEMPTS - 1):
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_SECONDS)
        else:
            return
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
