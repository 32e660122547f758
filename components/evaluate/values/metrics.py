"""Measures of a regression, as pure functions on arrays of answers and true values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from components.contracts import RegressionMetrics
from components.tasks.intervals import bootstrap_interval
from components.tasks.score import r_squared

QUANTILES = (0.5, 0.9, 0.99)


def measure_values(values: NDArray[Any], labels: NDArray[Any]) -> RegressionMetrics:
    """All measures of one model on one split, in float64.

    Args:
        values: (samples,) answers, in the target's unit; at least one sample.
        labels: (samples,) the truth.
    """
    errors = values.astype(np.float64) - labels
    half, most, nearly_all = np.quantile(np.abs(errors), QUANTILES).tolist()
    return RegressionMetrics(
        rmse=float(np.sqrt((errors**2).mean())),
        mae=float(np.abs(errors).mean()),
        r2=r_squared(values, labels),
        r2_interval=bootstrap_interval(values, labels),
        bias=float(errors.mean()),
        error_quantiles=(half, most, nearly_all),
        samples=len(labels),
    )


def signed_rank_p_value(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Two-sided Wilcoxon signed-rank test (1945, doi:10.2307/3001968): are two models equally far off?

    Args:
        first: (samples,) absolute errors of the first model.
        second: (samples,) of the second.

    Returns:
        The p-value; 1 where the two never differ.
    """
    return float(wilcoxon(first - second).pvalue) if (first != second).any() else 1.0
