"""From the source to the files of the stage."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from components.arrays import copy_rows
from components.contracts import INGESTED, INPUTS, QUARANTINE, REPORTS, SAMPLES, SPLITS, Ingested
from components.errors import DataError
from components.files import whole_folder, write_text
from components.ingest.candidates import Candidates
from components.ingest.idx import read_idx
from components.ingest.image_folder import read_image_folder
from components.ingest.summary import summary
from components.ingest.table import sample_table, set_aside
from components.params import Params
from components.params.sections import IdxSource, IngestParams
from components.settings import Settings


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
        if isinstance(source, IdxSource):
            candidates = read_idx(source, Path(scratch))
        else:
            candidates = read_image_folder(source, Path(scratch), settings.threads or os.cpu_count() or 1)
        ingested = write_tables(candidates, params.ingest, folder)
    with whole_folder(REPORTS / "ingest") as folder:
        write_text(folder / "summary.md", summary(ingested, pd.read_parquet(SAMPLES), pd.read_parquet(QUARANTINE)))
    splits = ", ".join(f"{count} {split}" for split, count in ingested.samples.items())
    apart = f"{sum(ingested.quarantined.values())} in quarantine"
    print(f"{sum(ingested.samples.values())} samples of {len(ingested.labels)} classes: {splits}; {apart}.")


def write_tables(candidates: Candidates, params: IngestParams, folder: Path) -> Ingested:
    """Writes the files of ``data/ingested`` into a folder.

    Raises:
        DataError: no sample can be used.
    """
    apart = set_aside(candidates.pictures)
    kept = candidates.pictures.drop(index=apart.index)
    quarantine = pd.concat([candidates.refused, apart]).astype(str).sort_values("source", ignore_index=True)
    counts = {str(reason): int(count) for reason, count in quarantine["reason"].value_counts().sort_index().items()}
    if kept.empty:
        raise DataError(f"{params.source.path} holds no sample that can be used; by reason: {counts}.")
    copy_rows(candidates.inputs, kept["row"].to_numpy(), folder / INPUTS.name)
    inputs = np.load(folder / INPUTS.name, mmap_mode="r")
    test_share = None if candidates.own_test_split else params.test_share
    samples = sample_table(kept, inputs, test_share, params.validation_share)
    samples.to_parquet(folder / SAMPLES.name, index=False)
    quarantine.to_parquet(folder / QUARANTINE.name, index=False)
    ingested = Ingested(
        labels=candidates.labels,
        height=inputs.shape[1],
        width=inputs.shape[2],
        channels=inputs.shape[3],
        samples={split: int((samples["split"] == split).sum()) for split in SPLITS},
        quarantined=counts,
        own_test_split=candidates.own_test_split,
    )
    ingested.write(folder / "ingested.json")
    return ingested
