"""How sure a score is: 95 % intervals of an accuracy and of an R²."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from components.tasks.score import r_squared

RESAMPLES = 1000
SEED = 0


def wilson_interval(right: int, samples: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953), without continuity correction."""
    interval = binomtest(right, samples).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_interval(values: NDArray[Any], labels: NDArray[Any]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of R² (Efron & Tibshirani 1993, section 13.3), with a fixed seed."""
    random = np.random.default_rng(SEED)
    scores = [
        r_squared(values[chosen], labels[chosen])
        for chosen in (random.integers(0, len(labels), len(labels)) for _ in range(RESAMPLES))
    ]
    low, high = np.quantile(scores, (0.025, 0.975)).tolist()
    return low, high
