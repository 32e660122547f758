"""The section ``compress``."""

from typing import Literal

from pydantic import Field

from components.params.sections.section import Section, Share


class QuantizationParams(Section):
    """Static int8 quantization of the exported graph."""

    calibration: Literal["min_max", "entropy", "percentile"] = Field(
        description="How the range of each activation is found."
    )
    calibration_samples: int = Field(ge=16, le=100_000, description="Training samples that the ranges are found on.")


class CompressParams(Section):
    """Export, quantization, and the budget by which one of the models is chosen."""

    quantization: QuantizationParams
    max_score_drop: Share = Field(
        description="Validation score (accuracy, R²) that the compressed model may lose (0.005: half a point)."
    )
    max_latency_ratio: float = Field(
        gt=0, le=100, description="Its median latency for one sample over that of the fp32 model, at most."
    )
    max_parity_difference: float = Field(
        gt=0,
        le=1,
        description="Largest difference of any answer between the exported fp32 graph and the trained network: of a "
        "probability, or of a value as a share of the training target's deviation.",
    )
    latency_repeats: int = Field(
        ge=10, le=100_000, description="Timed inferences of each model and batch size, interleaved."
    )
