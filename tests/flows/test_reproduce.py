"""``tunesmith reproduce`` on a real line: the digits, small, registered, then left behind by other parameters."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from benchmarks.workspace import clone
from components.files import file_sha256
from components.package import seal
from components.package.model import MODEL, WEIGHTS
from components.registry import Registry, experiment_id
from components.settings import Settings
from flows.reproduction.place import Journal
from tests.digits import write_image_folder
from tests.flows.toy import edit, start, tunesmith
from tests.line.kinds import Kind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

NAME = "digits"
SMALL = Kind(
    NAME,
    "digits",
    {"train": {"epochs": 2}, "compress": {"latency_repeats": 10, "budget": {"max_bytes": 1}}},
    "data/digits",
    write_image_folder,
)
"""Its choice is a matter of bytes: of two runs a close race of latencies would choose now int8, now fp32."""


def git(root: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Path:
    """A workspace whose version 1 is champion, and whose parameters and data are others since."""
    root = tmp_path_factory.mktemp("reproduce") / "workspace"
    root.mkdir()
    clone(root)
    SMALL.prepare(root)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "then")
    ran = tunesmith(root, "run", "--no-promote", PYTHONPATH=str(root), TUNESMITH_PREFECT_API_URL=prefect_api)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    promoted = tunesmith(root, "promote", "1", "--reason", "for the test", PYTHONPATH=str(root))
    assert promoted.returncode == 0, promoted.stdout + promoted.stderr
    edit(root / "params.yaml", "seed: 7", "seed: 8")
    git(root, "commit", "-q", "-a", "-m", "now")
    return root


def state(root: Path) -> dict[str, str]:
    """The sum of every file of the workspace that a reproduction has no business with."""
    own = root / ".tunesmith/reproductions"
    passing = {"mlflow.lock", "mlflow.db"}  # SQLite's own page counters; versions and aliases are asked for below
    return {
        str(file): file_sha256(file)
        for file in root.rglob("*")
        if file.is_file()
        and not file.is_relative_to(own)
        and file.name not in passing
        and "__pycache__" not in file.parts
    }


def processes_in(folder: Path) -> Iterator[str]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                yield " ".join(process.cmdline())


def wait_until(condition: object, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def test_a_version_is_reproduced_bit_for_bit_though_it_was_killed(root: Path) -> None:
    folder = root / ".tunesmith/reproductions/digits-1"
    record = folder / "reproduction.json"
    before, registry = state(root), Registry(Settings(home=root / ".tunesmith"), NAME)
    aliases = registry.aliases()

    killed = start(root, "reproduce", "1", PYTHONPATH=str(root))
    wait_until(lambda: record.exists() and Journal.read(record).result("augment"), 300)
    killed.kill()
    killed.communicate()
    wait_until(lambda: not list(processes_in(folder)), 60)
    prepared = folder / "repository/data/prepared/train/inputs.npy"
    made = prepared.stat().st_mtime_ns

    done = tunesmith(root, "reproduce", "1", "--json", PYTHONPATH=str(root))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["sentence"]) == (
        "identical",
        "Version 1 of 'digits' was reproduced bit for bit.",
    ), found["parts"]
    outcomes = {part["name"]: part["outcome"] for part in found["parts"]}
    for name in (WEIGHTS, MODEL, "golden.safetensors", "reference.safetensors", "metrics.json", "profile.json"):
        assert outcomes[name] == "identical", name
    made_again, int8 = folder / "repository", "models/compress/int8.onnx"
    assert file_sha256(made_again / int8) == file_sha256(root / int8), "it was not chosen, and is the same"
    assert found["surroundings"] == {}
    states = {stage["stage"]: stage["state"] for stage in found["stages"]}
    assert (states.pop("champion"), states.pop("feedback")) == ("restored", "restored")
    assert set(states.values()) == {"ran"}
    assert prepared.stat().st_mtime_ns == made, "what was done is kept"
    assert "prepare   running" not in done.stderr
    assert "train     running" in done.stderr

    metrics = json.loads((folder / "repository/models/package/metrics.json").read_text())
    assert metrics["champion"] is None, "there was none then, though version 1 is champion now"
    assert state(root) == before, "the workspace is as it was"
    assert registry.aliases() == aliases
    assert [version.version for version in registry.versions()] == [1]


def test_a_version_that_was_tampered_with_is_found(root: Path, tmp_path: Path) -> None:
    """Version 2 claims the origin of version 1, and is sealed with a trusted key: only making it again tells."""
    settings = Settings(home=root / ".tunesmith")
    registry = Registry(settings, NAME)
    package = tmp_path / "package"
    registry.download(1, package)
    tensors = load_file(package / WEIGHTS)
    name = next(name for name, values in tensors.items() if values.dtype == np.float32)
    tensors[name].ravel()[0] += np.float32(0.25)
    save_file(tensors, package / WEIGHTS)
    digest = seal(package, settings.private_key, settings.public_keys)
    client = registry.client
    run = client.create_run(experiment_id(client, settings, NAME)).info
    client.log_artifacts(run.run_id, str(package), "package")
    assert registry.add_version(f"{run.artifact_uri}/package", run.run_id, {"digest": digest}) == 2

    made = root / ".tunesmith/reproductions/digits-1"  # by the test above, from the same origin
    into = tmp_path / "into"
    shutil.copytree(made, into, symlinks=True)
    journal = Journal.read(into / "reproduction.json")
    journal.model_copy(update={"version": 2, "digest": digest}).write(into / "reproduction.json")
    done = tunesmith(root, "reproduce", "2", "--into", str(into), PYTHONPATH=str(root))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "train     running" not in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "Version 2 of 'digits' was not reproduced: weights.safetensors differ, and on the same kind of processor, with "
        "as many threads and the same libraries, no bit may."
    )
