import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tokenizers
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays
from numpy.typing import NDArray

from components import arrays
from components.contracts import (
    CONTENT,
    INGESTED,
    INPUTS,
    PREPARED,
    SAMPLES,
    SPLITS,
    TOKENIZER,
    VALIDATED,
    CategoricalColumn,
    ClassTarget,
    ImageInputs,
    Ingested,
    IngestedImages,
    IngestedRows,
    IngestedTexts,
    Inputs,
    LabelledArrays,
    NumericColumn,
    Preprocessing,
    RowInputs,
    TextInputs,
    ValueTarget,
    Verdict,
)
from components.errors import DataError
from components.nets import build_preprocess
from components.params import Params, load_params
from components.params.sections import BpeParams, TextPrepareParams
from components.prepare import texts as preparing_texts
from components.prepare.images import channel_moments
from components.prepare.run import run
from components.settings import Settings
from components.tasks.texts.tokens import Tokenizer, bpe_inputs, train_tokenizer
from tests.places import REPOSITORY

LABELS = ("cat", "dog")
SPLIT = ["train", "test", "train", "validation", "train", "train", "validation", "test", "train"]
NUMBERS = [1, 0, 0, 1, 1, 1, 0, 1, 1]
COUNTS = {"train": 5, "validation": 2, "test": 2}
TRAIN = [place for place, split in enumerate(SPLIT) if split == "train"]
CLASSES = ClassTarget(labels=LABELS, counts=(1, 4))
TEXTS = [f"the cat number {number} sat on the mat {number} times" for number in range(9)]
PRICES = [10.5, 900.0, 20.0, -7.0, 30.0, 45.25, 3.0, 800.0, 1.0]
ROWS = pd.DataFrame(
    {
        "weight": [1.0, 99.0, 2.0, -50.0, 4.0, 8.0, 77.0, 3.0, 16.0],
        "length": [10.5, 11.0, math.nan, 12.0, 13.0, math.nan, math.nan, 200.0, 14.5],
        "colour": ["red", "blue", "red", "green", "green", "red", "red", "blue", "amber"],
    }
)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_tables(
    content: IngestedImages | IngestedTexts | IngestedRows,
    labels: list[str] | list[float],
    split: list[str],
) -> None:
    """The sample table and the records that ingest and validate leave beside the content."""
    table = pd.DataFrame({"id": [f"{n:016x}" for n in range(len(split))], "label": labels, "split": split})
    table.to_parquet(SAMPLES)
    rows = content.kind == "rows"
    Ingested(
        content=content,
        labels=None if rows else LABELS,
        label_name="price" if rows else "animal",
        summaries=(),
        samples=COUNTS,
        quarantined={},
        own_test_split=False,
    ).write(INGESTED / "ingested.json")
    digest = hashlib.sha256(SAMPLES.read_bytes()).hexdigest()
    Verdict(samples_sha256=digest, expectations=1).write(VALIDATED / "verdict.json")


def write(split: list[str] = SPLIT, channels: int = 3) -> NDArray[np.uint8]:
    """What ingest and validate leave behind: nine samples, bright ones outside the training split."""
    INGESTED.mkdir(parents=True, exist_ok=True)
    inputs = np.random.default_rng(0).integers(0, 100, (9, 4, 5, channels), np.uint8)
    inputs[np.array(split) != "train"] += 150
    np.save(INPUTS, inputs)
    write_tables(IngestedImages(height=4, width=5, channels=channels), [LABELS[n] for n in NUMBERS], split)
    return inputs


def write_texts(texts: list[str]) -> None:
    INGESTED.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), CONTENT)
    write_tables(IngestedTexts(), [LABELS[n] for n in NUMBERS], SPLIT)


def write_rows(rows: pd.DataFrame, prices: list[float] = PRICES) -> None:
    """The columns of text are categories, all others numbers."""
    INGESTED.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(CONTENT, index=False)
    numeric = tuple(rows.select_dtypes("number").columns)
    categorical = tuple(name for name in rows.columns if name not in numeric)
    write_tables(IngestedRows(numeric=numeric, categorical=categorical, missing="impute"), prices, SPLIT)


