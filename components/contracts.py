"""What crosses the boundary between two stages: where it lies, and its frozen type."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from components.files import read_json, write_json

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

FETCHED = Path("data/fetched")
CHAMPION = Path("data/champion")
INGESTED = Path("data/ingested")
VALIDATED = Path("data/validated")
PREPARED = Path("data/prepared")
AUGMENTED = Path("data/augmented")
TRAINED = Path("models/train")
COMPRESSED = Path("models/compress")
EVALUATED = Path("models/evaluate")
PACKAGED = Path("models/package")
REPORTS = Path("reports")

SAMPLES = INGESTED / "samples.parquet"
QUARANTINE = INGESTED / "quarantine.parquet"
INPUTS = INGESTED / "inputs.npy"


class Record(BaseModel):
    """A small JSON file that one stage writes and another reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the record.

        Raises:
            pydantic.ValidationError: the file is of another shape.
        """
        return cls.model_validate(read_json(path))

    def write(self, path: Path) -> None:
        """Writes the record, whole or not at all."""
        write_json(path, self.model_dump(mode="json"))


class Ingested(Record):
    """What ingest says of its table: ``data/ingested/ingested.json``."""

    labels: tuple[str, ...]
    height: int
    width: int
    channels: int
    samples: dict[Split, int]
    quarantined: dict[str, int]
    own_test_split: bool


class Verdict(Record):
    """That the ingested data was found valid: ``data/validated/verdict.json``. Depends on the data alone."""

    samples_sha256: str
    expectations: int


class ChampionRef(Record):
    """Which version was champion when the line began: ``data/champion/champion.json``, beside its ``package/``."""

    version: int | None


class Preprocessing(Record):
    """What was fitted on the training split: ``data/prepared/preprocessing.json``."""

    labels: tuple[str, ...]
    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    """Per channel, of values in [0, 1]."""
    std: tuple[float, ...]
    class_counts: tuple[int, ...]
    """Training samples of each class."""


class TrainedModel(Record):
    """How training ended: ``models/train/trained.json``, beside ``best.safetensors`` and ``last.safetensors``."""

    run_id: str
    """MLflow run that holds the curves."""
    epochs: int
    best_epoch: int
    validation_accuracy: float
    parameters: int


class Epoch(Record):
    """One epoch of the training: an entry of ``reports/train/history.json``."""

    epoch: int
    """From 1."""
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    """At the end of the epoch."""
    seconds: float


class Latency(Record):
    """Wall time of one inference, one thread, in milliseconds."""

    p50: float
    p99: float


class Variant(Record):
    """One exported model as it was measured."""

    name: str
    file: str
    bytes: int
    validation_accuracy: float
    latency_1: Latency
    """Batch of one."""
    latency_32: Latency
    refused: str | None
    """Why it may not be chosen, in words."""


class Compressed(Record):
    """The measured variants and the choice: ``models/compress/compressed.json``, beside the graphs."""

    variants: tuple[Variant, ...]
    chosen: str
    reason: str
    parity_difference: float
    """Largest difference of any probability between the fp32 graph and the network, on validation samples."""


class ClassMetrics(Record):
    """Measures of one class on the test split."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class Metrics(Record):
    """Measures of one model on the test split, each in [0, 1]."""

    accuracy: float
    accuracy_interval: tuple[float, float]
    """95 % Wilson interval."""
    macro_f1: float
    calibration_error: float
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Row: true class; column: predicted class."""
    samples: int


class Comparison(Record):
    """Champion and challenger on the test samples that both were kept from: the whole test split, or a part of it."""

    version: int
    samples: int
    """How many samples that is."""
    accuracy: float
    """The champion's."""
    challenger_accuracy: float
    recall_gains: tuple[float | None, ...]
    """The challenger's recall of each class less the champion's, in the order of the labels; None: no samples."""
    only_challenger_right: int
    only_champion_right: int
    p_value: float
    """Exact McNemar test, two-sided."""


class Incomparable(Record):
    """A champion that cannot be asked about these samples."""

    version: int
    reason: str
    """A sentence that says what differs."""


class Evaluated(Record):
    """The held-out measures: ``models/evaluate/evaluated.json``, beside golden and reference."""

    chosen: Metrics
    variants: dict[str, Metrics]
    """Every variant of the compression, the chosen one among them."""
    baseline: str
    baseline_accuracy: float
    champion: Comparison | Incomparable | None
    """``None``: there was no champion."""


@dataclass(frozen=True)
class LabelledArrays:
    """The samples of one split, in the order of the sample table.

    Attributes:
        inputs: (samples, height, width, channels) uint8; when loaded, memory-mapped copy-on-write: the file
            never changes.
        labels: (samples,) int64, index into the labels of Preprocessing.
        ids: (samples,) fixed-width str, the id of each sample in the sample table.
    """

    inputs: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Opens what :meth:`save` has written; the inputs stay on disk until they are read."""
        return cls(
            np.load(folder / "inputs.npy", mmap_mode="c", allow_pickle=False),
            np.load(folder / "labels.npy", allow_pickle=False),
            np.load(folder / "ids.npy", allow_pickle=False),
        )

    def save(self, folder: Path) -> None:
        """Writes three .npy files without pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "inputs.npy", self.inputs, allow_pickle=False)
        np.save(folder / "labels.npy", self.labels, allow_pickle=False)
        np.save(folder / "ids.npy", self.ids, allow_pickle=False)
