"""What a package holds for those who use the model: its signature, its golden batch, its provenance."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from components.contracts import Inputs, InputsField, Record, TargetField
from components.errors import PackageError
from components.files import read_json, write_bytes

MODEL = "model.onnx"
WEIGHTS = "weights.safetensors"
SIGNATURE_FILE = "signature.json"
GOLDEN = "golden.safetensors"
REFERENCE = "reference.safetensors"
PROFILE = "profile.json"
METRICS = "metrics.json"
PROVENANCE = "provenance.json"
PARAMS = "params.yaml"
LOCK = "dvc.lock"
CARD = "card.md"


class ModelSignature(Record):
    """What the graph takes and gives.

    The graph's input ``inputs`` is (batch, *inputs.shape), as a decoder gives it. Its outputs are the one that the
    target names, (batch, target.width) float32, and ``features``, (batch, features) float32.
    """

    task: str
    """Name of the task, for people."""
    inputs: InputsField
    target: TargetField
    features: int
    golden_tolerance: float
    """Largest difference from a golden answer, in its unit, that still counts as the same model."""


class Provenance(Record):
    """Where a package comes from."""

    git_commit: str | None
    git_dirty: bool
    """Whether files differed from the commit, other than params.yaml and dvc.lock, which the package holds."""
    lock_sha256: str
    """Digest of dvc.lock: names every input and output of the line."""
    seed: int
    chosen: str
    """Variant of the compression that became model.onnx."""
    train_run_id: str
    created: str
    """UTC, ISO 8601."""
    test_share: float | None
    """Share of content hashes that was kept for test; None: the source has a test split of its own."""
    environment: dict[str, str]
    """Python and the versions of the libraries that shaped the model, at its training."""
    machine: dict[str, str] = Field(default_factory=dict)
    """What it was trained on (see :class:`components.contracts.TrainedModel`); empty: an older release made it."""


@dataclass(frozen=True)
class GoldenBatch:
    """Inputs with the answers that the model must give.

    Attributes:
        inputs: (samples, *shape of the inputs), in their dtype.
        answers: (samples, width of the target) float32: probabilities, or values in the target's unit.
    """

    inputs: NDArray[Any]
    answers: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Writes a safetensors file."""
        write_bytes(path, save({"inputs": self.inputs, "answers": self.answers}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what :meth:`save` has written."""
        tensors = load_file(path)
        return cls(tensors["inputs"], tensors["answers"])


@dataclass(frozen=True)
class ModelPackage:
    """The parts of a package, read from a folder whose manifest was verified."""

    folder: Path
    signature: ModelSignature
    golden: GoldenBatch
    provenance: Provenance

    @property
    def graph(self) -> Path:
        """The ONNX graph."""
        return self.folder / MODEL

    @property
    def inputs(self) -> Inputs:
        """What the model takes."""
        return self.signature.inputs

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the parts; does not verify the manifest (see :func:`components.package.verify`).

        Raises:
            PackageError: a part is missing or of another shape.
        """
        try:
            return cls(
                folder,
                ModelSignature.read(folder / SIGNATURE_FILE),
                GoldenBatch.load(folder / GOLDEN),
                Provenance.read(folder / PROVENANCE),
            )
        except (OSError, ValidationError, SafetensorError, KeyError, ValueError) as error:
            raise PackageError(
                f"{folder} is not a complete model package of this release: {error} Make the model anew; where an "
                "older release made the champion, under another name in params.yaml."
            ) from None

    def card(self) -> str:
        """The model card, in Markdown.

        Raises:
            PackageError: it is missing, or no text.
        """
        try:
            return (self.folder / CARD).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PackageError(f"The package's {CARD} cannot be read: {error}") from None

    def metrics(self) -> dict[str, Any]:
        """The held-out measures, as evaluate wrote them."""
        metrics: dict[str, Any] = read_json(self.folder / METRICS)
        return metrics
