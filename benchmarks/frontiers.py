"""What compression came to on a preset: every variant on the test split, beside what it was made from."""

from collections.abc import Mapping, Sequence

from components.contracts import ClassificationMetrics, Compressed, Evaluated, Record, RegressionMetrics

HEAD = """
## What compression reached

Every variant of `compress.variants`, as it was measured in the same run: size and median latency of one sample (one
thread) against the fp32 ONNX graph and against fp32 in torch, eager; and the score on the whole test split, which no
choice was made by.

| preset | variant | kB | × smaller | × as fast as ONNX | × as fast as torch | test score | lost | |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


class Reached(Record):
    """One variant."""

    name: str
    kilobytes: float
    smaller: float
    """Bytes of fp32 over its own."""
    faster: float
    """Median time of fp32 in ONNX over its own."""
    faster_than_torch: float
    score: float
    lost: float
    """Test score of fp32 less its own."""
    decision: str


def reached_by(compressed: Compressed, evaluated: Evaluated) -> tuple[Reached, ...]:
    """The variants, fp32 first."""
    fp32 = compressed.variants[0]
    scores = {name: _score(evaluated, name) for name in evaluated.variants}
    return tuple(
        Reached(
            name=one.name,
            kilobytes=one.graph.bytes / 1000,
            smaller=fp32.graph.bytes / one.graph.bytes,
            faster=fp32.latency.batch_1.p50 / one.latency.batch_1.p50,
            faster_than_torch=compressed.torch_eager.batch_1.p50 / one.latency.batch_1.p50,
            score=scores[one.name],
            lost=scores["fp32"] - scores[one.name],
            decision="chosen" if one.name == compressed.chosen else one.refused or "",
        )
        for one in compressed.variants
    )


def _score(evaluated: Evaluated, name: str) -> float:
    match evaluated.variants[name]:
        case ClassificationMetrics(accuracy=accuracy):
            return accuracy
        case RegressionMetrics(r2=r2):
            return r2


def frontier_table(frontiers: Mapping[str, Sequence[Reached]]) -> str:
    """The table as Markdown; nothing, if no preset has been measured."""
    rows = "".join(_row(preset, one) for preset, variants in frontiers.items() for one in variants)
    return HEAD + rows if rows else ""


def _row(preset: str, one: Reached) -> str:
    ratios = f"{one.smaller:.1f} | {one.faster:.2f} | {one.faster_than_torch:.2f}"
    return (
        f"| {preset} | {one.name} | {one.kilobytes:,.0f} | {ratios} | {one.score:.4f} | {one.lost:+.4f} | "
        f"{one.decision} |\n"
    )
