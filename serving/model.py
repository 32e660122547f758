"""A package as the server holds it: verified, opened in ONNX Runtime, and proven by its golden batch."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from safetensors import SafetensorError

from components.errors import PackageError
from components.package import GoldenBatch, ModelPackage, ModelSignature, verify
from components.package.model import REFERENCE
from components.package.reading import reading_of
from components.package.reference import DriftReference
from serving.decoding import Decoder, build_decoder
from serving.explaining import Explainer, build_explainer
from serving.graph import in_batches, open_session, pieces, trial_sizes
from serving.requests import Requests


class Inferred(NamedTuple):
    """What a graph gives for some samples."""

    answers: NDArray[np.float32]
    """(samples, width of the target)."""
    features: NDArray[np.float32]
    """(samples, features)."""

    def part(self, start: int, stop: int) -> "Inferred":
        """The samples from one to before another."""
        return Inferred(self.answers[start:stop], self.features[start:stop])


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One version, ready to answer. Never changes: another version is another object.

    Attributes:
        version: of the registered model.
        digest: of the package.
        signature: what the graph takes and gives.
        since: UTC, ISO 8601: when it was loaded.
        decoder: from requests to what the graph takes.
        explainer: says what of a sample mattered.
        card: the model card, in Markdown.
        reading: equal in versions that can be given the same array.
        reference: how the validation split looked to the graph.
        session: the graph, on one thread.
        requests: that are being answered from it.
    """

    version: int
    digest: str
    signature: ModelSignature
    since: str
    decoder: Decoder
    explainer: Explainer
    card: str
    reading: tuple[object, ...]
    reference: DriftReference
    session: ort.InferenceSession
    requests: Requests = field(default_factory=Requests)

    def infer(self, inputs: NDArray[Any]) -> Inferred:
        """What the graph gives for inputs (samples, *shape of one), which it is given piece by piece."""
        outputs = [self.signature.target.output, "features"]
        found = [Inferred(*self.session.run(outputs, {"inputs": piece})) for piece in pieces(inputs)]
        return found[0] if len(found) == 1 else Inferred(*map(np.concatenate, zip(*found, strict=True)))

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features, (samples, features), along the components of the drift reference: (samples, components)."""
        return self.reference.project(features)


class Answers(NamedTuple):
    """The answers of a request, and what they were given for.

    Attributes:
        served: the version that gave them.
        inputs: (samples, *shape of one).
        inferred: what its graph gave.
    """

    served: ServedModel
    inputs: NDArray[Any]
    inferred: Inferred


def load_model(folder: Path, version: int, trusted: Path, max_batch: int) -> ServedModel:
    """Opens a package, and lets no model through that does not answer as its maker said.

    Args:
        folder: the package; not needed afterwards.
        version: of the registered model.
        trusted: folder of public keys.
        max_batch: the largest batch that will be asked of it; it is asked once here, so that no client waits for it.

    Raises:
        PackageError: damaged, not signed by a trusted key, cannot be run, or its answers differ from the golden ones.
    """
    digest = verify(folder, trusted)
    package = ModelPackage.read(folder)
    try:
        session = open_session(package.graph)
    except Exception as error:  # noqa: BLE001 ONNX Runtime's exceptions share no base of their own
        raise PackageError(f"ONNX Runtime cannot open the graph: {error}") from None
    decoder = build_decoder(package)
    model = ServedModel(
        version=version,
        digest=digest,
        signature=package.signature,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        decoder=decoder,
        explainer=build_explainer(decoder),
        card=package.card(),
        reading=reading_of(package),
        reference=_reference(folder),
        session=session,
    )
    check_golden(model, package.golden, max_batch)
    return model


def _reference(folder: Path) -> DriftReference:
    try:
        return DriftReference.load(folder / REFERENCE)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise PackageError(f"The package's drift reference cannot be read: {error}") from None


def check_golden(model: ServedModel, golden: GoldenBatch, max_batch: int) -> None:
    """Asks the golden batch in batches of several sizes (see :func:`serving.graph.trial_sizes`).

    Raises:
        PackageError: an answer differs by more than the signature's tolerance, or cannot be given.
    """
    signature = model.signature
    if not len(golden.inputs) or golden.inputs.shape[1:] != signature.inputs.shape:
        raise PackageError(f"The golden batch has shape {golden.inputs.shape}, which the signature does not allow.")
    for size in trial_sizes(len(golden.inputs), max_batch):
        difference = _largest_difference(model, golden, size)
        if not difference <= signature.golden_tolerance:  # so that NaN is refused
            raise PackageError(
                f"The model does not answer its golden batch: in batches of {size} an answer is off by"
                f" {difference:.2g}, and {signature.golden_tolerance:.2g} is allowed."
            )


def _largest_difference(model: ServedModel, golden: GoldenBatch, size: int) -> float:
    expected = np.concatenate(in_batches(golden.answers, size))
    try:
        parts = [model.infer(batch).answers for batch in in_batches(golden.inputs, size)]
    except Exception as error:  # noqa: BLE001 ONNX Runtime's exceptions share no base of their own
        raise PackageError(f"The graph cannot run its golden batch in batches of {size}: {error}") from None
    answers = np.concatenate(parts)
    if answers.shape != expected.shape or answers.shape[1] != model.signature.target.width:
        raise PackageError(
            f"The graph gives {answers.shape[1:]} numbers a sample; the package names"
            f" {model.signature.target.width} and has golden answers of shape {expected.shape[1:]}."
        )
    return float(np.abs(answers - expected).max())
