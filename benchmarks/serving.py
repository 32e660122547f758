"""Serving speed: requests per CPU second and p99 of this server against ``mlflow models serve`` of the same network.

The reference CNN on single 28 × 28 images, one worker and one inference thread each, 16 connections; the servers are
asked in turn within each round, so that a slow moment of the machine hits all of them. The ratio compares the JSON
arrays that both take; MLflow's graph is spared the feature output, which it would answer and this server would not.
The other forms that this server takes are shown beside.
"""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx
import mlflow
import numpy as np
import onnx
import torch
from mlflow.models import ModelSignature as MlflowSignature
from mlflow.types.schema import Schema, TensorSpec
from PIL import Image

from benchmarks.load import Round, free_port, load, request
from benchmarks.ratio import Ratio
from benchmarks.workspace import ROOT
from components.contracts import REPORTS, ClassTarget, ImageInputs
from components.export import ServedNetwork, export_onnx
from components.files import write_json
from components.inference import answers, open_graph
from components.nets import build_network, build_preprocess
from components.package import GoldenBatch, ModelSignature, Provenance, seal
from components.package.model import GOLDEN, MODEL, PROVENANCE, SIGNATURE_FILE
from components.params import load_params
from components.registry import CHAMPION, Registry, experiment_id
from components.settings import Settings

SIDE = 28
INPUTS = ImageInputs(height=SIDE, width=SIDE, channels=1, mean=(0.29,), std=(0.35,))
TARGET = ClassTarget(labels=tuple(f"class {number}" for number in range(10)), counts=(1,) * 10)
SAMPLES = np.random.default_rng(7).integers(0, 256, (16, SIDE, SIDE, 1), dtype=np.uint8)
NAME = "benchmark"
ROUNDS = 5
SECONDS = 3.0
CONNECTIONS = 16
PROMISED = "≥ 1.5"
REPORT = REPORTS / "benchmarks" / "serving.json"


@dataclass(frozen=True)
class Server:
    """A server that was started: its port and its first process."""

    port: int
    process: int


def main() -> list[Ratio]:
    """Measures, prints a table, and writes ``reports/benchmarks/serving.json``."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        settings = Settings(home=folder / "home", port=free_port())
        make_models(folder, settings)
        ours = servers.enter_context(our_server(settings, folder))
        theirs = servers.enter_context(their_server(folder))
        rounds = measure(ours, theirs)
    ratio = _ratio(rounds)
    _report(rounds, ratio)
    return [ratio]


def make_models(folder: Path, settings: Settings) -> None:
    """Writes one network twice: as the champion of a registry, and as an MLflow model without the feature output."""
    torch.manual_seed(7)
    package = folder / "package"
    package.mkdir()
    network = build_network(load_params(ROOT / "params.yaml").train, INPUTS, TARGET.width)
    export_onnx(ServedNetwork(build_preprocess(INPUTS), network, TARGET).eval(), SAMPLES, package / MODEL)
    _publish(package, settings, network.features)
    graph = onnx.load(package / MODEL)
    del graph.graph.output[1]
    mlflow.onnx.save_model(
        graph,
        folder / "mlflow",
        signature=MlflowSignature(
            Schema([TensorSpec(np.dtype(np.uint8), (-1, SIDE, SIDE, 1), "inputs")]),
            Schema([TensorSpec(np.dtype(np.float32), (-1, TARGET.width), "probabilities")]),
        ),
        onnx_execution_providers=["CPUExecutionProvider"],
        onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
        save_as_external_data=False,
    )


def _publish(package: Path, settings: Settings, features: int) -> None:
    GoldenBatch(SAMPLES, answers(open_graph(package / MODEL), SAMPLES)).save(package / GOLDEN)
    ModelSignature(
        task="image_classification", inputs=INPUTS, target=TARGET, features=features, golden_tolerance=1e-4
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
    digest = seal(package, settings.private_key, settings.public_keys)
    registry = Registry(settings, NAME)
    run = registry.client.create_run(experiment_id(registry.client, settings, NAME)).info
    registry.client.log_artifacts(run.run_id, str(package), "package")
    version = registry.add_version(f"{run.artifact_uri}/package", run.run_id, {"digest": digest})
    registry.set_alias(CHAMPION, version)


@contextmanager
def our_server(settings: Settings, folder: Path) -> Iterator[Server]:
    """``python -m serving`` with its defaults."""
    command = [sys.executable, "-m", "serving", "--name", NAME]
    environment = {"TUNESMITH_HOME": str(settings.home), "TUNESMITH_PORT": str(settings.port)}
    with _started(command, environment, folder, settings.port, "/readyz") as server:
        yield server


@contextmanager
def their_server(folder: Path) -> Iterator[Server]:
    """``mlflow models serve`` with its defaults, in this environment."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow"), "-p", str(port)]
    tools = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # it looks for uvicorn there
    with _started([*command, "--env-manager", "local", "--workers", "1"], tools, folder, port, "/ping") as server:
        yield server


