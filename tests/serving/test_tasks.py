"""Texts and rows, served like images: real packages behind a real server, and the numbers that their models mean."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from components.contracts import TOKENIZER, ClassTarget, RowInputs, TextInputs, ValueTarget
from components.errors import PackageError
from components.package import seal
from components.package.manifest import MANIFEST, SIGNATURE
from components.params.sections import BpeParams
from components.settings import Settings
from components.tasks.texts.tokens import train_tokenizer
from serving.decoding import Limits
from serving.model import load_model
from tests.package_factory import digits
from tests.row_package import Row, make_row_package, row_inputs, row_target, rows, value_of
from tests.serving.running import Running, running, wait_for
from tests.shelf import Shelf, copy_of
from tests.text_package import LABELS, LENGTH, SENTENCES, make_text_package, probabilities_of, text_inputs, text_target

JSON = {"Content-Type": "application/json"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
LIMITS = {"max_body_bytes": 2**17, "max_batch": 8}
TEXTS = [text for label in LABELS for text in SENTENCES[label]]
UNSEEN = "A wonderful price, but the delivery was late and nobody answers. 日本語"


@pytest.fixture(scope="module")
def text_server(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("texts")
    shelf = copy_of(empty_registry, folder)
    promote_texts(shelf, folder / "package")
    with running(shelf.settings, folder, **LIMITS) as server:
        yield server


@pytest.fixture(scope="module")
def row_server(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("rows")
    shelf = copy_of(empty_registry, folder)
    promote_rows(shelf, folder / "package")
    with running(shelf.settings, folder, **LIMITS) as server:
        yield server


def promote_texts(shelf: Shelf, package: Path) -> int:
    return shelf.promote(shelf.register(package, make_text_package(package, shelf.settings)))


def promote_rows(shelf: Shelf, package: Path) -> int:
    return shelf.promote(shelf.register(package, make_row_package(package, shelf.settings)))


def ask(server: Running, inputs: object, path: str = "/predict") -> httpx.Response:
    return server.post(path, json.dumps({"inputs": inputs}).encode(), JSON)


def check_text_answer(answer: dict[str, Any], text: str) -> None:
    expected = probabilities_of(text)
    assert list(answer["probabilities"]) == list(LABELS)
    assert np.allclose(list(answer["probabilities"].values()), expected, atol=5e-6)
    assert answer["label"] == LABELS[int(expected.argmax())]
    assert answer["confidence"] == max(answer["probabilities"].values())


@pytest.mark.parametrize("text", [*TEXTS[::3], UNSEEN])
def test_a_text_is_answered_with_its_probabilities(text_server: Running, text: str) -> None:
    for response in (ask(text_server, text), text_server.post("/predict", text.encode(), PLAIN)):
        answer = response.json()
        assert response.status_code == 200, answer
        check_text_answer(answer, text)
        assert answer["version"] == 1
        assert response.headers["x-model-version"] == "1"
        assert response.headers["x-request-id"] == answer["request_id"]


def test_what_was_said_in_praise_is_told_from_complaints(text_server: Running) -> None:
    for label, texts in SENTENCES.items():
        for text in texts:
            assert ask(text_server, text).json()["label"] == label


def test_several_texts_are_answered_in_order(text_server: Running) -> None:
    chosen = [UNSEEN, *TEXTS[2:9]]
    answer = ask(text_server, chosen, "/predict_batch").json()
    assert len(answer["predictions"]) == 8
    for text, found in zip(chosen, answer["predictions"], strict=True):
        check_text_answer(found, text)


def test_a_text_too_long_for_the_model_is_cut_and_read_beside_the_event_loop(text_server: Running) -> None:
    long = f"{TEXTS[0]} " * 2000
    assert 2**12 < len(long) < LIMITS["max_body_bytes"]
    answer = text_server.post("/predict", long.encode(), PLAIN).json()
    check_text_answer(answer, long)


def test_the_pages_of_a_text_model_say_what_it_takes_and_gives(text_server: Running) -> None:
    model = text_server.model()
    assert model["task"] == "text_classification"
    assert "text/plain" in model["takes"]
    assert TextInputs.model_validate(model["inputs"]) == text_inputs()
    assert ClassTarget.model_validate(model["target"]) == text_target()
    assert text_server.get("/").json()["takes"] == model["takes"]


BAD_TEXTS: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "nothing": ("/predict", b"", PLAIN, 400, "The body is empty"),
    "blank": ("/predict", b" ", PLAIN, 422, "The text is empty"),
    "latin-1": ("/predict", b"caf\xe9", PLAIN, 400, "not UTF-8"),
    "half a letter": ("/predict", b'{"inputs": "\\ud800"}', JSON, 422, "no valid Unicode"),
    "a number": ("/predict", b'{"inputs": 7}', JSON, 422, "must be a text; found a number"),
    "not JSON": ("/predict", b'{"inputs": "a', JSON, 400, "The body is not JSON"),
    "several as plain text": ("/predict_batch", b"a\nb", PLAIN, 415, "Send several texts as JSON"),
    "too many": ("/predict_batch", json.dumps({"inputs": ["a"] * 9}).encode(), JSON, 422, "from 1 to 8 are answered"),
    "too long a body": ("/predict", b"a" * (2**17 + 1), PLAIN, 413, "larger than 131072 bytes"),
    "an image": ("/predict", b"\x89PNG", {"Content-Type": "image/png"}, 415, "image/png, which this model does not"),
    "a form": ("/predict", b"--a--", {"Content-Type": "multipart/form-data; boundary=a"}, 415, "text/plain in UTF-8"),
    "no type": ("/predict", b"a", {}, 415, "of no stated type. Content-Type must be application/json, or text/plain"),
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a_bad_text_is_told_what_is_wrong_with_it(text_server: Running, name: str) -> None:
    check_refusal(text_server, *BAD_TEXTS[name])
    assert ask(text_server, TEXTS[0]).status_code == 200, "a bad request must not hurt the next one"


def check_refusal(server: Running, path: str, body: bytes, headers: dict[str, str], status: int, words: str) -> None:
    response = server.post(path, body, headers)
    answer = response.json()
    assert response.status_code == status, answer
    assert words in answer["error"]
    assert answer["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("row", [*rows()[:3], {**rows()[3], "colour": "ultraviolet"}])
def test_a_row_is_answered_with_its_value(row_server: Running, row: Row) -> None:
    response = ask(row_server, row)
    answer = response.json()
    assert response.status_code == 200, answer
    assert set(answer) == {"value", "name", "version", "request_id"}
    assert answer["value"] == pytest.approx(value_of(row), rel=1e-6)
    assert answer["name"] == "price"
    assert answer["version"] == 1
    assert response.headers["x-model-version"] == "1"
    assert response.headers["x-request-id"] == answer["request_id"]


def test_a_category_is_the_same_with_space_around_it(row_server: Running) -> None:
    row = rows()[0]
    spaced = ask(row_server, {**row, "colour": f" {row['colour']}\n"}).json()
    assert spaced["value"] == pytest.approx(value_of(row), rel=1e-6)


def test_several_rows_are_answered_in_order(row_server: Running) -> None:
    chosen = rows()[20:28]
    answer = ask(row_server, chosen, "/predict_batch").json()
    assert [found["value"] for found in answer["predictions"]] == pytest.approx([*map(value_of, chosen)], rel=1e-6)
    assert all(found == {"value": found["value"], "name": "price"} for found in answer["predictions"])


def test_the_sum_of_the_largest_numbers_is_a_number(row_server: Running) -> None:
    assert ask(row_server, [{**rows()[0], "size": 3.4e38}] * 4, "/predict_batch").status_code == 200
    wait_for(lambda: summary_sum(row_server, "x.size") > 3.5e38, "the sum")
    assert summary_sum(row_server, "x.size") == pytest.approx(4 * 3.4e38), "beyond float32"


def summary_sum(server: Running, name: str) -> float:
    """What the measures say of a summary; 0: nothing yet."""
    start = f'tunesmith_input_summary_sum{{summary="{name}"}} '
    found = (line for line in server.get("/metrics").text.splitlines() if line.startswith(start))
    return float(next(found, "0").removeprefix(start))


def test_a_large_body_of_rows_is_read_beside_the_event_loop(row_server: Running) -> None:
    body = json.dumps({"inputs": rows()[0]}).encode() + b" " * 2**15
    answer = row_server.post("/predict", body, JSON).json()
    assert answer["value"] == pytest.approx(value_of(rows()[0]), rel=1e-6)


def test_the_pages_of_a_row_model_say_what_it_takes_and_gives(row_server: Running) -> None:
    model = row_server.model()
    assert model["task"] == "regression"
    assert "column" in model["takes"]
    assert RowInputs.model_validate(model["inputs"]) == row_inputs()
    assert ValueTarget.model_validate(model["target"]) == row_target()
    assert row_server.get("/").json()["takes"] == model["takes"]


def row_body(**changed: object) -> bytes:
    return json.dumps({"inputs": rows()[0] | changed}).encode()


BAD_ROWS: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "nothing": ("/predict", b"", JSON, 400, "The body is empty"),
    "not JSON": ("/predict", b"size,age,colour", JSON, 400, "The body is not JSON"),
    "CSV": (
        "/predict",
        b"size,age\n1,2",
        {"Content-Type": "text/csv"},
        415,
        "text/csv, which this model does not read",
    ),
    "a form": ("/predict", b"--a--", {"Content-Type": "multipart/form-data; boundary=a"}, 415, "application/json"),
    "NaN": ("/predict", row_body(size=float("nan")), JSON, 400, "NaN is not a number that JSON knows"),
    "infinity in digits": ("/predict", row_body(size=0).replace(b": 0", b": 1e999"), JSON, 422, "a finite number"),
    "a missing column": ("/predict", row_body(size=None), JSON, 422, "Row 1: column 'size' is missing"),
    "an unknown column": ("/predict", row_body(colours="red"), JSON, 422, "Did you mean 'colour'?"),
    "text for a number": ("/predict", row_body(age="old"), JSON, 422, "column 'age' is 'old'"),
    "a list": ("/predict", b'{"inputs": [1, 2, 3]}', JSON, 422, "an object with a value for each column"),
    "none": ("/predict_batch", b'{"inputs": []}', JSON, 422, "0 samples"),
    "too many": (
        "/predict_batch",
        json.dumps({"inputs": rows()[:9]}).encode(),
        JSON,
        422,
        "holds 9 samples; from 1 to 8 are answered at once",
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_told_what_is_wrong_with_it(row_server: Running, name: str) -> None:
    check_refusal(row_server, *BAD_ROWS[name])
    assert ask(row_server, rows()[0]).status_code == 200, "a bad request must not hurt the next one"


@pytest.mark.parametrize(
    "body",
    [b'{"inputs": {"\\ud800": 1}}', row_body(age="AGE").replace(b"AGE", b"\\ud800")],
    ids=["as a column", "as a value"],
)
def test_half_a_letter_in_a_row_is_refused_and_not_a_fault_of_the_server(row_server: Running, body: bytes) -> None:
    response = row_server.post("/predict", body, JSON)
    assert response.status_code == 422, response.text
    assert r"'\ud800'" in response.json()["error"]


def test_a_model_that_imputes_answers_a_row_that_lacks_a_number(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    make_row_package(tmp_path / "package", settings, missing="impute")
    model = load_model(tmp_path / "package", 1, settings.public_keys, max_batch=8)
    lacking: list[Row] = [{"age": 3, "colour": "red"}, {"size": 50, "age": None, "colour": "blue"}]
    body = json.dumps({"inputs": lacking}).encode()
    reading = model.decoder.reading("application/json", body, Limits(max_batch=8, max_pixels=1, single=False))
    assert reading
    answers = model.infer(reading.decode(body)).answers
    assert answers[:, 0].tolist() == pytest.approx([*map(value_of, lacking)], rel=1e-6)


def refused_package(folder: Path, settings: Settings) -> str:
    with pytest.raises(PackageError) as refused:
        load_model(folder, 1, settings.public_keys, max_batch=8)
    return str(refused.value)


def test_a_text_package_is_refused_without_the_tokenizer_of_its_training(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    other = train_tokenizer(TEXTS, BpeParams(name="bpe", vocabulary=300, lowercase=True), LENGTH)
    make_text_package(tmp_path / "other", settings, with_tokenizer=other)
    assert "knows 300 tokens, and the model takes 330" in refused_package(tmp_path / "other", settings)

    make_text_package(tmp_path / "damaged", settings)
    (tmp_path / "damaged" / TOKENIZER).write_text("{}")
    seal_again(tmp_path / "damaged", settings)
    assert "cannot be read as a tokenizer" in refused_package(tmp_path / "damaged", settings)

    (tmp_path / "damaged" / TOKENIZER).unlink()
    seal_again(tmp_path / "damaged", settings)
    assert "cannot be read as a tokenizer" in refused_package(tmp_path / "damaged", settings)


def seal_again(folder: Path, settings: Settings) -> None:
    """One who has the key vouches for what was done to a package."""
    (folder / MANIFEST).unlink()
    (folder / SIGNATURE).unlink()
    seal(folder, settings.private_key, settings.public_keys)


@pytest.mark.slow
def test_a_champion_of_another_task_takes_over_with_its_own_inputs(shelf: Shelf, tmp_path: Path) -> None:
    images = shelf.promote(shelf.publish(0.0))
    picture = digits().inputs[0].tolist()
    with running(shelf.settings, tmp_path) as server:
        wait_for(lambda: server.serves(images), "the model of images")
        assert ask(server, picture).status_code == 200
        assert ask(server, TEXTS[0]).status_code == 422

        texts = promote_texts(shelf, tmp_path / "texts")
        wait_for(lambda: server.serves(texts), "the model of texts")
        check_text_answer(ask(server, TEXTS[0]).json(), TEXTS[0])
        assert ask(server, picture).status_code == 422

        values = promote_rows(shelf, tmp_path / "rows")
        wait_for(lambda: server.serves(values), "the model of rows")
        assert ask(server, rows()[0]).json()["value"] == pytest.approx(value_of(rows()[0]), rel=1e-6)
        assert ask(server, TEXTS[0]).status_code == 422
        assert server.model()["following"]["error"] is None
