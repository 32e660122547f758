"""The model card (Mitchell et al. 2019, doi:10.1145/3287560.3287596): what to know before using the model."""

from pathlib import Path
from typing import Any

from components.contracts import (
    ClassificationMetrics,
    ClassTarget,
    ImageInputs,
    Inputs,
    Metrics,
    NumericColumn,
    RowInputs,
    Target,
    TextInputs,
    ValueTarget,
)
from components.package import ModelSignature, Provenance
from components.params import Params
from components.register.outputs import LineOutputs
from components.tasks.score import shown_score


def render_card(params: Params, outputs: LineOutputs, signature: ModelSignature, provenance: Provenance) -> str:
    """The card in Markdown; every figure in it was measured by the line."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=True,
    )
    return environment.get_template("card.md.jinja").render(
        params=params,
        ingested=outputs.ingested,
        trained=outputs.trained,
        compressed=outputs.compressed,
        evaluated=outputs.evaluated,
        measured=outputs.evaluated.chosen,
        signature=signature,
        provenance=provenance,
        task=params.task.replace("_", " ").capitalize(),
        takes=described_inputs(signature.inputs),
        gives=described_target(signature.target),
        limits=limits(outputs.evaluated.chosen),
        percent=lambda share: f"{share * 100:.1f} %",
        score=lambda value: shown_score(signature.target, value).replace("%", " %"),
    )


def described_inputs(inputs: Inputs) -> str:
    """What the model takes, in words."""
    match inputs:
        case ImageInputs():
            return f"{inputs.height} × {inputs.width} {'grey' if inputs.channels == 1 else 'RGB'} images"
        case TextInputs():
            return f"texts, of which it reads the first {inputs.length} tokens"
        case RowInputs():
            columns = [
                f"{column.name} ({column.low:g} to {column.high:g} in training)"
                if isinstance(column, NumericColumn)
                else f"{column.name} ({', '.join(column.categories)})"
                for column in inputs.columns
            ]
            return f"rows of {len(columns)} columns: {', '.join(columns)}"


def described_target(target: Target) -> str:
    """What the model gives, in words."""
    match target:
        case ClassTarget():
            return f"one of {len(target.labels)} classes: {', '.join(target.labels)}"
        case ValueTarget():
            return f"the value of '{target.name}', {target.low:g} to {target.high:g} in training"


def limits(metrics: Metrics) -> list[str]:
    """Where the model is at its weakest, as sentences with what was measured."""
    if not isinstance(metrics, ClassificationMetrics):
        half, most, nearly_all = metrics.error_quantiles
        return [
            f"Half of its answers are off by more than {half:.4g}, one in ten by more than {most:.4g}, one in a "
            f"hundred by more than {nearly_all:.4g}.",
            f"On average its answers are {abs(metrics.bias):.4g} too {'high' if metrics.bias > 0 else 'low'}.",
        ]
    weakest = min(metrics.classes, key=lambda one: one.recall)
    sentence = f"Weakest class: {weakest.label}, of which it finds {weakest.recall * 100:.1f} %."
    confusion = most_frequent_mistake(metrics)
    if confusion:
        sentence += (
            f" Its most frequent mistake: {confusion['count']} × {confusion['truth']} taken for {confusion['answer']}."
        )
    return [
        sentence,
        "A probability is right on average, within the calibration error above, on samples like the test split's; "
        "not on others.",
    ]


def most_frequent_mistake(metrics: ClassificationMetrics) -> dict[str, Any] | None:
    """The pair of classes that is confused most often: count, truth and answer; None where nothing is confused."""
    names = [one.label for one in metrics.classes]
    mistakes = [
        (count, names[truth], names[answer])
        for truth, row in enumerate(metrics.confusion)
        for answer, count in enumerate(row)
        if truth != answer and count
    ]
    return dict(zip(("count", "truth", "answer"), max(mistakes), strict=True)) if mistakes else None
