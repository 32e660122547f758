"""The named baseline: a simple model that the network must beat, fitted on the training split.

It is a yardstick and must cost seconds whatever the data, so images are thinned and samples picked where there are
many; the description says so.
"""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from components.contracts import LabelledArrays
from components.evaluate.sampling import proportional

BaselineName = Literal["majority", "nearest_centroid", "logistic_regression"]

MAX_SAMPLES = 10_000
MAX_SIDE = 32
MAX_ITERATIONS = 100
BATCH = 4096


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline on the test split.

    Attributes:
        name: as params.yaml names it.
        description: what was fitted on what, limits included, in words.
        predicted: (samples,) int64, its answers on the test split.
    """

    name: BaselineName
    description: str
    predicted: NDArray[np.int64]


def fit_baseline(name: BaselineName, train: LabelledArrays, test: LabelledArrays) -> Baseline:
    """Fits a baseline on the training split and asks it about the test split.

    Args:
        name: ``majority``, ``nearest_centroid`` or ``logistic_regression``.
        train: at least two classes.
        test: at least one sample.
    """
    if name == "majority":
        return _majority(train, test)
    picked = proportional(train.labels, MAX_SAMPLES)
    stride = -(-max(train.inputs.shape[1:3]) // MAX_SIDE)
    if name == "nearest_centroid":
        method, model = "class with the nearest mean image", NearestCentroid()
    else:
        method = f"logistic regression on the pixels, at most {MAX_ITERATIONS} iterations"
        model = LogisticRegression(max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the limit is meant, and the description states it
        warnings.filterwarnings("ignore", ".*zero standard deviation")  # of a pixel; the nearest mean does not need it
        model.fit(_pixels(train.inputs[picked], stride), train.labels[picked])
    predicted = [
        model.predict(_pixels(test.inputs[start : start + BATCH], stride))
        for start in range(0, len(test.labels), BATCH)
    ]
    thinned = f", images thinned {stride}-fold" if stride > 1 else ""
    amount = f"{len(picked):,} of {len(train.labels):,} training samples{thinned}"
    return Baseline(name, f"{method}, fitted on {amount}", np.concatenate(predicted).astype(np.int64))


def _majority(train: LabelledArrays, test: LabelledArrays) -> Baseline:
    most_frequent = int(np.bincount(train.labels).argmax())
    predicted = np.full(len(test.labels), most_frequent, dtype=np.int64)
    return Baseline("majority", "always the most frequent class of the training split", predicted)


def _pixels(images_nhwc: NDArray[np.uint8], stride: int) -> NDArray[np.float32]:
    thinned = images_nhwc[:, ::stride, ::stride]
    scaled: NDArray[np.float32] = np.divide(thinned, 255, dtype=np.float32).reshape(len(thinned), -1)
    return scaled
