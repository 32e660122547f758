import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts import CategoricalColumn, NumericColumn, RowInputs
from components.errors import RowRefused
from components.ingest.tables.cells import category_of
from components.tasks.rows.categories import category_name
from components.tasks.rows.encoding import LARGEST, NEVER_SEEN, encode_rows
from tests.components.nets_samples import ROWS

STRICT = ROWS.model_copy(update={"missing": "refuse"})
ROW: dict[str, Any] = {"carat": 0.5, "cut": "good", "depth": 60}
ANY_TEXT = st.text(st.characters(exclude_categories=[]))
JSON = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.lists(st.integers(), max_size=2)


def encoded(inputs: RowInputs = ROWS, **changes: Any) -> list[float]:
    (row,) = encode_rows([ROW | changes], inputs).tolist()
    return list(row)


def refusal(row: dict[str, Any], inputs: RowInputs = STRICT) -> str:
    """What is said of a row that stands third."""
    with pytest.raises(RowRefused) as error:
        encode_rows([ROW, ROW, row], inputs)
    return str(error.value)


def test_values_take_the_places_of_the_columns_whatever_their_order() -> None:
    rows = [ROW, {"depth": 61.5, "cut": "fair", "carat": 2}, {"cut": "ideal", "depth": -1, "carat": 1e-3}]
    found = encode_rows(rows, ROWS)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[0.5, 1, 60], [2, 0, 61.5], [1e-3, 2, -1]], np.float32))


def test_no_rows_are_an_empty_array() -> None:
    assert encode_rows([], ROWS).shape == (0, 3)


@pytest.mark.parametrize("category", ["very good", "Good", "", " ", "goo d", "x" * 500, "日本語", "\ud800"])
def test_a_category_that_training_never_saw_is_minus_one(category: str) -> None:
    assert NEVER_SEEN == -1
    assert encoded(cut=category) == [0.5, -1, 60]


@pytest.mark.parametrize("category", ["good ", " good", "\tgood\n", "\u3000good"])
def test_space_around_a_category_makes_no_other_of_it(category: str) -> None:
    assert encoded(cut=category) == [0.5, 1, 60]


def test_ingest_and_server_take_a_category_for_the_same() -> None:
    for written in (" café ", "cafe\u0301", "\u212bngstro\u0308m\t", "a b", "\u2000x"):
        kept = category_of(written, "cut")
        inputs = ROWS.model_copy(update={"columns": (CategoricalColumn(name="cut", categories=("-", kept)),)})
        assert category_name(kept) == kept
        assert encode_rows([{"cut": written}, {"cut": kept}], inputs).tolist() == [[1], [1]]


@pytest.mark.parametrize("missing", [None, math.nan, np.float64("nan")])
def test_a_missing_number_is_nan_where_the_median_may_take_its_place(missing: float | None) -> None:
    found = encoded(carat=missing)
    assert math.isnan(found[0])
    assert found[1:] == [1, 60]


def test_a_column_that_is_not_given_counts_as_missing() -> None:
    assert math.isnan(encode_rows([{"cut": "good", "depth": 60}], ROWS)[0, 0])


@pytest.mark.parametrize("row", [ROW | {"carat": None}, ROW | {"carat": math.nan}, {"cut": "good", "depth": 60}])
def test_a_missing_number_is_refused_where_nothing_may_take_its_place(row: dict[str, Any]) -> None:
    assert refusal(row) == ("Row 3: column 'carat' is missing; a number is expected, as between 0.2 and 5 in training.")


