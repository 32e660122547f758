"""Optuna's journal in one file of JSON lines, with one writer: the workspace's lock keeps others out.

Optuna's own backend locks its file, and a lock that a killed process has left is waited for; a line that such a process
has half written breaks it.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend


class Journal(BaseJournalBackend):
    """Appends lines, each on disk before the next one.

    Attributes:
        path: the file; its folder exists.
        starts: where each line that was read begins, and where the next one will.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        whole = path.read_bytes().rfind(b"\n") + 1
        os.truncate(path, whole)  # what a killed process has half written was never answered for
        self.starts = [0]

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The lines from a number on, from 0."""
        with self.path.open("rb") as lines:
            lines.seek(self.starts[min(log_number_from, len(self.starts) - 1)])
            for number, line in enumerate(lines, min(log_number_from, len(self.starts) - 1)):
                if number + 1 == len(self.starts):
                    self.starts.append(self.starts[-1] + len(line))
                if number >= log_number_from:
                    yield json.loads(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Writes lines, and waits for the disk."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
            file.flush()
            os.fsync(file.fileno())
