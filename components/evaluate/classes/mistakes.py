"""Where the model errs: its most confident mistakes, and the classes that it takes for one another."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.evaluate.shown import ShownSample

Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
        sample: what the model was asked.
        truth: its class.
        predicted: the class that was answered.
        confidence: probability of the answer.
        truth_probability: probability of the true class.
    """

    sample: ShownSample
    truth: int
    predicted: int
    confidence: float
    truth_probability: float


@dataclass(frozen=True)
class ConfusedPair:
    """One class taken for another.

    Attributes:
        truth: the true class.
        predicted: the class that it is taken for.
        count: how often.
        share: of the samples of the true class.
        reverse: how often the other way round.
    """

    truth: int
    predicted: int
    count: int
    share: float
    reverse: int


def worst_mistakes(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    count: int,
    show: Callable[[NDArray[np.int64]], list[ShownSample]],
) -> tuple[Mistake, ...]:
    """The wrong answers that the model was most confident of, the most confident first.

    Args:
        labels: (samples,) true classes.
        probabilities: (samples, classes) float32.
        count: how many, at most.
        show: gives the samples at some places of the split.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")[:count]]
    return tuple(
        Mistake(
            sample=sample,
            truth=int(labels[index]),
            predicted=int(predicted[index]),
            confidence=float(confidence[index]),
            truth_probability=float(probabilities[index, labels[index]]),
        )
        for index, sample in zip(worst, show(worst), strict=True)
    )


def confused_pairs(confusion: Confusion, count: int) -> tuple[ConfusedPair, ...]:
    """The cells beside the diagonal with the most samples, the largest first; empty cells are left out."""
    table = np.array(confusion)
    mistakes = table - np.diag(np.diag(table))
    largest = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    cells = [(int(cell) // len(table), int(cell) % len(table)) for cell in largest]
    return tuple(
        ConfusedPair(
            truth=truth,
            predicted=predicted,
            count=int(table[truth, predicted]),
            share=float(table[truth, predicted] / table[truth].sum()),
            reverse=int(table[predicted, truth]),
        )
        for truth, predicted in cells
        if mistakes[truth, predicted]
    )


def most_mistaken(confusion: Confusion, count: int) -> list[int]:
    """The classes that take part in the most mistakes, at most ``count``, in their own order."""
    table = np.array(confusion)
    mistakes = table.sum(axis=0) + table.sum(axis=1) - 2 * np.diag(table)
    return sorted(np.argsort(-mistakes, kind="stable")[:count].tolist())
