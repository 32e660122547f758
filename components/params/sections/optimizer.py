"""The section ``train.optimizer``."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from components.params.sections.section import Section

LearningRate = Annotated[float, Field(gt=0, le=10)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class SgdParams(Section):
    """Stochastic gradient descent, with momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013)."""

    name: Literal["sgd"]
    learning_rate: LearningRate = Field(description="Peak learning rate.")
    momentum: Decay = Field(description="Momentum; 0: plain gradient descent.")
    nesterov: bool = Field(description="Nesterov's momentum.")
    weight_decay: float = Field(ge=0, le=1, description="Weight decay; never on biases and normalisation.")

    @field_validator("nesterov")
    @classmethod
    def _has_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("Nesterov's momentum needs a momentum above 0")
        return nesterov


class RmspropParams(Section):
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5)."""

    name: Literal["rmsprop"]
    learning_rate: LearningRate = Field(description="Peak learning rate.")
    smoothing: Decay = Field(description="Decay of the mean square of the gradient.")
    momentum: Decay = Field(description="Momentum; 0: none.")


class AdamParams(Section):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980)."""

    name: Literal["adam"]
    learning_rate: LearningRate = Field(description="Peak learning rate.")
    beta1: Decay = Field(description="Decay of the mean of the gradient.")
    beta2: Decay = Field(description="Decay of the mean square of the gradient.")


class AdamWParams(Section):
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

    name: Literal["adamw"]
    learning_rate: LearningRate = Field(description="Peak learning rate.")
    beta1: Decay = Field(description="Decay of the mean of the gradient.")
    beta2: Decay = Field(description="Decay of the mean square of the gradient.")
    weight_decay: float = Field(ge=0, le=1, description="Decoupled weight decay; never on biases and normalisation.")


OptimizerParams = Annotated[
    SgdParams | RmspropParams | AdamParams | AdamWParams,
    Field(discriminator="name", description="The optimizer."),
]
