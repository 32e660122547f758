"""The labels as numbers, and what the training split says of them."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.contracts import ClassTarget, Ingested, Target, ValueTarget


def label_numbers(column: "pd.Series[Any]", ingested: Ingested) -> NDArray[Any]:
    """(samples,): int64, the position of each class; or float32, the values."""
    if ingested.labels is None:
        return column.to_numpy(np.float32)
    numbers = {label: number for number, label in enumerate(ingested.labels)}
    return column.map(numbers).to_numpy(np.int64)


def fit_target(train: NDArray[Any], ingested: Ingested) -> Target:
    """What the model gives.

    Args:
        train: (samples,) labels of the training split, as of :func:`label_numbers`.
        ingested: the names of the classes, or of the value.
    """
    if ingested.labels is not None:
        counts = np.bincount(train, minlength=len(ingested.labels))
        return ClassTarget(labels=ingested.labels, counts=tuple(counts.tolist()))
    values = train.astype(np.float64)
    return ValueTarget(
        name=ingested.label_name,
        mean=float(values.mean()),
        std=float(values.std()) or 1.0,
        low=float(values.min()),
        high=float(values.max()),
    )