def params(normalisation: str = "standard") -> Params:
    default = load_params(REPOSITORY / "params.yaml")
    return default.model_copy(update={"prepare": default.prepare.model_copy(update={"normalisation": normalisation})})


def text_params(length: int = 12, vocabulary: int = 400) -> Params:
    tokenizer = BpeParams(name="bpe", vocabulary=vocabulary, lowercase=True)
    prepare = TextPrepareParams(tokenizer=tokenizer, length=length)
    return load_params(REPOSITORY / "presets" / "gru-sms-spam.yaml").model_copy(update={"prepare": prepare})


def row_params(scaling: str = "standard") -> Params:
    default = load_params(REPOSITORY / "presets" / "mlp-diamonds.yaml")
    return default.model_copy(update={"prepare": default.prepare.model_copy(update={"scaling": scaling})})


def fitted_inputs() -> Inputs:
    return Preprocessing.read(PREPARED / "preprocessing.json").inputs


def text_inputs() -> TextInputs:
    inputs = fitted_inputs()
    assert isinstance(inputs, TextInputs)
    return inputs


def fitted_columns(rows: pd.DataFrame, scaling: str = "standard") -> dict[str, NumericColumn | CategoricalColumn]:
    """What is fitted when these rows are prepared."""
    write_rows(rows)
    run(row_params(scaling), Settings())
    inputs = fitted_inputs()
    assert isinstance(inputs, RowInputs)
    return {column.name: column for column in inputs.columns}


def prepared_files() -> dict[str, bytes]:
    return {str(path.relative_to(PREPARED)): path.read_bytes() for path in PREPARED.rglob("*") if path.is_file()}


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
        assert (part.inputs.dtype.str, part.labels.dtype.str, part.ids.dtype.str) == ("|u1", "<i8", "<U16")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_normalisation_is_fitted_on_the_training_split_alone(channels: int) -> None:
    inputs = write(channels=channels)
    run(params(), Settings())
    fitted = fitted_inputs()
    assert isinstance(fitted, ImageInputs)
    train = inputs[np.array(SPLIT) == "train"] / 255
    assert fitted.mean == pytest.approx(train.mean(axis=(0, 1, 2)))
    assert fitted.std == pytest.approx(train.std(axis=(0, 1, 2)))
    assert max(fitted.mean) < 0.4
    assert Preprocessing.read(PREPARED / "preprocessing.json").target == CLASSES
    assert (fitted.height, fitted.width, fitted.channels) == (4, 5, channels)


def test_unit_leaves_values_as_they_are() -> None:
    write()
    run(params("unit"), Settings())
    fitted = fitted_inputs()
    assert isinstance(fitted, ImageInputs)
    assert [*fitted.mean, *fitted.std] == [0, 0, 0, 1, 1, 1]


def test_the_same_data_gives_the_same_bytes() -> None:
    write()

    def outputs() -> dict[str, bytes]:
        run(params(), Settings())
        return prepared_files()

    first = outputs()
    assert outputs() == first
    assert len(first) == 10


@given(numpy_arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))))
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


