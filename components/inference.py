"""Running an ONNX graph on the CPU: its answers and what they cost; the same for every stage that measures one."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from components.contracts import Latency

WARMUP = 10
BATCH = 4
"""Samples of one inference. In larger ones convolutions are hardly faster, and attention is slower by far: its memory
leaves the cache (8 MB a sample at two heads and 1,024 tokens), and every text costs as much as the longest."""


def open_graph(path: Path, threads: int = 1) -> ort.InferenceSession:
    """Opens a graph on the CPU with a stated number of threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def outputs(
    session: ort.InferenceSession, names: list[str], inputs: NDArray[Any], batch: int = BATCH
) -> list[NDArray[np.float32]]:
    """Named outputs of a graph for all samples, each (samples, width).

    Args:
        session: an open graph.
        names: of the output of the target (:attr:`components.contracts.Target.output`) and ``features``, those that
            are wanted.
        inputs: (samples, *shape of one), as the graph takes them; at least one sample; may be memory-mapped.
        batch: samples of one inference.
    """
    console = Console(stderr=True)
    starts = track(
        range(0, len(inputs), batch), "inference", console=console, transient=True, disable=not console.is_terminal
    )
    parts = [session.run(names, {"inputs": inputs[start : start + batch]}) for start in starts]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def answers(session: ort.InferenceSession, inputs: NDArray[Any], batch: int = BATCH) -> NDArray[np.float32]:
    """The first output of a graph for all samples, (samples, width): probabilities, or values in the target's unit."""
    return outputs(session, [session.get_outputs()[0].name], inputs, batch)[0]


class Answering(Protocol):
    """What answers as a session of ONNX Runtime does."""

    def run(self, names: Any, feed: Any) -> Any:
        """Answers the samples that ``feed["inputs"]`` holds."""


def inference_times(
    sessions: Mapping[str, Answering], samples: Mapping[str, NDArray[Any]], batch: int, repeats: int
) -> dict[str, NDArray[np.float64]]:
    """Wall time of one inference of each graph, measured in turn so that a slow moment of the machine hits all of them.

    The order of each turn is drawn anew, and an inference that is not timed comes before each that is.

    Args:
        sessions: graphs by name.
        samples: what each is asked: (at least one, *shape of one), as it takes them; every inference goes on where the
            one before has ended, and begins again at the end: what a text costs depends on its length.
        batch: samples of one inference.
        repeats: timed inferences of each graph.

    Returns:
        (repeats,) milliseconds of each.
    """
    times: dict[str, list[float]] = {name: [] for name in sessions}
    names, shuffle = list(sessions), np.random.default_rng(0)
    for turn in range(WARMUP + repeats):
        asked = np.arange(turn * batch, (turn + 1) * batch)
        for name in shuffle.permutation(names):
            session = sessions[name]
            feed = {"inputs": samples[name][asked % len(samples[name])]}
            session.run(None, feed)  # what ran before has left its own memory in the cache
            started = time.perf_counter()
            session.run(None, feed)
            if turn >= WARMUP:
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: np.array(taken) for name, taken in times.items()}


def latencies(
    sessions: Mapping[str, Answering], samples: Mapping[str, NDArray[Any]], batch: int, repeats: int
) -> dict[str, Latency]:
    """Median and 99th percentile of :func:`inference_times`, which has the same arguments."""
    return {name: latency(times) for name, times in inference_times(sessions, samples, batch, repeats).items()}


def latency(milliseconds: NDArray[np.float64]) -> Latency:
    """Median and 99th percentile of some times."""
    return Latency(p50=float(np.percentile(milliseconds, 50)), p99=float(np.percentile(milliseconds, 99)))
