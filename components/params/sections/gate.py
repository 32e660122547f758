"""The section ``gate``: when a challenger may replace the champion."""

from pydantic import Field

from components.params.sections.section import Section, Share


class GateParams(Section):
    """When a challenger may replace the champion."""

    significance: float = Field(
        gt=0,
        lt=0.5,
        description="Level of the paired test: a challenger that is worse at this level is refused.",
    )
    max_score_drop: Share = Field(
        description="Score (accuracy, R²) that it may lose against the champion on the same samples, as a share."
    )
    min_gain_over_baseline: float = Field(
        ge=-1, le=1, description="Score (accuracy, R²) above the named baseline, at least."
    )
    max_latency_ratio: float = Field(
        gt=0, le=1000, description="Its median latency for one sample over the champion's, at most."
    )
    max_bytes: int = Field(ge=1, le=2**40, description="Size of its ONNX graph, at most, in bytes.")


class ClassificationGateParams(GateParams):
    """When a classifier may replace the champion."""

    max_class_recall_drop: Share = Field(description="Recall that it may lose in any one class, as a share.")