@pytest.mark.parametrize("at_once", [1, 2, 4, 1024])
def test_each_split_has_its_texts_as_tokens_in_the_order_of_the_table(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(preparing_texts, "TEXTS_AT_ONCE", at_once)
    write_texts(TEXTS)
    run(text_params(), Settings())
    tokenizer = Tokenizer.load(PREPARED / TOKENIZER, text_inputs())
    for split, count in COUNTS.items():
        rows = [row for row, name in enumerate(SPLIT) if name == split]
        part = LabelledArrays.load(PREPARED / split)
        assert part.inputs.shape == (count, 12)
        np.testing.assert_array_equal(part.inputs, tokenizer.encode([TEXTS[row] for row in rows]))
        assert part.labels.tolist() == [NUMBERS[row] for row in rows]
        assert part.ids.tolist() == [f"{row:016x}" for row in rows]
        assert (part.inputs.dtype.str, part.labels.dtype.str) == ("<i4", "<i8")
        assert len(np.unique(part.inputs, axis=0)) == count, "no two texts are the same"


def test_what_is_known_of_texts(capsys: pytest.CaptureFixture[str]) -> None:
    write_texts(TEXTS)
    run(text_params(length=7), Settings())
    vocabulary = tokenizers.Tokenizer.from_file(str(PREPARED / TOKENIZER)).get_vocab_size()
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    assert fitted == Preprocessing(inputs=bpe_inputs(vocabulary, 7), target=CLASSES)
    assert f"Prepared 9 samples; {vocabulary} tokens in the vocabulary, 7 read of a text." in capsys.readouterr().out


def test_the_tokenizer_is_the_one_of_the_training_texts(tmp_path: Path) -> None:
    write_texts(TEXTS)
    run(text_params(), Settings())
    params = BpeParams(name="bpe", vocabulary=400, lowercase=True)
    train_tokenizer([TEXTS[place] for place in TRAIN], params, 12).save(tmp_path / TOKENIZER)
    assert (PREPARED / TOKENIZER).read_bytes() == (tmp_path / TOKENIZER).read_bytes()


@pytest.mark.parametrize("place", range(len(SPLIT)))
def test_the_tokenizer_follows_from_the_training_split_alone(place: int) -> None:
    write_texts(TEXTS)
    run(text_params(), Settings())
    before = prepared_files()
    write_texts([text if n != place else "hippopotamus " * 20 for n, text in enumerate(TEXTS)])
    run(text_params(), Settings())
    changed = {name for name, content in prepared_files().items() if content != before[name]}
    assert f"{SPLIT[place]}/inputs.npy" in changed
    if SPLIT[place] == "train":
        assert TOKENIZER in changed
    else:
        assert changed == {f"{SPLIT[place]}/inputs.npy"}, "nothing else knows of it"


def test_the_same_texts_give_the_same_bytes_whatever_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write_texts(TEXTS)
    run(text_params(), Settings())
    first = prepared_files()
    assert len(first) == 11
    monkeypatch.setattr(preparing_texts, "TEXTS_AT_ONCE", 2)
    run(text_params(), Settings())
    assert prepared_files() == first


def test_each_split_has_its_rows_as_numbers_in_the_order_of_the_table() -> None:
    write_rows(ROWS)
    run(row_params(), Settings())
    positions = {"amber": 0, "green": 1, "red": 2, "blue": -1}
    for split, count in COUNTS.items():
        places = [place for place, name in enumerate(SPLIT) if name == split]
        part = LabelledArrays.load(PREPARED / split)
        rows = ROWS.iloc[places]
        assert part.inputs.shape == (count, 3)
        np.testing.assert_array_equal(part.inputs[:, 0], rows["weight"])
        np.testing.assert_array_equal(part.inputs[:, 1], rows["length"])
        assert part.inputs[:, 2].tolist() == [positions[colour] for colour in rows["colour"]]
        assert part.labels.tolist() == [PRICES[place] for place in places]
        assert part.ids.tolist() == [f"{place:016x}" for place in places]
        assert (part.inputs.dtype.str, part.labels.dtype.str) == ("<f4", "<f4")


def test_what_is_known_of_rows_is_that_of_the_training_rows(capsys: pytest.CaptureFixture[str]) -> None:
    columns = fitted_columns(ROWS)
    assert list(columns) == ["weight", "length", "colour"]
    weight, length = columns["weight"], columns["length"]
    assert isinstance(weight, NumericColumn)
    assert isinstance(length, NumericColumn)
    assert (weight.median, weight.low, weight.high) == (4, 1, 16)
    assert weight.mean == pytest.approx((1 + 2 + 4 + 8 + 16) / 5)
    assert weight.std == pytest.approx(np.std([1, 2, 4, 8, 16]))
    assert (length.median, length.low, length.high) == (13, 10.5, 14.5)
    assert length.mean == pytest.approx((10.5 + 13 + 14.5) / 3), "missing numbers have no part in it"
    assert length.std == pytest.approx(np.std([10.5, 13, 14.5]))
    assert columns["colour"] == CategoricalColumn(name="colour", categories=("amber", "green", "red"))
    assert "Prepared 9 samples; 3 columns, scaling standard." in capsys.readouterr().out


def test_a_target_of_values_is_fitted_on_the_training_split() -> None:
    write_rows(ROWS)
    run(row_params(), Settings())
    target = Preprocessing.read(PREPARED / "preprocessing.json").target
    train = [PRICES[place] for place in TRAIN]
    assert isinstance(target, ValueTarget)
    assert (target.name, target.low, target.high) == ("price", 1, 45.25)
    assert target.mean == pytest.approx(np.mean(train))
    assert target.std == pytest.approx(np.std(train))
    write_rows(ROWS, [7.0] * 9)
    run(row_params(), Settings())
    same = ValueTarget(name="price", mean=7, std=1, low=7, high=7)
    assert Preprocessing.read(PREPARED / "preprocessing.json").target == same


@pytest.mark.parametrize("place", range(len(SPLIT)))
def test_columns_follow_from_the_training_split_alone(place: int) -> None:
    before = fitted_columns(ROWS)
    files = prepared_files()
    other = ROWS.copy()
    other.loc[place, ["weight", "length"]] = [1000.0, -1000.0]
    other.loc[place, "colour"] = "violet"
    after = fitted_columns(other)
    if SPLIT[place] == "train":
        assert all(after[name] != before[name] for name in ROWS.columns)
    else:
        changed = {name for name, content in prepared_files().items() if content != files[name]}
        assert changed == {f"{SPLIT[place]}/inputs.npy"}


def test_the_scaling_is_kept_for_the_graph_and_the_arrays_are_the_same_with_each() -> None:
    found = {}
    for scaling in ("standard", "min_max", "none"):
        fitted_columns(ROWS, scaling)
        inputs = fitted_inputs()
        assert isinstance(inputs, RowInputs)
        assert (inputs.scaling, inputs.missing) == (scaling, "impute")
        found[scaling] = {name: content for name, content in prepared_files().items() if name.endswith("npy")}
    assert found["standard"] == found["min_max"] == found["none"]


@pytest.mark.parametrize("scaling", ["standard", "min_max", "none"])
def test_the_training_rows_are_scaled_as_params_say(scaling: str) -> None:
    fitted_columns(ROWS, scaling)
    train = torch.from_numpy(np.array(LabelledArrays.load(PREPARED / "train").inputs))
    scaled = build_preprocess(fitted_inputs())(train)[:, 0].double().numpy()
    weights = np.array([1, 2, 4, 8, 16], np.float64)
    expected = {"standard": (weights - weights.mean()) / weights.std(), "min_max": (weights - 1) / 15, "none": weights}
    assert scaled == pytest.approx(expected[scaling], abs=1e-5)


@pytest.mark.parametrize("constant", [0.0, 5.0, 0.1, -1e30])
def test_a_constant_column_has_a_deviation_of_one(constant: float) -> None:
    rows = ROWS.assign(length=math.nan)
    rows.loc[TRAIN[:3], "length"] = constant
    column = fitted_columns(rows)["length"]
    assert isinstance(column, NumericColumn)
    assert column.std == 1
    assert (column.mean, column.median, column.low, column.high) == pytest.approx([constant] * 4)


def test_a_column_without_a_number_in_the_training_split_is_refused() -> None:
    rows = ROWS.copy()
    rows.loc[TRAIN, "length"] = math.nan
    write_rows(rows)
    with pytest.raises(DataError, match=r"Column 'length' has no number in the training split\. Leave it out"):
        run(row_params(), Settings())
    assert not PREPARED.exists()


def test_the_same_rows_give_the_same_bytes() -> None:
    fitted_columns(ROWS)
    first = prepared_files()
    fitted_columns(ROWS)
    assert prepared_files() == first
    assert len(first) == 10


@pytest.mark.parametrize("split", SPLITS)
def test_rows_of_categories_alone_can_be_prepared(split: str) -> None:
    fitted_columns(ROWS[["colour"]])
    assert LabelledArrays.load(PREPARED / split).inputs.shape == (COUNTS[split], 1)


def test_params_for_another_kind_of_data_are_refused() -> None:
    write_texts(TEXTS)
    for others in (params(), row_params()):
        with pytest.raises(DataError, match=f"ingested holds texts, and params.yaml is for {others.task}. Run ingest"):
            run(others, Settings())
        assert not PREPARED.exists()
    write()
    with pytest.raises(DataError, match=r"ingested holds images, and params\.yaml is for text_classification"):
        run(text_params(), Settings())
