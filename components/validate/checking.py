"""Great Expectations, asked: from tables and expectations to checks that a person, JSON and a page can take."""

from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig

from components.contracts import Record

ROWS_SHOWN = 5
ROW_NAMES = {"samples": ["id", "source"], "classes": ["label"], "columns": ["column"], "dataset": []}
"""The columns by which a row of each table is named; the data set is one row, which needs no name."""
SHOWN_CHARACTERS = 300
NO_LIMIT = ("column", "batch_id")


class Check(Record):
    """One expectation as it was found."""

    table: str
    expectation: str
    column: str | None
    holds: bool
    limit: str
    observed: str
    rows: int
    """Rows that break it."""
    examples: tuple[str, ...]
    """The first of these rows."""
    note: str
    param: str | None
    """The parameter that sets the limit."""


@dataclass(frozen=True)
class Checked:
    """All checks, and the results that they were read from.

    Attributes:
        checks: table by table.
        results: of each table, for the Data Docs.
    """

    checks: tuple[Check, ...]
    results: dict[str, ExpectationSuiteValidationResult]


def check(tables: dict[str, pd.DataFrame], expectations: dict[str, list[Any]]) -> Checked:
    """Checks each table; in memory, with nothing sent anywhere.

    Args:
        tables: by name.
        expectations: of each table.
    """
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("data")
    checks: list[Check] = []
    results = {}
    for name, expected in expectations.items():
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expected))
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        result = context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": tables[name]},
            result_format={
                "result_format": "SUMMARY",
                "partial_unexpected_count": ROWS_SHOWN,
                "unexpected_index_column_names": ROW_NAMES[name],
            },
        )
        results[name] = result
        checks += [_check(name, tables[name], each) for each in result.results]
    return Checked(tuple(checks), results)


def _check(name: str, table: pd.DataFrame, result: ExpectationValidationResult) -> Check:
    config = result.expectation_config
    named = (result.result.get("partial_unexpected_index_list") or ()) if ROW_NAMES[name] else ()
    return Check(
        table=name,
        expectation=config.type,
        column=config.kwargs.get("column"),
        holds=bool(result.success),
        limit=", ".join(f"{name} {_short(value)}" for name, value in config.kwargs.items() if name not in NO_LIMIT),
        observed=_observed(result, table),
        rows=int(result.result.get("unexpected_count", 0)) if ROW_NAMES[name] else 0,
        examples=tuple(_example(row) for row in named),
        note=config.notes or "",
        param=(config.meta or {}).get("param"),
    )


def _observed(result: ExpectationValidationResult, table: pd.DataFrame) -> str:
    """What was found: a value, the values that break the rule, the range, or why nothing could be looked at."""
    found = result.result
    if "observed_value" in found:
        return _short(found["observed_value"])
    if "unexpected_count" in found:
        values = ", ".join(_short(value) for value in found.get("partial_unexpected_list", ()))
        return values or _range(table[result.expectation_config.kwargs["column"]])
    info = result.exception_info
    faults = [info] if "exception_message" in info else info.values()
    return _short(" ".join(sorted({str(fault["exception_message"]).strip() for fault in faults})))


def _range(column: "pd.Series[Any]") -> str:
    if not pd.api.types.is_numeric_dtype(column):
        return f"nothing else in {len(column)} rows"
    return " to ".join(dict.fromkeys([_short(column.min()), _short(column.max())]))


def _example(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in row.items())


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
