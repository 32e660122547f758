"""The score on labelled answers, computed from real logs: no label may keep a window from being written down."""

import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from components.contracts import ClassTarget, Target, ValueTarget
from components.monitor.quality import finding_of, quality_of
from components.monitor.record import Quality
from components.params.sections.monitor import QualityLimits
from components.predictions import prediction_columns, predictions_folder
from components.registry import DIGEST, ModelVersion
from components.rolling import RollingParquet
from components.settings import Settings
from tests.answered import BEGAN, Said, corrected

NAME = "digits"
CLASSES = ClassTarget(labels=("one", "two"), counts=(1, 1))
VALUES = ValueTarget(name="price", mean=0.0, std=1.0, low=-1.0, high=1.0)
VERSION = ModelVersion(1, {DIGEST: "0f"}, "")
BY = {"version": VERSION.version, "package": VERSION.digest}
LIMITS = QualityLimits(max_drop=0.05, min_labels=20)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def judged(settings: Settings, target: Target, answers: list[str | float], truths: list[str | float]) -> Quality:
    """What is said of some answers, ten times each, after a truth was told of each; it can be written down."""
    kind = "label" if isinstance(target, ClassTarget) else "value"
    rows = [
        {"request_id": f"{place}", "sample": 0, "time": BEGAN - timedelta(hours=1), **BY, kind: answer}
        for place, answer in enumerate(answers * 10)
    ]
    table = pa.Table.from_pylist(rows, prediction_columns())
    RollingParquet(predictions_folder(settings, NAME), None).write(table, BEGAN)
    corrected(settings, NAME, [Said(f"{place}", truth) for place, truth in enumerate(truths * 10)])
    quality = quality_of(settings, NAME, VERSION, target, LIMITS, most=100)
    found = finding_of(quality, 0.9, LIMITS)
    assert found
    json.dumps([quality.model_dump(mode="json"), found.model_dump(mode="json"), found.strength], allow_nan=False)
    return quality


def test_a_class_that_the_version_does_not_know_counts_as_wrong(settings: Settings) -> None:
    quality = judged(settings, CLASSES, ["one", "two", "one", "two"], ["one", "two", "one", "three"])
    assert (quality.labels, quality.score) == (40, 0.75)


def test_values_that_no_answer_can_reach_are_left_out(settings: Settings) -> None:
    quality = judged(settings, VALUES, [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 1e200])
    assert (quality.labels, quality.score) == (30, 1.0)


def test_a_class_said_of_a_value_is_left_out(settings: Settings) -> None:
    quality = judged(settings, VALUES, [1.0, 2.0, 3.0], [1.0, 2.0, "three"])
    assert (quality.labels, quality.score) == (20, 1.0)


@pytest.mark.parametrize("truths", [(0.0, 1e-160, 0.0), (0.0, 1e-40, 1.0), (3.4e38, -3.4e38, 3.4e38)])
def test_the_score_of_any_values_is_a_number(settings: Settings, truths: tuple[float, ...]) -> None:
    assert judged(settings, VALUES, [3.4e38, 1.0, -3.4e38], list(truths)).score is not None
