"""Small but real model packages for tests: a nearest-centroid classifier of scikit-learn's digits as an ONNX graph.

It is right on some 90 % of the digits, its graph takes and gives what :class:`components.package.ModelSignature` says,
and ``bias`` turns it into another model: a large one makes it answer the first label always.
"""

import functools
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

from components.contracts import (
    BaselineResult,
    ClassTarget,
    Evaluated,
    ImageInputs,
    LabelledArrays,
    Preprocessing,
)
from components.evaluate.classes.metrics import measure_classes
from components.evaluate.reference import drift_reference, golden_batch
from components.files import write_json, write_text
from components.inference import answers, open_graph
from components.package import ModelSignature, Provenance, seal
from components.package.model import (
    CARD,
    GOLDEN,
    METRICS,
    MODEL,
    PARAMS,
    PROVENANCE,
    REFERENCE,
    SIGNATURE_FILE,
    WEIGHTS,
)
from components.settings import Settings
from components.splits import ID_DIGITS, content_sha256
from components.tasks.intervals import wilson_interval
from tests.variants import make_compressed, make_variant

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 8
TRAINED_ON = 1000
"""Digits, from the first, that the centroids are means of; the others are held out."""


@functools.cache
def digits() -> LabelledArrays:
    """All 1,797 digits: (1797, 8, 8, 1) uint8 in 0…255, their labels, and ids."""
    data = load_digits()
    inputs = (data.images * 255 / 16).astype(np.uint8)[..., None]
    ids = np.array([content_sha256(image.repeat(3, axis=2))[:ID_DIGITS] for image in inputs])
    return LabelledArrays(inputs, data.target.astype(np.int64), ids)


def held_out(labels: tuple[str, ...] = DIGITS) -> LabelledArrays:
    """The digits after the first 1,000 that are of some classes, numbered in the order of ``labels``."""
    samples = digits()
    numbers = np.array([labels.index(name) if name in labels else -1 for name in DIGITS])[samples.labels]
    chosen = np.flatnonzero((np.arange(len(numbers)) >= TRAINED_ON) & (numbers >= 0))
    return LabelledArrays(samples.inputs[chosen], numbers[chosen], samples.ids[chosen])


def make_graph(path: Path, *, bias: float = 0.0, labels: tuple[str, ...] = DIGITS) -> None:
    """Writes the classifier; label k of ``labels`` is the digit k of DIGITS with that name.

    Args:
        path: the ONNX file.
        bias: added to the score of the first label.
        labels: those of DIGITS that it knows, in the order of its probabilities.
    """
    samples = digits()
    pixels = samples.inputs[:TRAINED_ON].reshape(TRAINED_ON, -1).astype(np.float32) / 255
    truth = samples.labels[:TRAINED_ON]
    centroids = np.stack([pixels[truth == DIGITS.index(label)].mean(axis=0) for label in labels])
    offsets = -(centroids**2).sum(axis=1)
    offsets[0] += bias
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(_nearest_centroid(2 * centroids.T, offsets), path)


def _nearest_centroid(weights: NDArray[np.float32], offsets: NDArray[np.float32]) -> onnx.ModelProto:
    features, classes = weights.shape
    constants = {
        "flat": np.array([0, features], dtype=np.int64),
        "white": np.array(255, dtype=np.float32),
        "weights": weights.astype(np.float32),
        "offsets": offsets.astype(np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["inputs", "flat"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "white"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "offsets"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "nearest_centroid",
        [helper.make_tensor_value_info("inputs", TensorProto.UINT8, ["batch", SIDE, SIDE, 1])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", features]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def evaluate_graph(graph: Path, labels: tuple[str, ...] = DIGITS) -> Evaluated:
    """What the stage ``evaluate`` would say of it."""
    samples = held_out(labels)
    metrics = measure_classes(answers(open_graph(graph), samples.inputs), samples.labels, labels, bins=15)
    first = samples.labels == 0
    return Evaluated(
        chosen=metrics,
        variants={"fp32": metrics},
        baseline=BaselineResult(
            name="majority",
            description="always the first class",
            score=float(first.mean()),
            interval=wilson_interval(int(first.sum()), len(first)),
        ),
        champion=None,
    )


def write_model_parts(folder: Path, graph: Path, labels: tuple[str, ...] = DIGITS) -> None:
    """Golden batch and drift reference of a graph, as the stage ``evaluate`` writes them."""
    session, samples = open_graph(graph), held_out(labels)
    known = fitted(labels)
    golden_batch(session, known.target, samples, 16).save(folder / GOLDEN)
    drift_reference(session, known, samples).save(folder / REFERENCE)


def make_package(
    folder: Path,
    settings: Settings,
    *,
    bias: float = 0.0,
    labels: tuple[str, ...] = DIGITS,
    test_share: float | None = None,
) -> str:
    """Writes a whole package, sealed with the settings' key, and returns its digest.

    Two packages with different ``bias`` answer differently and have different digests.
    """
    make_graph(folder / MODEL, bias=bias, labels=labels)
    write_model_parts(folder, folder / MODEL, labels)
    save_file({"bias": np.array([bias], dtype=np.float32)}, folder / WEIGHTS)
    _signature(labels).write(folder / SIGNATURE_FILE)
    _provenance(test_share).write(folder / PROVENANCE)
    write_metrics(folder, evaluate_graph(folder / MODEL, labels))
    write_text(folder / PARAMS, f"# bias {bias}\n")
    write_text(folder / CARD, "# Nearest centroid\n")
    return seal(folder, settings.private_key, settings.public_keys)


def write_metrics(folder: Path, evaluated: Evaluated) -> None:
    """The measures of a package, with those of a compression that came to nothing."""
    fp32 = make_variant("fp32", size=(folder / MODEL).stat().st_size)
    compressed = make_compressed([fp32], "fp32", "fp32, because nothing else was tried")
    write_json(
        folder / METRICS, evaluated.model_dump(mode="json") | {"compression": compressed.model_dump(mode="json")}
    )


def fitted(labels: tuple[str, ...] = DIGITS) -> Preprocessing:
    """What the stage ``prepare`` would have found."""
    names = np.array(DIGITS)[digits().labels[:TRAINED_ON]]
    return Preprocessing(
        inputs=ImageInputs(height=SIDE, width=SIDE, channels=1, mean=(0.3,), std=(0.4,)),
        target=ClassTarget(labels=labels, counts=tuple(int((names == label).sum()) for label in labels)),
    )


def _signature(labels: tuple[str, ...]) -> ModelSignature:
    known = fitted(labels)
    return ModelSignature(
        task="image_classification",
        inputs=known.inputs,
        target=known.target,
        features=SIDE * SIDE,
        golden_tolerance=1e-4,
    )


def _provenance(test_share: float | None) -> Provenance:
    return Provenance(
        git_commit=None,
        git_dirty=False,
        lock_sha256="0" * 64,
        seed=7,
        chosen="fp32",
        train_run_id="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        test_share=test_share,
        environment={"numpy": np.__version__},
    )
