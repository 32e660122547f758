"""A second machine from the remote alone: real lines, real S3, a clone without cache, data or registry."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.workspace import clone
from components.files import file_sha256
from flows.ports import free_port
from flows.runs import Runs
from tests.digits import write_image_folder
from tests.flows.toy import edit, tunesmith
from tests.line.kinds import Kind
from tests.object_storage import BUCKET, ObjectStorage, object_storage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SMALL = Kind(
    "digits",
    "digits",
    {"train": {"epochs": 2}, "compress": {"latency_repeats": 10}},
    "data/digits",
    write_image_folder,
)
WEIGHTS = Path("models/train/best.safetensors")


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    with object_storage(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def variables(storage: ObjectStorage, prefect_api: str) -> dict[str, str]:
    """What a run needs to know of the object storage and of Prefect."""
    return storage.credentials | {"TUNESMITH_PREFECT_API_URL": prefect_api}


def git(root: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


def run(root: Path, variables: dict[str, str]) -> dict[str, Any]:
    ran = tunesmith(root, "run", "--json", PYTHONPATH=str(root), **variables)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told | {"states": {stage["stage"]: stage["state"] for stage in told["stages"]}, "said": ran.stderr}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, storage: ObjectStorage, variables: dict[str, str]) -> Path:
    """A workspace whose line has run, with a remote, and whose dvc.lock is committed."""
    root = tmp_path_factory.mktemp("first") / "workspace"
    root.mkdir()
    clone(root)
    SMALL.prepare(root)
    with (root / ".dvc/config").open("a", encoding="utf-8") as config:
        config.write("    remote = team\n['remote \"team\"']\n")
        config.write(f"    url = s3://{BUCKET}/digits\n    endpointurl = {storage.endpoint}\n")
    told = run(root, variables)
    assert told["states"]["push"] == "ran"
    assert "Pushed to remote team" in told["stages"][-1]["summary"]
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "what was run")
    return root


def test_a_second_machine_recognises_and_retrains(
    first: Path, storage: ObjectStorage, variables: dict[str, str]
) -> None:
    second = first.parent / "second"
    subprocess.run(["git", "clone", "-q", str(first), str(second)], check=True)
    assert not (second / "data/digits").exists()
    recorded = (second / "dvc.lock").read_bytes()

    told = run(second, variables)
    stages = [name for name in told["states"] if name not in ("pull", "register", "gate", "promote", "push")]
    assert {told["states"][name] for name in stages} == {"unchanged"}, "everything came from the remote"
    assert told["outcome"] == "promoted"
    assert (second / "dvc.lock").read_bytes() == recorded
    assert file_sha256(second / WEIGHTS) == file_sha256(first / WEIGHTS)
    assert not (second / "data/digits").exists(), "what nothing needs is not asked for"

    before = len(storage.names("digits/"))
    edit(second / "params.yaml", "seed: 7", "seed: 8")
    told = run(second, variables)
    assert told["states"]["train"] == "ran"
    assert {told["states"][name] for name in ("fetch", "ingest", "prepare")} == {"unchanged"}
    assert file_sha256(second / WEIGHTS) != file_sha256(first / WEIGHTS)
    assert len(storage.names("digits/")) > before, "what it made is in the remote"


def test_a_push_that_fails_takes_nothing_back_and_is_made_up_for(first: Path, variables: dict[str, str]) -> None:
    elsewhere = first / ".dvc/config.local"
    elsewhere.write_text(f"['remote \"team\"']\n    endpointurl = http://127.0.0.1:{free_port()}\n")
    edit(first / "params.yaml", "worst_mistakes: 24", "worst_mistakes: 12")
    ran = tunesmith(first, "run", PYTHONPATH=str(first), **variables)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stdout + ran.stderr
    assert ran.stderr.startswith("What was made is kept here, but fetch, ")
    last = Runs(first / ".tunesmith").last()
    assert last is not None
    assert last.outcome in ("promoted", "refused"), "what was decided stands"
    assert last.sentence in ran.stdout, "and is told"
    assert (last.stages[-1].stage, last.stages[-1].state) == ("push", "failed")

    elsewhere.unlink()
    told = run(first, variables)
    assert (told["outcome"], told["version"]) == (last.outcome, last.version), "the decision is not made again"
    assert {name: state for name, state in told["states"].items() if state == "ran"} == {"pull": "ran", "push": "ran"}
    assert "Pushed to remote team" in told["stages"][-1]["summary"]
    settled = run(first, variables)
    assert "push" not in settled["states"], "nothing is asked of the remote"
