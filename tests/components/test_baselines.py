"""The baselines on samples whose best answer is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.contracts import CONTENT, INGESTED, SAMPLES, CategoricalColumn, LabelledArrays, NumericColumn, RowInputs
from components.evaluate.baselines.constants import majority, mean
from components.evaluate.baselines.rows import fit_on_columns
from components.evaluate.baselines.texts import fit_tfidf
from components.tasks.score import r_squared

ROWS = RowInputs(
    columns=(
        NumericColumn(name="x", mean=0.0, std=1.0, median=0.0, low=-3.0, high=3.0),
        CategoricalColumn(name="colour", categories=("red", "green")),
    ),
    scaling="standard",
    missing="impute",
)


def rows(count: int, seed: int, *, curved: bool = False) -> LabelledArrays:
    """A line (or a parabola) in x, and a step of 5 from red to green."""
    random = np.random.default_rng(seed)
    x, colour = random.normal(size=count), random.integers(0, 2, count)
    labels = (x**2 if curved else 2 * x) + 5 * colour
    inputs = np.stack([x, colour], axis=1).astype(np.float32)
    return LabelledArrays(inputs, labels.astype(np.float32), np.arange(count).astype(str))


def test_linear_regression_finds_a_line_and_a_step() -> None:
    train, test = rows(500, 0), rows(200, 1)
    train.inputs[::50, 0] = np.nan
    found = fit_on_columns("linear_regression", ROWS, train, test)
    assert r_squared(found.predicted, test.labels) > 0.99
    assert "all 500 training samples" in found.description


def test_gradient_boosting_finds_what_a_line_cannot() -> None:
    train, test = rows(2000, 0, curved=True), rows(500, 1, curved=True)
    boosted = fit_on_columns("gradient_boosting", ROWS, train, test)
    straight = fit_on_columns("linear_regression", ROWS, train, test)
    assert r_squared(boosted.predicted, test.labels) > 0.95
    assert r_squared(straight.predicted, test.labels) < 0.9


def test_a_category_that_training_never_saw_is_answered() -> None:
    train, test = rows(500, 0), rows(20, 1)
    test.inputs[:, 1] = -1
    for name in ("linear_regression", "gradient_boosting"):
        assert np.isfinite(fit_on_columns(name, ROWS, train, test).predicted).all()


def test_the_mean_explains_nothing() -> None:
    train, test = rows(500, 0), rows(200, 1)
    found = mean(train, test)
    assert set(found.predicted) == {train.labels.mean(dtype=np.float64)}
    assert r_squared(found.predicted, test.labels) == pytest.approx(0, abs=0.05)


def test_the_majority_is_that_of_the_training_split() -> None:
    labels = LabelledArrays(np.zeros((5, 1)), np.array([1, 1, 0, 2, 1]), np.arange(5).astype(str))
    assert set(majority(labels, labels).predicted) == {1}


def test_tfidf_learns_the_words_of_the_training_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    INGESTED.mkdir(parents=True)
    good, bad = ["a fine film, truly fine", "fine acting"], ["a dull film, truly dull", "dull acting"]
    texts = ["fine indeed", *good * 3, "dull indeed", *bad * 3, "never seen words"]
    split = ["test", *["train"] * 6, "test", *["train"] * 6, "test"]
    pd.DataFrame({"text": texts}).to_parquet(CONTENT)
    pd.DataFrame({"split": split}).to_parquet(SAMPLES)
    train = LabelledArrays(np.zeros((12, 1)), np.array([1] * 6 + [0] * 6), np.arange(12).astype(str))
    test = LabelledArrays(np.zeros((3, 1)), np.array([1, 0, 0]), np.arange(3).astype(str))
    found = fit_tfidf(train, test)
    assert found.predicted[:2].tolist() == [1, 0]
    assert "the TF-IDF of 5 words" in found.description, "fine, dull, film, truly, acting; a is too short for a word"
