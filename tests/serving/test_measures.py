"""Where workers share their measures: out of reach of a full disk, of one server, and gone with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.processes import start_ticks
from serving import measures
from serving.measures import MEMORY, PREFIX, VARIABLE, join_measures
from tests.small_disk import on_a_small_disk

ON_A_FULL_DISK = """
import os, sys
from pathlib import Path
from serving.measures import join_measures
from serving.metrics import Metrics

home = Path(sys.argv[1])
joined = join_measures(os.getpid(), home)
try:
    with (home / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
except OSError as error:
    print(error.strerror)
metrics = Metrics()
for number in range(2000):
    metrics.answered(f"/route/{number}", 200, 0.1)
joined.leave()
"""
JOINED = """
import os, time
from pathlib import Path
from serving.measures import join_measures

print(join_measures(os.getpid(), Path("unused")).folder, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the variable as it was before, afterwards."""
    monkeypatch.setenv(VARIABLE, "")


@pytest.fixture
def killed() -> Iterator[Path]:
    """The folder of a server that was killed."""
    with subprocess.Popen([sys.executable, "-c", JOINED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        assert folder.parent == MEMORY
        os.kill(process.pid, signal.SIGKILL)
    yield folder


def test_a_full_disk_ends_no_worker(tmp_path: Path) -> None:
    ended = subprocess.run(
        on_a_small_disk("256k", 'exec "$2" -c "$3" "$1"', tmp_path, sys.executable, ON_A_FULL_DISK),
        env=os.environ | {VARIABLE: str(tmp_path)},  # as BentoML sets it
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "No space left on device\n"


def test_the_last_worker_takes_the_folder_with_it(tmp_path: Path) -> None:
    workers = [join_measures(os.getpid(), tmp_path) for _ in "ab"]
    folder = workers[0].folder
    assert folder == workers[1].folder == MEMORY / f"{PREFIX}{os.getpid()}-{start_ticks(os.getpid())}"
    assert os.environ[VARIABLE] == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    workers[0].leave()
    assert folder.exists()
    workers[1].leave()
    assert not folder.exists()


def test_what_a_killed_server_has_left_is_removed_by_the_next_and_nothing_else(killed: Path, tmp_path: Path) -> None:
    own = join_measures(os.getpid(), tmp_path)
    (own.folder / "counter_1.db").touch()
    assert not killed.exists()
    other = join_measures(os.getppid(), tmp_path)
    assert (own.folder / "counter_1.db").exists(), "it is of a server that lives"
    other.leave()
    own.leave()


def test_a_folder_that_others_may_write_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    theirs = MEMORY / f"{PREFIX}{os.getpid()}-{start_ticks(os.getpid())}"
    theirs.mkdir()
    theirs.chmod(0o777)
    try:
        joined = join_measures(os.getpid(), tmp_path)
    finally:
        theirs.rmdir()
    assert joined.folder == tmp_path / measures.ON_DISK
    assert joined.folder.is_dir()
    assert "a full disk ends workers" in caplog.text
    joined.leave()
