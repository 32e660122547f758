"""What evaluate leaves: held-out measures of every variant, the baseline, and the comparison with the champion."""

from typing import Annotated, Literal

from pydantic import Field

from components.contracts.record import Record


class ClassMetrics(Record):
    """Measures of one class on the test split."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class ClassificationMetrics(Record):
    """Measures of a classifier on the test split, each in [0, 1]."""

    kind: Literal["classes"] = "classes"
    accuracy: float
    accuracy_interval: tuple[float, float]
    """95 % Wilson interval."""
    macro_f1: float
    calibration_error: float
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Row: true class; column: predicted class."""
    samples: int

    @property
    def score(self) -> float:
        """The accuracy."""
        return self.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the score."""
        return self.accuracy_interval


class RegressionMetrics(Record):
    """Measures of a regression on the test split; errors in the target's own unit."""

    kind: Literal["values"] = "values"
    rmse: float
    mae: float
    r2: float
    """Coefficient of determination: 1 is perfect, 0 no better than the mean."""
    r2_interval: tuple[float, float]
    """95 % percentile bootstrap interval."""
    bias: float
    """Mean of answer less truth."""
    error_quantiles: tuple[float, float, float]
    """50th, 90th and 99th percentile of the absolute error."""
    samples: int

    @property
    def score(self) -> float:
        """R²."""
        return self.r2

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the score."""
        return self.r2_interval


Metrics = ClassificationMetrics | RegressionMetrics
MetricsField = Annotated[Metrics, Field(discriminator="kind")]


class ClassComparison(Record):
    """Champion and challenger on the test samples that both were kept from: the whole test split, or a part of it."""

    kind: Literal["classes"] = "classes"
    version: int
    samples: int
    """How many samples that is."""
    score: float
    """The champion's accuracy."""
    interval: tuple[float, float]
    """Its 95 % interval."""
    challenger_score: float
    recall_gains: tuple[float | None, ...]
    """The challenger's recall of each class less the champion's, in the order of the labels; None: no samples."""
    only_challenger_right: int
    only_champion_right: int
    p_value: float
    """Exact McNemar test, two-sided."""


class ValueComparison(Record):
    """Champion and challenger on the test samples that both were kept from: the whole test split, or a part of it."""

    kind: Literal["values"] = "values"
    version: int
    samples: int
    score: float
    """The champion's R²."""
    interval: tuple[float, float]
    """Its 95 % interval."""
    challenger_score: float
    rmse: float
    """The champion's."""
    challenger_rmse: float
    closer: int
    """Samples on which the challenger's absolute error is smaller."""
    p_value: float
    """Wilcoxon signed-rank test of the absolute errors, two-sided."""


Comparison = ClassComparison | ValueComparison


class Incomparable(Record):
    """A champion that cannot be asked about these samples."""

    kind: Literal["incomparable"] = "incomparable"
    version: int
    reason: str
    """A sentence that says what differs."""


class BaselineResult(Record):
    """A simple model on the same test samples."""

    name: str
    description: str
    """What was fitted on what, limits included, in words."""
    score: float
    interval: tuple[float, float]
    """95 % interval of the score."""


class Evaluated(Record):
    """The held-out measures: ``models/evaluate/evaluated.json``, beside golden and reference."""

    chosen: MetricsField
    variants: dict[str, MetricsField]
    """Every variant of the compression, the chosen one among them."""
    baseline: BaselineResult
    champion: Annotated[ClassComparison | ValueComparison | Incomparable, Field(discriminator="kind")] | None
    """``None``: there was no champion."""
