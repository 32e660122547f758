"""What the stage reads, and what it finds: all that the report tells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from components.contracts import (
    COMPRESSED,
    INGESTED,
    PREPARED,
    REPORTS,
    SPLITS,
    TRAINED,
    Compressed,
    Epoch,
    Evaluated,
    Ingested,
    LabelledArrays,
    Preprocessing,
    Split,
    TrainedModel,
)
from components.evaluate.baselines.result import Baseline
from components.evaluate.classes.metrics import CalibrationBins
from components.evaluate.classes.mistakes import Mistake
from components.evaluate.values.errors import LargeError
from components.files import read_json


@dataclass(frozen=True)
class Inputs:
    """What the stages before have left.

    Attributes:
        fitted: what the samples are.
        own_test_split: whether the source came with a test split of its own.
        splits: the samples.
        trained: how training ended.
        history: its epochs.
        compressed: the variants and the choice.
        contact_sheet: PNG file that shows the augmentation.
    """

    fitted: Preprocessing
    own_test_split: bool
    splits: dict[Split, LabelledArrays]
    trained: TrainedModel
    history: tuple[Epoch, ...]
    compressed: Compressed
    contact_sheet: bytes

    @classmethod
    def read(cls) -> Self:
        """Reads everything but the champion; the samples stay on disk until they are needed."""
        return cls(
            fitted=Preprocessing.read(PREPARED / "preprocessing.json"),
            own_test_split=Ingested.read(INGESTED / "ingested.json").own_test_split,
            splits={split: LabelledArrays.load(PREPARED / split) for split in SPLITS},
            trained=TrainedModel.read(TRAINED / "trained.json"),
            history=tuple(Epoch.model_validate(row) for row in read_json(REPORTS / "train" / "history.json")),
            compressed=Compressed.read(COMPRESSED / "compressed.json"),
            contact_sheet=(REPORTS / "augment" / "contact_sheet.png").read_bytes(),
        )

    @property
    def test(self) -> LabelledArrays:
        """The held-out samples."""
        return self.splits["test"]

    def graph(self, name: str) -> Path:
        """The ONNX file of a variant."""
        return COMPRESSED / next(variant.file for variant in self.compressed.variants if variant.name == name)


@dataclass(frozen=True)
class ClassDetail:
    """What the report tells of a classifier beside its measures.

    Attributes:
        probabilities: (samples, classes) float32, the answers.
        calibration: the answers by confidence.
        mistakes: the worst, the worst first.
    """

    probabilities: NDArray[np.float32]
    calibration: CalibrationBins
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class ValueDetail:
    """What the report tells of a regression beside its measures.

    Attributes:
        values: (samples,) float32, the answers.
        errors: the largest, the largest first.
    """

    values: NDArray[np.float32]
    errors: tuple[LargeError, ...]


@dataclass(frozen=True)
class Findings:
    """What was found about the chosen model on the test split.

    Attributes:
        evaluated: the held-out measures.
        baseline: what it was measured against.
        detail: what is told of models of this kind alone.
        digests: sha256 of what the model is and what it was measured on, by name.
    """

    evaluated: Evaluated
    baseline: Baseline
    detail: ClassDetail | ValueDetail
    digests: dict[str, str]
