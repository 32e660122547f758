"""Rows: whatever JSON arrives, decoding gives the numbers of the model's columns or says what is wrong with it."""

import json
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from serving.decoding import Limits
from serving.decoding.rows import RowDecoder
from serving.errors import RequestError
from tests.row_package import COLOURS, row_inputs, rows

JSON = "application/json"
ROW: dict[str, object] = {"size": 12.5, "age": 3, "colour": "red"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["inputs", "size", "age", "colour", "b"]), inner, max_size=4)
    ),
    max_leaves=20,
)


def decode(
    body: bytes, *, single: bool = True, kind: str = JSON, missing: Literal["refuse", "impute"] = "refuse"
) -> NDArray[Any]:
    reading = RowDecoder(row_inputs(missing)).reading(kind, body, Limits(max_batch=4, max_pixels=1, single=single))
    assert reading
    return reading.decode(body)


def sent(inputs: object) -> bytes:
    return json.dumps({"inputs": inputs}).encode()


def refusal(body: bytes, *, single: bool = True) -> tuple[int, str]:
    with pytest.raises(RequestError) as refused:
        decode(body, single=single)
    return refused.value.status, str(refused.value)


def without(name: str) -> dict[str, object]:
    return {column: value for column, value in ROW.items() if column != name}


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(NUMBERS, NUMBERS, st.integers(0, 2), st.permutations(["size", "age", "colour"]))
def test_one_row_gives_its_numbers_in_the_order_of_the_columns(
    size: float, age: float, colour: int, order: list[str]
) -> None:
    values: dict[str, object] = {"size": size, "age": age, "colour": COLOURS[colour]}
    decoded = decode(sent({name: values[name] for name in order}))
    assert decoded.dtype == np.float32
    assert decoded.tolist() == [[size, age, colour]]


def test_several_rows_give_their_numbers_in_order() -> None:
    chosen = rows()[10:14]
    decoded = decode(sent(chosen), single=False)
    expected = [[row["size"], row["age"], COLOURS.index(str(row["colour"]))] for row in chosen]
    assert np.array_equal(decoded, np.array(expected, np.float32))
    assert np.array_equal(decode(sent(chosen[:1]), single=False), decoded[:1])


def test_a_type_that_ends_in_json_is_json() -> None:
    assert decode(sent(ROW), kind="application/vnd.row+json").tolist() == [[12.5, 3, 2]]


@pytest.mark.parametrize("kind", ["", "text/plain", "image/png", "application/x-npy", "multipart/form-data"])
def test_other_content_types_are_not_read(kind: str) -> None:
    assert RowDecoder(row_inputs()).reading(kind, sent(ROW), Limits(4, 1, single=True)) is None


def test_files_are_refused_with_the_type_that_is_read() -> None:
    decoder = RowDecoder(row_inputs())
    assert not decoder.forms
    with pytest.raises(RequestError, match=r"not sent as files.*application/json") as refused:
        decoder.read_files([sent(ROW)], Limits(4, 1, single=True))
    assert refused.value.status == 415


def test_a_category_that_training_never_saw_is_no_fault() -> None:
    assert decode(sent(ROW | {"colour": "ultraviolet"})).tolist() == [[12.5, 3, -1]]
    assert decode(sent(ROW | {"colour": "\ud800"})).tolist() == [[12.5, 3, -1]], "nor half a letter"


@pytest.mark.parametrize("row", [ROW | {"size": None}, without("size")], ids=["null", "left out"])
def test_a_missing_number_is_imputed_where_the_model_imputes_and_refused_where_it_does_not(
    row: dict[str, object],
) -> None:
    decoded = decode(sent(row), missing="impute")
    assert np.isnan(decoded[0, 0])
    assert decoded[0, 1:].tolist() == [3, 2]
    status, sentence = refusal(sent(row))
    assert status == 422
    assert sentence == "Row 1: column 'size' is missing; a number is expected, as between 1 and 100 in training."


def test_a_missing_category_is_refused_even_where_numbers_are_imputed() -> None:
    with pytest.raises(RequestError, match="Row 1: column 'colour' is missing; a category is expected") as refused:
        decode(sent(without("colour")), missing="impute")
    assert refused.value.status == 422


