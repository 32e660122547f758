"""Which samples stand for a split: chosen by label and position alone, so that the same data gives the same choice."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassTarget, Target


def golden_picks(target: Target, labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Which validation samples make the golden batch.

    Of classes, the first of each in turn; of values, evenly spaced from the smallest to the largest.

    Args:
        target: what is predicted.
        labels: (samples,) of the validation split.
        count: samples, at most.

    Returns:
        (min(count, samples),) ascending indices.
    """
    return balanced(labels, count) if isinstance(target, ClassTarget) else proportional(labels, count)


def proportional(labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Picks samples so that each class keeps its share, or values theirs (systematic sampling of the sorted samples).

    Args:
        labels: (samples,) classes, or values.
        count: how many to pick, at most.

    Returns:
        (min(count, samples),) ascending indices.
    """
    picked = np.linspace(0, len(labels) - 1, min(count, len(labels))).astype(np.int64)
    return np.sort(np.argsort(labels, kind="stable")[picked])


def balanced(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Picks the first samples of every class in turn, so that all classes are there as evenly as they can be.

    Args:
        labels: (samples,) classes.
        count: how many to pick, at most.

    Returns:
        (min(count, samples),) ascending indices.
    """
    rank_in_class = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank_in_class[members] = np.arange(len(members))
    return np.sort(np.lexsort((labels, rank_in_class))[:count])
