"""The section ``monitor``: what of the traffic is watched, and how many false alarms a person puts up with."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.params.sections.section import Section, Share, distinct

MINUTES_OF_A_MONTH = 30 * 24 * 60
Univariate = Literal["kolmogorov_smirnov", "population_stability_index", "jensen_shannon", "chi_squared"]
Binned = Literal["population_stability_index", "jensen_shannon", "chi_squared"]
Kind = Literal["inputs", "features", "predictions", "confidence", "errors", "latency", "quality"]


class ServiceLimits(Section):
    """What the requests of a window must keep."""

    max_error_share: Share = Field(description="Share of them that the server may fail at (5xx).")
    max_p99_ms: float = Field(gt=0, description="99th percentile of the time until the answer was known, at most.")


class QualityLimits(Section):
    """What the answers of a window must keep that people have labelled."""

    min_labels: int = Field(ge=20, le=10**6, description="Fewer labels say nothing.")
    max_drop: Share = Field(
        description="Score (accuracy, R²) below that of the test split, at most; 95 % confidence must be beyond it."
    )


class MonitorParams(Section):
    """What of the traffic is watched."""

    window: int = Field(ge=50, le=10**6, description="Samples of a window.")
    every_minutes: float = Field(gt=0, le=MINUTES_OF_A_MONTH, description="One window is judged so often, at most.")
    alarms_per_month: float = Field(gt=0, le=1000, description="False alarms that you put up with, of all drift tests.")
    resamples: int = Field(
        ge=1000, le=10**6, description="Windows drawn from the reference to find the thresholds for that."
    )
    inputs: Univariate | None = Field(description="Test of each summary of the inputs; null: none.")
    features: Literal["maximum_mean_discrepancy"] | Univariate | None = Field(
        description="Test of the model's features, all together or along each principal component; null: none."
    )
    predictions: Binned | None = Field(description="Test of the classes or values that are answered; null: none.")
    confidence: Univariate | None = Field(
        description="Test of the largest probability of each answer; null: none; of values there is none."
    )
    confirmations: int = Field(ge=1, le=100, description="Windows in a row that raise an alarm.")
    quiet_windows: int = Field(ge=1, le=100, description="Windows in a row without a sign that end it.")
    cooldown_hours: float = Field(
        ge=0,
        le=8760,
        description="Time after an alarm in which its kind raises no other; one that still fires then is raised again.",
    )
    service: ServiceLimits | None = Field(description="Limits of errors and latency; null: none.")
    quality: QualityLimits | None = Field(
        description="Limits of the score on labelled answers; null: none, as where only wrong answers are labelled."
    )
    retrain_on: Annotated[tuple[Kind, ...], Field(strict=False)] = Field(
        description="Kinds of alarms that start a retraining."
    )

    @property
    def rate(self) -> float:
        """Share of windows without drift that may show a sign, so that the budget of alarms is kept.

        An alarm takes ``confirmations`` signs in a row, and windows are taken as independent.
        """
        windows = MINUTES_OF_A_MONTH / self.every_minutes
        return float((self.alarms_per_month / windows) ** (1 / self.confirmations))

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        distinct(self.retrain_on)
        if self.rate >= 1:
            raise ValueError(
                f"a window every {self.every_minutes:g} minutes raises no {self.alarms_per_month:g} alarms a month. "
                "Lower alarms_per_month"
            )
        if self.resamples * self.rate < 10:
            raise ValueError(
                f"{self.resamples:,} resamples do not tell what happens in one of {1 / self.rate:,.0f} windows. "
                f"Set resamples to {10 / self.rate:,.0f} or more, or allow more alarms, or judge windows less often"
            )
        return self
