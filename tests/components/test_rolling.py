"""Parquet that grows: whole at any time, merged as it ages, deleted when it is old."""

import multiprocessing
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import rolling
from components.files import write_text
from components.rolling import BLOCKS, MERGED_BYTES, RollingParquet, each_table, files_of, tables

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FEW = 8
"""Blocks, so large that it takes a while to merge them."""


def block(number: int) -> pa.Table:
    return pa.table({"number": [number]})


def write(writer: RollingParquet, number: int, now: datetime = NOON) -> None:
    """Writes a block, and lets what there is to merge be merged."""
    writer.write(block(number), now)
    writer.settle()


def numbers(folder: Path, since: datetime | None = None, until: datetime | None = None) -> list[int]:
    return sorted(
        number
        for path in files_of(folder, since, until)
        for number in pq.read_table(path, partitioning=None)["number"].to_pylist()
    )


def test_every_block_is_there_at_once_and_files_stay_few(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=30)
    for number in range(2 * BLOCKS + 5):
        write(writer, number)
        assert len(numbers(tmp_path)) == number + 1
    assert len(files_of(tmp_path)) == 2 + 5
    write(writer, -1, NOON + timedelta(hours=1))
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
        write(writer, number)
    small = {path: path.read_bytes() for path in files_of(tmp_path)}
    write(writer, BLOCKS - 1)
    for path, content in small.items():
        path.write_bytes(content)
    assert numbers(tmp_path) == list(range(BLOCKS))


def test_days_that_are_over_are_deleted(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=2)
    for day in range(5):
        write(writer, day, NOON + timedelta(days=day))
    assert numbers(tmp_path) == [2, 3, 4]


def test_several_writers_share_a_folder_and_a_writer_several_threads(tmp_path: Path) -> None:
    writers = [RollingParquet(tmp_path, days=30) for _ in range(2)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: writers[number % 2].write(block(number), NOON), range(300)))
    for writer in writers:
        writer.settle()
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
    write(writer, 0)
    (damaged,) = files_of(tmp_path)
    whole = damaged.read_bytes()
    damaged.write_bytes(b"damaged")
    for number in range(1, BLOCKS + 3):
        write(writer, number)
    assert "cannot be merged" in caplog.text
    damaged.write_bytes(whole)
    assert numbers(tmp_path) == list(range(BLOCKS + 3))
    write(writer, BLOCKS + 3)
    assert numbers(tmp_path) == list(range(BLOCKS + 4))
    assert len(files_of(tmp_path)) == 1


def test_what_is_large_already_is_not_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.rolling.MERGED_BYTES", 1000)
    writer = RollingParquet(tmp_path, days=30)
    for number in range(BLOCKS + 1):
        write(writer, number)
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


def test_a_walk_tells_every_row_once_though_files_are_merged_meanwhile(tmp_path: Path) -> None:
    writer = RollingParquet(tmp_path, days=30)
    for number in range(BLOCKS - 1):
        write(writer, number)
    walk = each_table(tmp_path)
    found = [next(walk) for _ in range(5)]
    write(writer, BLOCKS - 1)
    assert len(files_of(tmp_path)) == 1, "the files that were listed are gone"
    found += walk
    assert [number for table in found for number in table["number"].to_pylist()] == list(range(BLOCKS))


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


def large(number: int) -> pa.Table:
    return pa.table({"number": [number], "filler": [os.urandom(MERGED_BYTES // 9)]})


def merged(folder: Path, names: str = "*.parquet") -> bool:
    """Whether files of several blocks are there under such names."""
    found = [re.fullmatch(r"\.?[0-9a-f]+-(\d+)-(\d+)\.parquet.*", path.name) for path in folder.rglob(names)]
    return any(match and match[1] != match[2] for match in found)


def test_who_writes_does_not_wait_for_a_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.rolling.BLOCKS", FEW)
    writer, number = RollingParquet(tmp_path, days=30), 0
    for number in range(FEW):
        writer.write(large(number), NOON)
    while not merged(tmp_path):
        number += 1
        writer.write(block(number), NOON)
    assert number >= FEW, "56 MiB are not merged in no time"
    writer.settle()
    assert numbers(tmp_path) == list(range(number + 1))


def merge_for_ever(folder: Path) -> None:
    rolling.BLOCKS = FEW
    writer = RollingParquet(folder, days=30)
    for number in range(10**6):
        writer.write(large(number) if number < FEW else block(number), NOON)
        write_text(folder / "said", str(number))


@pytest.mark.parametrize("seen", [".*.parquet.*", "*.parquet"], ids=["while it is written", "before the others go"])
def test_killed_in_a_merge_it_has_every_row_once(tmp_path: Path, seen: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=merge_for_ever, args=(tmp_path,))
    process.start()
    while not merged(tmp_path, seen):
        time.sleep(0.0005)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    found = numbers(tmp_path)
    assert found == list(range(len(found)))
    assert len(found) > int((tmp_path / "said").read_text())
