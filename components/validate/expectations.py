"""What must hold of each table, each with the rule in words and, where there is one, the parameter that sets it."""

from collections.abc import Iterable
from typing import Any

import great_expectations.expectations as gxe
import numpy as np

from components.contracts import SPLITS, Ingested, IngestedImages, IngestedRows, IngestedTexts
from components.params.sections import ClassificationValidateParams, RegressionValidateParams
from components.validate.tables import sample_columns

Expectations = dict[str, list[Any]]
Limits = ClassificationValidateParams | RegressionValidateParams
LARGEST = float(np.finfo(np.float32).max)


def expectations(params: Limits, ingested: Ingested, drifts: Iterable[str]) -> Expectations:
    """The expectations about each table of :func:`components.validate.tables.tables`.

    Args:
        params: the limits.
        ingested: the columns, labels and counts that the table must have.
        drifts: what is compared with the champion's data.
    """
    dataset = [*_dataset(params), *_drift(params, drifts)]
    tables = {"samples": [*_samples(ingested), *_labels(ingested), *_content(ingested)]}
    match params:
        case ClassificationValidateParams():
            tables["classes"] = _classes(params)
        case RegressionValidateParams():
            dataset += _values(params)
    if isinstance(ingested.content, IngestedRows) and ingested.content.numeric:
        tables["columns"] = _columns()
    return tables | {"dataset": dataset}


def _samples(ingested: Ingested) -> list[Any]:
    columns = sample_columns(ingested)
    complete = [column for column in columns if not (_may_lack(ingested) and column in ingested.summaries)]
    return [
        gxe.ExpectTableColumnsToMatchSet(
            column_set=[*columns, "splits_of_content"], notes="The table has these columns and no others."
        ),
        gxe.ExpectTableRowCountToEqual(
            value=sum(ingested.samples.values()), notes="The table has as many rows as ingest says."
        ),
        *(gxe.ExpectColumnValuesToBeOfType(column=column, type_=kind) for column, kind in columns.items()),
        *(gxe.ExpectColumnValuesToNotBeNull(column=column) for column in complete),
        gxe.ExpectColumnValuesToBeUnique(column="id"),
        gxe.ExpectColumnValuesToMatchRegex(column="sha256", regex="^[0-9a-f]{64}$"),
        gxe.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        gxe.ExpectColumnValuesToBeBetween(
            column="splits_of_content", min_value=1, max_value=1, notes="No content (sha256) is in two splits."
        ),
    ]


def _may_lack(ingested: Ingested) -> bool:
    """Whether a number may be missing, to be imputed."""
    return isinstance(ingested.content, IngestedRows)


def _labels(ingested: Ingested) -> list[Any]:
    if ingested.labels is None:
        return [_finite("label", "The value that is predicted is finite in 32 bits.")]
    return [gxe.ExpectColumnValuesToBeInSet(column="label", value_set=list(ingested.labels))]


def _content(ingested: Ingested) -> list[Any]:
    """What must hold of the columns that say what samples of one kind are like."""
    match ingested.content:
        case IngestedImages():
            return [
                gxe.ExpectColumnValuesToBeBetween(column="width", min_value=1),
                gxe.ExpectColumnValuesToBeBetween(column="height", min_value=1),
                gxe.ExpectColumnValuesToBeBetween(column="brightness", min_value=0, max_value=255, notes="Mean value."),
                gxe.ExpectColumnValuesToBeBetween(
                    column="contrast", min_value=0, max_value=127.5, notes="Standard deviation of the values."
                ),
            ]
        case IngestedTexts():
            return [gxe.ExpectColumnValuesToBeBetween(column=column, min_value=1) for column in ingested.summaries]
        case IngestedRows():
            return [_finite(column, "Numbers are finite in 32 bits.") for column in ingested.summaries]


def _finite(column: str, notes: str) -> Any:
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=-LARGEST, max_value=LARGEST, notes=notes)


def _classes(params: ClassificationValidateParams) -> list[Any]:
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="train_samples",
            min_value=params.min_samples_per_class,
            notes="Every class has enough training samples.",
            meta={"param": "validate.min_samples_per_class"},
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="largest_class_over_this",
            max_value=params.max_class_imbalance,
            notes="No class is much rarer than the largest one.",
            meta={"param": "validate.max_class_imbalance"},
        ),
    ]


def _values(params: RegressionValidateParams) -> list[Any]:
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="train_samples",
            min_value=params.min_samples,
            notes="There are enough training samples.",
            meta={"param": "validate.min_samples"},
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="train_label_values", min_value=2, notes="What is predicted is not the same for all."
        ),
    ]


def _columns() -> list[Any]:
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column="train_numbers", min_value=1, notes="Every column of numbers has one to be learned from."
        )
    ]


def _dataset(params: Limits) -> list[Any]:
    return [
        *(
            gxe.ExpectColumnValuesToBeBetween(column=f"{split}_samples", min_value=1, notes="No split is empty.")
            for split in SPLITS
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="quarantined_share",
            max_value=params.max_quarantined_share,
            notes="Little of the source is in quarantine; data/ingested/quarantine.parquet says what, and why.",
            meta={"param": "validate.max_quarantined_share"},
        ),
    ]


def _drift(params: Limits, drifts: Iterable[str]) -> list[Any]:
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column=f"drift_of_{name}",
            max_value=params.max_drift,
            notes=f"Distribution of {name} as in the champion's data (population stability index).",
            meta={"param": "validate.max_drift"},
        )
        for name in drifts
    ]
