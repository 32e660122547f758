"""Every variant measured on this machine, in one run and in turn: what it answers, what it is, and what it costs."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from components.compress.frontier import Slowdown, dominating, refusal, slowdown
from components.compress.graph import described
from components.compress.making import Shelf
from components.compress.memory import peak_memory
from components.contracts import ClassTarget, LabelledArrays, Latencies, Target, Variant
from components.export import ServedNetwork
from components.inference import Answering, answers, inference_times, latency, open_graph
from components.params import Params
from components.params.sections import FP32
from components.tasks.score import score

EAGER = "torch eager"
MANY = 32
COMPANIES = (1, 7, 64)
"""Sizes of a batch, as a server's are."""
COMPANY_SAMPLES = 256
Times = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Eager:
    """A network in torch, that answers as a session of ONNX Runtime does."""

    served: ServedNetwork

    def run(self, names: Any, feed: Any) -> Any:
        """Answers the samples that ``feed["inputs"]`` holds."""
        with torch.inference_mode():
            return [output.numpy() for output in self.served(torch.from_numpy(feed["inputs"]))]


def class_scores(target: Target, given: NDArray[np.float32], labels: NDArray[Any]) -> tuple[float, ...] | None:
    """Recall of each class; 0 of one without samples; None: it answers values.

    Args:
        target: what is predicted.
        given: (samples, classes) probabilities.
        labels: (samples,) classes.
    """
    if not isinstance(target, ClassTarget):
        return None
    classes = len(target.labels)
    right = np.bincount(labels[given.argmax(axis=1) == labels], minlength=classes)
    return tuple((right / np.maximum(1, np.bincount(labels, minlength=classes))).tolist())


def company_difference(session: ort.InferenceSession, inputs: NDArray[Any]) -> float:
    """The largest difference that the other samples of a batch make to an answer.

    Args:
        session: the graph.
        inputs: (samples, *shape of one).
    """
    together = answers(session, inputs, len(inputs))
    return float(np.max([np.abs(answers(session, inputs, size) - together).max() for size in COMPANIES]))  # NaN counts


def measure(
    names: Sequence[str], shelf: Shelf, served: ServedNetwork, validation: LabelledArrays, params: Params
) -> tuple[list[Variant], Latencies]:
    """Measures the variants side by side.

    Args:
        names: of them, fp32 first.
        shelf: where they are kept.
        served: the trained network, measured beside them in torch.
        validation: the split that they are judged on.
        params: the whole of params.yaml.

    Returns:
        The variants, each judged, and the latencies of torch.
    """
    sessions = {name: open_graph(shelf.graph(name)) for name in names}
    repeats = params.compress.latency_repeats
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    beside: dict[str, Answering] = {**sessions, EAGER: Eager(served)}
    samples = dict.fromkeys(beside, validation.inputs)
    one, many = (
        inference_times(beside, samples, batch, count) for batch, count in ((1, repeats), (MANY, max(10, repeats // 4)))
    )
    torch.set_num_threads(threads)
    taken = {name: Latencies(batch_1=latency(one[name]), batch_32=latency(many[name])) for name in beside}
    console = Console(stderr=True)
    measured = [
        _measured(name, shelf, taken[name], validation, served.target, params)
        for name in track(names, "variants", console=console, transient=True, disable=not console.is_terminal)
    ]
    judged = [_judged(variant, measured, one, params, served.target) for variant in measured]
    return judged, taken[EAGER]


def _measured(
    name: str, shelf: Shelf, taken: Latencies, validation: LabelledArrays, target: Target, params: Params
) -> Variant:
    session = open_graph(shelf.graph(name))
    given = answers(session, validation.inputs)
    technique = params.compress.variants.get(name)
    made = shelf.made(name)
    with tempfile.TemporaryDirectory() as scratch:
        asked = Path(scratch) / "samples.npy"
        np.save(asked, validation.inputs[np.arange(MANY) % len(validation.inputs)], allow_pickle=False)
        memory = peak_memory(shelf.graph(name), asked)
    return Variant(
        name=name,
        of=technique.of if technique else None,
        technique=technique.name if technique else "training",
        file=f"{name}.onnx",
        graph=described(shelf.graph(name), validation.inputs[:1]),
        validation_score=score(target, given, validation.labels),
        class_scores=class_scores(target, given, validation.labels),
        latency=taken,
        peak_memory_bytes=memory,
        parity_difference=made.parity_difference,
        company_difference=company_difference(session, validation.inputs[:COMPANY_SAMPLES]),
        in_float=made.in_float,
        refused=None,
        dominated_by=None,
    )


def _judged(variant: Variant, all_of_them: Sequence[Variant], times: Times, params: Params, target: Target) -> Variant:
    """The variant, with why it is refused and by which other it is dominated."""
    others = [other for other in all_of_them if other is not variant]
    refused = None
    if variant.of is not None:
        slowdowns: dict[str, Slowdown] = {
            name: slowdown(times[variant.name], times[name]) for name in (FP32, variant.of)
        }
        refused = refusal(variant, all_of_them[0], slowdowns, params.compress.budget, target)
    return variant.model_copy(update={"refused": refused, "dominated_by": dominating(variant, others)})
