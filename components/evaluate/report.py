"""The report: one HTML file that loads nothing, runs no script and takes every name from the data as hostile."""

from dataclasses import dataclass
from functools import partial

from jinja2 import Environment

from components.contracts import (
    ClassComparison,
    ClassificationMetrics,
    ClassTarget,
    Evaluated,
    Incomparable,
    RegressionMetrics,
    Target,
    ValueTarget,
    Variant,
)
from components.evaluate import figures, wording
from components.evaluate.chapter import Chapter
from components.evaluate.classes.chapter import classes_chapter
from components.evaluate.figures import Standing
from components.evaluate.findings import ClassDetail, Findings, Inputs, ValueDetail
from components.evaluate.values.chapter import values_chapter
from components.page.environment import page_environment
from components.page.pictures import png_uri, thumbnail
from components.page.plot import Plot
from components.params import Params


@dataclass(frozen=True)
class VariantRow:
    """A variant of the compression, with its score on the test split."""

    variant: Variant
    chosen: bool
    test_score: float


def render(params: Params, inputs: Inputs, findings: Findings) -> str:
    """The whole page.

    Args:
        params: the whole of params.yaml.
        inputs: what the stages before have left.
        findings: what was found about the chosen model.
    """
    target = inputs.fitted.target
    variants = variant_rows(inputs, findings.evaluated)
    return (
        _environment(target)
        .get_template("report.html.jinja")
        .render(
            params=params,
            inputs=inputs,
            target=target,
            nouns=inputs.fitted.inputs.kind,
            noun=inputs.fitted.inputs.kind.removesuffix("s"),
            findings=findings,
            evaluated=findings.evaluated,
            plots=plots(inputs, findings),
            variants=variants,
            served=next(row.variant for row in variants if row.chosen),
            chapter=chapter(inputs, findings),
            facts=wording.facts(params, inputs, findings),
        )
    )


def _environment(target: Target) -> Environment:
    environment = page_environment("components.evaluate")
    plain = (wording.points, wording.count, wording.size, wording.milliseconds, wording.p_value)
    environment.filters |= {function.__name__: function for function in (*plain, wording.quantity, thumbnail, png_uri)}
    environment.filters |= {
        "score": partial(wording.score, target),
        "difference": partial(wording.difference, target),
    }
    environment.tests["incomparable"] = lambda champion: isinstance(champion, Incomparable)
    environment.tests["class_comparison"] = lambda champion: isinstance(champion, ClassComparison)
    return environment


def chapter(inputs: Inputs, findings: Findings) -> Chapter:
    """What is told of models of this kind alone."""
    evaluated = findings.evaluated
    match inputs.fitted.target, evaluated.chosen, findings.detail:
        case ClassTarget() as target, ClassificationMetrics() as chosen, ClassDetail() as detail:
            return classes_chapter(inputs, target, evaluated, chosen, detail)
        case ValueTarget() as target, RegressionMetrics() as chosen, ValueDetail() as detail:
            return values_chapter(inputs, target, chosen, detail)
    raise TypeError(f"measures of {evaluated.chosen.kind} do not fit a target of {inputs.fitted.target.kind}")


def plots(inputs: Inputs, findings: Findings) -> dict[str, Plot]:
    """The figures, by name."""
    target, history, best = inputs.fitted.target, inputs.history, inputs.trained.best_epoch
    return {
        "standings": figures.standings_plot(target, standings(findings.evaluated, inputs.compressed.chosen)),
        "loss": figures.loss_plot(history, best),
        "score": figures.score_plot(target, history, best),
        "learning_rate": figures.learning_rate_plot(history, best),
    }


def standings(evaluated: Evaluated, chosen: str) -> tuple[Standing, ...]:
    """The models that were asked about the test split: chosen, fp32 where it is another, baseline, champion."""
    champion, samples, baseline = evaluated.champion, evaluated.chosen.samples, evaluated.baseline
    measured = [Standing(f"this model ({chosen})", evaluated.chosen.score, evaluated.chosen.interval, ours=True)]
    if chosen != "fp32":
        fp32 = evaluated.variants["fp32"]
        measured.append(Standing("uncompressed (fp32)", fp32.score, fp32.interval, ours=False))
    measured.append(Standing(baseline.name.replace("_", " "), baseline.score, baseline.interval, ours=False))
    if champion is not None and not isinstance(champion, Incomparable):
        part = f" ({champion.samples:,} samples)" if champion.samples < samples else ""
        name = f"champion, version {champion.version}{part}"
        measured.append(Standing(name, champion.score, champion.interval, ours=False))
    return tuple(measured)


def variant_rows(inputs: Inputs, evaluated: Evaluated) -> list[VariantRow]:
    """The variants in the order in which they were measured."""
    chosen = inputs.compressed.chosen
    return [
        VariantRow(variant, variant.name == chosen, evaluated.variants[variant.name].score)
        for variant in inputs.compressed.variants
    ]
