"""From the ingested samples to the files of the stage."""

from pathlib import Path

import numpy as np
import pandas as pd

from components.contracts import (
    INGESTED,
    PREPARED,
    SAMPLES,
    SPLITS,
    VALIDATED,
    ImageInputs,
    Ingested,
    IngestedImages,
    IngestedRows,
    IngestedTexts,
    Inputs,
    Preprocessing,
    RowInputs,
    TextInputs,
    Verdict,
)
from components.errors import DataError
from components.files import file_sha256, whole_folder
from components.params import Params
from components.params.sections import ImagePrepareParams, RowPrepareParams, TextPrepareParams
from components.prepare.images import prepare_images
from components.prepare.places import Places
from components.prepare.rows import prepare_rows
from components.prepare.target import fit_target, label_numbers
from components.prepare.texts import prepare_texts
from components.settings import Settings


def run(params: Params, settings: Settings) -> None:
    """Fills ``data/prepared``.

    Raises:
        DataError: the data is not what was validated, or a split is empty.
    """
    if Verdict.read(VALIDATED / "verdict.json").samples_sha256 != file_sha256(SAMPLES):
        raise DataError(f"{SAMPLES} is not the table that was validated. Run the stage validate again.")
    ingested, table = Ingested.read(INGESTED / "ingested.json"), pd.read_parquet(SAMPLES)
    places = _places(table)
    labels = label_numbers(table["label"], ingested)
    with whole_folder(PREPARED) as folder:
        for split, rows in places.items():
            (folder / split).mkdir()
            np.save(folder / split / "labels.npy", labels[rows])
            np.save(folder / split / "ids.npy", table["id"].to_numpy(np.str_)[rows])
        inputs = _inputs(params, ingested, places, folder)
        fitted = Preprocessing(inputs=inputs, target=fit_target(labels[places["train"]], ingested))
        fitted.write(folder / "preprocessing.json")
    print(f"Prepared {len(table):,} samples; {_shown(inputs)}.")


def _places(table: pd.DataFrame) -> Places:
    places: Places = {split: np.flatnonzero(table["split"] == split) for split in SPLITS}
    for split, rows in places.items():
        if not rows.size:
            raise DataError(f"The {split} split is empty. Bring more data, or a larger ingest.{split}_share.")
    return places


def _inputs(params: Params, ingested: Ingested, places: Places, folder: Path) -> Inputs:
    """Writes the inputs of every split, and says what was fitted."""
    match ingested.content, params.prepare:
        case IngestedImages(), ImagePrepareParams() as prepare:
            return prepare_images(places, prepare, folder)
        case IngestedTexts(), TextPrepareParams() as prepare:
            return prepare_texts(places, prepare, folder)
        case IngestedRows() as rows, RowPrepareParams() as prepare:
            return prepare_rows(rows, places, prepare, folder)
    raise DataError(
        f"{INGESTED} holds {ingested.content.kind}, and params.yaml is for {params.task}. Run ingest again."
    )


def _shown(inputs: Inputs) -> str:
    match inputs:
        case ImageInputs():
            mean, std = (" ".join(f"{value:.4f}" for value in values) for values in (inputs.mean, inputs.std))
            return f"mean {mean}, deviation {std} per channel"
        case TextInputs():
            return f"{inputs.vocabulary:,} tokens in the vocabulary, {inputs.length} read of a text"
        case RowInputs():
            return f"{len(inputs.columns)} columns, scaling {inputs.scaling}"
