"""Where the model errs: its most confident mistakes, and the classes that it takes for one another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contracts import LabelledArrays

Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
        image: (height, width, channels) uint8.
        sample: its id in the sample table.
        truth: its class.
        predicted: the class that was answered.
        confidence: probability of the answer.
        truth_probability: probability of the true class.
    """

    image: NDArray[np.uint8]
    sample: str
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


def worst_mistakes(test: LabelledArrays, probabilities: NDArray[np.float32], count: int) -> tuple[Mistake, ...]:
    """The wrong answers that the model was most confident of, the most confident first.

    Args:
        test: the samples.
        probabilities: (samples, classes) float32.
        count: how many, at most.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != test.labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")[:count]]
    return tuple(
        Mistake(
            image=test.inputs[index],
            sample=str(test.ids[index]),
            truth=int(test.labels[index]),
            predicted=int(predicted[index]),
            confidence=float(confidence[index]),
            truth_probability=float(probabilities[index, test.labels[index]]),
        )
        for index in worst
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
