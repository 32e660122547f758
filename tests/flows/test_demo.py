import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.contracts import (
    CONTENT,
    INGESTED,
    PREPARED,
    SAMPLES,
    ClassTarget,
    ImageInputs,
    LabelledArrays,
    Preprocessing,
    RowInputs,
    Target,
    TextInputs,
    ValueTarget,
)
from components.errors import ServingError
from components.settings import Settings
from components.tasks.images.decoding import decode_image
from components.tasks.texts.tokens import bpe_inputs
from flows.questions import questions
from flows.server import served
from tests.components.nets_samples import ROWS as NETS_ROWS
from tests.digits import LABELS, write_prepared

TARGET = ClassTarget(labels=("no", "yes"), counts=(1, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_question_carries_every_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(7).integers(0, 256, (2, 9, 11, channels), dtype=np.uint8)
    inputs = ImageInputs(height=9, width=11, channels=channels, mean=(0.5,) * channels, std=(0.2,) * channels)
    Preprocessing(inputs=inputs, target=TARGET).write(PREPARED / "preprocessing.json")
    LabelledArrays(pixels, np.array([0, 1]), np.array(["a", "b"])).save(PREPARED / "test")
    asked = questions(5)
    assert [question.truth for question in asked] == ["no", "yes"]
    assert all(question.content_type == "image/png" for question in asked)
    for question, image in zip(asked, pixels, strict=True):
        assert np.array_equal(decode_image(question.content, 9, 11, channels, 1000), image)


def test_the_questions_are_five_test_samples_of_different_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_prepared(tmp_path)
    test = LabelledArrays.load(PREPARED / "test")
    asked = questions(5)
    assert len({question.truth for question in asked}) == 5
    assert set(Counter(question.truth for question in questions(30)).values()) == {3}
    for question in asked:
        (row,) = np.flatnonzero(np.char.startswith(test.ids, question.title.split(".")[0]))
        assert LABELS[test.labels[row]] == question.truth
        assert np.array_equal(decode_image(question.content, 24, 24, 1, 1000), test.inputs[row])


def write_table(content: pd.DataFrame, inputs: TextInputs | RowInputs, target: Target, labels: list[float]) -> None:
    """A table whose first row is of the training split, the others of the test split."""
    Preprocessing(inputs=inputs, target=target).write(PREPARED / "preprocessing.json")
    INGESTED.mkdir(parents=True)
    content.to_parquet(CONTENT)
    split = ["train", *["test"] * len(labels)]
    pd.DataFrame({"split": split}).to_parquet(SAMPLES)
    truths = np.array(labels, np.int64 if isinstance(target, ClassTarget) else np.float32)
    LabelledArrays(np.zeros((len(labels), 3)), truths, np.array(["x"] * len(labels))).save(PREPARED / "test")


def test_questions_of_texts_are_the_texts_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    texts = pd.DataFrame({"text": ["of training", "bad " * 30, "good"]})
    write_table(texts, bpe_inputs(10, 3), TARGET, [0, 1])
    no, yes = questions(5)
    assert (no.truth, yes.truth) == ("no", "yes")
    assert json.loads(no.content) == {"inputs": "bad " * 30}
    assert no.title.endswith("…")
    assert (yes.title, json.loads(yes.content)) == ("good", {"inputs": "good"})


def test_questions_of_rows_go_from_the_smallest_value_to_the_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame({"carat": [9.0, 0.3, np.nan, 0.2], "cut": ["fair", "good", "ideal", "fair"]})
    price = ValueTarget(name="price", mean=5.0, std=1.0, low=0.0, high=9.0)
    write_table(rows, NETS_ROWS, price, [7.5, 3.0, 1.0])
    asked = questions(2)
    assert [question.truth for question in asked] == [1.0, 7.5]
    assert [json.loads(question.content)["inputs"] for question in asked] == [
        {"carat": 0.2, "cut": "fair"},
        {"carat": 0.3, "cut": "good"},
    ]
    assert json.loads(questions(3)[1].content)["inputs"]["carat"] is None


def test_a_server_that_cannot_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_WORKERS", "none")
    with (
        pytest.raises(ServingError, match=r"TUNESMITH_WORKERS='none'(.|\n)*serving\.log"),
        served(Settings(home=tmp_path, workers=1), "digits"),
    ):
        pass
