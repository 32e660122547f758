"""The section ``validate``: what must hold of the data before anything is trained on it."""

from pydantic import Field

from components.params.sections.section import Section, Share


class ValidateParams(Section):
    """What must hold of the data before anything is trained on it."""

    max_quarantined_share: Share = Field(description="Share of all samples that may be in quarantine.")
    max_drift: float = Field(
        gt=0,
        le=10,
        description="Population stability index of the labels and of each summary of the samples against the "
        "champion's data, at most (0.1 small, 0.25 large).",
    )


class ClassificationValidateParams(ValidateParams):
    """What must hold of samples with classes."""

    min_samples_per_class: int = Field(ge=1, le=10**7, description="Fewest training samples that each class must have.")
    max_class_imbalance: float = Field(
        ge=1, le=10**6, description="Largest class over smallest class, at most, in the training split."
    )


class RegressionValidateParams(ValidateParams):
    """What must hold of samples with values."""

    min_samples: int = Field(ge=2, le=10**9, description="Fewest training samples.")
