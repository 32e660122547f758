"""The one measure by which models are compared: accuracy of classes, R² of values; and how a person reads it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, Target


def score(target: Target, answers: NDArray[np.float32], labels: NDArray[Any]) -> float:
    """The score of one model on some samples; higher is better, 1 is perfect.

    Args:
        target: what the answers are.
        answers: (samples, target.width): probabilities, or values; at least one sample.
        labels: (samples,) the truth: int64 classes, or float32 values in the same unit.
    """
    if isinstance(target, ClassTarget):
        return accuracy(answers.argmax(axis=1), labels)
    return r_squared(answers[:, 0], labels)


def accuracy(predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Share of the classes that are right, both (samples,)."""
    return float((predicted == labels).mean())


def r_squared(values: NDArray[Any], labels: NDArray[Any]) -> float:
    """Coefficient of determination, computed in float64 (Wright 1921, Correlation and Causation).

    One less the squared error over that of the labels' own mean. Where all labels are the same there is nothing to
    explain: 1 if every value is right, else 0.

    Args:
        values: (samples,) answers.
        labels: (samples,) the truth.
    """
    truth = labels.astype(np.float64)
    error = float(((values - truth) ** 2).sum())
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - error / spread if spread else float(error == 0)


def shown_score(target: Target, value: float) -> str:
    """A score as a person reads it: ``91.43%`` of an accuracy, ``0.9812`` of an R²."""
    return f"{value:.2%}" if isinstance(target, ClassTarget) else f"{value:.4f}"


def shown_difference(target: Target, difference: float) -> str:
    """A difference of two scores, with its sign: ``+0.62 points`` of accuracy, ``+0.0062`` of R²."""
    return f"{difference * 100:+.2f} points" if isinstance(target, ClassTarget) else f"{difference:+.4f}"