@pytest.mark.parametrize("inputs", [STRICT, ROWS], ids=["refuse", "impute"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.5", "is '0.5';"),
        ("", "is '';"),
        ("a\nb\x1b", r"is 'a\nb\x1b';"),
        ("caf\udce9", r"is 'caf\udce9';"),
        (["\ud800"], r"is ['\ud800'];"),
        (True, "True"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (2 * LARGEST, "6.8056"),
        (10**400, "10000"),
        ([0.5], "[0.5]"),
        ({}, "{}"),
        (b"0.5", "b'0.5'"),
    ],
)
def test_what_is_no_finite_number_is_refused(value: object, shown: str, inputs: RowInputs) -> None:
    said = refusal(ROW | {"carat": value}, inputs)
    assert said.startswith("Row 3: column 'carat' is ")
    assert shown in said
    assert said.endswith("; a finite number is expected.")


@pytest.mark.parametrize("value", [0, -3, 10**30, LARGEST, -LARGEST, 1e-40, np.float64(2.5)])
def test_every_finite_number_of_32_bits_is_one(value: float) -> None:
    assert encoded(STRICT, carat=value)[0] == np.float32(value)


@pytest.mark.parametrize(
    ("value", "found"),
    [(None, "is missing"), (math.nan, "is nan"), (1, "is 1"), (False, "is False"), (["good"], "is ['good']")],
)
def test_what_is_no_category_is_refused(value: object, found: str) -> None:
    expected = f"Row 3: column 'cut' {found}; a category is expected, as text, such as 'fair'."
    assert refusal(ROW | {"cut": value}, ROWS) == expected


def test_a_category_that_is_not_given_is_missing() -> None:
    assert refusal({"carat": 1, "depth": 60}, ROWS).startswith("Row 3: column 'cut' is missing; a category")


def test_a_column_that_the_model_does_not_know_is_refused() -> None:
    assert refusal(ROW | {"carrat": 1}) == "Row 3: the model has no column 'carrat'. Did you mean 'carat'?"
    assert refusal(ROW | {"\ud800": 1}).startswith(r"Row 3: the model has no column '\ud800'. Its columns: carat")
    assert refusal(ROW | {"price": 1}) == "Row 3: the model has no column 'price'. Its columns: carat, cut, depth."


def test_what_is_shown_of_a_value_is_short() -> None:
    assert len(refusal(ROW | {"carat": "9" * 10_000})) < 200
    assert len(refusal(ROW | {"cut": list(range(10_000))})) < 200
    assert len(refusal(ROW | {"c" * 10_000: 1})) < 200


def test_an_integer_of_thousands_of_digits_is_refused_as_any_other() -> None:
    for value in (10**5000, [10**5000]):
        said = refusal(ROW | {"carat": value})
        assert said == "Row 3: column 'carat' is too long to be shown; a finite number is expected."
    assert refusal(ROW | {"cut": 10**5000}).startswith("Row 3: column 'cut' is too long to be shown; a category")


def test_what_is_nested_too_deeply_to_be_shown_is_refused_as_any_other() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert refusal(ROW | {"carat": deep}).endswith("is too long to be shown; a finite number is expected.")


@given(st.dictionaries(st.sampled_from(["carat", "cut", "depth", "price"]), JSON), st.sampled_from([ROWS, STRICT]))
def test_whatever_a_row_holds_it_is_encoded_or_refused_by_its_number(row: dict[str, object], inputs: RowInputs) -> None:
    try:
        found = encode_rows([row], inputs)
    except RowRefused as refused:
        assert str(refused).startswith("Row 1: ")
        assert str(refused).isprintable()
    else:
        assert found.shape == (1, 3)
        assert found[0, 1] in (-1, 0, 1, 2)
        assert not np.isinf(found).any()
        assert inputs.missing == "impute" or not np.isnan(found).any()


def test_rows_of_categories_alone_and_of_numbers_alone() -> None:
    for kind, values in ((NumericColumn, [0.5, 60]), (CategoricalColumn, [1])):
        columns = tuple(column for column in ROWS.columns if isinstance(column, kind))
        inputs = RowInputs(columns=columns, scaling="none", missing="refuse")
        row = {column.name: ROW[column.name] for column in columns}
        assert encode_rows([row], inputs).tolist() == [values]
