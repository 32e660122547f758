"""Measures of a classifier, as pure functions on arrays of answers and true labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from components.contracts import ClassificationMetrics, ClassMetrics
from components.tasks.intervals import wilson_interval

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class CalibrationBins:
    """Answers grouped by confidence into bins of equal width (lower edge excluded, upper edge included).

    Attributes:
        counts: (bins,) int64, answers in each bin.
        confidence: (bins,) float64, their mean confidence; 0 where there are none.
        accuracy: (bins,) float64, share of them that is right; 0 where there are none.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |accuracy - confidence|, bins weighted by their answers.

        Naeini et al. 2015 (doi:10.1609/aaai.v29i1.9602); for the confidence of the predicted class, Guo et al. 2017
        (arXiv:1706.04599).
        """
        gaps = np.abs(self.accuracy - self.confidence)
        return float((gaps * self.counts).sum() / self.counts.sum())


def calibration_bins(probabilities: Probabilities, labels: Labels, bins: int) -> CalibrationBins:
    """Groups answers by the probability of the predicted class.

    Args:
        probabilities: (samples, classes), rows sum to 1; at least one sample.
        labels: (samples,) true classes.
        bins: number of bins of equal width on (0, 1].
    """
    confidences = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(index, minlength=bins)
    divisor = np.maximum(counts, 1)
    return CalibrationBins(
        counts,
        np.bincount(index, weights=confidences, minlength=bins) / divisor,
        np.bincount(index, weights=right, minlength=bins) / divisor,
    )


def mcnemar_p_value(only_first_right: int, only_second_right: int) -> float:
    """Exact two-sided McNemar test (1947, doi:10.1007/BF02295996): are two models right equally often?

    Args:
        only_first_right: samples that the first model alone gets right.
        only_second_right: samples that the second model alone gets right.

    Returns:
        The p-value; 1 where the two never differ.
    """
    differing = only_first_right + only_second_right
    return float(binomtest(only_first_right, differing, 0.5).pvalue) if differing else 1.0


def measure_classes(
    probabilities: Probabilities, labels: Labels, class_names: tuple[str, ...], bins: int
) -> ClassificationMetrics:
    """All measures of one model on one split.

    A class that is never predicted has precision 0, one without samples has recall 0; both count in the macro F1.

    Args:
        probabilities: (samples, classes) float32, rows sum to 1; at least one sample.
        labels: (samples,) int64 in [0, classes).
        class_names: name of each class.
        bins: of the calibration error.
    """
    predicted = probabilities.argmax(axis=1)
    classes = range(len(class_names))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    right = int((predicted == labels).sum())
    return ClassificationMetrics(
        accuracy=right / len(labels),
        accuracy_interval=wilson_interval(right, len(labels)),
        macro_f1=float(f1.mean()),
        calibration_error=calibration_bins(probabilities, labels, bins).error,
        classes=tuple(
            ClassMetrics(
                label=name,
                precision=float(precision[index]),
                recall=float(recall[index]),
                f1=float(f1[index]),
                support=int(support[index]),
            )
            for index, name in enumerate(class_names)
        ),
        confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(labels, predicted, labels=classes)),
        samples=len(labels),
    )
