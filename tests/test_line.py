"""The real line from end to end, as a user runs it: from a folder of images to an answer over HTTP."""

import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.ports import free_port
from tests.digits import write_image_folder
from tests.flows.toy import edit, start, tunesmith
from tests.places import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STAGES = ["fetch", "champion", "ingest", "validate", "prepare", "augment", "train", "compress", "evaluate"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone as it would be committed now, with the digits as a user's own images."""
    root = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, root / name)
    subprocess.run(["git", "init", "-q", root], check=True)
    shutil.copy(root / "presets/digits.yaml", root / "params.yaml")
    write_image_folder(root / "data/digits")
    return root


def command(root: Path, *arguments: str, below: str = "") -> str:
    """The output of a command that must succeed, given in the clone or below it."""
    done = tunesmith(root / below, *arguments, PYTHONPATH=str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def server(root: Path) -> Iterator[str]:
    port = free_port()
    process = start(root, "serve", PYTHONPATH=str(root), TUNESMITH_PORT=str(port))
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 120
    try:
        while not _ready(address):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until, "the server did not become ready"
            time.sleep(0.2)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _ready(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{address}/readyz").is_success
    return False


def test_a_folder_of_images_becomes_a_promoted_model(workspace: Path) -> None:
    run = json.loads(command(workspace, "run", "--json"))
    assert run["outcome"] == "promoted"
    assert [stage["stage"] for stage in run["stages"]] == [*STAGES, "register", "gate", "promote"]
    assert {stage["state"] for stage in run["stages"]} == {"ran"}
    assert (workspace / "reports/evaluate/report.html").exists()

    status = json.loads(command(workspace, "status", "--json"))
    assert (status["champion"], status["challenger"]) == (1, 1)
    assert status["line"] == "Every stage is unchanged."
    (move,) = [event for event in json.loads(command(workspace, "history", "--json")) if event["step"] == "done"]
    assert (move["action"], move["before"], move["after"]) == ("promote", None, 1)
    assert move["reason"] == run["sentence"]


def test_run_again_it_finds_every_stage_unchanged_and_wakes_nothing(workspace: Path) -> None:
    before = (workspace / "dvc.lock").read_bytes(), (workspace / ".tunesmith/runs.jsonl").read_bytes()
    run = json.loads(command(workspace, "run", "--json"))
    assert {stage["state"] for stage in run["stages"]} == {"unchanged"}
    assert run["version"] == 1
    assert "Every stage is unchanged" in command(workspace, "run", below="components")
    listing = tunesmith(workspace, "run", PYTHONPATH=str(workspace), PYTHONPROFILEIMPORTTIME="1").stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in listing.splitlines()}
    assert "dvc" in imported
    assert not imported & {"prefect", "mlflow", "torch", "onnxruntime", "scipy", "pandas", "bentoml"}
    assert before == ((workspace / "dvc.lock").read_bytes(), (workspace / ".tunesmith/runs.jsonl").read_bytes())


def test_the_promoted_model_answers_over_http(workspace: Path) -> None:
    with server(workspace) as address:
        answers = {}
        for digit in range(10):
            image = sorted((workspace / f"data/digits/{digit}").glob("*.png"))[0]
            headers = {"Content-Type": "image/png"}
            answer = httpx.post(f"{address}/predict", content=image.read_bytes(), headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.json()["version"] == 1
            answers[str(digit)] = answer.json()["label"]
    right = sum(label == truth for truth, label in answers.items())
    assert right >= 9, answers


def test_why_names_what_was_changed(workspace: Path) -> None:
    edit(workspace / "params.yaml", "  epochs: 6", "  epochs: 5")
    (workspace / "components/evaluate/wording.py").open("a").write("\n# changed\n")
    why = {found["stage"]: found for found in json.loads(command(workspace, "why", "--json"))}
    assert [name for name, found in why.items() if found["state"] == "unchanged"] == ["fetch", "ingest"]
    assert why["train"]["state"] == "will run"
    assert why["train"]["reasons"][0]["sentence"] == "Parameter train.epochs: 6 → 5."
    assert {reason["sentence"] for reason in why["evaluate"]["reasons"]} >= {
        "Code file components/evaluate/wording.py has changed.",
        "Its input models/train will be made anew by train.",
    }
    assert why["validate"]["reasons"][0]["sentence"] == "Its input data/champion will be made anew by champion."
    assert why["compress"]["state"] == "may run"
