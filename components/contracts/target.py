"""What a model gives: the probability of each class, or a value."""

from typing import Annotated, Literal

from pydantic import Field

from components.contracts.record import Record

TOLERANCE = 0.01
"""Of a probability, or of a value in deviations of its target. int8 sums are rounded differently by processors with and
without VNNI; a wrong model is further off than this."""


class ClassTarget(Record):
    """One of several classes. A label is int64, the position of its class; an answer is (classes,) probabilities."""

    kind: Literal["classes"] = "classes"
    labels: tuple[str, ...]
    """Name of each class."""
    counts: tuple[int, ...]
    """Training samples of each class."""

    @property
    def output(self) -> str:
        """Name of the graph's first output."""
        return "probabilities"

    @property
    def width(self) -> int:
        """Numbers of one answer."""
        return len(self.labels)

    @property
    def tolerance(self) -> float:
        """Largest difference of a probability with which an answer still counts as the same."""
        return TOLERANCE

    @property
    def score(self) -> str:
        """The one measure by which models are compared; higher is better, 1 is perfect."""
        return "accuracy"


class ValueTarget(Record):
    """A number. A label is float32, in the column's own unit; an answer is (1,), in that unit, too."""

    kind: Literal["values"] = "values"
    name: str
    """Of the column."""
    mean: float
    """Over the training split; networks learn what is left when the mean is taken off, over the deviation."""
    std: float
    low: float
    """Smallest value of the training split."""
    high: float

    @property
    def output(self) -> str:
        """Name of the graph's first output."""
        return "value"

    @property
    def width(self) -> int:
        """Numbers of one answer."""
        return 1

    @property
    def tolerance(self) -> float:
        """Largest difference, in the column's unit, with which an answer still counts as the same."""
        return TOLERANCE * self.std

    @property
    def score(self) -> str:
        """The one measure by which models are compared; higher is better, 1 is perfect."""
        return "R²"


Target = ClassTarget | ValueTarget
TargetField = Annotated[Target, Field(discriminator="kind")]
