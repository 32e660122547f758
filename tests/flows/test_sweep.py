"""What a person sees of a sweep, and what ``--apply`` does to params.yaml."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from components.errors import ParamsError
from components.params import load_params
from components.sweep.record import Sweep, Trial
from flows.sweep import PlainBoard, SweepBoard, apply, shown, verdict
from tests.components.sweep_functions import row
from tests.components.test_sweep_run import workspace
from tests.flows.toy import heeding_interrupts
from tests.places import REPOSITORY

SECTION = load_params(REPOSITORY / "params.yaml").sweep
RATE = "train.optimizer.learning_rate"


def trial(number: int, score: float | None, state: str = "complete", rate: float | None = None) -> Trial:
    epochs = () if score is None else (row(1, score),)
    return Trial.model_validate(
        {
            "number": number,
            "values": {} if rate is None else {RATE: rate},
            "state": state,
            "score": score,
            "best_epoch": None if score is None else 1,
            "costs": {},
            "epochs": epochs,
            "seconds": 2.0,
            "fault": None,
        }
    )


def found(*trials: Trial, winner: int | None) -> Sweep:
    assert SECTION
    return Sweep(key="0" * 16, score="accuracy", section=SECTION, seed=7, commit=None, trials=trials, winner=winner,
                 front=(), seconds=61.0, processes=1)  # fmt: skip


BETTER = found(trial(0, 0.9), trial(1, 0.95, rate=0.0123), winner=1)


def told(thing: Any) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(thing)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_the_winner_is_written_into_params_yaml_and_the_difference_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    before = (tmp_path / "params.yaml").read_text()
    console = Console(file=io.StringIO(), width=200)
    assert apply(BETTER, console)
    assert load_params().train.optimizer.learning_rate == 0.0123
    assert len(set(before.splitlines()) ^ set((tmp_path / "params.yaml").read_text().splitlines())) == 2
    output = console.file
    assert isinstance(output, io.StringIO)
    assert "learning_rate: 0.0123" in output.getvalue()
    assert not apply(BETTER, None), "there is nothing more to change"


def test_without_a_winner_nothing_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    with pytest.raises(ParamsError, match="No trial came to a score"):
        apply(found(trial(0, None, "failed"), winner=None), None)


def test_values_that_params_yaml_no_longer_takes_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    before = (tmp_path / "params.yaml").read_text()
    with pytest.raises(ParamsError, match="learning_rate"):
        apply(found(trial(0, 0.9), trial(1, 0.95, rate=-1.0), winner=1), None)
    assert (tmp_path / "params.yaml").read_text() == before


def test_the_verdict_says_what_came_of_it_and_what_to_do() -> None:
    assert "0.9000 → 0.9500 by trial 1: learning_rate 0.0123" in verdict(BETTER)
    assert "tunesmith sweep --apply" in verdict(BETTER)
    assert "params.yaml is the best" in verdict(found(trial(0, 0.9), trial(1, 0.8, rate=1.0), winner=0))
    assert "No trial came to a score: diverged" in verdict(found(trial(0, None, "diverged"), winner=None))


def test_the_table_shows_what_runs_and_the_best_of_the_rest() -> None:
    assert SECTION
    board = SweepBoard(SECTION)
    assert "Ray is starting." in told(board)
    ended = [trial(number, 0.5 + number / 100, rate=0.1) for number in range(20)]
    for each in [*ended, trial(20, None, "running", rate=0.2)]:
        board.changed(each)
    table = told(board)
    assert "20 of at most 16 trials ended, best 0.6900 (trial 19)" in table
    assert [each.number for each in shown(tuple(board.trials.values()))] == [*range(19, 8, -1), 20]
    assert "running" in table


def test_without_a_terminal_each_end_is_a_line() -> None:
    console = Console(file=io.StringIO(), width=80)
    board = PlainBoard(console)
    for each in (trial(1, 0.5, "running", rate=0.1), trial(1, 0.75, "stopped", rate=0.1)):
        board.changed(each)
    output = console.file
    assert isinstance(output, io.StringIO)
    assert output.getvalue() == "trial 1    0.7500  stopped      learning_rate 0.1\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_flow_leaves_its_run_in_prefect_and_its_trials_in_mlflow(tmp_path: Path) -> None:
    root = workspace(tmp_path / "work", {})
    program = """
import json
from components.settings import export_environment, load_settings
settings = load_settings()
export_environment(settings)
from flows.orchestrator import prefect_server
with prefect_server(settings):
    from prefect.client.orchestration import get_client
    from flows.sweep_flow import sweep
    found = sweep()
    with get_client(sync_client=True) as client:
        runs = [(run.name, run.state_name) for run in client.read_flow_runs()]
        flows = [flow.name for flow in client.read_flows()]
from components.registry import connect
client = connect(settings)
(experiment,) = [each for each in client.search_experiments() if each.name == "digits"]
logged = [(run.info.run_name.split()[0], run.data.tags.get("mlflow.parentRunId") is not None, run.info.status,
           "validation_accuracy" in run.data.metrics) for run in client.search_runs([experiment.experiment_id])]
print(json.dumps({"trials": len(found.trials), "runs": runs, "flows": flows, "logged": logged}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["trials"] == 4
    assert said["flows"] == ["sweep"]
    assert [state for _, state in said["runs"]] == ["Completed"]
    assert sorted(said["logged"]) == [["sweep", False, "FINISHED", False], *[["trial", True, "FINISHED", True]] * 4]


def left_of_group(group: int, seconds: float) -> list[list[str]]:
    """The commands of a process group that have not ended after some time."""
    deadline = time.monotonic() + seconds
    while (left := commands_of_group(group)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def commands_of_group(group: int) -> list[list[str]]:
    found = []
    for each in psutil.process_iter():  # those of other tests among them, which end meanwhile
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(each.pid) == group and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each.cmdline())
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_schedule_sweeps_by_itself_until_it_is_interrupted(tmp_path: Path) -> None:
    root = workspace(tmp_path / "work", {})
    report = root / "reports" / "sweep" / "report.html"
    with (root / "said").open("w") as said:
        with heeding_interrupts():
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "sweep", "--cron", "* * * * *"],
                cwd=root,
                env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
                stdout=said,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        try:
            deadline = time.monotonic() + 480
            while not report.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(1)
            assert report.exists(), (root / "said").read_text()
            assert process.poll() is None, "it stays for the next time"
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=300)  # the sweep of the next minute may have just begun, and is let to its end
    assert left_of_group(process.pid, 60) == []
    assert "4 trials" in report.read_text()
