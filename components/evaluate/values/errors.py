"""Where a regression is furthest from the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluate.shown import ShownSample


@dataclass(frozen=True)
class LargeError:
    """One answer that is far off.

    Attributes:
        sample: what the model was asked.
        truth: the true value.
        value: the answer.
    """

    sample: ShownSample
    truth: float
    value: float


def largest_errors(
    values: NDArray[Any],
    labels: NDArray[Any],
    count: int,
    show: Callable[[NDArray[np.int64]], list[ShownSample]],
) -> tuple[LargeError, ...]:
    """The answers with the largest absolute error, the largest first.

    Args:
        values: (samples,) answers.
        labels: (samples,) the truth.
        count: how many, at most.
        show: gives the samples at some places of the split.
    """
    worst = np.argsort(-np.abs(values.astype(np.float64) - labels), kind="stable")[:count]
    return tuple(
        LargeError(sample, float(labels[index]), float(values[index]))
        for index, sample in zip(worst, show(worst), strict=True)
    )
