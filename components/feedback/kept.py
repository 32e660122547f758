"""What the stage has gathered so far: what is trained on, in its output, and what else is known, in the home folder."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import CORRECTIONS
from components.files import write_bytes
from components.predictions import feedback_columns
from components.settings import Settings

KEY = ["request_id", "sample"]
TRUTH = ["label", "value"]
"""Neither: the correction was withdrawn."""
CONTENT = {"input": pa.binary(), "original": pa.string()}


@dataclass(frozen=True)
class Kept:
    """Corrections, a sample once, in the order of their times.

    Attributes:
        usable: as :data:`components.contracts.CORRECTIONS` has them.
        unusable: those that were withdrawn, or are of inputs that were not kept; without the columns of the content. No
            part of the output: a model must not be made anew for what it cannot learn from.
    """

    usable: pd.DataFrame
    unusable: pd.DataFrame

    @classmethod
    def read(cls, settings: Settings, model: str) -> Self:
        """What the last run has left; nothing where there was none."""
        return cls(_read(CORRECTIONS, usable_columns()), _read(unusable_file(settings, model), feedback_columns()))

    def write_usable(self, folder: Path) -> None:
        """Writes what is trained on into a folder."""
        _write(self.usable, usable_columns(), folder / CORRECTIONS.name)

    def write_unusable(self, settings: Settings, model: str) -> None:
        """Writes the others into the home folder."""
        _write(self.unusable, feedback_columns(), unusable_file(settings, model))

    def unknown(self, said: pd.DataFrame) -> pd.DataFrame:
        """Those of some corrections that are not here, or are later than what is here of their sample."""
        here = pd.concat([self.usable[[*KEY, "time"]], self.unusable[[*KEY, "time"]]])
        joined = said.merge(here.rename(columns={"time": "known"}), how="left", on=KEY)
        return joined[~(joined["known"] >= joined["time"])].drop(columns="known")


def gathered_folder(settings: Settings, model: str) -> Path:
    """What this machine knows of its own gathering."""
    return settings.home / "gathered" / model


def unusable_file(settings: Settings, model: str) -> Path:
    """The table of what was said and cannot be trained on."""
    return gathered_folder(settings, model) / "unusable.parquet"


def usable_columns() -> pa.Schema:
    """The columns of :data:`components.contracts.CORRECTIONS`."""
    return pa.schema([*feedback_columns(), *(pa.field(name, kind) for name, kind in CONTENT.items())])


def _read(path: Path, columns: pa.Schema) -> pd.DataFrame:
    table = pq.read_table(path, schema=columns) if path.exists() else columns.empty_table()
    rows: pd.DataFrame = table.to_pandas()
    return rows


def _write(rows: pd.DataFrame, columns: pa.Schema, path: Path) -> None:
    ordered = rows.sort_values(["time", *KEY])
    content = BytesIO()
    pq.write_table(pa.Table.from_pandas(ordered, columns, preserve_index=False), content, compression="zstd")
    write_bytes(path, content.getvalue())
