"""From the source to the files of the stage."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from components.contracts import INGESTED, QUARANTINE, REPORTS, SAMPLES, SPLITS, Ingested
from components.errors import DataError
from components.files import whole_folder, write_text
from components.ingest.candidates import Candidates, Refused
from components.ingest.corrections import Correction, read_corrections
from components.ingest.images.idx import read_idx
from components.ingest.images.image_folder import read_image_folder
from components.ingest.outliers import outliers
from components.ingest.repetitions import repetitions
from components.ingest.rows import FEATURE, read_rows
from components.ingest.samples import sample_table, split_column
from components.ingest.summary import summary
from components.ingest.texts import read_texts
from components.params import Params
from components.params.sections import (
    IdxSource,
    ImageFolderSource,
    ImageIngestParams,
    NumberTableSource,
    RowIngestParams,
    TextIngestParams,
    TextTableSource,
)
from components.settings import Settings

Source = IdxSource | ImageFolderSource | TextTableSource | NumberTableSource


def run(params: Params, settings: Settings) -> None:
    """Fills ``data/ingested`` and ``reports/ingest``.

    Raises:
        DataError: the source cannot be read, or no sample in it can be used.
    """
    source = params.ingest.source
    if not Path(source.path).is_dir():
        raise DataError(
            f"{source.path} is no folder here ({Path.cwd()}). "
            "Put the data there, or change ingest.source.path in params.yaml."
        )
    with whole_folder(INGESTED) as folder, tempfile.TemporaryDirectory(dir=folder) as scratch:
        corrections = read_corrections(classes=not isinstance(source, NumberTableSource))
        candidates = read(source, Path(scratch), settings.threads or os.cpu_count() or 1, corrections)
        ingested = write_tables(candidates, params.ingest, folder)
    with whole_folder(REPORTS / "ingest") as folder:
        write_text(folder / "summary.md", summary(ingested, pd.read_parquet(SAMPLES), pd.read_parquet(QUARANTINE)))
    splits = ", ".join(f"{count} {split}" for split, count in ingested.samples.items())
    classes = f" of {len(ingested.labels)} classes" if ingested.labels else ""
    apart = f"{sum(ingested.quarantined.values())} in quarantine"
    print(f"{sum(ingested.samples.values())} samples{classes}: {splits}; {apart}.")


def read(source: Source, scratch: Path, threads: int, corrections: Sequence[Correction]) -> Candidates:
    """Reads a source of any kind.

    Args:
        source: the section ``ingest.source``.
        scratch: a folder for what is too large for memory; it must stay until the content has been written.
        threads: that decode at the same time.
        corrections: of answers about its samples.

    Raises:
        DataError: the source cannot be read.
    """
    match source:
        case IdxSource():
            return read_idx(source, scratch, corrections)
        case ImageFolderSource():
            return read_image_folder(source, scratch, threads, corrections)
        case TextTableSource():
            return read_texts(source, scratch, corrections)
        case NumberTableSource():
            return read_rows(source, corrections)


def write_tables(
    candidates: Candidates, params: ImageIngestParams | TextIngestParams | RowIngestParams, folder: Path
) -> Ingested:
    """Writes the files of ``data/ingested`` into a folder.

    Raises:
        DataError: no sample can be used.
    """
    repeated = repetitions(candidates)
    unique = candidates.table.drop(index=repeated.index)
    test_share = None if candidates.own_test_split else params.test_share
    unique = unique.assign(split=split_column(unique, test_share, params.validation_share))
    far = _outliers(unique, params.source)
    kept = unique.drop(index=far.index)
    quarantine = pd.concat([candidates.refused, repeated, far]).astype(str).sort_values("source", ignore_index=True)
    counts = {str(reason): int(count) for reason, count in quarantine["reason"].value_counts().sort_index().items()}
    if kept.empty:
        raise DataError(f"{params.source.path} holds no sample that can be used; by reason: {counts}.")
    candidates.content.write(kept.index.to_numpy(np.int64), folder)
    sample_table(kept).to_parquet(folder / SAMPLES.name, index=False)
    quarantine.to_parquet(folder / QUARANTINE.name, index=False)
    ingested = Ingested(
        content=candidates.kind,
        labels=candidates.labels,
        label_name=candidates.label_name,
        summaries=candidates.summaries,
        samples={split: int((kept["split"] == split).sum()) for split in SPLITS},
        quarantined=counts,
        own_test_split=candidates.own_test_split,
    )
    ingested.write(folder / "ingested.json")
    return ingested


def _outliers(table: pd.DataFrame, source: Source) -> pd.DataFrame:
    match source:
        case NumberTableSource(outlier_fences=float(fences)):
            columns = {"label": source.target} | {FEATURE + name: name for name in source.numeric}
            return outliers(table, columns, fences)
        case _:
            return pd.DataFrame(columns=Refused._fields)
