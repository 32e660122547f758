"""The baseline on words: TF-IDF and logistic regression, on the texts themselves."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from components.contracts import CONTENT, SAMPLES, LabelledArrays, Split
from components.evaluate.baselines.result import Baseline
from components.sampling import proportional

MAX_SAMPLES = 50_000
MAX_ITERATIONS = 1000


def fit_tfidf(train: LabelledArrays, test: LabelledArrays) -> Baseline:
    """scikit-learn's own settings: single words, each text's TF-IDF of length 1, L2 penalty of strength 1."""
    picked = proportional(train.labels, MAX_SAMPLES)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=MAX_ITERATIONS))
    model.fit(_texts("train", picked), train.labels[picked])
    predicted = model.predict(_texts("test", np.arange(len(test.labels))))
    words = len(model[0].vocabulary_)
    description = (
        f"logistic regression on the TF-IDF of {words:,} words (scikit-learn's settings), fitted on {len(picked):,} of "
        f"{len(train.labels):,} training samples"
    )
    return Baseline("tfidf_logistic_regression", description, predicted.astype(np.int64))


def _texts(split: Split, places: NDArray[np.int64]) -> list[str]:
    """Texts by their places in a split."""
    rows = np.flatnonzero(pd.read_parquet(SAMPLES, columns=["split"])["split"] == split)
    texts: list[str] = pq.read_table(CONTENT).column("text").take(rows[places]).to_pylist()
    return texts
