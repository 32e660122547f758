"""What the parts have written, and what they write."""

import contextlib
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
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


class Tail:
    """A log that is read on, also where it is begun anew, or another one takes its place.

    Args:
        path: of the log.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._log, self._position = path, path.open("rb"), 0

    def last(self, lines: int) -> list[str]:
        """So many of the lines that it has, the last ones."""
        found = deque(self._log, maxlen=lines)
        self._position = self._log.tell()
        return [_text(line) for line in found]

    def new(self) -> Iterator[str]:
        """What was written since, as far as its lines are whole."""
        yield from self._rest()
        if (other := self._other()) is not None:
            yield from self._rest()  # nobody writes the old one any more
            self._log.close()
            self._log, self._position = other, 0
            yield from self._rest()

    def _rest(self) -> Iterator[str]:
        if os.fstat(self._log.fileno()).st_size < self._position:  # it was begun anew
            self._position = 0
        self._log.seek(self._position)
        for line in self._log:
            if not line.endswith(b"\n"):  # the rest of it follows
                return
            self._position += len(line)
            yield _text(line)

    def _other(self) -> BufferedReader | None:
        """The log that has taken the place of this one; None: none has, be it that this one was put aside."""
        try:
            other = self._path.open("rb")
        except FileNotFoundError:
            return None
        if os.path.sameopenfile(other.fileno(), self._log.fileno()):
            other.close()
            return None
        return other


def show_last(files: dict[str, Path], lines: int, listener: Listener) -> dict[str, Tail]:
    """Gives the last lines of each log; what comes after them is still to be read."""
    tails = {name: Tail(path) for name, path in files.items()}
    for name, tail in tails.items():
        for line in tail.last(lines):
            listener(name, line)
    return tails


def follow(tails: dict[str, Tail], listener: Listener) -> None:
    """Gives every line that is written from now on, until it is interrupted."""
    while True:
        for name, tail in tails.items():
            for line in tail.new():
                listener(name, line)
        time.sleep(GLANCE_SECONDS)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
