"""The whole line, from a table of numbers and categories to an answer over HTTP."""

from pathlib import Path

import numpy as np
import pytest

from tests.line.kinds import ROWS
from tests.line.promoted import Promoted, promoted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

QUESTIONS = 40


@pytest.fixture(scope="module")
def line(shared_folder: Path, prefect_api: str) -> Promoted:
    return promoted(ROWS, shared_folder, prefect_api)


def test_a_table_of_rows_becomes_a_promoted_model(line: Promoted) -> None:
    assert line.run["outcome"] == "promoted"
    assert {stage["state"] for stage in line.run["stages"]} == {"ran"}
    again = line.again()
    assert {stage["state"] for stage in again["stages"]} == {"unchanged"}
    assert again["version"] == 1


def test_the_promoted_model_answers_rows_over_http(line: Promoted) -> None:
    asked, answers = zip(*line.answered(QUESTIONS), strict=True)
    assert {(answer["name"], answer["version"]) for answer in answers} == {("area", 1)}
    truths = np.array([question.truth for question in asked], np.float64)
    errors = np.array([answer["value"] for answer in answers]) - truths
    assert np.mean(errors**2) < 0.05 * truths.var(), "R² over HTTP"
