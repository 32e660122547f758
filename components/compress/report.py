"""The report of a compression: one HTML file that loads nothing and runs no script."""

from components.compress.figures import frontier_plot, sensitivity_plot
from components.compress.frontier import class_drop
from components.contracts import Compressed, Target, Variant
from components.page.environment import page_environment


def render(compressed: Compressed, target: Target, name: str) -> str:
    """The whole page.

    Args:
        compressed: what was found.
        target: what is predicted.
        name: of the model.
    """
    fp32 = compressed.variants[0]
    scans = {
        variant.name: sensitivity_plot(compressed.sensitivity[variant.name], variant.in_float)
        for variant in compressed.variants
        if variant.name in compressed.sensitivity
    }
    return (
        page_environment("components.compress")
        .get_template("report.html.jinja")
        .render(
            name=name,
            target=target,
            compressed=compressed,
            fp32=fp32,
            best=compressed.best,
            drops={variant.name: _shown_drop(variant, fp32, target) for variant in compressed.variants},
            verdicts=verdicts(compressed),
            frontier=frontier_plot(compressed, target.score),
            scans=scans,
        )
    )


def verdicts(compressed: Compressed) -> dict[str, str]:
    """Why each variant that was not chosen was not, or is not worth having; nothing of those that are fine."""
    said = {variant.name: _verdict(variant) for variant in compressed.variants if variant.name != compressed.chosen}
    unmade = {name: f"Not made: {reason}." for name, reason in compressed.unmade.items()}
    return {name: words for name, words in said.items() if words} | unmade


def _verdict(variant: Variant) -> str:
    refused = f"Refused: {variant.refused}." if variant.refused else ""
    better = f"{variant.dominated_by} is as good or better in score, size and latency." if variant.dominated_by else ""
    return f"{refused} {better}".strip()


def _shown_drop(variant: Variant, fp32: Variant, target: Target) -> str:
    """The largest loss of a class: ``1.20 points (Shirt)``."""
    worst = class_drop(variant, fp32, target)
    return f"{worst[0] * 100:.2f} points ({worst[1]})" if worst and worst[0] > 0 else "none"
