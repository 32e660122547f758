"""The figures of the report of a compression."""

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes

from components.contracts import Compressed, LayerShift, Variant
from components.page.palette import Palette
from components.page.plot import Plot, plot

BROAD = (8.4, 4.2)
"""Width and height of a figure that takes the whole page, in inches."""
LARGEST_BUBBLE = 900.0
"""Area of the bubble of the largest file, in square points."""
SHOWN_LAYERS = 24
NEAR = 0.03
"""Share of the width and height of the figure within which two variants share a label."""


def frontier_plot(compressed: Compressed, score: str) -> Plot:
    """Score over latency, a bubble of the file's size for each variant; those that nothing dominates have a rim.

    They are not joined: the front is one of score, latency and size, and its line would zigzag in two of them.
    """
    variants = sorted(compressed.variants, key=lambda each: (each.name == compressed.chosen, -each.graph.bytes))
    largest = max(variant.graph.bytes for variant in variants)

    def draw(axes: Axes, palette: Palette) -> None:
        for variant in variants:
            colour = _colour(variant, compressed, palette)
            area = max(12.0, LARGEST_BUBBLE * variant.graph.bytes / largest)
            place = (variant.latency.batch_1.p50, variant.validation_score)
            axes.scatter(*place, s=area, color=colour, alpha=0.55, linewidths=0)
            if variant.dominated_by is None:
                axes.scatter(*place, s=area, facecolors="none", edgecolors=palette.ink, linewidths=1.4)
        for names, place in _labels(compressed.variants):
            axes.annotate(names, place, xytext=(6, 6), textcoords="offset points", color=palette.ink, fontsize=7)
        axes.set(xlabel="median milliseconds for one sample, one thread", ylabel=f"validation {score}")
        axes.margins(0.12)

    told = "the bubble is its size, a rim says that nothing dominates it."
    return plot(f"Validation {score} of each variant over its latency; {told}", BROAD, draw)


def _labels(variants: Sequence[Variant]) -> Iterator[tuple[str, tuple[float, float]]]:
    """The names of variants with their places; those that lie on one another share a label."""
    times, scores = _points(variants)
    near = [NEAR * (max(values) - min(values) or 1.0) for values in (times, scores)]
    left = list(variants)
    while left:
        time, score = left[0].latency.batch_1.p50, left[0].validation_score
        together = [
            each
            for each in left
            if abs(each.latency.batch_1.p50 - time) <= near[0] and abs(each.validation_score - score) <= near[1]
        ]
        left = [each for each in left if each not in together]
        yield ", ".join(each.name for each in together), (time, score)


def _points(variants: Sequence[Variant]) -> tuple[list[float], list[float]]:
    return [each.latency.batch_1.p50 for each in variants], [each.validation_score for each in variants]


def _colour(variant: Variant, compressed: Compressed, palette: Palette) -> str:
    if variant.name == compressed.chosen:
        return palette.good
    return palette.bad if variant.refused else palette.accent


def sensitivity_plot(shifts: Sequence[LayerShift], in_float: Sequence[str]) -> Plot:
    """A bar for each of the most sensitive layers; what was left in float has another colour."""
    shown = list(shifts)[:SHOWN_LAYERS][::-1]

    def draw(axes: Axes, palette: Palette) -> None:
        colours = [palette.bad if each.layer in in_float else palette.accent for each in shown]
        axes.barh(range(len(shown)), [each.shift for each in shown], color=colours)
        axes.set_yticks(range(len(shown)), [each.layer for each in shown])
        axes.set_xlabel("shift of the answers where this layer alone is quantized")
        axes.grid(visible=False, axis="y")

    return plot("How far the quantization of each layer alone moves the answers.", (8.4, 0.8 + 0.2 * len(shown)), draw)
