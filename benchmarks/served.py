"""A model of random weights as the champion of a registry of its own, and servers as processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import torch
from numpy.typing import NDArray

from components.contracts import ClassTarget, ImageInputs, LabelledArrays, Preprocessing
from components.evaluate.reference import drift_reference
from components.export import ServedNetwork, export_onnx
from components.files import write_text
from components.inference import answers, open_graph
from components.nets import build_network, build_preprocess
from components.package import GoldenBatch, ModelSignature, Provenance, seal
from components.package.model import CARD, GOLDEN, MODEL, PROVENANCE, REFERENCE, SIGNATURE_FILE
from components.params import load_params
from components.registry import CHAMPION, Registry, experiment_id
from components.settings import Settings

TARGET = ClassTarget(labels=tuple(f"class {number}" for number in range(10)), counts=(1,) * 10)
NAME = "benchmark"


@dataclass(frozen=True)
class Server:
    """A server that was started: its port and its first process."""

    port: int
    process: int


def grey_images(side: int) -> NDArray[np.uint8]:
    """Sixteen random ones, (16, side, side, 1)."""
    return np.random.default_rng(7).integers(0, 256, (16, side, side, 1), dtype=np.uint8)


def publish_champion(params: Path, side: int, folder: Path, settings: Settings) -> Path:
    """Packages the network of a params.yaml for grey images, untrained, and makes it the champion.

    Returns:
        Its graph.
    """
    torch.manual_seed(7)
    package = folder / "package"
    package.mkdir()
    inputs = ImageInputs(height=side, width=side, channels=1, mean=(0.29,), std=(0.35,))
    network = build_network(load_params(params).train, inputs, TARGET.width)
    samples = grey_images(side)
    export_onnx(ServedNetwork(build_preprocess(inputs), network, TARGET).eval(), samples, package / MODEL)
    _fill(package, inputs, samples)
    digest = seal(package, settings.private_key, settings.public_keys)
    registry = Registry(settings, NAME)
    run = registry.client.create_run(experiment_id(registry.client, settings, NAME)).info
    registry.client.log_artifacts(run.run_id, str(package), "package")
    version = registry.add_version(f"{run.artifact_uri}/package", run.run_id, {"digest": digest})
    registry.set_alias(CHAMPION, version)
    return package / MODEL


def _fill(package: Path, inputs: ImageInputs, samples: NDArray[np.uint8]) -> None:
    """Writes what belongs to a package beside its graph."""
    session, labels = open_graph(package / MODEL), np.zeros(len(samples), np.int64)
    GoldenBatch(samples, answers(session, samples)).save(package / GOLDEN)
    fitted = Preprocessing(inputs=inputs, target=TARGET)
    drift_reference(session, fitted, LabelledArrays(samples, labels, labels.astype(str))).save(package / REFERENCE)
    write_text(package / CARD, f"# {NAME}\n")
    features = session.get_outputs()[1].shape[1]
    ModelSignature(
        task="image_classification", inputs=inputs, target=TARGET, features=features, golden_tolerance=1e-4
    ).write(package / SIGNATURE_FILE)
    Provenance(
        git_commit=None,
        git_dirty=False,
        lock_sha256="0" * 64,
        seed=7,
        chosen="fp32",
        train_run_id="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        test_share=None,
        environment={},
    ).write(package / PROVENANCE)


@contextmanager
def our_server(settings: Settings, folder: Path, more: dict[str, str]) -> Iterator[Server]:
    """``python -m serving`` with its defaults, but for some variables."""
    command = [sys.executable, "-m", "serving", "--name", NAME]
    environment = {"TUNESMITH_HOME": str(settings.home), "TUNESMITH_PORT": str(settings.port)}
    with started(command, environment | more, folder, settings.port, "/readyz") as server:
        yield server


@contextmanager
def started(command: list[str], more: dict[str, str], folder: Path, port: int, probe: str) -> Iterator[Server]:
    """A server as a process of one thread for each sum, until the block ends; ``probe`` is asked whether it is up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUNESMITH_")}
    environment = kept | {"OMP_NUM_THREADS": "1"} | more
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(port, probe, process)
        yield Server(port, process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # MLflow's server runs below a shell
        process.wait(60)


def _wait(port: int, probe: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}{probe}").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"{process.args!r} did not answer")
