import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import IO

import httpx
import pytest

from components.errors import GraphError, WorkspaceBusy
from components.params.schema import entries, model_of
from components.settings import Settings
from flows.ports import free_port
from flows.runs import Runs, StageResult, decision_key
from flows.stack.parts import PARTS
from flows.workspace import RWLOCK, enter_root, exclusive
from tests.flows.toy import command, edit, environment, make_line, start, tunesmith

HEAVY = {"bentoml", "dvc", "mlflow", "numpy", "prefect", "pydantic_settings", "torch"}


def test_help_loads_nothing_heavy_and_names_every_command(tmp_path: Path) -> None:
    shown = tunesmith(tmp_path, "--help", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in shown.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & HEAVY
    for name in (
        "run",
        "why",
        "status",
        "params",
        "promote",
        "rollback",
        "history",
        "reproduce",
        "gate",
        "serve",
        "keys",
        "ui",
        "demo",
    ):
        assert f" {name} " in shown.stdout


def test_keys_are_made_listed_and_removed(tmp_path: Path) -> None:
    make_line(tmp_path)
    assert tunesmith(tmp_path, "keys", "list").stdout == "No key yet: on loopback everybody is answered.\n"
    made = tunesmith(tmp_path, "keys", "add", "shop", "--per-second", "5")
    assert made.stdout.startswith("ts_")
    assert tunesmith(tmp_path, "keys", "add", "prometheus", "--admin").returncode == 0
    listed = tunesmith(tmp_path, "keys", "list", "--json").stdout
    assert [(key["name"], key["role"], key["per_second"]) for key in json.loads(listed)] == [
        ("prometheus", "admin", None),
        ("shop", "predict", 5.0),
    ]
    assert "sha256" not in listed
    assert re.search(r"shop +ask and correct +5 ", tunesmith(tmp_path, "keys", "list").stdout)
    assert tunesmith(tmp_path, "keys", "remove", "shop").stdout == "Removed 'shop'.\n"
    again = tunesmith(tmp_path, "keys", "remove", "shop")
    assert (again.returncode, again.stderr) == (1, "There is no key 'shop'. Keys that there are: prometheus.\n")


@pytest.mark.parametrize("task", ["image_classification", "text_classification", "tabular_regression"])
def test_params_explains_every_parameter_of_a_task(tmp_path: Path, task: str) -> None:
    shown = json.loads(tunesmith(tmp_path, "params", task, "--json").stdout)
    assert [entry["place"] for entry in shown] == [entry.place for entry in entries(model_of(task))]
    table = tunesmith(tmp_path, "params", task).stdout
    assert re.search(r"train\.epochs +int ≥ 1 ≤ 10,000 +Passes over", table)


@pytest.mark.parametrize("name", ["run", "why", "status", "history", "serve"])
def test_outside_a_repository_it_says_so(tmp_path: Path, name: str) -> None:
    done = tunesmith(tmp_path, name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"There is no dvc.yaml in {tmp_path} or above it. Go into the repository and try again.\n"


@pytest.mark.parametrize("name", ["run", "why", "status", "serve"])
def test_params_are_checked_before_anything_else(new_line: Path, name: str) -> None:
    edit(new_line / "params.yaml", "  epochs: 6", "  epoch: 6")
    edit(new_line / "params.yaml", "seed: 7", "seed: -7")
    done = tunesmith(new_line, name)
    assert done.returncode == 1
    assert done.stderr.startswith("params.yaml has 3 faults; nothing was run.")
    assert "Did you mean 'epochs'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (new_line / ".tunesmith/runs.jsonl").exists()


def test_a_setting_that_cannot_be_used_is_named(new_line: Path) -> None:
    done = tunesmith(new_line, "run", TUNESMITH_PORT="many")
    assert done.returncode == 1
    assert "TUNESMITH_PORT='many'" in done.stderr


def test_a_setting_that_there_is_not_is_told_beside_the_answer(new_line: Path) -> None:
    done = tunesmith(new_line, "keys", "list", TUNESMITH_PROT="3001")
    assert (done.returncode, done.stdout[:11]) == (0, "No key yet:")
    assert done.stderr == "TUNESMITH_PROT is no setting, and nothing reads it. Did you mean TUNESMITH_PORT?\n"


def test_a_prefect_server_that_does_not_answer_is_told(new_line: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}/api"
    done = tunesmith(new_line, "run", TUNESMITH_PREFECT_API_URL=address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Nothing answers at TUNESMITH_PREFECT_API_URL={address}. Start the Prefect server")


def answered(root: Path, name: str, terminal: IO[bytes] | int) -> subprocess.CompletedProcess[str]:
    """A command with something of the test's own as its stdin."""
    return subprocess.run(
        command(name), check=False, cwd=root, env=environment(), stdin=terminal, capture_output=True, text=True
    )


@pytest.mark.parametrize("name", ["promote", "rollback"])
def test_a_script_that_gives_no_reason_is_told(new_line: Path, name: str) -> None:
    done = answered(new_line, name, subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Say why with --reason '…', for the journal.\n"


def test_a_person_is_asked_why_once_there_is_a_workspace(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "wb"), os.fdopen(theirs, "rb") as terminal:
        done = answered(tmp_path, "rollback", terminal)
        assert (done.stdout, done.stderr[:20]) == ("", "There is no dvc.yaml")
        make_line(tmp_path)
        os.write(ours, b"it errs\n")
        done = answered(tmp_path, "rollback", terminal)
    assert done.stdout == "Why: "
    assert done.stderr.startswith("'digits' has no champion, so there is nothing to go back from.")


def test_the_version(tmp_path: Path) -> None:
    assert tunesmith(tmp_path, "--version").stdout == f"tunesmith {version('tunesmith')}\n"


def test_help_names_the_parts_of_the_stack_and_where_the_server_listens(tmp_path: Path) -> None:
    parts = " ".join(tunesmith(tmp_path, "up", "--help").stdout.replace("│", " ").split())
    assert f"with commas between: {', '.join(PARTS)}." in parts
    served = tunesmith(tmp_path, "serve", "--help").stdout
    assert all(f"TUNESMITH_{name}" in served for name in ("HOST", "PORT", "WORKERS"))


def test_a_command_that_there_is_not(tmp_path: Path) -> None:
    done = tunesmith(tmp_path, "runn")
    assert done.returncode == 2
    assert "runn" in done.stderr


def test_the_root_is_found_from_below(new_line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert enter_root(new_line / "components/net") == new_line
    assert Path.cwd() == new_line
    (new_line / "dvc.yaml").unlink()
    with pytest.raises(GraphError, match=r"no dvc\.yaml"):
        enter_root(new_line / "components/net")


@pytest.mark.slow
def test_status_gate_and_promote_before_the_first_run(new_line: Path) -> None:
    status = json.loads(tunesmith(new_line / "components", "status", "--json").stdout)
    assert (status["name"], status["champion"], status["challenger"], status["runs"]) == ("digits", None, None, [])
    assert status["line"].startswith("'tunesmith run' would run source, champion, model, score.")
    assert status["places"]["tracking and registry"] == f"sqlite:///{new_line}/.tunesmith/mlflow.db"
    for arguments, sentence in {
        ("gate",): "'digits' has no challenger. Run the line first: 'tunesmith run'.",
        ("promote", "3", "--reason", "x"): "'digits' has no version 3 with a package.",
    }.items():
        done = tunesmith(new_line, *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith(sentence), done.stderr
    assert json.loads(tunesmith(new_line, "history", "--json").stdout) == []
    assert tunesmith(new_line, "history").stdout == "No move yet.\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("page", "probe"), [("mlflow", "/version"), ("prefect", "/api/health")])
def test_the_pages_open_on_loopback(new_line: Path, page: str, probe: str) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = start(new_line, "ui", page, "--port", str(port))
    until = time.monotonic() + 300
    try:
        while not _answers(f"{address}{probe}"):
            assert server.poll() is None, server.communicate()[0]
            assert time.monotonic() < until, "the page did not open"
            time.sleep(0.2)
        assert "text/html" in httpx.get(f"{address}/", follow_redirects=True, timeout=60).headers["content-type"]
    finally:
        server.send_signal(signal.SIGINT)
        output, _ = server.communicate(timeout=60)
    assert f"{address} " in output


def _answers(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(address).is_success
    return False


def test_a_page_on_a_port_that_is_taken(new_line: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = tunesmith(new_line, "ui", "mlflow", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "Choose another with --port." in done.stderr


def test_the_pages_of_servers_are_told(new_line: Path) -> None:
    shown = tunesmith(new_line, "ui", "mlflow", TUNESMITH_TRACKING_URI="http://tracking:5000").stdout
    assert "http://tracking:5000" in shown
    shown = tunesmith(new_line, "ui", "prefect", TUNESMITH_PREFECT_API_URL="http://flows:4200/api").stdout
    assert "http://flows:4200\n" in shown


def test_a_workspace_is_held_by_one(new_line: Path) -> None:
    settings = Settings(home=new_line / ".tunesmith")
    hold = "import sys\nfrom components.settings import load_settings\nfrom flows.workspace import exclusive\n"
    hold += "with exclusive(load_settings()):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    other = subprocess.Popen(
        [sys.executable, "-c", hold], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    with pytest.raises(WorkspaceBusy, match="Another tunesmith is at work"), exclusive(settings):
        pass
    other.kill()
    other.communicate()
    with exclusive(settings), exclusive(settings):  # the dead hold nothing, and a process does not wait for itself
        pass


def test_path_locks_of_the_dead_are_removed_and_those_of_dvc_are_not(new_line: Path) -> None:
    settings = Settings(home=new_line / ".tunesmith")
    RWLOCK.parent.mkdir(parents=True, exist_ok=True)
    for left in (
        "",
        '{"write": {"data/model": {"pid": 4194305, "cmd": "dvc repro"}}, "read": {}}',
        # the process id of the dead now belongs to another program: this one
        f'{{"read": {{"data/model": [{{"pid": {os.getpid()}, "cmd": "dvc repro"}}]}}}}',
    ):
        RWLOCK.write_text(left)
        with exclusive(settings):
            assert not RWLOCK.exists()
    sleeper = new_line / "dvc"
    sleeper.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    sleeper.chmod(0o755)
    with subprocess.Popen([sleeper]) as dvc:
        RWLOCK.write_text(f'{{"write": {{"data/model": {{"pid": {dvc.pid}, "cmd": "dvc repro"}}}}}}')
        time.sleep(0.3)
        with pytest.raises(WorkspaceBusy, match=rf"DVC \(process {dvc.pid}\)"), exclusive(settings):
            pass
        assert RWLOCK.exists()
        threading.Timer(0.5, dvc.kill).start()
        with exclusive(settings, patience=60):
            assert not RWLOCK.exists(), "a run with patience waits for DVC as it does for another run"


def test_the_journal_of_runs(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    assert runs.last() is None
    first = runs.begin()
    assert (runs.last(), first.process) == (first, os.getpid())
    done = first.model_copy(update={"outcome": "refused", "key": "k", "version": 3, "sentence": "No."})
    done = runs.end(done, (StageResult.idle("train", "unchanged"),))
    with runs.path.open("a") as file:
        file.write('{"id": "half a li')
    assert runs.all() == [done]
    assert runs.begin() == runs.last(), "what comes after it is read"
    assert runs.settled("k", promoting=True) == done
    assert runs.settled("other", promoting=True) is None
    assert first.failed(KeyboardInterrupt()).outcome == "interrupted"
    assert first.failed(GraphError("no graph")).sentence == "no graph"


def test_a_challenger_that_was_held_back_is_settled_only_while_nothing_is_to_be_promoted(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    held = runs.end(runs.begin().model_copy(update={"outcome": "held", "key": "k"}), ())
    assert runs.settled("k", promoting=False) == held
    assert runs.settled("k", promoting=True) is None


def test_a_decision_is_about_the_lock_the_gate_and_the_registry(line: Path) -> None:
    from components.params import load_params

    def key(**settings: str) -> str | None:
        return decision_key(load_params(), Settings(**settings))

    first = key()
    assert first == key()
    assert first != key(tracking_uri="http://elsewhere:5000")
    edit(line / "params.yaml", "  max_class_recall_drop: 0.1", "  max_class_recall_drop: 0.2")
    assert first != key()
    edit(line / "params.yaml", "  max_class_recall_drop: 0.2", "  max_class_recall_drop: 0.1")
    with (line / "dvc.lock").open("a") as lock:
        lock.write("# another\n")
    assert first != key()
    (line / "dvc.lock").unlink()
    assert key() is None
