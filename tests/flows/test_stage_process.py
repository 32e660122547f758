"""What a run hears of a stage."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from components.errors import StageCutOff, StageFailed
from components.settings import Settings
from flows.stage_process import _Lines, reproduce_stage
from tests.flows.toy import environment
from tests.small_disk import on_a_small_disk


def test_a_log_on_a_full_disk_ends_no_listening() -> None:
    heard: list[str] = []
    log = Path("/dev/full").open("w", buffering=1, encoding="utf-8")  # noqa: SIM115  its end raises, too
    lines = _Lines(heard.append, log)
    lines.follow(StringIO("first\nsecond\n"))
    assert lines.lines == ["first", "second"]
    assert heard == ["Its log cannot be written any more: [Errno 28] No space left on device", "first", "second"]
    with pytest.raises(OSError, match="No space left"):
        log.close()


def test_a_stage_that_the_registry_failed_is_told_from_one_that_failed_by_itself(
    new_line: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    settings = Settings(home=new_line / ".tunesmith")
    (new_line / "source.fail").touch()
    with pytest.raises(StageFailed, match=r"source: row 7 has no label\.") as failed:
        reproduce_stage("source", settings, print)
    assert not isinstance(failed.value, StageCutOff), "a poisoned batch is no outage"
    (new_line / "source.away").touch()
    with pytest.raises(StageCutOff, match=r"^source: The registry is away\.$"):
        reproduce_stage("source", settings, print)


def test_a_full_disk_is_a_sentence_also_where_dvc_finds_it(new_line: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    script = """cp -r "$2/." "$1"; cd "$1"
        cat /dev/zero > filler 2>/dev/null || exec "$3" -m flows.stage_reproduction source --parent "$4" """
    ended = subprocess.run(
        on_a_small_disk("2m", script, small, new_line, sys.executable, os.getpid()),
        env=environment(DVC_SITE_CACHE_DIR=str(small / "dvc")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("source: The disk is full (")
    assert "Traceback" not in ended.stderr
