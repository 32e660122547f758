"""Parquet that grows: whole at any time, merged as it ages, deleted when it is old."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.rolling import BLOCKS, RollingParquet, files_of, tables

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def block(number: int) -> pa.Table:
    return pa.table({"number": [number]})


def numbers(folder: Path, since: datetime | None = None, until: datetime | None = None) -> list[int]:
    return sorted(
        number
        for path in files_of(folder, since, until)
        for number in pq.read_table(path, partitioning=None)["number"].to_pylist()
    )


def test_every_block_is_there_at_once_and_files_stay_few(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=30)
    for number in range(2 * BLOCKS + 5):
        writer.write(block(number), NOON)
        assert len(numbers(tmp_path)) == number + 1
    assert len(files_of(tmp_path)) == 2 + 5
    writer.write(block(-1), NOON + timedelta(hours=1))
    assert len(files_of(tmp_path)) == 2 + 1 + 1, "the rest of an hour is merged when it is over"
    assert numbers(tmp_path) == list(range(-1, 2 * BLOCKS + 5))


def test_hours_are_chosen_by_time(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=30)
    for hour in range(4):
        writer.write(block(hour), NOON + timedelta(hours=hour, minutes=30))
    assert numbers(tmp_path, since=NOON + timedelta(hours=1, minutes=59)) == [1, 2, 3]
    assert numbers(tmp_path, until=NOON + timedelta(hours=1)) == [0, 1]


def test_what_was_merged_is_not_read_twice_where_a_kill_left_both(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=30)
    for number in range(BLOCKS - 1):
        writer.write(block(number), NOON)
    small = {path: path.read_bytes() for path in files_of(tmp_path)}
    writer.write(block(BLOCKS - 1), NOON)
    for path, content in small.items():
        path.write_bytes(content)
    assert numbers(tmp_path) == list(range(BLOCKS))


def test_days_that_are_over_are_deleted(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=2)
    for day in range(5):
        writer.write(block(day), NOON + timedelta(days=day))
    assert numbers(tmp_path) == [2, 3, 4]


def test_several_writers_share_a_folder_and_a_writer_several_threads(tmp_path: Path) -> None:
    writers = [RollingParquet(tmp_path, days=30) for _ in range(2)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: writers[number % 2].write(block(number), NOON), range(300)))
    assert numbers(tmp_path) == list(range(300))


def test_a_disk_that_takes_nothing_leaves_nothing_half_written(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=30)
    writer.write(block(0), NOON)
    hour = files_of(tmp_path)[0].parent
    hour.rename(tmp_path / "aside")
    hour.write_text("in the way")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        writer.write(block(1), NOON)
    hour.unlink()
    (tmp_path / "aside").rename(hour)
    writer.write(block(2), NOON)
    assert numbers(tmp_path) == [0, 2]


def test_a_merge_that_fails_costs_no_row_and_doubles_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = RollingParquet(tmp_path, days=30)
    writer.write(block(0), NOON)
    (damaged,) = files_of(tmp_path)
    whole = damaged.read_bytes()
    damaged.write_bytes(b"damaged")
    for number in range(1, BLOCKS + 3):
        writer.write(block(number), NOON)
    assert "cannot be merged" in caplog.text
    damaged.write_bytes(whole)
    assert numbers(tmp_path) == list(range(BLOCKS + 3))
    writer.write(block(BLOCKS + 3), NOON)
    assert numbers(tmp_path) == list(range(BLOCKS + 4))
    assert len(files_of(tmp_path)) == 1


def test_what_is_large_already_is_not_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.rolling.MERGED_BYTES", 1000)
    writer = RollingParquet(tmp_path, days=30)
    for number in range(BLOCKS + 1):
        writer.write(block(number), NOON)
    assert len(files_of(tmp_path)) == BLOCKS + 1


def test_a_reader_sees_every_block_while_a_writer_merges(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=30)
    with ThreadPoolExecutor(1) as threads:
        written = threads.submit(lambda: [writer.write(block(number), NOON) for number in range(3 * BLOCKS)])
        seen = 0
        while not written.done():
            found = sorted(number for table in tables(tmp_path) for number in table["number"].to_pylist())
            assert found == list(range(len(found)))
            assert len(found) >= seen
            seen = len(found)
        written.result()
    assert seen > 0


def write_for_ever(folder: Path) -> None:
    writer = RollingParquet(folder, days=30)
    for number in range(10**6):
        writer.write(block(number), NOON)
        (folder / "said").write_text(str(number))


def test_killed_at_any_moment_it_has_every_block_that_was_written(tmp_path: Path) -> None:
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        process = multiprocessing.get_context("spawn").Process(target=write_for_ever, args=(folder,))
        process.start()
        while not (folder / "said").exists():
            time.sleep(0.01)
        time.sleep(0.05 + 0.11 * attempt)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        said = int((folder / "said").read_text() or 0)
        found = numbers(folder)
        assert found == list(range(len(found)))
        assert len(found) >= said
