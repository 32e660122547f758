"""Baselines on pixels.

They are yardsticks and must cost seconds whatever the data, so images are thinned and samples picked where there are
many; the description says so.
"""

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from components.contracts import LabelledArrays
from components.evaluate.baselines.result import Baseline
from components.sampling import proportional

MAX_SAMPLES = 10_000
MAX_SIDE = 32
MAX_ITERATIONS = 100
BATCH = 4096


def fit_on_pixels(
    name: Literal["nearest_centroid", "logistic_regression"], train: LabelledArrays, test: LabelledArrays
) -> Baseline:
    """Fits a baseline on the training split and asks it about the test split.

    Args:
        name: ``nearest_centroid`` or ``logistic_regression``.
        train: at least two classes.
        test: at least one sample.
    """
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


def _pixels(images_nhwc: NDArray[np.uint8], stride: int) -> NDArray[np.float32]:
    thinned = images_nhwc[:, ::stride, ::stride]
    scaled: NDArray[np.float32] = np.divide(thinned, 255, dtype=np.float32).reshape(len(thinned), -1)
    return scaled
