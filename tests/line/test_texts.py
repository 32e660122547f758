"""The whole line, from a table of texts to an answer over HTTP."""

from pathlib import Path

import pytest

from tests.line.kinds import TEXTS
from tests.line.promoted import Promoted, promoted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

QUESTIONS = 40


@pytest.fixture(scope="module")
def line(shared_folder: Path, prefect_api: str) -> Promoted:
    return promoted(TEXTS, shared_folder, prefect_api)


def test_a_table_of_texts_becomes_a_promoted_model(line: Promoted) -> None:
    assert line.run["outcome"] == "promoted"
    assert {stage["state"] for stage in line.run["stages"]} == {"ran"}
    again = line.again()
    assert {stage["state"] for stage in again["stages"]} == {"unchanged"}
    assert again["version"] == 1


def test_the_promoted_model_answers_texts_over_http(line: Promoted) -> None:
    answered = line.answered(QUESTIONS)
    assert {answer["version"] for _, answer in answered} == {1}
    assert sum(answer["label"] == question.truth for question, answer in answered) >= 0.85 * QUESTIONS
