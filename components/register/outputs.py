"""What the line has left behind, read once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from components.contracts import (
    COMPRESSED,
    EVALUATED,
    INGESTED,
    PREPARED,
    TRAINED,
    Compressed,
    Evaluated,
    Ingested,
    Preprocessing,
    TrainedModel,
    Variant,
)
from components.errors import LineageError

INGESTED_RECORD = INGESTED / "ingested.json"
FITTED = PREPARED / "preprocessing.json"


@dataclass(frozen=True)
class LineOutputs:
    """The records of the stages that a package tells of."""

    ingested: Ingested
    fitted: Preprocessing
    trained: TrainedModel
    compressed: Compressed
    evaluated: Evaluated

    @classmethod
    def read(cls) -> Self:
        """Reads them where the stages wrote them.

        Raises:
            LineageError: one is missing or of another shape.
        """
        try:
            return cls(
                Ingested.read(INGESTED_RECORD),
                Preprocessing.read(FITTED),
                TrainedModel.read(TRAINED / "trained.json"),
                Compressed.read(COMPRESSED / "compressed.json"),
                Evaluated.read(EVALUATED / "evaluated.json"),
            )
        except (OSError, ValidationError) as error:
            raise LineageError(f"The line's outputs cannot be read: {error}. Run the line: 'tunesmith run'.") from None

    @property
    def chosen(self) -> Variant:
        """The variant that leaves the line."""
        return next(variant for variant in self.compressed.variants if variant.name == self.compressed.chosen)

    @property
    def graph(self) -> Path:
        """Its ONNX file."""
        return COMPRESSED / self.chosen.file
