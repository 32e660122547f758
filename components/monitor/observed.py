"""What a window and the reference are made of: the same four things of each sample."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from components.package.reference import DriftReference

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Observed:
    """Samples, and what a version answered.

    Attributes:
        summaries: (samples, summaries) float32.
        features: (samples, components) float32, along the principal components of the reference.
        answers: (samples,) float32: the largest probability, or the value.
        classes: (samples,) int32, what was answered; of values: empty.
    """

    summaries: NDArray[np.float32]
    features: NDArray[np.float32]
    answers: NDArray[np.float32]
    classes: NDArray[np.int32]

    def __len__(self) -> int:
        """Samples."""
        return len(self.answers)

    @classmethod
    def of_reference(cls, reference: DriftReference) -> Self:
        """The samples of a package."""
        return cls(reference.summaries, reference.features, reference.answers, reference.classes)

    @classmethod
    def of_log(cls, rows: "pa.Table", labels: tuple[str, ...]) -> Self:
        """Rows of the prediction log.

        Args:
            rows: as :func:`components.predictions.prediction_columns` has them.
            labels: of the classes; of values: empty.
        """
        number = {label: place for place, label in enumerate(labels)}
        classes = [number[label] for label in rows["label"].to_pylist()] if labels else []
        answers = rows["confidence" if labels else "value"].to_numpy()
        return cls(
            _matrix(rows, "summary"), _matrix(rows, "features"), np.asarray(answers), np.asarray(classes, np.int32)
        )


def _matrix(rows: "pa.Table", column: str) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = rows[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(rows), -1)
