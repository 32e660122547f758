"""Parquet that grows: small whole files, written often, and merged as they age.

``<folder>/date=2026-11-25/hour=12/<writer>-<first>-<last>.parquet``: the blocks ``first`` to ``last`` of one writer, in
one file. Every file is whole under its name, so the folder can be read at any time, by anything that reads Parquet;
what a killed process loses is the block that it had not written yet. A merged file takes its place before those that it
was made of go: whoever lists the folder between the two leaves out files whose blocks another has (:func:`files_of`).
"""

import contextlib
import logging
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.files import write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("tunesmith.rolling")

BLOCKS = 120
"""So many files of a writer in an hour become one."""
MERGED_BYTES = 64 * 2**20
"""Files that have more than that together stay as they are: a merge holds them in memory."""
ATTEMPTS = 5
NAME = re.compile(r"([0-9a-f]+)-(\d+)-(\d+)\.parquet")


@dataclass(frozen=True)
class Blocks:
    """One file.

    Attributes:
        path: where it lies.
        writer: who wrote it.
        first: number of its first block.
        last: number of its last block.
    """

    path: Path
    writer: str
    first: int
    last: int

    def within(self, other: "Blocks") -> bool:
        """Whether another file has all of its blocks."""
        return self.writer == other.writer and other.first <= self.first and self.last <= other.last


class RollingParquet:
    """Writes one folder; several threads, and several writers with one of these each, may do so at once.

    Merging and deleting is done in a thread beside those that write: none of them waits for it.

    Args:
        folder: made on first use.
        days: files are deleted when they are so many days old; None: never.
    """

    def __init__(self, folder: Path, days: int | None) -> None:
        self._folder, self._days = folder, days
        self._writer, self._number = secrets.token_hex(4), 1
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="merging")
        self._tidying: Future[None] | None = None
        self._tidied: Path | None = None  # hour; that thread's own

    def write(self, block: "pa.Table", now: datetime) -> None:
        """Writes a block, whole and on disk when this returns.

        Args:
            block: with the same columns as all others of the folder.
            now: UTC.

        Raises:
            OSError: the disk is full, or gone; nothing is left of the block.
        """
        hour = self._folder / f"date={now:%Y-%m-%d}" / f"hour={now:%H}"
        with self._lock:
            write_bytes(hour / f"{self._writer}-{self._number}-{self._number}.parquet", _encoded(block))
            self._number += 1
            if self._tidying is None or self._tidying.done():
                self._tidying = self._thread.submit(self._tidy, hour, self._number - 1, now)

    def settle(self) -> None:
        """Returns once nothing is being merged or deleted; to be called when the last block was written."""
        with self._lock:
            if self._tidying is not None:
                self._tidying.result()

    def _tidy(self, hour: Path, last: int, now: datetime) -> None:
        """Merges and forgets. The blocks are on disk: what goes wrong here is told, and tried again.

        Args:
            hour: that is written now.
            last: number of the last block that is there for certain: a later one may be listed without those before it.
            now: UTC.
        """
        import pyarrow as pa

        before, self._tidied = self._tidied, hour
        try:
            self._merge(hour, last, least=BLOCKS)
            if before != hour:
                self._forget(now)
                if before:
                    self._merge(before, last, least=2)
        except (OSError, pa.ArrowException) as error:
            log.warning("Files below %s cannot be merged: %s", self._folder, error)
        except Exception:  # of this thread nobody else would hear
            log.exception("Files below %s cannot be merged.", self._folder)

    def _merge(self, hour: Path, last: int, least: int) -> None:
        """Puts this writer's files of one block into one file, from so many on; not what is large already."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        own = [each for each in _listed(hour) if each.writer == self._writer]
        small = [each for each in own if each.first == each.last <= last]
        if len(small) < least or sum(each.path.stat().st_size for each in small) > MERGED_BYTES:
            return
        merged = pa.concat_tables([pq.read_table(each.path, partitioning=None) for each in small])
        write_bytes(hour / f"{self._writer}-{small[0].first}-{small[-1].last}.parquet", _encoded(merged))
        for each in small:
            each.path.unlink()

    def _forget(self, now: datetime) -> None:
        if self._days is None:
            return
        oldest = f"date={now - timedelta(days=self._days):%Y-%m-%d}"
        for day in self._folder.glob("date=*"):
            if day.name < oldest:
                shutil.rmtree(day, ignore_errors=True)


def files_of(folder: Path, since: datetime | None = None, until: datetime | None = None) -> list[Path]:
    """The files that hold every block of a time once, the oldest hour first.

    Args:
        folder: of a :class:`RollingParquet`.
        since: UTC; hours before its hour are left out.
        until: UTC; hours after its hour are left out.
    """
    return [each.path for hour in _hours(folder, since, until) for each in _once(_listed(hour))]


def _hours(folder: Path, since: datetime | None, until: datetime | None) -> list[Path]:
    named = [(f"{hour.parent.name}/{hour.name}", hour) for hour in sorted(folder.glob("date=*/hour=*"))]
    low = f"date={since:%Y-%m-%d}/hour={since:%H}" if since else ""
    high = f"date={until:%Y-%m-%d}/hour={until:%H}" if until else "e"
    return [hour for name, hour in named if low <= name <= high]


def tables(folder: Path, since: datetime | None = None, until: datetime | None = None, **how: Any) -> "list[pa.Table]":
    """The tables of :func:`files_of`; listed anew where a file was merged or deleted before it was opened.

    Args:
        folder: of a :class:`RollingParquet`.
        since: UTC; hours before its hour are left out.
        until: UTC; hours after its hour are left out.
        how: arguments of ``pyarrow.parquet.read_table``.
    """
    for attempt in range(ATTEMPTS):
        try:
            return [_table(path, **how) for path in files_of(folder, since, until)]
        except FileNotFoundError:
            if attempt == ATTEMPTS - 1:
                raise
    return []


def each_table(
    folder: Path, since: datetime | None = None, until: datetime | None = None, **how: Any
) -> "Iterator[pa.Table]":
    """The same, a file at a time, for what does not fit into memory: every row is told once."""
    for hour in _hours(folder, since, until):
        told: dict[Blocks, int] = {}
        while fresh := [each for each in _once(_listed(hour)) if not any(each.within(other) for other in told)]:
            with contextlib.suppress(FileNotFoundError):  # merged meanwhile: the hour is listed again
                for each in fresh:
                    table = _table(each.path, **how)
                    begun = [other for other in told if other.within(each)]  # a merged file begins with what was told
                    yield table.slice(sum(told.pop(other) for other in begun))
                    told[each] = len(table)


def _table(path: Path, **how: Any) -> "pa.Table":
    import pyarrow.parquet as pq

    return pq.read_table(path, partitioning=None, **how)


def now() -> datetime:
    """UTC."""
    return datetime.now(UTC)


def _once(files: list[Blocks]) -> Iterator[Blocks]:
    for each in files:
        if not any(each.within(other) for other in files if other is not each):
            yield each


def _listed(hour: Path) -> list[Blocks]:
    found = [(path, NAME.fullmatch(path.name)) for path in hour.glob("*.parquet")]
    files = [Blocks(path, match[1], int(match[2]), int(match[3])) for path, match in found if match]
    return sorted(files, key=lambda each: (each.writer, each.first, each.last))


def _encoded(table: "pa.Table") -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())
