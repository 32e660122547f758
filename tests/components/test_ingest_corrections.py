"""Corrections on their way into the table of samples; the tests of the sources have the rest."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.contracts import CONTENT, INPUTS, QUARANTINE, SAMPLES
from components.feedback.run import run as gather
from components.ingest.run import run
from components.params import Params, load_params
from components.params.sections import (
    ImageFolderSource,
    ImageIngestParams,
    NumberTableSource,
    RowIngestParams,
    TextIngestParams,
    TextTableSource,
)
from components.settings import Settings
from tests.answered import Said, answered, corrected
from tests.components.idx_files import write_pair
from tests.places import REPOSITORY

NAME = "corrected"
SHARES = {"validation_share": 0.2, "test_share": 0.2}
IMAGES = np.random.default_rng(1).integers(0, 256, (40, 8, 8), dtype=np.uint8)
LABELS = np.arange(40, dtype=np.uint8) % 2


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ingest(section: Any, said: Sequence[Said]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The samples by source, and the reasons of what is in quarantine."""
    params: Params = load_params(REPOSITORY / "params.yaml").model_copy(update={"name": NAME, "ingest": section})
    settings = Settings(home=Path("home"), take_feedback=True)
    answered(settings, NAME, said)
    corrected(settings, NAME, said)
    gather(params, settings)
    run(params, settings)
    quarantine = pd.read_parquet(QUARANTINE).set_index("source")["reason"]
    return pd.read_parquet(SAMPLES).set_index("source"), quarantine.to_dict()


def pictures(**test: Any) -> ImageIngestParams:
    default = load_params(REPOSITORY / "params.yaml").ingest
    assert isinstance(default, ImageIngestParams)
    source = default.source.model_copy(update={"height": 8, "width": 8, "labels": ("even", "odd")})
    return default.model_copy(update={"source": source})


def test_pictures_are_samples_under_the_label_that_a_person_gave() -> None:
    write_pair(Path("data/fetched"), "train", IMAGES[:30], LABELS[:30])
    write_pair(Path("data/fetched"), "t10k", IMAGES[30:], LABELS[30:])
    fresh = np.full((8, 8), 77, np.uint8)
    said = [
        Said("new", "odd", fresh.tobytes()),
        Said("known", "odd", IMAGES[4].tobytes()),
        Said("twice", "even", IMAGES[5].tobytes()),
        Said("again", "odd", IMAGES[5].tobytes()),
        Said("tested", "odd", IMAGES[32].tobytes()),
        Said("other size", "odd", b"123"),
        Said("no class", "prime", fresh.tobytes()),
    ]
    samples, reasons = ingest(pictures(), said)
    assert samples.loc["feedback/new#0", "label"] == "odd"
    assert samples.loc["feedback/new#0", "split"] in ("train", "validation")
    place = samples.index.get_loc("feedback/new#0")
    np.testing.assert_array_equal(np.load(INPUTS)[place, ..., 0], fresh)
    assert samples.loc["feedback/known#0", "label"] == "odd"
    assert reasons["train-images-idx3-ubyte#0000004"] == "corrected", "a person wins over the source"
    assert reasons["train-images-idx3-ubyte#0000005"] == "corrected"
    assert reasons["feedback/twice#0"] == "corrected"
    assert samples.loc["feedback/again#0", "label"] == "odd", "and the last word over those before"
    assert samples.loc["t10k-images-idx3-ubyte#0000002", "label"] == "even", "but none over the source's own test split"
    assert reasons["feedback/tested#0"] == "conflict"
    assert (reasons["feedback/other size#0"], reasons["feedback/no class#0"]) == ("type", "unlabelled")


def test_pictures_of_a_folder_take_corrections(tmp_path: Path) -> None:
    for number in range(8):
        folder = Path("data/pictures") / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[number]).save(folder / f"{number}.png")
    source = ImageFolderSource(
        kind="image_folder",
        path="data/pictures",
        height=8,
        width=8,
        channels=3,
        max_file_bytes=10**6,
        max_pixels=10**6,
    )
    section = ImageIngestParams(source=source, **SHARES)
    rgb = np.repeat(IMAGES[20][..., None], 3, axis=2)
    samples, _ = ingest(section, [Said("new", "cat", rgb.tobytes())])
    assert len(samples) == 9
    np.testing.assert_array_equal(np.load(INPUTS)[samples.index.get_loc("feedback/new#0")], rgb)


def table(rows: list[list[Any]]) -> dict[str, Any]:
    Path("data/tables").mkdir(parents=True)
    with Path("data/tables/train.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return {"path": "data/tables", "train": "train.csv", "test": None}


def test_texts_are_taken_as_they_were_sent() -> None:
    files = table([["text", "label"], *[[f"message {number}", ("ham", "spam")[number % 2]] for number in range(20)]])
    source = TextTableSource(
        kind="text_table", text="text", label="label", min_characters=2, max_characters=100, **files
    )
    said = [
        Said("new", "spam", original="Grüße, kauft jetzt"),
        Said("known", "spam", original="message 4"),
        Said("no class", "eggs", original="a third thing"),
        Said("a picture", "spam", input=b"123"),
    ]
    samples, reasons = ingest(TextIngestParams(source=source, **SHARES), said)
    texts = pd.read_parquet(CONTENT)["text"].to_list()
    assert texts[samples.index.get_loc("feedback/new#0")] == "Grüße, kauft jetzt"
    assert samples.loc["feedback/known#0", "label"] == "spam"
    assert reasons == {
        "train.csv#0000006": "corrected",
        "feedback/no class#0": "unlabelled",
        "feedback/a picture#0": "empty",
    }


def test_rows_are_further_observations() -> None:
    rows = [[number, f"colour {number % 3}", number / 2] for number in range(20)]
    files = table([["weight", "colour", "price"], *rows])
    source = NumberTableSource(
        kind="table",
        target="price",
        numeric=("weight",),
        categorical=("colour",),
        missing="quarantine",
        outlier_fences=None,
        **files,
    )
    said = [
        Said("new", 7.5, original=json.dumps({"weight": 3.5, "colour": "never seen"})),
        Said("known", 9.0, original=json.dumps({"weight": 4, "colour": "colour 1"})),
        Said("same", 2.0, original=json.dumps({"weight": 4, "colour": "colour 1"})),
        Said("lacks one", 1.0, original=json.dumps({"colour": "colour 1"})),
    ]
    samples, reasons = ingest(RowIngestParams(source=source, **SHARES), said)
    assert samples.loc["feedback/new#0", "label"] == 7.5
    content = pd.read_parquet(CONTENT).iloc[samples.index.get_loc("feedback/new#0")]
    assert content.to_dict() == {"weight": 3.5, "colour": "never seen"}
    assert samples.loc["feedback/known#0", "label"] == 9.0, "the same features may well have several values"
    assert "train.csv#0000004" in samples.index
    assert reasons == {"feedback/same#0": "duplicate", "feedback/lacks one#0": "missing"}
