"""What the data stages leave: the table of samples, the splits as arrays, and what was fitted on the training split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.contracts.inputs import InputsField
from components.contracts.paths import Split
from components.contracts.record import Record
from components.contracts.target import TargetField


class IngestedImages(Record):
    """Images, all brought to one size."""

    kind: Literal["images"] = "images"
    height: int
    width: int
    channels: int


class IngestedTexts(Record):
    """Texts, as they are."""

    kind: Literal["texts"] = "texts"


class IngestedRows(Record):
    """Rows, with the names of their feature columns."""

    kind: Literal["rows"] = "rows"
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    missing: Literal["refuse", "impute"]
    """What becomes of a row that lacks a number."""


class Ingested(Record):
    """What ingest says of its table: ``data/ingested/ingested.json``."""

    content: Annotated[IngestedImages | IngestedTexts | IngestedRows, Field(discriminator="kind")]
    labels: tuple[str, ...] | None
    """Name of each class; None: the labels are numbers."""
    label_name: str
    """What the label is called at its source."""
    summaries: tuple[str, ...]
    """Columns of the sample table that describe what each sample is like, float64: watched for drift."""
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

    inputs: InputsField
    target: TargetField


PARTS = ("inputs", "labels", "ids")


@dataclass(frozen=True)
class LabelledArrays:
    """The samples of one split, in the order of the sample table.

    Attributes:
        inputs: (samples, *shape of the inputs), in their dtype.
        labels: (samples,): int64, index into the labels of the target, or float32, its value.
        ids: (samples,) fixed-width str, the id of each sample in the sample table.

    When loaded, all three are memory-mapped and read-only. (Copy-on-write would count as memory that may be needed:
    the kernel then maps no file larger than memory and swap.)
    """

    inputs: NDArray[Any]
    labels: NDArray[Any]
    ids: NDArray[np.str_]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Opens what :meth:`save` has written; everything stays on disk until it is read."""
        return cls(*(np.load(folder / f"{part}.npy", mmap_mode="r", allow_pickle=False) for part in PARTS))

    def save(self, folder: Path) -> None:
        """Writes three .npy files without pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            np.save(folder / f"{part}.npy", getattr(self, part), allow_pickle=False)
