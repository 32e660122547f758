"""What the report tells of a classifier."""

from dataclasses import dataclass

import numpy as np

from components.contracts import ClassComparison, ClassificationMetrics, ClassMetrics, ClassTarget, Evaluated
from components.evaluate.chapter import Chapter
from components.evaluate.classes import figures
from components.evaluate.classes.mistakes import Confusion, confused_pairs, most_mistaken
from components.evaluate.findings import ClassDetail, Inputs
from components.evaluate.wording import count
from components.page.numbers import percent

MATRIX_CLASSES = 24
"""Classes of the confusion matrix, at most: more could not be read."""
PAIRS = 6


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix.

    Attributes:
        count: test samples.
        share: of the samples of the true class, in [0, 1].
        strength: of the colour, in [0, 1].
        right: whether it is on the diagonal.
    """

    count: int
    share: float
    strength: float
    right: bool


@dataclass(frozen=True)
class ClassRow:
    """A class on the test split; ``gain``: recall gained over the champion; None where there is nothing to compare."""

    metrics: ClassMetrics
    gain: float | None


def classes_chapter(
    inputs: Inputs, target: ClassTarget, evaluated: Evaluated, chosen: ClassificationMetrics, detail: ClassDetail
) -> Chapter:
    """Its measures, classes, confidence and mistakes.

    Args:
        inputs: what the stages before have left.
        target: the classes.
        evaluated: the held-out measures.
        chosen: those of the chosen variant.
        detail: what was found beside them.
    """
    shown = most_mistaken(chosen.confusion, MATRIX_CLASSES)
    accuracy, calibration = percent(chosen.accuracy, 2), f"{chosen.calibration_error:.4f}"
    return Chapter(
        folder="classes",
        headline=f"{accuracy} of {count(chosen.samples)} test {inputs.fitted.inputs.kind} classified right",
        lead=f"Macro F1: {chosen.macro_f1:.4f}.",
        tiles=(
            (accuracy, "accuracy"),
            (f"{chosen.macro_f1:.4f}", "macro F1"),
            (calibration, "calibration error"),
        ),
        anchors=(("classes", "Classes"), ("confidence", "Confidence"), ("mistakes", "Mistakes")),
        interval_method="Wilson",
        parity_unit="",
        details={
            "plots": {
                "reliability": figures.reliability_plot(detail.calibration),
                "coverage": figures.coverage_plot(detail.probabilities, inputs.test.labels),
            },
            "shown": shown,
            "matrix": confusion_cells(chosen.confusion, shown),
            "pairs": confused_pairs(chosen.confusion, PAIRS),
            "classes": class_rows(chosen, evaluated),
            "counts": {
                name: np.bincount(split.labels, minlength=target.width) for name, split in inputs.splits.items()
            },
        },
    )


def confusion_cells(confusion: Confusion, shown: list[int]) -> list[list[Cell]]:
    """The rows and columns of the shown classes; mistakes take their colour from the square root of their share."""
    totals = [max(1, sum(row)) for row in confusion]
    return [
        [
            Cell(
                count=confusion[truth][predicted],
                share=(share := confusion[truth][predicted] / totals[truth]),
                strength=share if truth == predicted else share**0.5,
                right=truth == predicted,
            )
            for predicted in shown
        ]
        for truth in shown
    ]


def class_rows(chosen: ClassificationMetrics, evaluated: Evaluated) -> list[ClassRow]:
    """The classes, the lowest F1 first."""
    champion = evaluated.champion
    gains = champion.recall_gains if isinstance(champion, ClassComparison) else (None,) * len(chosen.classes)
    rows = [ClassRow(metrics, gain) for metrics, gain in zip(chosen.classes, gains, strict=True)]
    return sorted(rows, key=lambda row: row.metrics.f1)
