"""The section ``train.loss``, and the penalties of ``train.regularisation``."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.sections.section import Section

ClassWeights = Annotated[
    Literal["none", "balanced"],
    Field(description="balanced: classes weigh inversely to their frequency in the training split."),
]


class CrossEntropyParams(Section):
    """Cross-entropy of the predicted distribution."""

    name: Literal["cross_entropy"]
    label_smoothing: float = Field(
        ge=0, lt=1, description="Probability mass that is spread over all classes (Szegedy 2016, arXiv:1512.00567)."
    )
    class_weights: ClassWeights


class FocalParams(Section):
    """Cross-entropy that easy samples count less in: (1 - p)^gamma (Lin et al. 2017, arXiv:1708.02002)."""

    name: Literal["focal"]
    gamma: float = Field(ge=0, le=10, description="Focus; 0: cross-entropy.")
    class_weights: ClassWeights


class ErrorParams(Section):
    """Mean squared or mean absolute error, in deviations of the training target."""

    name: Literal["mse", "mae"]


class HuberParams(Section):
    """Squared near zero, absolute beyond (Huber 1964, doi:10.1214/aoms/1177703732)."""

    name: Literal["huber"]
    delta: float = Field(gt=0, le=100, description="Where the two meet, in deviations of the training target.")


ClassificationLoss = Annotated[
    CrossEntropyParams | FocalParams, Field(discriminator="name", description="What training minimises.")
]
RegressionLoss = Annotated[
    ErrorParams | HuberParams, Field(discriminator="name", description="What training minimises.")
]
LossParams = CrossEntropyParams | FocalParams | ErrorParams | HuberParams


class RegularisationParams(Section):
    """Penalties added to the loss, of all weights but biases and normalisation."""

    l1: float = Field(ge=0, le=1, description="Factor of the sum of the absolute weights.")
    l2: float = Field(
        ge=0,
        le=1,
        description="Factor of half the sum of the squared weights; unlike AdamW's weight decay it passes through the "
        "optimizer with the gradient.",
    )
