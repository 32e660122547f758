"""The whole line, from a table of texts to an answer over HTTP."""

import contextlib
from pathlib import Path

import pytest

from flows.questions import questions
from tests.line.kinds import TEXTS
from tests.line.promoted import Promoted, promoted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

QUESTIONS = 40


@pytest.fixture(scope="module")
def line(shared_folder: Path) -> Promoted:
    return promoted(TEXTS, shared_folder)


def test_a_table_of_texts_becomes_a_promoted_model(line: Promoted) -> None:
    assert line.run["outcome"] == "promoted"
    assert {stage["state"] for stage in line.run["stages"]} == {"ran"}
    again = line.again()
    assert {stage["state"] for stage in again["stages"]} == {"unchanged"}
    assert again["version"] == 1


def test_the_promoted_model_answers_texts_over_http(line: Promoted) -> None:
    with contextlib.chdir(line.root):
        asked = questions(QUESTIONS)
    with line.server() as client:
        answers = [
            client.post("/predict", content=question.content, headers={"Content-Type": question.content_type}).json()
            for question in asked
        ]
    assert {answer["version"] for answer in answers} == {1}
    right = sum(answer["label"] == question.truth for answer, question in zip(answers, asked, strict=True))
    assert right >= 0.85 * QUESTIONS
