"""How a trained regression on rows behaves."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from components.contracts import CategoricalColumn, NumericColumn, RowInputs
from serving.errors import RequestError
from tests.behaviour.probes import MOVES, Row
from tests.behaviour.subject import Subject

KIND = "rows"
ALONE = 50

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def rows(subject: Subject) -> list[Row]:
    """Those that lack no number."""
    return [row for row in subject.samples if None not in row.values()]


@pytest.fixture(scope="module")
def answers(subject: Subject, rows: list[Row]) -> NDArray[np.float32]:
    return subject.ask_json(rows)


def columns(subject: Subject) -> RowInputs:
    assert isinstance(subject.model.signature.inputs, RowInputs)
    return subject.model.signature.inputs


def numeric(subject: Subject) -> list[NumericColumn]:
    return [column for column in columns(subject).columns if isinstance(column, NumericColumn)]


# Minimum functionality


def test_small_and_large_are_told_apart(subject: Subject) -> None:
    ordered = subject.ask_json(subject.samples)[np.argsort(subject.truths), 0]
    tenth = len(ordered) // 10
    assert (ordered[:tenth] < subject.values.mean).mean() >= 0.95
    assert (ordered[-tenth:] > subject.values.mean).mean() >= 0.95


def test_no_answer_is_far_outside_of_what_training_held(subject: Subject, answers: NDArray[np.float32]) -> None:
    values = subject.values
    assert values.low - values.std <= answers.min()
    assert answers.max() <= values.high + values.std


# Invariance


def test_the_order_of_the_columns_changes_nothing(
    subject: Subject, rows: list[Row], answers: NDArray[np.float32]
) -> None:
    assert np.array_equal(subject.ask_json(dict(reversed(row.items())) for row in rows), answers)


def test_whole_numbers_may_be_sent_with_or_without_a_point(subject: Subject, rows: list[Row]) -> None:
    def rounded(row: Row, kind: type[Any]) -> Row:
        return {**row, **{column.name: kind(round(row[column.name])) for column in numeric(subject)}}

    assert np.array_equal(*(subject.ask_json(rounded(row, kind) for row in rows) for kind in (int, float)))


def test_white_space_around_a_category_changes_nothing(
    subject: Subject, rows: list[Row], answers: NDArray[np.float32]
) -> None:
    names = [column.name for column in columns(subject).columns if isinstance(column, CategoricalColumn)]
    assert np.array_equal(
        subject.ask_json({**row, **{name: f" {row[name]}\t" for name in names}} for row in rows), answers
    )


def test_the_company_in_a_batch_changes_no_answer(
    subject: Subject, rows: list[Row], answers: NDArray[np.float32]
) -> None:
    alone = subject.alone(json.dumps({"inputs": row}).encode() for row in rows[:ALONE])
    assert np.abs(alone - answers[:ALONE]).max() <= subject.model.signature.golden_tolerance


def test_a_column_that_the_model_does_not_know_is_refused(subject: Subject, rows: list[Row]) -> None:
    with pytest.raises(RequestError, match="no column 'shoe size'") as refused:
        subject.ask_json([{**rows[0], "shoe size": 44}])
    assert refused.value.status == 422


def test_numbers_beyond_the_training_data_count_as_its_end(subject: Subject, rows: list[Row]) -> None:
    for column in numeric(subject):
        ends, beyond = (
            subject.ask_json({**row, column.name: value} for row in rows[:ALONE] for value in pair)
            for pair in (
                (column.low, column.high),
                (column.low - 10 * column.std, column.high + 10 * column.std),
            )
        )
        assert np.allclose(ends, beyond, rtol=0, atol=subject.model.signature.golden_tolerance), column.name


def test_a_thousandth_more_hardly_changes_an_answer(
    subject: Subject, rows: list[Row], answers: NDArray[np.float32]
) -> None:
    for column in numeric(subject):
        nudged = [{**row, column.name: row[column.name] + column.std / 1000} for row in rows]
        moved = np.abs(subject.ask_json(nudged) - answers)
        assert np.quantile(moved, 0.95) <= 0.01 * subject.values.std, column.name


# Direction


def test_more_of_what_makes_it_larger_makes_it_larger(
    subject: Subject, rows: list[Row], answers: NDArray[np.float32]
) -> None:
    if subject.values.name not in MOVES:
        pytest.skip(f"Nothing is known of what makes '{subject.values.name}' larger; add it to MOVES.")
    for what, move in MOVES[subject.values.name].items():
        moved = [(place, more) for place, row in enumerate(rows) if (more := move(row)) is not None]
        before = answers[[place for place, _ in moved]]
        gains = subject.ask_json(more for _, more in moved) - before
        assert (gains >= 0).mean() >= 0.9, what
        assert gains.mean() > 0.01 * subject.values.std, what
