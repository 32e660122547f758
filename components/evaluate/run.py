"""The files of stage ``evaluate``."""

from typing import Any

from components.contracts import EVALUATED, PREPARED, REPORTS, TRAINED, Comparison, Evaluated
from components.evaluate.baseline import fit_baseline
from components.evaluate.champion import compare_with_champion
from components.evaluate.findings import Findings, Inputs
from components.evaluate.metrics import Probabilities, calibration_bins, measure
from components.evaluate.mistakes import worst_mistakes
from components.evaluate.reference import drift_reference, golden_batch
from components.evaluate.report import render
from components.files import file_sha256, whole_folder, write_json, write_text
from components.inference import open_graph, probabilities
from components.params import Params
from components.settings import Settings


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
    print(summary(findings.evaluated))


def gather(params: Params, settings: Settings, inputs: Inputs) -> Findings:
    """Measures every variant and the baseline on the same samples, the champion on those that it was not trained on."""
    section, test, labels = params.evaluate, inputs.test, inputs.fitted.labels
    test_share = None if inputs.own_test_split else params.ingest.test_share
    answers: dict[str, Probabilities] = {
        variant.name: probabilities(open_graph(inputs.graph(variant.name), settings.threads), test.inputs)
        for variant in inputs.compressed.variants
    }
    chosen = answers[inputs.compressed.chosen]
    measured = {name: measure(given, test.labels, labels, section.calibration_bins) for name, given in answers.items()}
    baseline = fit_baseline(section.baseline, inputs.splits["train"], test)
    return Findings(
        evaluated=Evaluated(
            chosen=measured[inputs.compressed.chosen],
            variants=measured,
            baseline=baseline.name,
            baseline_accuracy=float((baseline.predicted == test.labels).mean()),
            champion=compare_with_champion(
                params.task, inputs.fitted, test_share, test, chosen.argmax(axis=1), settings
            ),
        ),
        baseline=baseline,
        probabilities=chosen,
        calibration=calibration_bins(chosen, test.labels, section.calibration_bins),
        mistakes=worst_mistakes(test, chosen, section.worst_mistakes),
        digests={
            "chosen graph": file_sha256(inputs.graph(inputs.compressed.chosen)),
            "trained weights": file_sha256(TRAINED / "best.safetensors"),
            **{f"{split} images": file_sha256(PREPARED / split / "inputs.npy") for split in inputs.splits},
        },
    )


def _write_model_parts(params: Params, settings: Settings, inputs: Inputs, evaluated: Evaluated) -> None:
    session = open_graph(inputs.graph(inputs.compressed.chosen), settings.threads)
    validation = inputs.splits["validation"]
    with whole_folder(EVALUATED) as folder:
        evaluated.write(folder / "evaluated.json")
        golden_batch(session, validation, params.evaluate.golden_samples).save(folder / "golden.safetensors")
        drift_reference(session, validation.inputs).save(folder / "reference.safetensors")


def headline(evaluated: Evaluated) -> dict[str, Any]:
    """The numbers that are followed from run to run: one flat JSON object."""
    chosen, champion = evaluated.chosen, evaluated.champion
    numbers = {
        "accuracy": chosen.accuracy,
        "accuracy_low": chosen.accuracy_interval[0],
        "accuracy_high": chosen.accuracy_interval[1],
        "macro_f1": chosen.macro_f1,
        "calibration_error": chosen.calibration_error,
        "fp32_accuracy": evaluated.variants["fp32"].accuracy,
        "baseline_accuracy": evaluated.baseline_accuracy,
    }
    if isinstance(champion, Comparison):
        numbers |= {
            "champion_accuracy": champion.accuracy,
            "champion_gain": champion.challenger_accuracy - champion.accuracy,
            "champion_p_value": champion.p_value,
            "champion_samples": champion.samples,
        }
    return numbers


def summary(evaluated: Evaluated) -> str:
    """One line for the end of the stage."""
    chosen, champion = evaluated.chosen, evaluated.champion
    low, high = chosen.accuracy_interval
    against = [f"baseline {evaluated.baseline} {evaluated.baseline_accuracy:.2%}"]
    if isinstance(champion, Comparison):
        part = "" if champion.samples == chosen.samples else f" of {champion.samples:,} samples that it never saw"
        against.append(f"champion version {champion.version} {champion.accuracy:.2%}{part}")
    return (
        f"Test accuracy {chosen.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}), macro F1 {chosen.macro_f1:.4f}, "
        f"{', '.join(against)}. Report: {REPORTS / 'evaluate' / 'report.html'}"
    )