@contextmanager
def _started(command: list[str], more: dict[str, str], folder: Path, port: int, probe: str) -> Iterator[Server]:
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


def measure(ours: Server, theirs: Server) -> dict[str, list[Round]]:
    """Asks both servers in every form, in turn, after a warm-up."""
    pixels = np.random.default_rng(11).integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8)
    array, picture = io.BytesIO(), io.BytesIO()
    np.save(array, pixels, allow_pickle=False)
    Image.fromarray(pixels[..., 0]).save(picture, "PNG")
    one = json.dumps({"inputs": pixels.tolist()}).encode()
    batch = json.dumps({"inputs": [pixels.tolist()]}).encode()
    asked = {
        "tunesmith, JSON": (ours, request("/predict", "application/json", one)),
        "mlflow models serve, JSON": (theirs, request("/invocations", "application/json", batch)),
        "tunesmith, .npy": (ours, request("/predict", "application/x-npy", array.getvalue())),
        "tunesmith, PNG": (ours, request("/predict", "image/png", picture.getvalue())),
    }
    rounds: dict[str, list[Round]] = {name: [] for name in asked}
    for turn in range(ROUNDS + 1):
        for name, (server, content) in asked.items():
            done = load(server.port, server.process, content, connections=CONNECTIONS, seconds=SECONDS)
            if turn:  # the first is the warm-up
                rounds[name].append(done)
    return rounds


def _ratio(rounds: dict[str, list[Round]]) -> Ratio:
    pairs = zip(rounds["tunesmith, JSON"], rounds["mlflow models serve, JSON"], strict=True)
    note = f"single 28 × 28 images as JSON, one worker each, {CONNECTIONS} connections"
    ratios = [ours.per_cpu_second / theirs.per_cpu_second for ours, theirs in pairs]
    return Ratio.of("requests per CPU second, tunesmith against mlflow models serve", ratios, PROMISED, note)


def _report(rounds: dict[str, list[Round]], ratio: Ratio) -> None:
    print(f"{'':28}{'requests / CPU s':>24}{'p50 ms':>10}{'p99 ms':>10}")
    for name, done in rounds.items():
        speeds = [one.per_cpu_second for one in done]
        spread = f"{median(speeds):.0f} ({min(speeds):.0f} to {max(speeds):.0f})"
        p50, p99 = median(one.p50 for one in done), median(one.p99 for one in done)
        print(f"{name:28}{spread:>24}{p50:>10.1f}{p99:>10.1f}")
    low, high = ratio.spread
    print(f"{ratio.name}: {ratio.value:.2f} ({low:.2f} to {high:.2f}), target {ratio.target}")
    table = {name: [asdict(one) for one in done] for name, done in rounds.items()}
    write_json(REPORT, {"ratio": asdict(ratio) | {"kept": ratio.kept}, "rounds": table})


if __name__ == "__main__":
    main()