BAD_ROWS: dict[str, tuple[dict[str, object], str]] = {
    "nothing": ({}, "column 'size' is missing"),
    "an unknown column that is nearly one": (ROW | {"sise": 2}, "no column 'sise'. Did you mean 'size'?"),
    "an unknown column": (ROW | {"weight": 2}, "no column 'weight'. Its columns: size, age, colour."),
    "a very long name": (ROW | {"w" * 5000: 2}, f"no column '{'w' * 60}…'. Its columns"),
    "text for a number": (ROW | {"age": "old"}, "column 'age' is 'old'; a finite number is expected."),
    "true for a number": (ROW | {"age": True}, "column 'age' is True; a finite number is expected."),
    "a list for a number": (ROW | {"age": [3]}, "column 'age' is [3]; a finite number is expected."),
    "an object for a number": (ROW | {"age": {}}, "column 'age' is {}; a finite number is expected."),
    "a number beyond float32": (ROW | {"age": 1e39}, "column 'age' is 1e+39; a finite number is expected."),
    "a very large integer": (ROW | {"age": -(10**400)}, f"column 'age' is -1{'0' * 58}…; a finite number"),
    "a number for a category": (
        ROW | {"colour": 2},
        "column 'colour' is 2; a category is expected, as text, such as 'blue'.",
    ),
    "true for a category": (ROW | {"colour": True}, "column 'colour' is True; a category is expected"),
    "null for a category": (ROW | {"colour": None}, "column 'colour' is missing; a category is expected"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_told_by_its_number_and_its_column(name: str) -> None:
    row, words = BAD_ROWS[name]
    for body, single, number in ((sent(row), True, 1), (sent([ROW, ROW, row]), False, 3)):
        status, sentence = refusal(body, single=single)
        assert status == 422
        assert sentence.startswith(f"Row {number}: ")
        assert words in sentence


BAD_BODIES: dict[str, tuple[bytes, bool, int, str]] = {
    "not JSON": (b'{"inputs": {"size": 1', True, 400, "The body is not JSON"),
    "CSV": (b"size,age,colour\n1,2,red\n", True, 400, "The body is not JSON"),
    "not UTF-8": (b'{"inputs": {"colour": "\xe9"}}', True, 400, "The body is not JSON: 'utf-8'"),
    "very deep": (b'{"inputs":' + b"[" * 100_000, True, 400, "nested too deeply"),
    "deep in a row": (sent(ROW).replace(b"12.5", b"[" * 200 + b"]" * 200), True, 422, "column 'size' is [["),
    "NaN": (sent(ROW | {"size": float("nan")}), True, 400, "NaN is not a number that JSON knows"),
    "Infinity": (sent(ROW | {"size": float("inf")}), True, 400, "Infinity is not a number that JSON knows"),
    "-Infinity": (sent(ROW | {"size": float("-inf")}), True, 400, "-Infinity is not a number that JSON knows"),
    "infinity in digits": (sent(ROW).replace(b"12.5", b"1e999"), True, 422, "column 'size' is inf; a finite"),
    "endless integer": (sent(ROW).replace(b"12.5", b"1" * 5000), True, 400, "The body is not JSON"),
    "no inputs": (json.dumps(ROW).encode(), True, 422, 'Send {"inputs": …}, an object with a value for each column.'),
    "a list without inputs": (json.dumps([ROW]).encode(), False, 422, 'Send {"inputs": …}, a list of objects, each'),
    "several for one": (sent([ROW, ROW]), True, 422, "Input 1 must be an object with a value for each column"),
    "one for several": (
        sent(ROW),
        False,
        422,
        'Send {"inputs": […]}, a list of objects, each with a value for each column; found an object.',
    ),
    "text": (sent("a row"), True, 422, "found text"),
    "null": (sent(None), True, 422, "found null"),
    "text for several": (sent("rows"), False, 422, "found text"),
    "a list for a row": (sent([ROW, [12.5, 3, "red"]]), False, 422, "Input 2 must be an object"),
    "none": (sent([]), False, 422, "The request holds 0 samples; from 1 to 4 are answered at once."),
    "too many": (sent([ROW] * 5), False, 422, "The request holds 5 samples; from 1 to 4 are answered at once."),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_told_what_is_wrong_with_it(name: str) -> None:
    body, single, status, words = BAD_BODIES[name]
    found, sentence = refusal(body, single=single)
    assert found == status
    assert words in sentence


@given(ANY_JSON, st.booleans())
def test_any_json_gives_rows_or_a_request_error(value: object, single: bool) -> None:
    for document in (
        value,
        {"inputs": value},
        {"inputs": ROW | {"size": value}},
        {"inputs": [ROW | {"colour": value}]},
    ):
        try:
            decoded = decode(json.dumps(document).encode(), single=single)
        except RequestError as error:
            assert 400 <= error.status < 500
        else:
            assert decoded.shape[1:] == (3,)
            assert np.isfinite(decoded).all()


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_error(content: bytes) -> None:
    for single in (True, False):
        status, _ = refusal(content, single=single)
        assert 400 <= status < 500


def test_the_rows_that_were_sent_can_be_had_back() -> None:
    rows = [{"a": 1.5, "b": "never seen"}, {"a": None}]
    found = RowDecoder(row_inputs()).originals("application/json", sent(rows), False)
    assert found is not None
    assert [json.loads(row) for row in found] == rows
