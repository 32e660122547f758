import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays
from numpy.typing import NDArray

from components import arrays
from components.contracts import (
    INGESTED,
    INPUTS,
    PREPARED,
    SAMPLES,
    VALIDATED,
    Ingested,
    LabelledArrays,
    Preprocessing,
    Verdict,
)
from components.errors import DataError
from components.params import Params, load_params
from components.prepare import channel_moments, run
from components.settings import Settings
from tests.places import REPOSITORY

LABELS = ("cat", "dog")
SPLIT = ["train", "test", "train", "validation", "train", "train", "validation", "test", "train"]
NUMBERS = [1, 0, 0, 1, 1, 1, 0, 1, 1]
COUNTS = {"train": 5, "validation": 2, "test": 2}


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(split: list[str] = SPLIT, channels: int = 3) -> NDArray[np.uint8]:
    """What ingest and validate leave behind: nine samples, bright ones outside the training split."""
    INGESTED.mkdir(parents=True, exist_ok=True)
    inputs = np.random.default_rng(0).integers(0, 100, (9, 4, 5, channels), np.uint8)
    inputs[np.array(split) != "train"] += 150
    np.save(INPUTS, inputs)
    table = pd.DataFrame({"id": [f"{n:016x}" for n in range(9)], "label": [LABELS[n] for n in NUMBERS], "split": split})
    table.to_parquet(SAMPLES)
    shape: dict[str, Any] = {"height": 4, "width": 5, "channels": channels}
    Ingested(labels=LABELS, samples=COUNTS, quarantined={}, own_test_split=False, **shape).write(
        INGESTED / "ingested.json"
    )
    digest = hashlib.sha256(SAMPLES.read_bytes()).hexdigest()
    Verdict(samples_sha256=digest, expectations=1).write(VALIDATED / "verdict.json")
    return inputs


def params(normalisation: str = "standard") -> Params:
    default = load_params(REPOSITORY / "params.yaml")
    return default.model_copy(update={"prepare": default.prepare.model_copy(update={"normalisation": normalisation})})


@pytest.mark.parametrize("slice_bytes", [1, 130, 2**24])
def test_each_split_has_its_samples_in_the_order_of_the_table(
    monkeypatch: pytest.MonkeyPatch, slice_bytes: int
) -> None:
    monkeypatch.setattr(arrays, "SLICE_BYTES", slice_bytes)
    inputs = write()
    run(params(), Settings())
    for split, count in COUNTS.items():
        rows = [row for row, name in enumerate(SPLIT) if name == split]
        part = LabelledArrays.load(PREPARED / split)
        assert len(rows) == count
        np.testing.assert_array_equal(part.inputs, inputs[rows])
        assert part.labels.tolist() == [NUMBERS[row] for row in rows]
        assert part.ids.tolist() == [f"{row:016x}" for row in rows]
        assert (part.inputs.dtype, part.labels.dtype, part.ids.dtype) == (np.uint8, np.int64, np.dtype("<U16"))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_normalisation_is_fitted_on_the_training_split_alone(channels: int) -> None:
    inputs = write(channels=channels)
    run(params(), Settings())
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    train = inputs[np.array(SPLIT) == "train"] / 255
    assert fitted.mean == pytest.approx(train.mean(axis=(0, 1, 2)))
    assert fitted.std == pytest.approx(train.std(axis=(0, 1, 2)))
    assert max(fitted.mean) < 0.4
    assert fitted.class_counts == (1, 4)
    assert fitted.labels == LABELS
    assert (fitted.height, fitted.width, fitted.channels) == (4, 5, channels)


def test_unit_leaves_values_as_they_are() -> None:
    write()
    run(params("unit"), Settings())
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    assert fitted.mean == (0, 0, 0)
    assert fitted.std == (1, 1, 1)


def test_the_same_data_gives_the_same_bytes() -> None:
    write()

    def outputs() -> dict[str, bytes]:
        run(params(), Settings())
        return {str(path): path.read_bytes() for path in PREPARED.rglob("*") if path.is_file()}

    first = outputs()
    assert outputs() == first
    assert len(first) == 10


@given(numpy_arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))))
@settings(deadline=None)
def test_moments_are_those_of_the_whole_array(images: NDArray[np.uint8]) -> None:
    mean, std = channel_moments(images)
    expected = (images / 255).std(axis=(0, 1, 2))
    constant = (images == images[0, 0, 0]).all(axis=(0, 1, 2))
    assert mean == pytest.approx((images / 255).mean(axis=(0, 1, 2)))
    assert std == pytest.approx(np.where(constant, 1, expected))


def test_moments_do_not_depend_on_the_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(1).integers(0, 256, (50, 6, 6, 3), np.uint8)
    whole = channel_moments(images)
    monkeypatch.setattr(arrays, "SLICE_BYTES", 200)
    for before, after in zip(whole, channel_moments(images), strict=True):
        assert before.tolist() == after.tolist()


def test_a_table_that_was_not_validated_is_refused() -> None:
    write()
    Verdict(samples_sha256="0" * 64, expectations=1).write(VALIDATED / "verdict.json")
    with pytest.raises(DataError, match="not the table that was validated"):
        run(params(), Settings())


def test_an_empty_split_is_refused_and_nothing_half_made_is_left() -> None:
    write(split=["train", "test"] * 4 + ["train"])
    with pytest.raises(DataError, match="The validation split is empty"):
        run(params(), Settings())
    assert not PREPARED.exists()
    assert not [*PREPARED.parent.glob(".prepared*")]


def test_preparing_takes_the_place_of_what_was_there() -> None:
    write()
    (PREPARED / "old").mkdir(parents=True)
    run(params(), Settings())
    assert sorted(path.name for path in PREPARED.iterdir()) == ["preprocessing.json", "test", "train", "validation"]
