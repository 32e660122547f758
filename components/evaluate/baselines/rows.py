"""Baselines on the columns of a table."""

from typing import Literal

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from components.contracts import CategoricalColumn, LabelledArrays, RowInputs
from components.evaluate.baselines.result import Baseline

MAX_CATEGORIES = 254
"""Categories of a column that the boosting takes; of more, it takes their numbers."""
SEED = 0


def fit_on_columns(
    name: Literal["linear_regression", "gradient_boosting"],
    inputs: RowInputs,
    train: LabelledArrays,
    test: LabelledArrays,
) -> Baseline:
    """Fits a regression of scikit-learn, with its own settings, on the whole training split."""
    if name == "linear_regression":
        method, model = "linear regression on numbers and categories", _linear(inputs)
    else:
        method, model = "histogram gradient boosting (scikit-learn's settings)", _boosting(inputs)
    model.fit(train.inputs, train.labels)
    predicted = model.predict(test.inputs).astype(np.float64)
    return Baseline(name, f"{method}, fitted on all {len(train.labels):,} training samples", predicted)


def _linear(inputs: RowInputs) -> Pipeline:
    categorical = [place for place, column in enumerate(inputs.columns) if isinstance(column, CategoricalColumn)]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), categorical), remainder=numbers)
    return make_pipeline(columns, LinearRegression())


def _boosting(inputs: RowInputs) -> HistGradientBoostingRegressor:
    """Takes a category that training never saw (-1) for a missing one, as scikit-learn does with negative ones."""
    categorical = [
        isinstance(column, CategoricalColumn) and len(column.categories) <= MAX_CATEGORIES for column in inputs.columns
    ]
    return HistGradientBoostingRegressor(categorical_features=categorical, random_state=SEED)
