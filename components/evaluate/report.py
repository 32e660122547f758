"""The report: one HTML file that loads nothing, runs no script and takes every name from the data as hostile."""

from dataclasses import asdict, dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from components.contracts import ClassMetrics, Comparison, Evaluated, Variant
from components.evaluate import figures, wording
from components.evaluate.figures import Plot, Standing
from components.evaluate.findings import Findings, Inputs
from components.evaluate.metrics import wilson_interval
from components.evaluate.mistakes import Confusion, confused_pairs, most_mistaken
from components.evaluate.palette import DARK, LIGHT
from components.evaluate.pictures import png_uri, thumbnail
from components.params import Params

MATRIX_CLASSES = 24
"""Classes of the confusion matrix, at most: more could not be read."""
PAIRS = 6


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix.

    Attributes:
        count: test samples.
        share: of the samples of the true class, in [0, 1].
        strength: of the colour, in [0, 1].
        right: whether it is on the diagonal.
    """

    count: int
    share: float
    strength: float
    right: bool


@dataclass(frozen=True)
class VariantRow:
    """A variant of the compression, with its accuracy on the test split."""

    variant: Variant
    chosen: bool
    test_accuracy: float


@dataclass(frozen=True)
class ClassRow:
    """A class on the test split; ``gain``: recall gained over the champion; None where there is nothing to compare."""

    metrics: ClassMetrics
    gain: float | None


def render(params: Params, inputs: Inputs, findings: Findings) -> str:
    """The whole page.

    Args:
        params: the whole of params.yaml.
        inputs: what the stages before have left.
        findings: what was found about the chosen model.
    """
    chosen, labels = findings.evaluated.chosen, inputs.fitted.labels
    shown = most_mistaken(chosen.confusion, MATRIX_CLASSES)
    variants = variant_rows(inputs, findings.evaluated)
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            params=params,
            inputs=inputs,
            findings=findings,
            evaluated=findings.evaluated,
            labels=labels,
            palettes={"light": asdict(LIGHT), "dark": asdict(DARK)},
            plots=plots(inputs, findings),
            variants=variants,
            served=next(row.variant for row in variants if row.chosen),
            shown=shown,
            matrix=confusion_cells(chosen.confusion, shown),
            pairs=confused_pairs(chosen.confusion, PAIRS),
            classes=class_rows(findings.evaluated),
            counts={name: np.bincount(split.labels, minlength=len(labels)) for name, split in inputs.splits.items()},
            facts=wording.facts(params, inputs, findings),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("components.evaluate", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (wording.percent, wording.points, wording.count, wording.size, wording.milliseconds, wording.p_value)
    environment.filters |= {function.__name__: function for function in (*filters, thumbnail, png_uri)}
    environment.tests["comparison"] = lambda champion: isinstance(champion, Comparison)
    return environment


def plots(inputs: Inputs, findings: Findings) -> dict[str, Plot]:
    """The figures, by name."""
    history, best = inputs.history, inputs.trained.best_epoch
    return {
        "standings": figures.standings_plot(standings(findings.evaluated, inputs.compressed.chosen)),
        "loss": figures.loss_plot(history, best),
        "accuracy": figures.accuracy_plot(history, best),
        "learning_rate": figures.learning_rate_plot(history, best),
        "reliability": figures.reliability_plot(findings.calibration),
        "coverage": figures.coverage_plot(findings.probabilities, inputs.test.labels),
    }


def standings(evaluated: Evaluated, chosen: str) -> tuple[Standing, ...]:
    """The models that were asked about the test split: chosen, fp32 where it is another, baseline, champion."""
    champion, samples = evaluated.champion, evaluated.chosen.samples
    measured = [(f"this model ({chosen})", evaluated.chosen.accuracy, samples)]
    if chosen != "fp32":
        measured.append(("uncompressed (fp32)", evaluated.variants["fp32"].accuracy, samples))
    measured.append((evaluated.baseline.replace("_", " "), evaluated.baseline_accuracy, samples))
    if isinstance(champion, Comparison):
        part = f" ({champion.samples:,} samples)" if champion.samples < samples else ""
        measured.append((f"champion, version {champion.version}{part}", champion.accuracy, champion.samples))
    return tuple(
        Standing(name, accuracy, wilson_interval(round(accuracy * of), of), name.startswith("this"))
        for name, accuracy, of in measured
    )


def variant_rows(inputs: Inputs, evaluated: Evaluated) -> list[VariantRow]:
    """The variants in the order in which they were measured."""
    chosen = inputs.compressed.chosen
    return [
        VariantRow(variant, variant.name == chosen, evaluated.variants[variant.name].accuracy)
        for variant in inputs.compressed.variants
    ]


def confusion_cells(confusion: Confusion, shown: list[int]) -> list[list[Cell]]:
    """The rows and columns of the shown classes; mistakes take their colour from the square root of their share."""
    totals = [max(1, sum(row)) for row in confusion]
    return [
        [
            Cell(
                count=confusion[truth][predicted],
                share=(share := confusion[truth][predicted] / totals[truth]),
                strength=share if truth == predicted else share**0.5,
                right=truth == predicted,
            )
            for predicted in shown
        ]
        for truth in shown
    ]


def class_rows(evaluated: Evaluated) -> list[ClassRow]:
    """The classes, the lowest F1 first."""
    classes, champion = evaluated.chosen.classes, evaluated.champion
    gains = champion.recall_gains if isinstance(champion, Comparison) else (None,) * len(classes)
    rows = [ClassRow(metrics, gain) for metrics, gain in zip(classes, gains, strict=True)]
    return sorted(rows, key=lambda row: row.metrics.f1)
