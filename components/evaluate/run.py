"""The files of stage ``evaluate``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import (
    EVALUATED,
    PREPARED,
    REPORTS,
    TRAINED,
    BaselineResult,
    ClassificationMetrics,
    ClassTarget,
    Evaluated,
    Incomparable,
    Metrics,
    Target,
    ValueTarget,
)
from components.evaluate.baselines.choice import fit_baseline
from components.evaluate.baselines.result import Baseline
from components.evaluate.champion import compare_with_champion
from components.evaluate.classes.metrics import calibration_bins, measure_classes
from components.evaluate.classes.mistakes import worst_mistakes
from components.evaluate.findings import ClassDetail, Findings, Inputs, ValueDetail
from components.evaluate.reference import drift_reference, golden_batch
from components.evaluate.report import render
from components.evaluate.shown import shown_samples
from components.evaluate.values.errors import largest_errors
from components.evaluate.values.metrics import measure_values
from components.files import file_sha256, whole_folder, write_json, write_text
from components.inference import answers, open_graph
from components.params import Params
from components.params.sections import ClassificationEvaluateParams, EvaluateParams
from components.settings import Settings
from components.tasks.intervals import bootstrap_interval, wilson_interval
from components.tasks.score import r_squared, shown_score


def run(params: Params, settings: Settings) -> None:
    """Runs the stage.

    Raises:
        PackageError: the champion's package cannot be trusted.
    """
    inputs = Inputs.read()
    print(f"Measuring {inputs.compressed.chosen} on {len(inputs.test.labels):,} test samples.", flush=True)
    findings = gather(params, settings, inputs)
    _write_model_parts(params, settings, inputs, findings.evaluated)
    with whole_folder(REPORTS / "evaluate") as folder:
        write_text(folder / "report.html", render(params, inputs, findings))
        write_json(folder / "metrics.json", headline(findings.evaluated))
    print(summary(inputs.fitted.target, findings.evaluated))


def gather(params: Params, settings: Settings, inputs: Inputs) -> Findings:
    """Measures every variant and the baseline on the same samples, the champion on those that it was not trained on."""
    section, test, fitted = params.evaluate, inputs.test, inputs.fitted
    test_share = None if inputs.own_test_split else params.ingest.test_share
    given = {
        variant.name: answers(open_graph(inputs.graph(variant.name), settings.threads), test.inputs)
        for variant in inputs.compressed.variants
    }
    chosen = given[inputs.compressed.chosen]
    measured = {name: measure(fitted.target, section, answer, test.labels) for name, answer in given.items()}
    baseline = fit_baseline(section, fitted.inputs, inputs.splits["train"], test)
    return Findings(
        evaluated=Evaluated(
            chosen=measured[inputs.compressed.chosen],
            variants=measured,
            baseline=baseline_result(fitted.target, baseline, test.labels),
            champion=compare_with_champion(params.task, fitted.target, test_share, test, chosen, settings),
        ),
        baseline=baseline,
        detail=_detail(section, inputs, chosen),
        digests={
            "chosen graph": file_sha256(inputs.graph(inputs.compressed.chosen)),
            "trained weights": file_sha256(TRAINED / "best.safetensors"),
            **{f"{split} inputs": file_sha256(PREPARED / split / "inputs.npy") for split in inputs.splits},
        },
    )


def measure(target: Target, section: EvaluateParams, given: NDArray[np.float32], labels: NDArray[Any]) -> Metrics:
    """All measures of one model.

    Args:
        target: what it gives.
        section: ``evaluate``; of classes with the bins of their calibration.
        given: (samples, target.width) its answers.
        labels: (samples,) the truth.
    """
    match target, section:
        case ClassTarget(labels=names), ClassificationEvaluateParams(calibration_bins=bins):
            return measure_classes(given, labels, names, bins)
        case _:
            return measure_values(given[:, 0], labels)


def baseline_result(target: Target, baseline: Baseline, labels: NDArray[Any]) -> BaselineResult:
    """The score of what a baseline has answered.

    Args:
        target: what was asked for.
        baseline: with its answers on the test split.
        labels: (samples,) the truth.
    """
    right = baseline.predicted == labels
    if isinstance(target, ClassTarget):
        score, interval = float(right.mean()), wilson_interval(int(right.sum()), len(labels))
    else:
        score, interval = r_squared(baseline.predicted, labels), bootstrap_interval(baseline.predicted, labels)
    return BaselineResult(name=baseline.name, description=baseline.description, score=score, interval=interval)


def _detail(section: EvaluateParams, inputs: Inputs, chosen: NDArray[np.float32]) -> ClassDetail | ValueDetail:
    labels, show = inputs.test.labels, shown_samples(inputs.fitted.inputs, inputs.test)
    match section:
        case ClassificationEvaluateParams(calibration_bins=bins):
            mistakes = worst_mistakes(labels, chosen, section.worst_mistakes, show)
            return ClassDetail(chosen, calibration_bins(chosen, labels, bins), mistakes)
        case _:
            return ValueDetail(chosen[:, 0], largest_errors(chosen[:, 0], labels, section.worst_mistakes, show))


def _write_model_parts(params: Params, settings: Settings, inputs: Inputs, evaluated: Evaluated) -> None:
    session = open_graph(inputs.graph(inputs.compressed.chosen), settings.threads)
    validation, count = inputs.splits["validation"], params.evaluate.golden_samples
    with whole_folder(EVALUATED) as folder:
        evaluated.write(folder / "evaluated.json")
        golden_batch(session, inputs.fitted.target, validation, count).save(folder / "golden.safetensors")
        drift_reference(session, inputs.fitted, validation).save(folder / "reference.safetensors")


def headline(evaluated: Evaluated) -> dict[str, Any]:
    """The numbers that are followed from run to run: one flat JSON object."""
    chosen, champion = evaluated.chosen, evaluated.champion
    low, high = chosen.interval
    numbers = {
        **_measures(chosen),
        "score": chosen.score,
        "score_low": low,
        "score_high": high,
        "fp32_score": evaluated.variants["fp32"].score,
        "baseline_score": evaluated.baseline.score,
    }
    if champion is not None and not isinstance(champion, Incomparable):
        numbers |= {
            "champion_score": champion.score,
            "champion_gain": champion.challenger_score - champion.score,
            "champion_p_value": champion.p_value,
            "champion_samples": champion.samples,
        }
    return numbers


def _measures(metrics: Metrics) -> dict[str, float]:
    if isinstance(metrics, ClassificationMetrics):
        return {
            "accuracy": metrics.accuracy,
            "macro_f1": metrics.macro_f1,
            "calibration_error": metrics.calibration_error,
        }
    return {"r2": metrics.r2, "rmse": metrics.rmse, "mae": metrics.mae, "bias": metrics.bias}


def summary(target: Target, evaluated: Evaluated) -> str:
    """One line for the end of the stage."""
    chosen, champion = evaluated.chosen, evaluated.champion
    low, high = (shown_score(target, bound) for bound in chosen.interval)
    against = [f"baseline {evaluated.baseline.name} {shown_score(target, evaluated.baseline.score)}"]
    if champion is not None and not isinstance(champion, Incomparable):
        part = "" if champion.samples == chosen.samples else f" of {champion.samples:,} samples that it never saw"
        against.append(f"champion version {champion.version} {shown_score(target, champion.score)}{part}")
    more = (
        f"macro F1 {chosen.macro_f1:.4f}" if isinstance(chosen, ClassificationMetrics) else _errors(target, evaluated)
    )
    return (
        f"Test {target.score} {shown_score(target, chosen.score)} (95 % interval {low} to {high}), {more}, "
        f"{', '.join(against)}. Report: {REPORTS / 'evaluate' / 'report.html'}"
    )


def _errors(target: Target, evaluated: Evaluated) -> str:
    numbers = _measures(evaluated.chosen)
    unit = f" {target.name}" if isinstance(target, ValueTarget) else ""
    return f"RMSE {numbers['rmse']:,.4g} and MAE {numbers['mae']:,.4g}{unit}"
