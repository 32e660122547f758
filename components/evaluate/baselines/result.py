"""What every baseline gives."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline on the test split.

    Attributes:
        name: as params.yaml names it.
        description: what was fitted on what, limits included, in words.
        predicted: (samples,) its answers on the test split: int64 classes, or float64 values.
    """

    name: str
    description: str
    predicted: NDArray[Any]
