"""Serving speed: requests per CPU second of this server against others of the same graph, all in one run.

The reference CNN on single 28 × 28 images, one worker and one inference thread each, 16 connections; the servers are
asked in turn within each round, so that a slow moment of the machine hits all of them. This server has all of its own
on: keys, validation, metrics, the prediction log, batching. MLflow's graph is spared the feature output, which it would
answer and this server would not. The ceiling is a loop over ONNX Runtime, one sample at a time. The prediction log must
have lost nothing at the end: what it drops, it does not pay for.
"""

import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mlflow
import numpy as np
import onnx
from mlflow.models import ModelSignature as MlflowSignature
from mlflow.types.schema import Schema, TensorSpec
from numpy.typing import NDArray
from PIL import Image

from benchmarks.load import Round, load, request
from benchmarks.prediction_log import unlogged
from benchmarks.ratio import Ratio
from benchmarks.served import TARGET, Server, grey_images, our_server, publish_champion, started
from benchmarks.serving_results import (
    BATCH,
    CONNECTIONS,
    INLINE,
    LITSERVE,
    MANY,
    MLFLOW,
    PYDANTIC,
    Measured,
    ours,
    report,
    samples_of_ours,
)
from benchmarks.workspace import ROOT
from components.api_keys import make_key
from components.inference import open_graph
from components.settings import Settings
from flows.ports import free_port

SIDE = 28
PIXELS = np.random.default_rng(11).integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8)
SAMPLES = grey_images(SIDE)
ROUNDS = 5
WARM_UP = 1
"""Rounds that are not counted."""
SECONDS = 3.0
KEY = "benchmark"
LIMITS = {
    "TUNESMITH_MAX_BATCH": str(BATCH),
    "TUNESMITH_MAX_QUEUE": str(2 * CONNECTIONS * BATCH),
    "TUNESMITH_MAX_WAIT_SECONDS": "60",
}


def main() -> list[Ratio]:
    """Measures, prints a table, and writes ``reports/benchmarks/serving.json``."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        settings = Settings(home=folder / "home", port=free_port())
        graph = make_models(folder, settings)
        key = make_key(settings.key_folder, KEY, "predict", per_second=1e6)
        admin_key = make_key(settings.key_folder, f"{KEY}-admin", "admin")
        server = servers.enter_context(our_server(settings, folder, LIMITS))
        others = {name: servers.enter_context(rival(name, graph, folder)) for name in ("litserve", "pydantic", "raw")}
        others["mlflow"] = servers.enter_context(their_server(folder))
        asked = {**_asked_of_us(server, key), **_asked_of_others(others)}
        rounds, loops = measure(asked, Ceiling(graph))
        lost = unlogged(server, admin_key, samples_of_ours(rounds))
    measured = Measured(
        {name: done[WARM_UP:] for name, done in rounds.items()},
        {size: speeds[WARM_UP:] for size, speeds in loops.items()},
        lost,
    )
    ratios = measured.ratios()
    report(measured, ratios)
    return ratios


def make_models(folder: Path, settings: Settings) -> Path:
    """Writes one network twice: as the champion of a registry, and as an MLflow model without the feature output.

    Returns:
        The graph.
    """
    path = publish_champion(ROOT / "params.yaml", SIDE, folder, settings)
    graph = onnx.load(path)
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
    return path


@contextmanager
def their_server(folder: Path) -> Iterator[Server]:
    """``mlflow models serve`` with its defaults, in this environment."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow"), "-p", str(port)]
    tools = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # it looks for uvicorn there
    with started([*command, "--env-manager", "local", "--workers", "1"], tools, folder, port, "/ping") as server:
        yield server


@contextmanager
def rival(name: str, graph: Path, folder: Path) -> Iterator[Server]:
    """LitServe, or one of :mod:`benchmarks.serving_rivals`."""
    port = free_port()
    module = ["serving_litserve"] if name == "litserve" else ["serving_rivals", name]
    command = [sys.executable, "-m", f"benchmarks.{module[0]}", *module[1:], str(graph), str(port)]
    with started(command, {"PYTHONPATH": str(ROOT)}, folder, port, "/docs") as server:
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
    asked: dict[str, tuple[Server, bytes]], ceiling: Ceiling
) -> tuple[dict[str, list[Round]], dict[int, list[float]]]:
    """Asks all servers in every form, in turn; runs the bare loops beside. The warm-up is in what it gives, too."""
    rounds: dict[str, list[Round]] = {name: [] for name in asked}
    loops: dict[int, list[float]] = {1: [], BATCH: []}
    for _ in range(WARM_UP + ROUNDS):
        for name, (server, content) in asked.items():
            done = load(server.port, server.process, content, connections=CONNECTIONS, seconds=SECONDS)
            rounds[name].append(done)
        for size, speeds in loops.items():
            speeds.append(ceiling.samples_per_cpu_second(size))
    return rounds, loops


def _asked_of_us(server: Server, key: str) -> dict[str, tuple[Server, bytes]]:
    one, image = PIXELS, io.BytesIO()
    Image.fromarray(one[..., 0]).save(image, "PNG")
    many = np.resize(SAMPLES, (BATCH, SIDE, SIDE, 1))
    forms = {
        "JSON": ("/predict", "application/json", json.dumps({"inputs": one.tolist()}).encode()),
        ".npy": ("/predict", "application/x-npy", npy(one)),
        "PNG": ("/predict", "image/png", image.getvalue()),
        MANY: ("/predict_batch?top=1", "application/x-npy", npy(many)),
    }
    header = f"X-API-Key: {key}"
    return {ours(name): (server, request(*form, header)) for name, form in forms.items()}


def _asked_of_others(others: dict[str, Server]) -> dict[str, tuple[Server, bytes]]:
    one = json.dumps({"inputs": PIXELS.tolist()}).encode()
    listed = json.dumps({"inputs": [PIXELS.tolist()]}).encode()
    json_type = "application/json"
    return {
        MLFLOW: (others["mlflow"], request("/invocations", json_type, listed)),
        LITSERVE: (others["litserve"], request("/predict", json_type, one)),
        PYDANTIC: (others["pydantic"], request("/predict", json_type, one)),
        INLINE: (others["raw"], request("/predict", "application/x-npy", npy(PIXELS))),
    }


def npy(array: NDArray[np.uint8]) -> bytes:
    """A .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


if __name__ == "__main__":
    main()
