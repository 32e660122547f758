"""A small but real package for texts: a naive Bayes classifier of token ids as an ONNX graph, with its real tokenizer.

The graph looks each token up in a table of log likelihoods and takes their mean; what it must answer can be computed
without it: :func:`probabilities_of`.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from components.contracts import (
    TOKENIZER,
    BaselineResult,
    ClassTarget,
    Evaluated,
    LabelledArrays,
    Preprocessing,
    TextInputs,
)
from components.evaluate.classes.metrics import measure_classes
from components.inference import answers, open_graph
from components.package.model import MODEL, WEIGHTS
from components.params.sections import BpeParams
from components.settings import Settings
from components.tasks.intervals import wilson_interval
from components.tasks.texts.tokens import PADDING, Tokenizer, train_tokenizer
from tests.row_package import build_graph, finish_package, save_graph

LENGTH = 12
LABELS = ("complaint", "praise")
SENTENCES = {
    "complaint": (
        "The delivery was late and the box was broken.",
        "A terrible colour, and the shoes are far too small.",
        "Nobody answers the telephone; I want my money back.",
        "It was broken after a week. Terrible quality.",
        "The wrong size again, and a late answer.",
        "Too small, too late, too expensive.",
    ),
    "praise": (
        "The delivery was quick and the shoes are wonderful.",
        "A wonderful colour, and they fit very well.",
        "Friendly people and a quick answer, thank you!",
        "Very good quality, I love them.",
        "They fit very well; thank you for the quick delivery.",
        "Good shoes at a good price, wonderful!",
    ),
}


@functools.cache
def tokenizer() -> Tokenizer:
    """Trained on the sentences."""
    params = BpeParams(name="bpe", vocabulary=330, lowercase=True)
    return train_tokenizer([text for texts in SENTENCES.values() for text in texts], params, LENGTH)


def text_inputs() -> TextInputs:
    """Token ids of that tokenizer."""
    return tokenizer().inputs


def text_target() -> ClassTarget:
    """Complaint or praise."""
    return ClassTarget(labels=LABELS, counts=tuple(len(SENTENCES[label]) for label in LABELS))


def held_out_texts() -> LabelledArrays:
    """The sentences as arrays, with their classes."""
    texts = [text for label in LABELS for text in SENTENCES[label]]
    labels = np.repeat(np.arange(len(LABELS)), text_target().counts)
    inputs = tokenizer().encode(texts)
    ids = np.array([f"{number:016x}" for number in range(len(texts))])
    return LabelledArrays(inputs, labels.astype(np.int64), ids)


@functools.cache
def likelihoods() -> NDArray[np.float32]:
    """(vocabulary, classes): the logarithm of each token's share of each class, one added to every count."""
    samples = held_out_texts()
    counts = np.ones((tokenizer().inputs.vocabulary, len(LABELS)))
    np.add.at(counts, (samples.inputs, samples.labels[:, None]), 1)
    counts[PADDING] = 1
    table: NDArray[np.float32] = np.log(counts / counts.sum(axis=0)).astype(np.float32)
    table[PADDING] = 0
    return table


def probabilities_of(text: str) -> NDArray[np.float64]:
    """What the model answers to a text, computed from its tokens."""
    ids = tokenizer().encode([text])[0]
    scores = likelihoods().astype(np.float64)[ids].sum(axis=0)
    shares = np.exp(scores - scores.max())
    found: NDArray[np.float64] = shares / shares.sum()
    return found


def make_text_package(folder: Path, settings: Settings, *, with_tokenizer: Tokenizer | None = None) -> str:
    """Writes a whole package, sealed with the settings' key, and returns its digest.

    Args:
        folder: of the package.
        settings: whose key seals it.
        with_tokenizer: another one than the graph was made for.
    """
    save_graph(_naive_bayes(), folder / MODEL)
    (with_tokenizer or tokenizer()).save(folder / TOKENIZER)
    save_file({"likelihoods": likelihoods()}, folder / WEIGHTS)
    known = Preprocessing(inputs=text_inputs(), target=text_target())
    return finish_package(
        folder,
        settings,
        "text_classification",
        known,
        held_out_texts(),
        evaluate_texts(folder / MODEL, held_out_texts()),
    )


def evaluate_texts(graph: Path, samples: LabelledArrays) -> Evaluated:
    """What a classifier of complaints and praise is found to be worth on samples."""
    metrics = measure_classes(answers(open_graph(graph), samples.inputs), samples.labels, LABELS, bins=15)
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


def _naive_bayes() -> onnx.ModelProto:
    classes = len(LABELS)
    constants: dict[str, NDArray[Any]] = {
        "table": likelihoods(),
        "positions": np.array([1], np.int64),
        "length": np.eye(classes, dtype=np.float32) * LENGTH,
        "offsets": np.zeros(classes, np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "inputs"], ["looked_up"], axis=0),
        helper.make_node("ReduceMean", ["looked_up", "positions"], ["features"], keepdims=0),
        helper.make_node("Gemm", ["features", "length", "offsets"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    return build_graph(nodes, constants, (TensorProto.INT32, LENGTH), {"probabilities": classes, "features": classes})
