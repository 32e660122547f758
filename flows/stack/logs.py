"""What the parts have written, and what they write."""

import contextlib
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from components.errors import SettingsError

GLANCE_SECONDS = 0.3
SUPERVISOR = "stack"
"""Name of the supervisor's own log."""
LONGEST_BYTES = 50 * 2**20
"""A log that is longer becomes ``<part>.log.1``, and a new one begins."""

Listener = Callable[[str, str], None]


def log_files(home: Path, names: Sequence[str], part: str | None) -> dict[str, Path]:
    """The logs that there are, by part.

    Args:
        home: the home folder.
        names: of the parts.
        part: the only one that is asked for; None: all.

    Raises:
        SettingsError: there is no such part, or none has written anything.
    """
    every = [*names, SUPERVISOR]
    if part is not None and part not in every:
        raise SettingsError(f"There is no part '{part}'. Parts: {', '.join(every)}.")
    chosen = every if part is None else [part]
    found = {name: path for name in chosen if (path := home / "logs" / f"{name}.log").exists()}
    if not found:
        raise SettingsError(f"There is no log of {part or 'the stack'} in {home / 'logs'}: it was never started here.")
    return found


def last_lines(log: Path, lines: int) -> list[str]:
    """The last lines of a log; none where somebody has taken it away."""
    try:
        with log.open("rb") as file:
            return [_text(line) for line in deque(filter(bytes.strip, file), maxlen=lines)]
    except OSError:
        return []


def shorten(log: Path) -> None:
    """Begins a log anew when it has become long; who writes it goes on: to its end, wherever that is.

    Where the disk is too full to keep what it held, that is lost, and its place is free again.
    """
    with contextlib.suppress(OSError):  # somebody has taken it away, say, which is no reason to end anything
        if log.stat().st_size > LONGEST_BYTES:
            with contextlib.suppress(OSError):
                shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def show_last(files: dict[str, Path], lines: int, listener: Listener) -> dict[str, int]:
    """Gives the last lines of each log, and how far each was read, in bytes."""
    positions = {}
    for name, path in files.items():
        with path.open("rb") as log:
            for line in deque(log, maxlen=lines):
                listener(name, _text(line))
            positions[name] = log.tell()
    return positions


def follow(files: dict[str, Path], positions: dict[str, int], listener: Listener) -> None:
    """Gives every line that is written from now on, until it is interrupted."""
    reached = dict(positions)
    while True:
        for name, path in files.items():
            reached[name] = _show_new(name, path, reached[name], listener)
        time.sleep(GLANCE_SECONDS)


def _show_new(name: str, path: Path, position: int, listener: Listener) -> int:
    try:
        log = path.open("rb")
    except FileNotFoundError:  # it was put aside, and the part has not begun a new one yet
        return 0
    with log:
        if log.seek(0, os.SEEK_END) < position:  # it was begun anew
            position = 0
        log.seek(position)
        for line in log:
            if not line.endswith(b"\n"):  # the rest of it follows
                break
            listener(name, _text(line))
            position += len(line)
    return position


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
