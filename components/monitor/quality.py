"""How the answers of a version stand to what people have said of them since."""

from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from components.contracts import ClassTarget, Target
from components.monitor.record import Finding, Quality
from components.params.sections.monitor import QualityLimits
from components.predictions import (
    by,
    feedback_columns,
    feedback_folder,
    made_at,
    prediction_columns,
    predictions_folder,
    read,
)
from components.registry import ModelVersion
from components.rolling import tables
from components.settings import Settings
from components.tasks.intervals import bootstrap_interval, wilson_interval
from components.tasks.rows.encoding import LARGEST
from components.tasks.score import r_squared

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ["request_id", "sample", "time", "label", "value"]


def quality_of(
    settings: Settings, model: str, version: ModelVersion, target: Target, limits: QualityLimits, most: int
) -> Quality:
    """The score on the answers that were labelled last; where only wrong ones were, it says nothing of the rest.

    Args:
        settings: where the logs are.
        model: name of the registered model.
        version: that had answered.
        target: what it answers.
        limits: of them the number of labels that say something.
        most: labels, at most; the last ones count.
    """
    labels = _labels(read(feedback_folder(settings, model), feedback_columns()), version.version)[-most:]
    answers = _answers(settings, model, version.digest, [key[0] for key, *_ in labels])
    pairs = [(answers[key], truth, at) for key, truth, at in labels if key in answers and _comparable(target, truth)]
    if not pairs:
        return Quality(labels=0, score=None, interval=None, delay_seconds=None)
    delay = median((at - then).total_seconds() for (_, then), _, at in pairs)
    if len(pairs) < limits.min_labels:
        return Quality(labels=len(pairs), score=None, interval=None, delay_seconds=delay)
    score, interval = _score(target, [answer for (answer, _), _, _ in pairs], [truth for _, truth, _ in pairs])
    return Quality(labels=len(pairs), score=score, interval=interval, delay_seconds=delay)


def finding_of(quality: Quality, promised: float, limits: QualityLimits) -> Finding | None:
    """Whether the score has fallen too far; None: too few labels say it.

    Args:
        quality: of the labelled answers.
        promised: score on the test split.
        limits: the section.
    """
    if quality.score is None or quality.interval is None:
        return None
    return Finding(
        kind="quality",
        name="score on labelled answers",
        method="drop_at_least",
        statistic=promised - quality.interval[1],
        threshold=max(limits.max_drop, float(np.finfo(np.float32).eps)),
        before=promised,
        now=quality.score,
    )


def _labels(rows: "pa.Table", version: int) -> list[tuple[tuple[str, int], Any, datetime]]:
    """The last word on each answer of a version, the oldest first: key, truth, when it was said."""
    said = {
        (row["request_id"], row["sample"]): (
            row["label"] if row["value"] is None else row["value"],
            row["said"] or row["time"],
        )
        for row in rows.sort_by("time").to_pylist()
        if row["version"] == version
    }
    standing = ((key, truth, at) for key, (truth, at) in said.items() if truth is not None)  # others were withdrawn
    return sorted(standing, key=lambda each: each[2])


def _answers(
    settings: Settings, model: str, package: str, requests: list[str]
) -> dict[tuple[str, int], tuple[Any, datetime]]:
    """What was answered and when, by request and sample."""
    if not requests:
        return {}
    made = [made_at(each) for each in requests]
    since = None if None in made else min(moment for moment in made if moment)
    wanted = [("request_id", "in", set(requests)), *by(package)]
    found = tables(
        predictions_folder(settings, model), since, columns=COLUMNS, filters=wanted, schema=prediction_columns()
    )
    return {
        (row["request_id"], row["sample"]): (row["label"] if row["value"] is None else row["value"], row["time"])
        for table in found
        for row in table.to_pylist()
    }


def _comparable(target: Target, truth: Any) -> bool:
    """Whether a truth says something of an answer: a class always does, a value only where an answer can be one."""
    return isinstance(target, ClassTarget) or (isinstance(truth, float) and abs(truth) <= LARGEST)


def _score(target: Target, answers: list[Any], truths: list[Any]) -> tuple[float, tuple[float, float]]:
    if isinstance(target, ClassTarget):  # a class that the version does not know is one that it got wrong
        right = sum(answer == truth for answer, truth in zip(answers, truths, strict=True))
        return right / len(truths), wilson_interval(right, len(truths))
    # In float32, as those of the test split: smaller differences could divide the squared error beyond all numbers.
    values, real = np.asarray(answers, np.float64), np.asarray(truths, np.float32)
    return r_squared(values, real), bootstrap_interval(values, real)
