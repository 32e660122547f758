"""What must hold of each table, each with the rule in words and, where there is one, the parameter that sets it."""

from typing import Any

import great_expectations.expectations as gxe

from components.contracts import SPLITS, Ingested
from components.params.sections import ValidateParams
from components.validate.tables import SAMPLE_COLUMNS

Expectations = dict[str, list[Any]]


def expectations(params: ValidateParams, ingested: Ingested, with_drift: bool) -> Expectations:
    """The expectations about the tables of :class:`components.validate.tables.Tables`, by its name.

    Args:
        params: the limits.
        ingested: the labels and counts that the table must have.
        with_drift: whether there is a champion whose data this data is compared with.
    """
    dataset = _dataset(params) + (_drift(params) if with_drift else [])
    return {"samples": _samples(ingested), "classes": _classes(params), "dataset": dataset}


def _samples(ingested: Ingested) -> list[Any]:
    columns = [*SAMPLE_COLUMNS, "splits_of_content"]
    return [
        gxe.ExpectTableColumnsToMatchSet(column_set=columns, notes="The table has these columns and no others."),
        gxe.ExpectTableRowCountToEqual(
            value=sum(ingested.samples.values()), notes="The table has as many rows as ingest says."
        ),
        *(gxe.ExpectColumnValuesToBeOfType(column=column, type_=kind) for column, kind in SAMPLE_COLUMNS.items()),
        *(gxe.ExpectColumnValuesToNotBeNull(column=column) for column in SAMPLE_COLUMNS),
        gxe.ExpectColumnValuesToBeUnique(column="id"),
        gxe.ExpectColumnValuesToMatchRegex(column="sha256", regex="^[0-9a-f]{64}$"),
        gxe.ExpectColumnValuesToBeInSet(column="label", value_set=list(ingested.labels)),
        gxe.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        gxe.ExpectColumnValuesToBeBetween(column="width", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(column="height", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(column="mean", min_value=0, max_value=255, notes="Brightness, of 0 to 255."),
        gxe.ExpectColumnValuesToBeBetween(column="std", min_value=0, max_value=127.5, notes="Contrast, of 0 to 127.5."),
        gxe.ExpectColumnValuesToBeBetween(
            column="splits_of_content", min_value=1, max_value=1, notes="No picture (sha256) is in two splits."
        ),
    ]


def _classes(params: ValidateParams) -> list[Any]:
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


def _dataset(params: ValidateParams) -> list[Any]:
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


def _drift(params: ValidateParams) -> list[Any]:
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column=f"drift_of_{name}",
            max_value=params.max_drift,
            notes=f"Distribution of {name} as in the champion's data (population stability index).",
            meta={"param": "validate.max_drift"},
        )
        for name in ("labels", "brightness", "contrast")
    ]
