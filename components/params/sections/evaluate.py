"""The section ``evaluate``: what the model is measured against and shown with."""

from typing import Literal

from pydantic import Field

from components.params.sections.section import Section


class EvaluateParams(Section):
    """What the model is measured against and shown with."""

    worst_mistakes: int = Field(ge=1, le=100, description="Worst mistakes shown in the report.")
    golden_samples: int = Field(
        ge=1,
        le=256,
        description="Validation samples whose answers travel with the model and are checked before it serves.",
    )


class ClassificationEvaluateParams(EvaluateParams):
    """What a classifier is measured with."""

    calibration_bins: int = Field(ge=2, le=100, description="Bins of the calibration error (ECE).")


class ImageEvaluateParams(ClassificationEvaluateParams):
    """What a classifier of images is measured against."""

    baseline: Literal["majority", "nearest_centroid", "logistic_regression"] = Field(
        description="The simple model that it must beat, fitted on the training split."
    )


class TextEvaluateParams(ClassificationEvaluateParams):
    """What a classifier of texts is measured against."""

    baseline: Literal["majority", "tfidf_logistic_regression"] = Field(
        description="The simple model that it must beat, fitted on the training split."
    )


class RowEvaluateParams(EvaluateParams):
    """What a regression is measured against."""

    baseline: Literal["mean", "linear_regression", "gradient_boosting"] = Field(
        description="The simple model that it must beat, fitted on the training split; "
        "gradient_boosting: scikit-learn's histogram gradient boosting."
    )
