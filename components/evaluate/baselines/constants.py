"""Baselines that do not look at the sample at all."""

import numpy as np

from components.contracts import LabelledArrays
from components.evaluate.baselines.result import Baseline


def majority(train: LabelledArrays, test: LabelledArrays) -> Baseline:
    """Always the most frequent class."""
    most_frequent = int(np.bincount(train.labels).argmax())
    predicted = np.full(len(test.labels), most_frequent, dtype=np.int64)
    return Baseline("majority", "always the most frequent class of the training split", predicted)


def mean(train: LabelledArrays, test: LabelledArrays) -> Baseline:
    """Always the mean."""
    predicted = np.full(len(test.labels), train.labels.mean(dtype=np.float64))
    return Baseline("mean", "always the mean of the training split", predicted)
