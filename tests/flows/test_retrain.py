"""The flow on a line of four trivial stages: real DVC, a real Prefect server, real processes.

Its stages make no model, so every run that gets through them ends at register, which says so.
"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from components.settings import Settings
from flows.ports import free_port
from flows.runs import Run, Runs
from tests.flows.toy import begun, edit, environment, start, tunesmith

pytestmark = pytest.mark.slow


def states(root: Path) -> dict[str, str]:
    """How each stage of the last run ended."""
    return {result.stage: result.state for result in last(root).stages}


def last(root: Path) -> Run:
    run = Runs(root / ".tunesmith").last()
    assert run is not None
    return run


def prefect(root: Path, query: str) -> list[tuple[Any, ...]]:
    """What the embedded Prefect server has kept."""
    with contextlib.closing(sqlite3.connect(root / ".tunesmith/prefect/prefect.db")) as database:
        return database.execute(query).fetchall()


def wait_until(condition: Callable[[], object], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def processes_in(root: Path) -> list[str]:
    """The command lines of all other processes that are at work in a folder."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if Path(process.cwd()) == root and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found


@pytest.fixture
def nothing_left(new_line: Path) -> Iterator[None]:
    """Makes sure that a test leaves no process behind."""
    yield
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not processes_in(new_line), 10)
    assert processes_in(new_line) == []


def test_stages_run_along_the_graph_and_never_twice(new_line: Path, nothing_left: None) -> None:
    first = tunesmith(new_line, "run")
    assert first.returncode == 1
    assert "Traceback" not in first.stdout + first.stderr
    order = begun(new_line)
    assert sorted(order[:2]) == ["champion", "source"]
    assert order[2:] == ["model", "score"]
    assert states(new_line) == {
        "source": "ran",
        "champion": "ran",
        "model": "ran",
        "score": "ran",
        "register": "failed",
        "gate": "not reached",
        "promote": "not reached",
    }
    assert last(new_line).sentence in first.stderr, "the run ends with the reason"
    assert "dvc.lock" in last(new_line).sentence
    assert "source    | source made its output" in first.stdout, "what a stage says is shown as it says it"

    assert prefect(new_line, "select state_type from flow_run") == [("FAILED",)]
    tasks = dict(prefect(new_line, "select name, state_name from task_run"))
    assert tasks == dict.fromkeys(order, "Completed") | {"register": "Failed"}
    logs = [message for (message,) in prefect(new_line, "select message from log")]
    assert "model made its output" in logs
    assert "a word of model on stderr" in logs
    artifacts = dict(prefect(new_line, "select key, data from artifact"))
    assert "model made its output" in artifacts["model"]

    second = tunesmith(new_line, "run")
    assert begun(new_line) == order, "nothing ran again"
    assert "model     unchanged" in second.stdout
    assert states(new_line)["champion"] == "unchanged"
    cached = prefect(new_line, "select count(*) from task_run where state_name = 'Cached'")
    assert cached == [(4,)]


def test_only_what_changed_runs_and_the_champion_is_asked_again(line: Path) -> None:
    order = begun(line)
    edit(line / "params.yaml", "  epochs: 6", "  epochs: 7")
    tunesmith(line, "run")
    assert states(line) == {
        "source": "unchanged",
        "champion": "ran",
        "model": "ran",
        "score": "ran",
        "register": "failed",
        "gate": "not reached",
        "promote": "not reached",
    }
    assert sorted(begun(line)[len(order) :]) == ["champion", "model", "score"]

    edit(line / "params.yaml", "  epochs: 7", "  epochs: 6")
    tunesmith(line, "run")
    assert states(line)["model"] == "restored", "DVC had kept what came of these inputs"
    assert begun(line)[len(order) + 3 :] == ["champion"]
    assert (line / "data/model/value").read_text() == "model 6"


def test_a_failed_stage_stops_the_line_and_can_be_tried_again(new_line: Path, nothing_left: None) -> None:
    (new_line / "model.fail").touch()
    failed = tunesmith(new_line, "run")
    assert failed.returncode == 1
    assert failed.stderr == "model: row 7 has no label.\nGive it one.\n"
    assert states(new_line)["model"] == "failed"
    assert states(new_line)["score"] == "not reached"
    assert last(new_line).outcome == "failed"

    tunesmith(new_line, "run")
    assert states(new_line)["source"] == "unchanged"
    assert states(new_line)["score"] == "ran"


