"""The deployments of one process: what happens by an event, and what becomes of a run that is killed.

The stages of the line are trivial, so a run that gets through them ends at register, which says so.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from components.errors import SettingsError
from components.processes import start_ticks
from components.settings import Settings
from flows.deployments import alone
from flows.endings import read_endings
from tests.flows.loop import Loop, runs, wait_until
from tests.flows.toy import begun, environment, make_line
from tests.prefect_server import asked

WAIT = timedelta(minutes=5)


@pytest.fixture
def loop(tmp_path: Path, prefect_database: Path) -> Iterator[Loop]:
    made = Loop(make_line(tmp_path / "line"), prefect_database)
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_event_starts_a_retraining_and_a_killed_one_is_begun_again(loop: Loop) -> None:
    (loop.root / "model.wait").touch()
    loop.emit("the light has changed")
    wait_until(lambda: "model" in begun(loop.root), "a run has begun")
    (run,) = runs(loop.root)
    assert run.reason == "the light has changed"
    assert (run.outcome, run.ended) == (None, None)
    os.kill(run.process, signal.SIGKILL)
    wait_until(lambda: len(runs(loop.root)) == 2, "it is begun again")
    (loop.root / "model.wait").unlink()
    wait_until(lambda: runs(loop.root)[1].ended is not None, "it ends")
    again = runs(loop.root)[1]
    assert again.reason == run.reason
    states = {stage.stage: stage.state for stage in again.stages}
    assert (states["source"], states["model"], states["score"]) == ("unchanged", "ran", "ran"), "what had ended is kept"


def flow_runs(loop: Loop) -> list[tuple[str, str]]:
    """Kind and message of the state of each run of ``retrain``."""
    question = {"flows": {"name": {"any_": ["retrain"]}}, "sort": "EXPECTED_START_TIME_ASC"}
    found = asked(f"{loop.address}/flow_runs/filter", question)
    return [(run["state"]["type"], run["state"]["message"] or "") for run in found]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_under_way_at_the_end_is_told_and_gone_on_with_at_the_next_start(loop: Loop) -> None:
    (loop.root / "model.wait").touch()
    loop.emit("the light has changed")
    wait_until(lambda: "model" in begun(loop.root), "a run has begun")

    loop.deployments.send_signal(signal.SIGTERM)
    assert loop.deployments.wait(timeout=25) == 0, "sooner than tunesmith down would kill it"
    (run,) = runs(loop.root)
    assert (run.outcome, run.ended is not None) == ("interrupted", True), "its journal has an end"
    ended, planned = flow_runs(loop)
    assert ended[0] == "CANCELLED", flow_runs(loop)
    assert planned[0] == "SCHEDULED", flow_runs(loop)
    assert "which was stopped" in planned[1]
    assert b"Traceback" not in (loop.root / "loop.log").read_bytes()

    loop.begin()
    wait_until(lambda: len(runs(loop.root)) == 2, "it is gone on with")
    (loop.root / "model.wait").unlink()
    wait_until(lambda: runs(loop.root)[1].ended is not None, "it ends")
    again = runs(loop.root)[1]
    assert again.reason == run.reason
    states = {stage.stage: stage.state for stage in again.stages}
    assert (states["source"], states["model"]) == ("unchanged", "ran"), "what had ended is kept"
    assert len(flow_runs(loop)) == 2, "once, and not twice"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_is_ended_also_where_the_server_is_gone(loop: Loop) -> None:
    (loop.root / "model.wait").touch()
    loop.emit("the light has changed")
    wait_until(lambda: "model" in begun(loop.root), "a run has begun")
    (run,) = runs(loop.root)
    loop.server.kill()
    loop.server.wait()
    loop.deployments.send_signal(signal.SIGTERM)
    assert loop.deployments.wait(timeout=25) == 1
    wait_until(lambda: start_ticks(run.process) is None, "the run is ended", 60)
    assert b"The runs cannot be stopped in good order and are killed: " in (loop.root / "loop.log").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_of_another_clone_is_left_alone_and_ones_own_is_begun_again(loop: Loop, tmp_path: Path) -> None:
    (loop.root / "model.wait").touch()
    loop.emit("the light has changed")
    wait_until(lambda: "model" in begun(loop.root), "a run has begun")
    (run,) = runs(loop.root)

    def registered() -> str:
        return str(asked(f"{loop.address}/deployments/name/monitor/digits")["updated"])

    before, clone = registered(), make_line(tmp_path / "clone")
    other = subprocess.Popen([sys.executable, "-m", "flows.deployments"], cwd=clone, env=loop.environment)
    try:
        wait_until(lambda: registered() != before, "the other clone has begun")
        assert [kind for kind, _ in flow_runs(loop)] == ["RUNNING"], "a run that lives is not closed"
    finally:
        other.terminate()
        other.wait(timeout=60)
    loop.deployments.kill()
    loop.deployments.wait()
    os.kill(run.process, signal.SIGKILL)
    loop.begin()
    wait_until(lambda: len(flow_runs(loop)) == 2, "it is begun again")
    assert flow_runs(loop)[0] == ("CRASHED", "The process that ran it was killed. It is begun again.")
    (loop.root / "model.wait").unlink()
    wait_until(lambda: runs(loop.root)[-1].ended is not None, "it ends")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_the_registry_fails_is_put_off_and_one_that_fails_by_itself_is_not(loop: Loop) -> None:
    (loop.root / "model.fail").touch()
    loop.emit("a wrong row")
    wait_until(lambda: [kind for kind, _ in flow_runs(loop)] == ["FAILED"], "it fails")
    (loop.root / "model.away").touch()
    loop.emit("the light has changed")
    wait_until(lambda: len(flow_runs(loop)) == 3, "a run is planned")
    wrong, failed, planned = found = flow_runs(loop)
    assert (wrong[0], failed[0], planned[0]) == ("FAILED", "FAILED", "SCHEDULED"), found
    assert "which failed: model: The registry is away." in planned[1]
    question = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}, "tags": {"all_": ["put off 1 times"]}}}
    (run,) = asked(f"{loop.address}/flow_runs/filter", question)
    wait = datetime.fromisoformat(run["expected_start_time"]) - datetime.fromisoformat(run["created"])
    assert wait == pytest.approx(WAIT, abs=timedelta(seconds=30))
    assert run["parameters"]["reason"] == "the light has changed", "the event is not used up"
    assert [run.outcome for run in runs(loop.root)] == ["failed", "failed"]
    told = {ending.flow: ending for ending in read_endings(loop.root / ".tunesmith")}["retrain"]
    assert (told.state, told.why, told.completed) == ("Failed", "model: The registry is away.", None)


def test_times_that_cannot_be_read_are_a_sentence() -> None:
    from flows.deployed import deployed, schedule

    assert schedule("SWEEP", "never") == {}
    with pytest.raises(SettingsError, match=r"TUNESMITH_RETRAIN_CRON='daily at three' is no schedule"):
        deployed(Settings(retrain_cron="daily at three"), "digits")


def test_a_second_process_of_the_deployments_is_refused(new_line: Path) -> None:
    program = "from components.settings import load_settings; from flows.deployments import alone\n"
    program += "with alone(load_settings()): print('it holds them', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "it holds them\n"
        second = subprocess.run(
            [sys.executable, "-m", "flows.deployments"], env=environment(), check=False, capture_output=True, text=True
        )
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.startswith(f"The flows of {new_line} are run already: by 'tunesmith up'")
        first.kill()
    with alone(Settings(home=new_line / ".tunesmith")):
        pass  # the kernel has let go of them
