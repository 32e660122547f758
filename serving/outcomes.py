"""How many predictions were asked for and how they ended, by status: what a monitor needs beside the answers."""

import logging
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from components.predictions import outcome_columns
from components.rolling import RollingParquet

WRITE_SECONDS = 5.0

log = logging.getLogger("tunesmith.serving")


class Outcomes:
    """Counts the requests of one worker, and writes a row a status every few seconds.

    Args:
        files: where they are kept.
    """

    def __init__(self, files: RollingParquet) -> None:
        self._files = files
        self._counts, self._lock = Counter[int](), threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self) -> None:
        """Writes what is left."""
        self._stop.set()
        self._thread.join()
        self._files.settle()

    def ended(self, status: int) -> None:
        """Counts a request. Called from the event loop's thread."""
        with self._lock:
            self._counts[status] += 1

    def _run(self) -> None:
        while not self._stop.wait(WRITE_SECONDS):
            self._write()
        self._write()

    def _write(self) -> None:
        """Writes what was counted; what the disk does not take is written with the next."""
        import pyarrow as pa

        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        now = datetime.now(UTC)
        rows: list[dict[str, Any]] = [{"time": now, "status": each, "requests": n} for each, n in counts.items()]
        try:
            self._files.write(pa.Table.from_pylist(rows, outcome_columns()), now)
        except OSError as error:
            log.warning("What became of requests cannot be written: %s. It is tried again.", error)
            with self._lock:
                self._counts += counts
