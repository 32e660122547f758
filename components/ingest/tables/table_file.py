"""A file of rows and columns, opened by its suffix."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from components.errors import DataError
from components.ingest.candidates import Refused
from components.ingest.tables.columns import Expected, Row, did_you_mean
from components.ingest.tables.csv_file import read_csv
from components.ingest.tables.parquet_file import read_parquet
from components.params.sections import TableSource

READERS = {".csv": read_csv, ".parquet": read_parquet}


def table_files(source: TableSource) -> Iterator[tuple[Path, bool]]:
    """The files of a source, checked, each with whether it is a test split of the source's own; that one first.

    Raises:
        DataError: a file is missing, lies outside the folder, is empty, or of a suffix that is not known.
    """
    folder = Path(source.path)
    if source.test is not None:
        yield _checked(folder, source.test), True
    yield _checked(folder, source.train), False


def read_table(path: Path, columns: Mapping[str, Expected]) -> Iterator[Row | Refused]:
    """Reads some columns, a piece at a time.

    Args:
        path: a file of :func:`table_files`.
        columns: what is expected in each.

    Raises:
        DataError: the file is no such table, lacks a column, or holds something else in it.
    """
    return READERS[path.suffix.lower()](path, columns)


def _checked(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{path} leads out of {folder}. Put the file there: what lies elsewhere is not versioned.")
    if path.suffix.lower() not in READERS:
        raise DataError(f"{path} is read by its suffix, which must be {' or '.join(READERS)}. Rename or convert it.")
    if not path.is_file():
        tables = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in READERS and file.is_file())
        raise DataError(
            f"{folder} holds no file {name}; its tables: {', '.join(tables) or 'none'}. {did_you_mean(name, tables)}"
            "Put it there, or change ingest.source in params.yaml."
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty. Fetch it again, or change ingest.source in params.yaml.")
    return path
