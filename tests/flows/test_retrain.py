"""The flow on a line of four trivial stages: real DVC, a real Prefect server, real processes.

Its stages make no model, so every run that gets through them ends at register, which says so.
"""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.runs import Run, Runs
from tests.flows.toy import begun, edit, start, tunesmith
from tests.prefect_server import asked, give_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


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


def wait_until(condition: Callable[[], object], seconds: float = 240) -> None:
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
        wait_until(lambda: not processes_in(new_line), 60)
    assert processes_in(new_line) == []


@pytest.fixture
def own_database(new_line: Path, prefect_database: Path) -> None:
    """Spares the server that a run starts by itself the making of its database."""
    give_database(prefect_database, new_line / ".tunesmith/prefect")


def test_a_failed_stage_stops_the_line_and_the_next_run_goes_on_from_there(new_line: Path, nothing_left: None) -> None:
    (new_line / "model.fail").touch()
    failed = tunesmith(new_line, "run")
    assert failed.returncode == 1
    assert failed.stderr == "model: row 7 has no label.\nGive it one.\n"
    assert states(new_line) == {
        "source": "ran",
        "champion": "ran",
        "model": "failed",
        "score": "not reached",
        "register": "not reached",
        "gate": "not reached",
        "promote": "not reached",
    }
    assert last(new_line).outcome == "failed"

    second = tunesmith(new_line, "run")
    assert second.returncode == 1
    assert last(new_line).sentence in second.stderr, "the run ends with the reason"
    assert "dvc.lock" in last(new_line).sentence, "register finds no model"
    assert "Traceback" not in second.stdout + second.stderr
    assert "model     | model made its output" in second.stdout, "what a stage says is shown as it says it"
    order = begun(new_line)
    assert sorted(order[:3]) == ["champion", "model", "source"]
    assert order.index("source") < order.index("model"), "the champion is asked for beside them"
    assert order[5:] == ["score"]
    assert sorted(order[3:5]) == ["champion", "model"], "the champion is asked for again, the source is not"
    assert states(new_line)["source"] == "unchanged"
    assert states(new_line)["register"] == "failed"

    tasks = prefect(new_line, "select name, state_name from task_run order by created")
    assert set(tasks[-5:]) == {
        ("source", "Cached"),
        ("champion", "Completed"),
        ("model", "Completed"),
        ("score", "Completed"),
        ("register", "Failed"),
    }
    assert prefect(new_line, "select distinct state_type from flow_run") == [("FAILED",)]
    logs = [message for (message,) in prefect(new_line, "select message from log")]
    assert "model made its output" in logs
    assert "a word of model on stderr" in logs
    artifacts = dict(prefect(new_line, "select key, data from artifact"))
    assert "model made its output" in artifacts["model"]


@pytest.mark.usefixtures("own_database")
def test_killed_and_started_again(new_line: Path, nothing_left: None) -> None:
    (new_line / "model.wait").touch()
    killed = start(new_line, "run")
    wait_until(lambda: "model" in begun(new_line))
    killed.kill()
    killed.wait()
    wait_until(lambda: not processes_in(new_line), 60)
    assert not (new_line / "data/model").exists()
    assert last(new_line).ended is None
    (new_line / ".dvc/tmp/rwlock").write_text("")  # what a process leaves that is killed while it writes

    (new_line / "model.wait").unlink()
    tunesmith(new_line, "run")
    assert states(new_line)["source"] == "unchanged", "what was finished is kept"
    assert states(new_line)["score"] == "ran"
    assert begun(new_line).count("model") == 2
    ends = [state for (state,) in prefect(new_line, "select state_type from flow_run order by created")]
    assert ends == ["CRASHED", "FAILED"], "the killed run got an end"


def test_only_what_changed_runs_and_the_champion_is_asked_again(line: Path, prefect_api: str) -> None:
    before = begun(line)
    since = datetime.now(UTC)
    edit(line / "params.yaml", "  epochs: 6", "  epochs: 7")
    (line / "score.crash").touch()
    failed = tunesmith(line, "run", TUNESMITH_PREFECT_API_URL=prefect_api)
    assert failed.stderr == (
        "score: it ended with an error that it does not explain: ValueError: nobody foresaw this\n"
        "Its whole output is in .tunesmith/logs/score.log.\n"
    )
    assert "Traceback" in (line / ".tunesmith/logs/score.log").read_text()
    assert states(line)["source"] == "unchanged"
    assert sorted(begun(line)[len(before) :]) == ["champion", "model", "score"]

    edit(line / "params.yaml", "  epochs: 7", "  epochs: 6")
    (line / "champion.fail").touch()
    tunesmith(line, "run", "--retries", "1", TUNESMITH_PREFECT_API_URL=prefect_api)
    assert begun(line)[len(before) + 3 :] == ["champion", "champion"], "a failed stage is tried again when asked for"
    assert states(line) == {
        "source": "unchanged",
        "champion": "ran",
        "model": "restored",
        "score": "restored",
        "register": "failed",
        "gate": "not reached",
        "promote": "not reached",
    }, "DVC had kept what came of these inputs"
    assert (line / "data/model/value").read_text() == "model 6"
    own = {"flow_runs": {"start_time": {"after_": since.isoformat()}}}  # the server has seen lines of other tests, too
    assert [flow["state_type"] for flow in asked(f"{prefect_api}/flow_runs/filter", own)] == ["FAILED", "FAILED"]
    assert not (line / ".tunesmith/prefect/prefect.db").exists(), "no server of its own beside the one of the settings"


def test_interrupted_by_the_user(new_line: Path, prefect_api: str, nothing_left: None) -> None:
    (new_line / "model.wait").touch()
    stopped = start(new_line, "run", "--retries", "3", TUNESMITH_PREFECT_API_URL=prefect_api)
    wait_until(lambda: "model" in begun(new_line))
    stopped.send_signal(signal.SIGINT)
    output, _ = stopped.communicate(timeout=180)
    assert stopped.returncode == 130
    assert "Traceback" not in output
    assert output.rstrip().endswith("Stopped. What was finished is kept, and the next run goes on from there.")
    assert last(new_line).outcome == "interrupted"
    assert begun(new_line).count("model") == 1, "a stage that was stopped is not tried again"


def test_two_runs_at_once(new_line: Path, prefect_api: str, nothing_left: None) -> None:
    for stage in ("source", "champion"):
        (new_line / f"{stage}.wait").touch()
    first = start(new_line, "run", TUNESMITH_PREFECT_API_URL=prefect_api)
    wait_until(lambda: len(begun(new_line)) == 2)  # side by side, since neither reads from the other
    second = tunesmith(new_line, "run", TUNESMITH_PREFECT_API_URL=prefect_api)
    assert second.returncode == 1
    assert second.stderr.startswith(f"Another run (process {first.pid}, since ")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=180)
