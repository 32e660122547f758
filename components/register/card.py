"""The model card (Mitchell et al. 2019, doi:10.1145/3287560.3287596): what to know before using the model."""

from pathlib import Path
from typing import Any

from components.contracts import Metrics
from components.package import ModelSignature, Provenance
from components.params import Params
from components.register.outputs import LineOutputs


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
        weakest=min(outputs.evaluated.chosen.classes, key=lambda one: one.recall),
        confusion=most_frequent_mistake(outputs.evaluated.chosen),
        percent=lambda share: f"{share * 100:.1f} %",
    )


def most_frequent_mistake(metrics: Metrics) -> dict[str, Any] | None:
    """The pair of classes that is confused most often: count, truth and answer; None where nothing is confused."""
    names = [one.label for one in metrics.classes]
    mistakes = [
        (count, names[truth], names[answer])
        for truth, row in enumerate(metrics.confusion)
        for answer, count in enumerate(row)
        if truth != answer and count
    ]
    return dict(zip(("count", "truth", "answer"), max(mistakes), strict=True)) if mistakes else None