def test_a_stage_is_tried_as_often_as_asked_for(new_line: Path, nothing_left: None) -> None:
    (new_line / "source.fail").touch()
    tunesmith(new_line, "run", "--retries", "1")
    assert begun(new_line).count("source") == 2
    assert states(new_line)["score"] == "ran"


def test_a_fault_that_nobody_foresaw_is_told_with_the_place_of_the_log(new_line: Path, nothing_left: None) -> None:
    (new_line / "source.crash").touch()
    failed = tunesmith(new_line, "run")
    assert failed.stderr == (
        "source: it ended with an error that it does not explain: ValueError: nobody foresaw this\n"
        "Its whole output is in .tunesmith/logs/source.log.\n"
    )
    assert "Traceback" in (new_line / ".tunesmith/logs/source.log").read_text()


def test_killed_and_started_again(new_line: Path, nothing_left: None) -> None:
    (new_line / "model.wait").touch()
    killed = start(new_line, "run")
    wait_until(lambda: "model" in begun(new_line))
    killed.kill()
    killed.wait()
    wait_until(lambda: not processes_in(new_line), 15)
    assert not (new_line / "data/model").exists()
    (new_line / ".dvc/tmp/rwlock").write_text("")  # what a process leaves that is killed while it writes

    (new_line / "model.wait").unlink()
    tunesmith(new_line, "run")
    assert states(new_line)["source"] == "unchanged", "what was finished is kept"
    assert states(new_line)["score"] == "ran"
    assert begun(new_line).count("model") == 2
    crashed, failed = prefect(new_line, "select state_type from flow_run order by created")
    assert (crashed, failed) == (("CRASHED",), ("FAILED",)), "the killed run got an end"


def test_interrupted_by_the_user(new_line: Path, nothing_left: None) -> None:
    (new_line / "model.wait").touch()
    stopped = start(new_line, "run", "--retries", "3")
    wait_until(lambda: "model" in begun(new_line))
    stopped.send_signal(signal.SIGINT)
    output, _ = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert "Traceback" not in output
    assert output.rstrip().endswith("Stopped. What was finished is kept, and the next run goes on from there.")
    assert last(new_line).outcome == "interrupted"
    assert begun(new_line).count("model") == 1, "a stage that was stopped is not tried again"


def test_two_runs_at_once(new_line: Path, nothing_left: None) -> None:
    for stage in ("source", "champion"):
        (new_line / f"{stage}.wait").touch()
    first = start(new_line, "run")
    wait_until(lambda: len(begun(new_line)) == 2)  # side by side, since neither reads from the other
    second = tunesmith(new_line, "run")
    assert second.returncode == 1
    assert second.stderr.startswith(f"Another run (process {first.pid}, since ")
    assert f"process {first.pid}" in tunesmith(new_line, "why").stderr
    for stage in ("source", "champion"):
        (new_line / f"{stage}.wait").unlink()
    first.communicate(timeout=120)
    assert states(new_line)["score"] == "ran"


@contextlib.contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ui",
    ]
    more = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    home.mkdir()
    server = subprocess.Popen(
        command, env=environment(**more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}/api"
    try:
        wait_until(lambda: _healthy(address), 180)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _healthy(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{address}/health").is_success
    return False


def test_against_a_prefect_server(line: Path, tmp_path: Path) -> None:
    with prefect_server(tmp_path / "server") as address:
        tunesmith(line, "run", TUNESMITH_PREFECT_API_URL=address)
        flows = httpx.post(f"{address}/flow_runs/filter", json={}).json()
        tasks = httpx.post(f"{address}/task_runs/filter", json={}).json()
    assert [run["state_type"] for run in flows] == ["FAILED"]
    assert {task["name"]: task["state_name"] for task in tasks} == {
        "source": "Cached",
        "champion": "Cached",
        "model": "Cached",
        "score": "Cached",
        "register": "Failed",
    }
    assert not (Settings(home=line / ".tunesmith").home / "prefect/prefect.db").exists(), "no server of its own"
