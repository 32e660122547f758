from pathlib import Path

import numpy as np
import pytest

from components.contracts import PREPARED, LabelledArrays, Preprocessing
from components.errors import ServingError
from components.settings import Settings
from components.tasks.images import decode_image
from flows.demo import _png, _questions
from flows.server import served
from tests.digits import LABELS, write_prepared


@pytest.mark.parametrize("channels", [1, 3])
def test_a_question_carries_every_pixel(channels: int) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (9, 11, channels), dtype=np.uint8)
    assert np.array_equal(decode_image(_png(pixels), 9, 11, channels, 1000), pixels)


def test_the_questions_are_five_test_samples_of_different_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_prepared(tmp_path)
    test = LabelledArrays.load(PREPARED / "test")
    questions = _questions()
    assert len({truth for _, _, truth in questions}) == 5
    for identity, content, truth in questions:
        (row,) = np.flatnonzero(test.ids == identity)
        assert LABELS[test.labels[row]] == truth
        assert np.array_equal(decode_image(content, 24, 24, 1, 1000), test.inputs[row])


def test_fewer_classes_than_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_prepared(tmp_path)
    test = LabelledArrays.load(PREPARED / "test")
    few = test.labels < 2
    LabelledArrays(test.inputs[few], test.labels[few], test.ids[few]).save(PREPARED / "test")
    assert [truth for _, _, truth in _questions()] == ["0", "1"]
    assert Preprocessing.read(PREPARED / "preprocessing.json").labels == LABELS


def test_a_server_that_cannot_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_WORKERS", "none")
    with (
        pytest.raises(ServingError, match=r"TUNESMITH_WORKERS='none'(.|\n)*serving\.log"),
        served(Settings(home=tmp_path, workers=1), "digits"),
    ):
        pass
