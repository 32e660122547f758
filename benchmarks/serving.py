"""Serving speed: requests per CPU second of this server against others of the same graph, all in one run.

The reference CNN on single 28 × 28 images, one worker and one inference thread each, 16 connections; the servers are
asked in turn within each round, so that a slow moment of the machine hits all of them. This server has all of its own
on: keys, validation, metrics, the prediction log, batching. MLflow's graph is spared the feature output, which it would
answer and this server would not. The ceiling is a loop over ONNX Runtime, one sample at a time.
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
from numpy.typing import NDArray
from PIL import Image

from benchmarks.load import Round, free_port, load, request
from benchmarks.ratio import Ratio
from benchmarks.workspace import ROOT
from components.api_keys import make_key
from components.contracts import REPORTS, ClassTarget, ImageInputs, LabelledArrays, Preprocessing
from components.evaluate.reference import drift_reference
from components.export import ServedNetwork, export_onnx
from components.files import write_json, write_text
from components.inference import answers, open_graph
from components.nets import build_network, build_preprocess
from components.package import GoldenBatch, ModelSignature, Provenance, seal
from components.package.model import CARD, GOLDEN, MODEL, PROVENANCE, REFERENCE, SIGNATURE_FILE
from components.params import load_params
from components.registry import CHAMPION, Registry, experiment_id
from components.settings import Settings

SIDE = 28
INPUTS = ImageInputs(height=SIDE, width=SIDE, channels=1, mean=(0.29,), std=(0.35,))
TARGET = ClassTarget(labels=tuple(f"class {number}" for number in range(10)), counts=(1,) * 10)
PIXELS = np.random.default_rng(11).integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8)
SAMPLES = np.random.default_rng(7).integers(0, 256, (16, SIDE, SIDE, 1), dtype=np.uint8)
NAME = "benchmark"
ROUNDS = 5
SECONDS = 3.0
CONNECTIONS = 16
KEY = "benchmark"
BATCH = 256
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
        key = make_key(settings.key_folder, KEY, "predict", per_second=1e6)
        ours = servers.enter_context(our_server(settings, folder))
        others = {name: servers.enter_context(rival(name, folder)) for name in ("litserve", "pydantic", "raw")}
        others["mlflow"] = servers.enter_context(their_server(folder))
        ceiling = Ceiling(folder / "package" / MODEL)
        rounds, loops = measure(ours, others, key, ceiling)
    ratios = _ratios(rounds, loops)
    _report(rounds, loops, ratios)
    return ratios


def make_models(folder: Path, settings: Settings) -> None:
    """Writes one network twice: as the champion of a registry, and as an MLflow model without the feature output."""
    torch.manual_seed(7)
    package = folder / "package"
    package.mkdir()
    network = build_network(load_params(ROOT / "params.yaml").train, INPUTS, TARGET.width)
    export_onnx(ServedNetwork(build_preprocess(INPUTS), network, TARGET).eval(), SAMPLES, package / MODEL)
    _publish(package, settings)
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


def _publish(package: Path, settings: Settings) -> None:
    session, labels = open_graph(package / MODEL), np.zeros(len(SAMPLES), np.int64)
    GoldenBatch(SAMPLES, answers(session, SAMPLES)).save(package / GOLDEN)
    fitted = Preprocessing(inputs=INPUTS, target=TARGET)
    drift_reference(session, fitted, LabelledArrays(SAMPLES, labels, labels.astype(str))).save(package / REFERENCE)
    write_text(package / CARD, f"# {NAME}\n")
    features = session.get_outputs()[1].shape[1]
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
    environment = {
        "TUNESMITH_HOME": str(settings.home),
        "TUNESMITH_PORT": str(settings.port),
        "TUNESMITH_MAX_BATCH": str(BATCH),
        "TUNESMITH_MAX_QUEUE": str(2 * CONNECTIONS * BATCH),
    }
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


@contextmanager
def rival(name: str, folder: Path) -> Iterator[Server]:
    """LitServe, or one of :mod:`benchmarks.serving_rivals`."""
    port, graph = free_port(), str(folder / "package" / MODEL)
    module = ["serving_litserve"] if name == "litserve" else ["serving_rivals", name]
    command = [sys.executable, "-m", f"benchmarks.{module[0]}", *module[1:], graph, str(port)]
    with _started(command, {"PYTHONPATH": str(ROOT)}, folder, port, "/docs") as server:
        yield server


class Ceiling:
    """A loop over ONNX Runtime on one thread, in this process.

    Args:
        graph: of the package.
    """

    def __init__(self, graph: Path) -> None:
        self._session = open_graph(graph)

    def samples_per_cpu_second(self, size: int, seconds: float = 1.0) -> float:
        """Of runs on so many samples at a time."""
        samples = np.resize(SAMPLES, (size, SIDE, SIDE, 1))
        began, runs = time.process_time(), 0
        while time.process_time() - began < seconds:
            self._session.run(["probabilities"], {"inputs": samples})
            runs += 1
        return runs * size / (time.process_time() - began)


def measure(
    ours: Server, others: dict[str, Server], key: str, ceiling: Ceiling
) -> tuple[dict[str, list[Round]], dict[int, list[float]]]:
    """Asks all servers in every form, in turn, after a warm-up; runs the bare loops beside."""
    asked = {**_asked_of_us(ours, key), **_asked_of_others(others)}
    rounds: dict[str, list[Round]] = {name: [] for name in asked}
    loops: dict[int, list[float]] = {1: [], BATCH: []}
    for turn in range(ROUNDS + 1):
        for name, (server, content) in asked.items():
            done = load(server.port, server.process, content, connections=CONNECTIONS, seconds=SECONDS)
            if turn:  # the first is the warm-up
                rounds[name].append(done)
        for size, speeds in loops.items():
            speed = ceiling.samples_per_cpu_second(size)
            if turn:
                speeds.append(speed)
    return rounds, loops


def _asked_of_us(server: Server, key: str) -> dict[str, tuple[Server, bytes]]:
    one, image = PIXELS, io.BytesIO()
    Image.fromarray(one[..., 0]).save(image, "PNG")
    many = np.resize(SAMPLES, (BATCH, SIDE, SIDE, 1))
    forms = {
        "JSON": ("/predict", "application/json", json.dumps({"inputs": one.tolist()}).encode()),
        ".npy": ("/predict", "application/x-npy", npy(one)),
        "PNG": ("/predict", "image/png", image.getvalue()),
        f"{BATCH} as .npy": ("/predict_batch?top=1", "application/x-npy", npy(many)),
    }
    header = f"X-API-Key: {key}"
    return {f"tunesmith, {name}": (server, request(*form, header)) for name, form in forms.items()}


def _asked_of_others(others: dict[str, Server]) -> dict[str, tuple[Server, bytes]]:
    one = json.dumps({"inputs": PIXELS.tolist()}).encode()
    listed = json.dumps({"inputs": [PIXELS.tolist()]}).encode()
    json_type = "application/json"
    return {
        "mlflow models serve, JSON": (others["mlflow"], request("/invocations", json_type, listed)),
        "LitServe, JSON": (others["litserve"], request("/predict", json_type, one)),
        "FastAPI with pydantic, JSON": (others["pydantic"], request("/predict", json_type, one)),
        "FastAPI inline, .npy": (others["raw"], request("/predict", "application/x-npy", npy(PIXELS))),
    }


def npy(array: NDArray[np.uint8]) -> bytes:
    """A .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _ratios(rounds: dict[str, list[Round]], loops: dict[int, list[float]]) -> list[Ratio]:
    note = f"single 28 × 28 images, one worker each, {CONNECTIONS} connections; keys, metrics and prediction log on"

    def speeds(name: str) -> list[float]:
        return [done.per_cpu_second for done in rounds[name]]

    def over(one: str, other: str, target: str) -> Ratio:
        ratios = [mine / theirs for mine, theirs in zip(speeds(one), speeds(other), strict=True)]
        return Ratio.of(f"serving: requests per CPU second / {other}", ratios, target, note)

    ours, theirs = "tunesmith, JSON", "mlflow models serve, JSON"
    p99 = [one.p99 / other.p99 for one, other in zip(rounds[ours], rounds[theirs], strict=True)]
    many = zip(speeds(f"tunesmith, {BATCH} as .npy"), loops[BATCH], strict=True)
    return [
        over(ours, theirs, "≥ 2.5"),
        over(ours, "LitServe, JSON", "≥ 2.0"),
        over(ours, "FastAPI with pydantic, JSON", "≥ 1.0"),
        over("tunesmith, .npy", "FastAPI inline, .npy", "≥ 1.0"),
        Ratio.of("serving: p99 / that of `mlflow models serve`", p99, "≤ 0.25", note),
        Ratio.of(
            f"serving: {BATCH} images a request / the bare ONNX Runtime loop",
            [BATCH * speed / loop for speed, loop in many],
            "≥ 0.85",
            "samples per CPU second, .npy, /predict_batch?top=1",
        ),
    ]


def _report(rounds: dict[str, list[Round]], loops: dict[int, list[float]], ratios: list[Ratio]) -> None:
    print(f"{'':30}{'requests / CPU s':>24}{'p50 ms':>10}{'p99 ms':>10}")
    for name, done in rounds.items():
        speeds = [one.per_cpu_second for one in done]
        spread = f"{median(speeds):.0f} ({min(speeds):.0f} to {max(speeds):.0f})"
        p50, p99 = median(one.p50 for one in done), median(one.p99 for one in done)
        print(f"{name:30}{spread:>24}{p50:>10.1f}{p99:>10.1f}")
    for size, found in loops.items():
        print(f"the bare loop, {size} at a time: {median(found):.0f} samples / CPU s")
    table = {name: [asdict(one) for one in done] for name, done in rounds.items()}
    listed = [asdict(ratio) | {"kept": ratio.kept} for ratio in ratios]
    write_json(REPORT, {"ratios": listed, "rounds": table, "loops": loops})


if __name__ == "__main__":
    main()
