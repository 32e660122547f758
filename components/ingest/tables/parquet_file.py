"""Parquet, some thousand rows at a time."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as is_type

from components.errors import DataError
from components.ingest.tables.columns import Cell, Expected, Row, positions
from components.progress import progress

ROWS_AT_ONCE = 4096
TEXTS = (is_type.is_string, is_type.is_large_string, is_type.is_string_view, is_type.is_binary, is_type.is_large_binary)
ACCEPTED: dict[Expected, tuple[Any, ...]] = {
    "text": TEXTS,
    "category": (*TEXTS, is_type.is_integer, is_type.is_boolean),
    "number": (*TEXTS, is_type.is_integer, is_type.is_floating, is_type.is_decimal, is_type.is_boolean),
}


def read_parquet(path: Path, columns: Mapping[str, Expected]) -> Iterator[Row]:
    """Reads some columns row by row.

    The number of a source is that of the row, from 0.

    Args:
        path: the file.
        columns: those that are wanted, and what is expected in each.

    Raises:
        DataError: it is no Parquet file, is damaged, lacks a column, or holds another type in it.
    """
    try:
        file = pq.ParquetFile(path)
        _check(file.schema_arrow, columns, path)
        with progress(f"reading {path.name}", file.metadata.num_rows) as advance:
            number = 0
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
                for cells in zip(*(_cells(batch.column(name)) for name in columns), strict=True):
                    yield Row(f"{path.name}#{number:07}", cells)
                    number += 1
                advance(len(batch))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}. Fetch it again, or write it anew.") from None


def _check(schema: pa.Schema, columns: Mapping[str, Expected], path: Path) -> None:
    positions(schema.names, columns, path)
    for name, expected in columns.items():
        kind = _value_type(schema.field(name).type)
        if not any(accepts(kind) for accepts in ACCEPTED[expected]):
            raise DataError(
                f"{path}: column '{name}' is of type {kind}, which cannot be a {expected}. "
                "Change ingest.source in params.yaml, or write the file with another type."
            )


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if is_type.is_dictionary(kind) else kind


def _cells(column: pa.Array) -> list[Cell]:
    """Texts are decoded here: what a file calls a string need not be UTF-8, and pyarrow would raise for all of them."""
    if is_type.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not any(accepts(column.type) for accepts in TEXTS):
        numbers: list[Cell] = column.to_pylist()
        return numbers
    cells = column.cast(pa.large_binary()).to_pylist()
    return [None if cell is None else cell.decode("utf-8", "surrogateescape") for cell in cells]
