"""What a model gives: the probability of each class, or a value."""

from typing import Annotated, Literal

from pydantic import Field

from components.contracts.record import Record


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
    def score(self) -> str:
        """The one measure by which models are compared; higher is better, 1 is perfect."""
        return "R²"


Target = ClassTarget | ValueTarget
TargetField = Annotated[Target, Field(discriminator="kind")]
